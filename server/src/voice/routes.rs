//! `/api/v1/voice/sessions`: open, list, see, end.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::start::{self, NewSession};
use super::token_store::Holder;
use super::view::{self, VoiceSessionAnswer, VoiceSessionView};
use super::{end as ending, store};
use crate::access::scope::{VoiceRead, VoiceWrite};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::{Personal, Subject, Verified, take_address};
use crate::http::limits::Policy;
use crate::http::page::{List, PageQuery};
use crate::http::visit::Visit;
use crate::idempotency::{self, Idempotent};

const LIST: &str = "voice_sessions";

/// The routes of voice sessions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, open)).routes(routes!(show)).routes(routes!(end))
}

/// Who asks, with what it ends with. Whoever acts as somebody else does not speak for them.
///
/// # Errors
/// `insufficient_scope` for an administrator who acts as the person.
pub(super) fn holder(caller: &Verified) -> Result<Holder, Problem> {
    if caller.impersonator.is_some() {
        let detail = "This is for the person alone; whoever acts as them does not reach it.";
        return Err(caller.refused(Problem::new(Code::InsufficientScope).detail(detail)));
    }
    match caller.subject {
        Subject::Person { session, .. } => Ok(Holder::Login(session)),
        Subject::Token { token, .. } => Ok(Holder::Program(token)),
        // A guard that lets a person in has refused these.
        Subject::Service(_) => Err(Code::Forbidden.into()),
    }
}

/// My voice sessions, newest first
#[utoipa::path(get, path = "/api/v1/voice/sessions", tag = "voice", operation_id = "listVoiceSessions",
    security(("bearer" = []), ("delegated" = ["voice:read"])), params(PageQuery),
    responses((status = 200, body = List<VoiceSessionView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Personal<VoiceRead>,
    Now(now): Now,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<VoiceSessionView>>, Problem> {
    let ground = &app.ground;
    let page = query.check(&ground.roots, LIST)?;
    let key = ground.keyring.get(caller.user).await?;
    let rows = store::list(&ground.db, caller.user, page.after, page.rows()).await?;
    let items = rows.iter().map(|row| view::open(row, &key, now)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.answer(&ground.roots, LIST, items, |session| session.id)))
}

/// Open a voice session
///
/// It goes on until it is ended, is not used for as long as `KEYSTEAD_VOICE__IDLE_TTL` says, or the sign-in it was opened in ends.
#[utoipa::path(post, path = "/api/v1/voice/sessions", tag = "voice", operation_id = "openVoiceSession",
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    security(("bearer" = []), ("delegated" = ["voice:write"])), request_body = NewSession,
    responses((status = 201, body = VoiceSessionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn open(
    State(app): State<App>,
    caller: Personal<VoiceWrite>,
    visit: Visit,
    origin: Origin,
    Idempotent(request, key): Idempotent<NewSession>,
) -> Result<Response, Problem> {
    let (holder, now) = (holder(&caller)?, visit.now());
    take_address(&app, &visit, Policy::VoiceSession).await?;
    let (this, user) = (app.clone(), caller.user);
    let work = Box::pin(async move {
        let voice_session = start::start(&this, user, holder, request, &origin, now).await?;
        Ok((StatusCode::CREATED, Json(VoiceSessionAnswer { voice_session })).into_response())
    });
    idempotency::once(&app, key, "voice_sessions", Some(user), now, work).await
}

/// One of my voice sessions
#[utoipa::path(get, path = "/api/v1/voice/sessions/{id}", tag = "voice", operation_id = "getVoiceSession",
    security(("bearer" = []), ("delegated" = ["voice:read"])), params(("id" = Uuid, Path, description = "The voice session's id")),
    responses((status = 200, body = VoiceSessionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(
    State(app): State<App>,
    caller: Personal<VoiceRead>,
    Now(now): Now,
    Path(id): Path<Uuid>,
) -> Result<Json<VoiceSessionAnswer>, Problem> {
    let found = store::find(&app.ground.db, id, caller.user).await?.ok_or(Code::NotFound)?;
    let key = app.ground.keyring.get(caller.user).await?;
    Ok(Json(VoiceSessionAnswer { voice_session: view::open(&found, &key, now)? }))
}

/// End a voice session
///
/// Tokens that nobody has redeemed are void. A session that is over stays as it is.
#[utoipa::path(post, path = "/api/v1/voice/sessions/{id}/end", tag = "voice", operation_id = "endVoiceSession",
    security(("bearer" = []), ("delegated" = ["voice:write"])), params(("id" = Uuid, Path, description = "The voice session's id")),
    responses((status = 200, body = VoiceSessionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn end(
    State(app): State<App>,
    caller: Personal<VoiceWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<Json<VoiceSessionAnswer>, Problem> {
    holder(&caller)?;
    let voice_session = ending::end(&app, id, caller.user, &origin, now).await?;
    Ok(Json(VoiceSessionAnswer { voice_session }))
}
