//! `/api/v1/auth/authorization/lookup|approve|deny` and `/api/v1/account/applications`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::consents::{self, Application};
use super::decision::{self, AuthorizationAsked};
use super::{endpoint, pushed};
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::{Caller, MaybeCaller};
use crate::http::page::{List, PageQuery};

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(endpoint::authorize, endpoint::authorize_by_form))
        .routes(routes!(pushed::push))
        .routes(routes!(lookup))
        .routes(routes!(approve))
        .routes(routes!(deny))
        .routes(routes!(applications))
        .routes(routes!(withdraw))
}

/// The request that the page was opened with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WaitingRequest {
    /// `request` of the page's address.
    #[schema(min_length = 1, max_length = 16384)]
    request: String,
}

/// What somebody agrees to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approval {
    /// `request` of the page's address.
    #[schema(min_length = 1, max_length = 16384)]
    request: String,
    /// Some of the scopes that are asked for; all of them when left out.
    scopes: Option<Vec<String>>,
}

/// Where to send the browser.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SendBack {
    /// The application's address, with the answer in its query.
    redirect_to: String,
}

/// Which application asks, and for what
///
/// For the page at `/authorize`, which asks before anybody has signed in, too. When `signInAgain` is true, have the person sign in first; when `consentRequired` is false, approve
/// without asking.
#[utoipa::path(post, path = "/api/v1/auth/authorization/lookup", tag = "signing in", operation_id = "lookUpAuthorization", security((), ("bearer" = [])), request_body = WaitingRequest,
    responses((status = 200, body = AuthorizationAsked), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn lookup(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Now(now): Now,
    Json(body): Json<WaitingRequest>,
) -> Result<Json<AuthorizationAsked>, Problem> {
    decision::look_up(&app, caller.as_ref(), &body.request, now).await.map(Json)
}

/// Let the application in
///
/// What was agreed to is remembered: the same is not asked again.
#[utoipa::path(post, path = "/api/v1/auth/authorization/approve", tag = "signing in", operation_id = "approveAuthorization", security(("bearer" = [])), request_body = Approval,
    responses((status = 200, body = SendBack), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn approve(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Json(body): Json<Approval>,
) -> Result<Json<SendBack>, Problem> {
    let redirect_to = decision::approve(&app, &caller, &body.request, body.scopes, &origin, now).await?;
    Ok(Json(SendBack { redirect_to }))
}

/// Do not let the application in
#[utoipa::path(post, path = "/api/v1/auth/authorization/deny", tag = "signing in", operation_id = "denyAuthorization", security(("bearer" = [])), request_body = WaitingRequest,
    responses((status = 200, body = SendBack), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn deny(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Json(body): Json<WaitingRequest>,
) -> Result<Json<SendBack>, Problem> {
    let redirect_to = decision::deny(&app, &caller, &body.request, &origin, now).await?;
    Ok(Json(SendBack { redirect_to }))
}

/// Applications that I let in, newest first
#[utoipa::path(get, path = "/api/v1/account/applications", tag = "account", operation_id = "listApplications", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = List<Application>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn applications(State(app): State<App>, caller: Caller, Query(query): Query<PageQuery>) -> Result<Json<List<Application>>, Problem> {
    let page = query.check(&app.ground.roots, consents::LIST)?;
    consents::list(&app, &caller, page).await.map(Json)
}

/// Take back what I let an application do
///
/// Its sessions end, and it has to ask again.
#[utoipa::path(delete, path = "/api/v1/account/applications/{clientId}", tag = "account", operation_id = "withdrawApplication", security(("bearer" = [])),
    params(("clientId" = String, Path, description = "The application's `client_id`")),
    responses((status = 204, description = "Taken back"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Now(now): Now,
    origin: Origin,
    Path(client): Path<String>,
) -> Result<StatusCode, Problem> {
    consents::withdraw(&app, &caller, &client, &origin, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
