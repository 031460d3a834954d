//! `/api/v1/admin/clients`: the clients of the installation, for whoever holds `clients:write`.
//!
//! That scope alone must not lead to others: whoever registers a client, changes it or gives it a new secret could then
//! act as it, so they must hold each scope of the client that roles decide about: Keystead's own, and those that some role grants.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::client::{Client, registered_id};
use super::client_body::{ClientAnswer, ClientBody, ClientChange, ClientWithSecret, NewClient};
use super::registration::Wanted;
use super::registry::By;
use super::store;
use crate::access::SCOPES;
use crate::access::scope::ClientsWrite;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::if_match::{IfMatch, etag};
use crate::http::page::{List, PageQuery};
use crate::idempotency::{self, Idempotent};

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, delete)).routes(routes!(rotate_secret))
}

const LIST: &str = "clients";

/// The registered clients, newest first
///
/// The two that every installation has, `keystead` and `keystead-cli`, are part of the program and not listed.
#[utoipa::path(get, path = "/api/v1/admin/clients", tag = "clients", operation_id = "listClients", security(("bearer" = ["clients:write"])), params(PageQuery),
    responses((status = 200, body = List<ClientBody>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    _caller: Scoped<ClientsWrite>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<ClientBody>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let clients = store::list(&app.ground.db, page.after, page.rows()).await?;
    let items = clients.iter().map(ClientBody::from).collect();
    Ok(Json(page.answer(&app.ground.roots, LIST, items, |item| registered_id(&item.client_id).unwrap_or_default())))
}

/// Register a client
///
/// The secret is shown this once. You must hold each of Keystead's own scopes that you give the client, and each that a role grants.
#[utoipa::path(post, path = "/api/v1/admin/clients", tag = "clients", operation_id = "createClient", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = ["clients:write"])), request_body = NewClient,
    responses((status = 201, body = ClientWithSecret), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<NewClient>,
) -> Result<Response, Problem> {
    let wanted = Wanted::from(request);
    check_holds(&app, &caller, &wanted.scopes).await?;
    check_trust(&app, &caller, wanted.first_party).await?;
    let by = by(&app, &caller, origin).await?;
    let (this, subject) = (app.clone(), caller.subject.id());
    let work = Box::pin(async move {
        let registered = this.oauth.create(wanted, by, now).await?;
        Ok((StatusCode::CREATED, Json(ClientWithSecret::from(&registered))).into_response())
    });
    idempotency::once(&app, key, "clients", Some(subject), now, work).await
}

/// One client
#[utoipa::path(get, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "getClient", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 200, body = ClientAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(State(app): State<App>, _caller: Scoped<ClientsWrite>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let client = app.oauth.find(id).await?;
    Ok(tagged(&client))
}

/// Change a client
///
/// A disabled client and its tokens are refused on every instance within a second. With `If-Match` only the version that
/// you have seen is changed.
#[utoipa::path(patch, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "updateClient", security(("bearer" = ["clients:write"])), request_body = ClientChange,
    params(("id" = Uuid, Path, description = "The `clientId`"), ("If-Match" = Option<String>, Header, description = "The `version` you have seen, as in `ETag`", pattern = "^(\\*|\"?[0-9]{1,18}\"?)$")),
    responses((status = 200, body = ClientAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn update(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    Json(request): Json<ClientChange>,
) -> Result<Response, Problem> {
    let before = app.oauth.find(id).await?;
    if !if_match.allows(before.version) {
        return Err(Code::VersionConflict.into());
    }
    let (wanted, disabled) = request.over(&before);
    check_holds(&app, &caller, &before.scopes).await?;
    check_holds(&app, &caller, &wanted.scopes).await?;
    check_trust(&app, &caller, before.first_party || wanted.first_party).await?;
    let client = app.oauth.update(&before, wanted, disabled, by(&app, &caller, origin).await?, now).await?;
    Ok(tagged(&client))
}

/// Delete a client
///
/// For good: its tokens are refused on every instance within a second, and its id is never given to another client.
#[utoipa::path(delete, path = "/api/v1/admin/clients/{id}", tag = "clients", operation_id = "deleteClient", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let by = by(&app, &caller, origin).await?;
    app.oauth.delete(id, by, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a client a new secret
///
/// The old one is void at once. The new one is shown this once.
#[utoipa::path(post, path = "/api/v1/admin/clients/{id}/rotate-secret", tag = "clients", operation_id = "rotateClientSecret", security(("bearer" = ["clients:write"])),
    params(("id" = Uuid, Path, description = "The `clientId`")),
    responses((status = 200, body = ClientWithSecret), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn rotate_secret(
    State(app): State<App>,
    caller: Scoped<ClientsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<Json<ClientWithSecret>, Problem> {
    let before = app.oauth.find(id).await?;
    check_holds(&app, &caller, &before.scopes).await?;
    check_trust(&app, &caller, before.first_party).await?;
    let registered = app.oauth.rotate_secret(&before, by(&app, &caller, origin).await?, now).await?;
    Ok(Json(ClientWithSecret::from(&registered)))
}

/// Whether `caller` holds each of `scopes` that roles decide about.
async fn check_holds(app: &App, caller: &Scoped<ClientsWrite>, scopes: &[String]) -> Result<(), Problem> {
    let roles = app.roles.snapshot();
    for scope in scopes.iter().filter(|scope| roles.governs(scope)) {
        if !app.grants(caller, scope).await? {
            let detail = format!("The client has the scope `{scope}`, which you do not have; with the client you would have it, too.");
            return Err(Problem::new(Code::InsufficientScope).detail(detail));
        }
    }
    Ok(())
}

/// Whether `caller` may make a client one that people are not asked about, or touch one that is: it is told who they are without
/// their say, so it takes somebody who may do everything anyway.
async fn check_trust(app: &App, caller: &Scoped<ClientsWrite>, first_party: bool) -> Result<(), Problem> {
    if !first_party {
        return Ok(());
    }
    for scope in SCOPES {
        if !app.grants(caller, scope).await? {
            let detail = "People are not asked about a first-party client; only an administrator registers or changes one.";
            return Err(Problem::new(Code::InsufficientScope).detail(detail));
        }
    }
    Ok(())
}

async fn by(app: &App, caller: &Scoped<ClientsWrite>, origin: Origin) -> Result<By, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    Ok(By { actor: caller.subject.into(), origin: Some(origin), key })
}

fn tagged(client: &Client) -> Response {
    ([(header::ETAG, etag(client.version))], Json(ClientAnswer { client: client.into() })).into_response()
}
