//! Another profile, other roles.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{AdminUserAnswer, answer};
use super::reach::{account, by, holds, within_reach};
use crate::access::scope::UsersWrite;
use crate::accounts::directory::Entry;
use crate::accounts::{ProfileChange, check_email, check_name, check_role};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path};
use crate::http::guard::Scoped;
use crate::http::if_match::IfMatch;

/// What to change; members left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserChange {
    /// Another e-mail address. The person is signed out everywhere, and signs in with it once they have confirmed it by a code that
    /// is mailed there; the old address is told.
    #[schema(max_length = 254, min_length = 3, format = Email)]
    email: Option<String>,
    /// The name.
    #[schema(max_length = 200, min_length = 1)]
    name: Option<String>,
    /// The job role; null or empty takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 200)]
    role: Option<Option<String>>,
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(deserializer).map(Some)
}

/// The roles that somebody has from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserRoles {
    /// All of them: what is left out is taken away.
    #[schema(min_items = 1, max_items = 20)]
    roles: Vec<String>,
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// The version to change: the one that is there, on which everything else was decided, if `If-Match` allows it.
fn version(if_match: &IfMatch, found: &Entry) -> Result<Option<i64>, Problem> {
    let version = found.row.version;
    match if_match.allows(version) {
        false => Err(Code::VersionConflict.into()),
        true => Ok(Some(version)),
    }
}

/// Change somebody's profile or address
///
/// 409 for an address that has an account. With `If-Match` only the version that you have seen is changed. You must hold everything that the account holds.
#[utoipa::path(patch, path = "/api/v1/admin/users/{id}", tag = "administration", operation_id = "updateUser",
    security(("bearer" = ["users:write"])), request_body = UserChange,
    params(("id" = Uuid, Path, description = "The account"), ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen", pattern = "^(\\*|\"[0-9]{1,18}\")$")),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn update(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    Json(typed): Json<UserChange>,
) -> Result<Response, Problem> {
    let email = typed.email.as_deref().map(check_email).transpose();
    let name = typed.name.as_deref().map(check_name).transpose();
    let job_role = typed.role.map(|typed| check_role(typed.as_deref().unwrap_or(""))).transpose();
    let change = match (email, name, job_role) {
        (Ok(email), Ok(name), Ok(job_role)) => ProfileChange { email, name, job_role },
        (email, name, job_role) => {
            let refused = [email.err(), name.err(), job_role.err()].into_iter().flatten().collect();
            return Err(Problem { errors: refused, ..Problem::new(Code::ValidationFailed) });
        }
    };
    let found = within_reach(&app, &caller, id).await?;
    let version = version(&if_match, &found)?;
    let by = by(&app, &caller, &found, origin, typed.reason).await?;
    if change.email.is_some() || change.name.is_some() || change.job_role.is_some() {
        app.lifecycle.set_profile(id, change, version, by, now).await?;
    }
    answer(&app, &account(&app, id).await?, now).await
}

/// Give somebody other roles
///
/// In force on every instance within a second. You must hold everything that the account has and everything that it gets. The last
/// active administrator stays one.
#[utoipa::path(put, path = "/api/v1/admin/users/{id}/roles", tag = "administration", operation_id = "setUserRoles",
    security(("bearer" = ["users:write"])), request_body = UserRoles,
    params(("id" = Uuid, Path, description = "The account"), ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen", pattern = "^(\\*|\"[0-9]{1,18}\")$")),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn set_roles(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    Json(typed): Json<UserRoles>,
) -> Result<Response, Problem> {
    let refused = |fault| Problem { errors: vec![fault], ..Problem::new(Code::ValidationFailed) };
    let roles = app.roles.check(&typed.roles).map_err(refused)?;
    let found = within_reach(&app, &caller, id).await?;
    holds(&app, &caller, &roles).await?;
    let version = version(&if_match, &found)?;
    let by = by(&app, &caller, &found, origin, typed.reason).await?;
    app.lifecycle.set_roles(id, roles, version, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}
