//! Accounts are opened and closed.

use std::marker::PhantomData;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
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
use crate::time::Timestamp;

/// How many sessions were ended.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionsRevoked {
    revoked: usize,
}

/// What every act takes: whom it is about, who acts and why, and that they may.
pub(super) struct Act<B> {
    id: Uuid,
    by: By,
    now: Timestamp,
    body: PhantomData<B>,
}

/// A body that says why.
pub(super) trait Reason: DeserializeOwned + Send {
    /// From the request, with what it says.
    fn read(request: Request) -> impl Future<Output = Result<Option<String>, Problem>> + Send;
}

impl Reason for Because {
    async fn read(request: Request) -> Result<Option<String>, Problem> {
        let OptionalJson::<Self>(because) = OptionalJson::from_request(request, &()).await?;
        Ok(because.and_then(|because| because.reason))
    }
}

impl Reason for BecauseOf {
    async fn read(request: Request) -> Result<Option<String>, Problem> {
        let Json::<Self>(because) = Json::from_request(request, &()).await?;
        Ok(Some(because.reason))
    }
}

impl<B: Reason> FromRequest<App> for Act<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Scoped::<UsersWrite>::from_request_parts(&mut parts, app).await?;
        let Now(now) = Now::from_request_parts(&mut parts, app).await?;
        let origin = Origin::from_request_parts(&mut parts, app).await?;
        let Path(id) = Path::from_request_parts(&mut parts, app).await?;
        let reason = B::read(Request::from_parts(parts, body)).await?;
        let seen = within_reach(app, &caller, id).await?;
        let by = by(app, &caller, &seen, origin, reason).await?;
        Ok(Self { id, by, now, body: PhantomData })
    }
}

/// Ends all sessions of somebody, on record; how many.
///
/// # Errors
/// The store does not answer.
pub async fn end_sessions(app: &App, person: Uuid, by: &By, now: Timestamp) -> Result<usize, Problem> {
    let event = by.event(&app.ground, audit::SESSIONS_ENDED, Target::user(person), now);
    let sessions = app.sessions.clone();
    app.ground
        .db
        .write(async move |tx| {
            let ended = sessions.end_all(tx, person, EndReason::RevokedByOperator, now).await?;
            audit::record(tx, &event.clone().sessions(&ended)).await?;
            Ok(ended.len())
        })
        .await
}

async fn shown(app: &App, id: Uuid, now: Timestamp) -> Result<Response, Problem> {
    answer(app, &account(app, id).await?, now).await
}

/// Lift the lock of an account
///
/// Failed sign-ins are forgotten, so that the right password works at once.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/unlock", tag = "administration", operation_id = "unlockUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn unlock(State(app): State<App>, Act { id, by, now, .. }: Act<Because>) -> Result<Response, Problem> {
    passwords::unlock(&app.ground, id, by, now).await?;
    shown(&app, id, now).await
}

/// Suspend an account
///
/// It is signed out everywhere within a second, its tokens and links are void, and nobody signs in until it is activated again.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/suspend", tag = "administration", operation_id = "suspendUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn suspend(State(app): State<App>, Act { id, by, now, .. }: Act<Because>) -> Result<Response, Problem> {
    app.lifecycle.suspend(id, by, now).await?;
    shown(&app, id, now).await
}

/// Open a suspended or pending account
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/activate", tag = "administration", operation_id = "activateUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn activate(State(app): State<App>, Act { id, by, now, .. }: Act<Because>) -> Result<Response, Problem> {
    app.lifecycle.activate(id, by, now).await?;
    shown(&app, id, now).await
}

/// Restore a deleted account within its grace
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/restore", tag = "administration", operation_id = "restoreUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn restore(State(app): State<App>, Act { id, by, now, .. }: Act<Because>) -> Result<Response, Problem> {
    app.lifecycle.restore(id, by, now).await?;
    shown(&app, id, now).await
}

/// End all of somebody's sessions
///
/// Those of applications and devices too; personal access tokens stay.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/revoke-sessions", tag = "administration", operation_id = "revokeUserSessions",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body(content = Option<Because>),
    responses((status = 200, body = SessionsRevoked), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn revoke_sessions(
    State(app): State<App>,
    Act { id, by, now, .. }: Act<Because>,
) -> Result<Json<SessionsRevoked>, Problem> {
    let revoked = end_sessions(&app, id, &by, now).await?;
    Ok(Json(SessionsRevoked { revoked }))
}

/// Lock somebody out of everything at once
///
/// For an account that somebody else may have got into: it is suspended, all its sessions end, its tokens and links are void, on
/// every instance within a second. The person is told by mail.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/panic", tag = "administration", operation_id = "panicUser",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The account")), request_body = BecauseOf,
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn panic(State(app): State<App>, Act { id, by, now, .. }: Act<BecauseOf>) -> Result<Response, Problem> {
    app.lifecycle.lock_down(id, by, now).await?;
    shown(&app, id, now).await
}
