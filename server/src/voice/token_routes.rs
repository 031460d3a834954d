//! `/api/v1/voice/sessions/{id}/token` and `/api/v1/voice/token/redeem`: the way into a room.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::issue::{self, NewVoiceToken, VoiceTokenMade};
use super::redeem::{self as redemption, Presented, VoiceTokenRedeemed};
use super::routes::holder;
use super::store;
use crate::access::scope::{VoiceRedeem, VoiceWrite};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path};
use crate::http::guard::{Personal, Scoped, take, take_address};
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::idempotency::{self, Idempotent};

/// The routes of voice tokens.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token)).routes(routes!(redeem))
}

/// Take a token for the room of a voice session
///
/// For LiveKit, with credentials for the STUN and TURN servers that are configured. It is good for minutes, for this one room, and
/// never longer than the sign-in it is issued to. 404 `feature_disabled` where no media server is configured.
#[utoipa::path(post, path = "/api/v1/voice/sessions/{id}/token", tag = "voice", operation_id = "takeVoiceToken",
    params(("id" = Uuid, Path, description = "The voice session's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    security(("bearer" = []), ("delegated" = ["voice:write"])), request_body = NewVoiceToken,
    responses((status = 201, body = VoiceTokenMade), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn token(
    State(app): State<App>,
    caller: Personal<VoiceWrite>,
    visit: Visit,
    origin: Origin,
    Path(id): Path<Uuid>,
    request: Result<Idempotent<NewVoiceToken>, Problem>,
) -> Result<Response, Problem> {
    let holder = holder(&caller)?;
    issue::livekit(&app)?;
    take_address(&app, &visit, Policy::VoiceToken).await?;
    take(&app, &visit, Policy::ApiUser, caller.user.as_bytes()).await?;
    // Before the body is looked at: somebody else's session is not there, whatever is sent to it.
    let now = visit.now();
    store::own(&app.ground.db, id, caller.user, now).await?.ok_or(Code::NotFound)?;
    let Idempotent(NewVoiceToken {}, key) = request?;
    let (this, token) = (app.clone(), caller.token());
    let work = Box::pin(async move {
        let made = issue::issue(&this, &token, holder, id, &origin, now).await?;
        Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
    });
    idempotency::once(&app, key, "voice_tokens", Some(id), now, work).await
}

/// Redeem a voice token
///
/// For the service that lets people into rooms: whoever comes with this token is let in once. 410 `gone` when it was redeemed before,
/// has expired, or was revoked with the sign-in or the voice session it belongs to. A repeat with the same `Idempotency-Key` gets the
/// first answer for as long as the token would still be good.
#[utoipa::path(post, path = "/api/v1/voice/token/redeem", tag = "voice", operation_id = "redeemVoiceToken",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    security(("bearer" = ["voice:redeem"])), request_body = Presented,
    responses((status = 200, body = VoiceTokenRedeemed), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn redeem(
    State(app): State<App>,
    caller: Scoped<VoiceRedeem>,
    Now(now): Now,
    origin: Origin,
    Idempotent(request, key): Idempotent<Presented>,
) -> Result<Response, Problem> {
    issue::livekit(&app)?;
    let (this, service, token) = (app.clone(), caller.subject, request.token.clone());
    let work = Box::pin(async move {
        let redeemed = redemption::redeem(&this, service, &request, &origin, now).await?;
        Ok(([(header::CACHE_CONTROL, "no-store")], Json(redeemed)).into_response())
    });
    let answer = idempotency::once(&app, key, "voice_redemptions", Some(service.id()), now, work).await?;
    if answer.headers().contains_key(idempotency::REPLAYED) {
        redemption::recheck(&app, service, &token, now).await?;
    }
    Ok(answer)
}
