//! `/api/v1/auth/device/lookup|approve|deny`: a person who is signed in decides about a device.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::approval::{Asked, Decision, decide, look_up};
use super::{begin, codes};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::Json;
use crate::http::guard::{Caller, take, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

/// The routes of this folder.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(begin::device_authorization)).routes(routes!(lookup)).routes(routes!(approve)).routes(routes!(deny))
}

/// The code that a device shows.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserCode {
    /// In whatever case, with or without the dash and spaces.
    #[schema(min_length = 1, max_length = 64, example = "WDJB-MJHT")]
    user_code: String,
}

impl UserCode {
    /// The code, once the try was taken: from the person and from the address, whatever comes of it.
    async fn tried(&self, app: &App, caller: &Caller, visit: &Visit) -> Result<String, Problem> {
        take(app, visit, Policy::DeviceCode, caller.user.as_bytes()).await?;
        take_address(app, visit, Policy::DeviceCode).await?;
        codes::normalise(&self.user_code).ok_or_else(|| {
            let message = "A code has eight letters, such as WDJB-MJHT. Copy it from the device.";
            Problem::new(Code::ValidationFailed).field("userCode", "invalid", message)
        })
    }
}

/// Which device asks
///
/// Before anybody approves: which client asks, for what, and from where. Warn when `requestedFrom.place` is `elsewhere`; whoever
/// did not begin the sign-in themselves must not approve it.
#[utoipa::path(post, path = "/api/v1/auth/device/lookup", tag = "signing in", operation_id = "lookUpDevice", security(("bearer" = [])), request_body = UserCode,
    responses((status = 200, body = Asked), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn lookup(
    State(app): State<App>,
    caller: Caller,
    visit: Visit,
    here: Origin,
    Json(request): Json<UserCode>,
) -> Result<Json<Asked>, Problem> {
    let code = request.tried(&app, &caller, &visit).await?;
    look_up(&app, &caller, &code, &here, visit.now()).await.map(Json)
}

/// Let the device in
///
/// It gets a session of yours the next time it asks, within seconds. You are told by mail.
#[utoipa::path(post, path = "/api/v1/auth/device/approve", tag = "signing in", operation_id = "approveDevice", security(("bearer" = [])), request_body = UserCode,
    responses((status = 204, description = "The device will be signed in"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn approve(
    State(app): State<App>,
    caller: Caller,
    visit: Visit,
    Now(now): Now,
    here: Origin,
    Json(request): Json<UserCode>,
) -> Result<StatusCode, Problem> {
    let code = request.tried(&app, &caller, &visit).await?;
    decide(&app, &caller, &code, Decision::Approve, &here, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Do not let the device in
#[utoipa::path(post, path = "/api/v1/auth/device/deny", tag = "signing in", operation_id = "denyDevice", security(("bearer" = [])), request_body = UserCode,
    responses((status = 204, description = "The device is told that it was refused"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn deny(
    State(app): State<App>,
    caller: Caller,
    visit: Visit,
    Now(now): Now,
    here: Origin,
    Json(request): Json<UserCode>,
) -> Result<StatusCode, Problem> {
    let code = request.tried(&app, &caller, &visit).await?;
    decide(&app, &caller, &code, Decision::Deny, &here, now).await?;
    Ok(StatusCode::NO_CONTENT)
}
