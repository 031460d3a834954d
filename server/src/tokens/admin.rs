//! `/api/v1/admin/users/{id}/tokens`: what programs somebody has let in, and an end to it.

use axum::extract::State;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::routes::page;
use super::view::TokenView;
use super::{revocation, revoke as end};
use crate::access::scope::{UsersRead, UsersWrite};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::page::{List, PageQuery};

/// The routes of administration.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(revoke))
}

/// Somebody's personal access tokens, newest first
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/tokens", tag = "administration", operation_id = "listTokensOf", security(("bearer" = ["users:read"])),
    params(("id" = Uuid, Path, description = "The account's id"), PageQuery),
    responses((status = 200, body = List<TokenView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    _caller: Scoped<UsersRead>,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<TokenView>>, Problem> {
    app.people.view(id).await?.ok_or(Code::NotFound)?;
    page(&app.tokens, &query, id).await.map(Json)
}

/// Revoke somebody's personal access token
///
/// Refused on every instance within a second.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}/tokens/{token}", tag = "administration", operation_id = "revokeTokenOf", security(("bearer" = ["users:write"])),
    params(("id" = Uuid, Path, description = "The account's id"), ("token" = Uuid, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn revoke(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path((id, token)): Path<(Uuid, Uuid)>,
) -> Result<StatusCode, Problem> {
    let person = app.people.view(id).await?.ok_or(Code::NotFound)?;
    if let Some(scope) = app.beyond(&caller, &person.roles).await? {
        let detail = format!("The account may do more than you: it takes the scope `{scope}`, which you do not hold.");
        return Err(Problem::new(Code::Forbidden).detail(detail));
    }
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    let event = revocation(&app, token, now).actor(caller.subject.into()).origin(&app.ground, key.as_ref(), &origin);
    match end(&app, token, id, event.detail("of", id.to_string()), now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Code::NotFound.into()),
    }
}
