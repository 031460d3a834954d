//! Accounts go: restorable for a while, or for good.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Because;
use super::reach::{by, within_reach};
use crate::access::scope::UsersWrite;
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, OptionalJson, Path};
use crate::http::guard::Scoped;
use crate::time::Timestamp;

/// The longest delay of an erasure: a year.
pub const DELAY_MAX: u64 = 366 * 24 * 3600;

/// Why somebody is erased, and when.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Erasure {
    /// Stands in the audit trail, sealed.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// In how many seconds; at once when left out or 0. Until then the account is deleted and can be restored.
    #[schema(maximum = 31622400)]
    delay_seconds: Option<u64>,
}

/// When somebody is erased.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErasesAt {
    #[schema(value_type = String, format = DateTime)]
    erases_at: Timestamp,
}

/// Delete an account
///
/// It is signed out everywhere within a second and can be restored until its grace ends.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}", tag = "administration", operation_id = "deleteUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<StatusCode, Problem> {
    let seen = within_reach(&app, &caller, id).await?;
    let by = by(&app, &caller, &seen, origin, because.and_then(|because| because.reason)).await?;
    app.lifecycle.delete(id, by, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Erase a person
///
/// Their key is destroyed, so that every copy of what it sealed becomes unreadable, in backups and in the audit trail too. Nobody
/// can bring them back afterwards.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/erase", tag = "administration", operation_id = "eraseUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body = Erasure,
    responses((status = 202, body = ErasesAt), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn erase(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    Json(typed): Json<Erasure>,
) -> Result<Response, Problem> {
    let delay = typed.delay_seconds.unwrap_or(0);
    if delay > DELAY_MAX {
        let message = "Use at most 31622400 seconds, which is a year.";
        return Err(Problem::new(crate::error::Code::ValidationFailed).field("delaySeconds", "out_of_range", message));
    }
    let seen = within_reach(&app, &caller, id).await?;
    let by = by(&app, &caller, &seen, origin, Some(typed.reason)).await?;
    let erases_at = app.lifecycle.erase_in(id, Duration::from_secs(delay), by, now).await?;
    Ok((StatusCode::ACCEPTED, Json(ErasesAt { erases_at })).into_response())
}
