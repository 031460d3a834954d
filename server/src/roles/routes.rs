//! `/api/v1/admin/roles`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::change::{self, Act, event};
use super::view::{self, NewRole, RoleView};
use crate::access::scope::{RolesRead, RolesWrite};
use crate::app::App;
use crate::audit::{self, Action};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::if_match::{IfMatch, etag};
use crate::http::page::{List, PageQuery, place_of};
use crate::time::Timestamp;

const LIST: &str = "roles";

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put, delete))
}

/// `{role}`.
#[derive(Serialize, ToSchema)]
struct RoleAnswer {
    role: RoleView,
}

fn answer(role: RoleView) -> Response {
    ([(header::ETAG, etag(role.version))], Json(RoleAnswer { role })).into_response()
}

/// Every role
///
/// The built-in ones first, then the others by name.
#[utoipa::path(get, path = "/api/v1/admin/roles", tag = "roles", operation_id = "listRoles", security(("bearer" = ["roles:read"])), params(PageQuery),
    responses((status = 200, body = List<RoleView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(State(app): State<App>, _caller: Scoped<RolesRead>, Query(query): Query<PageQuery>) -> Result<Json<List<RoleView>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let roles = view::list(&app.roles, &app.ground.db).await?;
    Ok(Json(page.answer_from(&app.ground.roots, LIST, roles, |role| place_of(&role.name))))
}

/// One role
#[utoipa::path(get, path = "/api/v1/admin/roles/{name}", tag = "roles", operation_id = "getRole", security(("bearer" = ["roles:read"])),
    params(("name" = String, Path, description = "The role's name")),
    responses((status = 200, body = RoleAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(State(app): State<App>, _caller: Scoped<RolesRead>, Path(name): Path<String>) -> Result<Response, Problem> {
    let found = view::find(&app.roles, &app.ground.db, &name).await?;
    Ok(answer(found.ok_or(Code::NotFound)?))
}

/// Make or change a role
///
/// In force on every instance within a second, for everybody who has the role; access tokens tell it to others from their next
/// refresh. You must hold each scope that the role has and shall have. With `If-Match` (the `ETag` of an answer), only if nobody
/// changed it meanwhile.
#[utoipa::path(put, path = "/api/v1/admin/roles/{name}", tag = "roles", operation_id = "putRole", security(("bearer" = ["roles:write"])),
    params(("name" = String, Path, description = "A letter, then up to 63 of a-z, 0-9, dash and underscore"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    request_body = NewRole,
    responses((status = 200, body = RoleAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    caller: Scoped<RolesWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(name): Path<String>,
    Json(new): Json<NewRole>,
) -> Result<Response, Problem> {
    let act = act(&app, &caller, &origin, audit::ROLE_CHANGED, now).await?;
    change::put(&app, &name, new, &if_match, act).await.map(answer)
}

/// Delete a role
///
/// Refused while somebody has it.
#[utoipa::path(delete, path = "/api/v1/admin/roles/{name}", tag = "roles", operation_id = "deleteRole", security(("bearer" = ["roles:write"])),
    params(("name" = String, Path, description = "The role's name"),
        ("If-Match" = Option<String>, Header, description = "The version that was read")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Scoped<RolesWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let act = act(&app, &caller, &origin, audit::ROLE_DELETED, now).await?;
    change::delete(&app, &name, &if_match, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who does it and from where, for the record.
async fn act<'a>(app: &App, caller: &'a Scoped<RolesWrite>, origin: &Origin, action: Action, now: Timestamp) -> Result<Act<'a>, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    let event = event(app, action, now).actor(caller.subject.into()).origin(&app.ground, key.as_ref(), origin);
    Ok(Act { by: Some(&**caller), event, now })
}
