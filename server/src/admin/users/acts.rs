//! Accounts are opened and closed.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{AdminUserAnswer, Because, BecauseOf, answer};
use super::reach::{account, by, within_reach};
use crate::access::scope::UsersWrite;
use crate::accounts::By;
use crate::app::App;
use crate::audit::{self, Target};
use crate::error::{Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, OptionalJson, Path};
use crate::http::guard::Scoped;
use crate::passwords;
use crate::sessions::EndReason;

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsRevoked {
    revoked: usize,
}

/// Whom to act on, and who acts, if they may.
async fn admitted(app: &App, caller: &Scoped<UsersWrite>, id: Uuid, origin: Origin, because: Option<Because>) -> Result<By, Problem> {
    let seen = within_reach(app, caller, id).await?;
    by(app, caller, &seen, origin, because.and_then(|because| because.reason)).await
}

/// Lift the lock of an account
///
/// Failed sign-ins are forgotten, so that the right password works at once.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn unlock(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<Response, Problem> {
    let by = admitted(&app, &caller, id, origin, because).await?;
    passwords::unlock(&app.ground, id, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}

/// Suspend an account
///
/// It is signed out everywhere within a second, its tokens and links are void, and nobody signs in until it is activated again.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/suspend", tag = "administration", operation_id = "suspendUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn suspend(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<Response, Problem> {
    let by = admitted(&app, &caller, id, origin, because).await?;
    app.lifecycle.suspend(id, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}

/// Open a suspended or pending account
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/activate", tag = "administration", operation_id = "activateUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn activate(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<Response, Problem> {
    let by = admitted(&app, &caller, id, origin, because).await?;
    app.lifecycle.activate(id, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}

/// Restore a deleted account within its grace
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/restore", tag = "administration", operation_id = "restoreUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn restore(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<Response, Problem> {
    let by = admitted(&app, &caller, id, origin, because).await?;
    app.lifecycle.restore(id, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}

/// End all of somebody's sessions
///
/// Those of applications and devices too; personal access tokens stay.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/revoke-sessions", tag = "administration", operation_id = "revokeUserSessions",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = SessionsRevoked), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn revoke_sessions(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    OptionalJson(because): OptionalJson<Because>,
) -> Result<Json<SessionsRevoked>, Problem> {
    let by = admitted(&app, &caller, id, origin, because).await?;
    let event = by.event(&app.ground, audit::SESSIONS_ENDED, Target::user(id), now);
    let sessions = app.sessions.clone();
    let revoked = app
        .ground
        .db
        .write(async move |tx| {
            let ended = sessions.end_all(tx, id, EndReason::RevokedByOperator, now).await?;
            audit::record(tx, &event.clone().detail("count", ended)).await?;
            Ok::<_, Problem>(ended)
        })
        .await?;
    Ok(Json(SessionsRevoked { revoked }))
}

/// Lock somebody out of everything at once
///
/// For an account that somebody else may have got into: it is suspended, all its sessions end, its tokens and links are void, on
/// every instance within a second. The person is told by mail.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/panic", tag = "administration", operation_id = "panicUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body = BecauseOf,
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn panic(
    State(app): State<App>,
    caller: Scoped<UsersWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    Json(because): Json<BecauseOf>,
) -> Result<Response, Problem> {
    let by = admitted(&app, &caller, id, origin, Some(Because { reason: Some(because.reason) })).await?;
    app.lifecycle.lock_down(id, by, now).await?;
    answer(&app, &account(&app, id).await?, now).await
}
