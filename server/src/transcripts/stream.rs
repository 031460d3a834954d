//! `/api/v1/voice/sessions/{id}/transcript/stream`: the transcript as server-sent events (WHATWG HTML, section 9.2).

use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::live::{Listener, Right};
use super::store::Session;
use super::{admission, ticket};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::{Caller, admit, presented, take, take_address};
use crate::http::{Policy, Visit};
use crate::time::Timestamp;

/// A comment goes out when nothing else did for so long: below the minute after which many proxies cut.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The position that an `EventSource` names when it comes again.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx would hold the events back.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The routes of the live stream.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stream)).routes(routes!(make_ticket))
}

/// A ticket for one live stream.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TranscriptTicket)]
struct TicketMade {
    /// Opens the stream once. Nobody can read it again.
    ticket: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Make a ticket for a live transcript
///
/// For a browser's `EventSource`, which sends no `Authorization` header: open the stream of this session with `?ticket=…`. It works once
/// and for half a minute, so it may stand in an address. A connection that is lost is opened again by the browser itself: the `id` of
/// each event, which it sends as `Last-Event-ID`, carries a pass for that. The stream ends with the sign-in that the ticket was made in.
#[utoipa::path(post, path = "/api/v1/voice/sessions/{id}/transcript/ticket", tag = "voice", operation_id = "createTranscriptTicket",
    security(("bearer" = [])), params(("id" = Uuid, Path, description = "The voice session's id")),
    responses((status = 201, body = TicketMade), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn make_ticket(State(app): State<App>, caller: Caller, visit: Visit, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    take(&app, &visit, Policy::Ticket, caller.user.as_bytes()).await?;
    let (session, now) = (admission::own(&app, caller.user, id).await?, visit.now());
    let ticket = ticket::issue(&app.ground, session.id, caller.user, caller.session, now).await?;
    let made = TicketMade { ticket: ticket.secret, expires_at: ticket.expires_at };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// Only what changed behind this position. Everything from the beginning when left out. `Last-Event-ID` wins.
    #[param(minimum = 0, required = false)]
    after: Option<i64>,
    /// Who cannot send an access token: a ticket for this stream. It is used up.
    #[param(required = false)]
    ticket: Option<String>,
}

/// The transcript live, as server-sent events
///
/// First what is there already, in the order in which it came, then what is said from now on, whichever instance it was posted to. The
/// `id` of every event is the position up to which you have heard; come again with it in `Last-Event-ID` (an `EventSource` does so by
/// itself) or `after` and you hear everything else exactly once. Of a segment that changed several times meanwhile you hear its last state.
///
/// | event | data | what to do |
/// |---|---|---|
/// | `segment` | a `TranscriptSegment` | show it; the same `seq` replaces the one before |
/// | `behind` | `{position, missed}` | nothing: you were too slow for the live stream and are read to from the store |
/// | `reconnect` | `{position, reason}` | come again: `draining`, `unavailable`, or, with a new access token or ticket, `token_expired` |
/// | `revoked` | `{position, reason}` | sign in again |
/// | `end` | `{position, endedAt, lateUntil}` | close: the voice session has ended. Until `lateUntil` late segments may still be added |
///
/// A browser's `EventSource` sends no access token: make a ticket (`POST …/transcript/ticket`) and open `?ticket=…`. Comments keep the connection alive. Whoever comes again after the end and has heard all is answered 204, at which an `EventSource`
/// stops.
#[utoipa::path(get, path = "/api/v1/voice/sessions/{id}/transcript/stream", tag = "voice", operation_id = "streamTranscript",
    security(("bearer" = []), ("delegated" = ["transcripts:read"])),
    params(("id" = Uuid, Path, description = "The voice session's id"), StreamQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was heard", pattern = "^[0-9]{1,16}([.][A-Za-z0-9_-]{1,256})?$")),
    responses((status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The voice session has ended, and you have heard all of it"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn stream(
    State(app): State<App>,
    visit: Visit,
    id: Result<Path<Uuid>, Problem>,
    query: Result<Query<StreamQuery>, Problem>,
    parts: Parts,
) -> Result<Response, Problem> {
    let given = LastHeard::of(&parts.headers);
    let asked = query.as_ref().ok().map(|Query(query)| query);
    // What is no id names no session; but who asks has to say who they are first.
    let id = id.map_or(Uuid::nil(), |Path(id)| id);
    let (session, right) = listener(&app, &visit, &parts, id, asked, &given).await?;
    let Query(query) = query?;
    let heard = match given {
        LastHeard::Nothing if query.after.is_some_and(|after| after < 0) => {
            return Err(Problem::new(Code::InvalidRequest).field("after", "out_of_range", "Use the position of an event of this stream."));
        }
        LastHeard::Nothing => query.after,
        LastHeard::Position(position, _) => Some(position),
        LastHeard::Unreadable => {
            return Err(Problem::new(Code::InvalidRequest).field("Last-Event-ID", "invalid", "Use the `id` of an event of this stream."));
        }
    };
    let listener = Listener::open(&app.transcripts, session, right, heard.unwrap_or(0)).await?;
    if heard.is_some() && listener.is_over() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stream = Sse::new(listener.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([(BUFFERING, HeaderValue::from_static("no"))], stream).into_response())
}

/// Which session is listened to, and by which right: an access token; the pass of a stream that was lost; a ticket.
async fn listener(
    app: &App,
    visit: &Visit,
    parts: &Parts,
    id: Uuid,
    query: Option<&StreamQuery>,
    heard: &LastHeard,
) -> Result<(Session, Right), Problem> {
    let presented = presented(parts);
    let ticket = query.and_then(|query| query.ticket.as_deref());
    if presented.is_none() {
        app.ground.limiter.look(Policy::Global, visit.client().limit_key().as_ref(), visit.now()).await?;
    }
    let visitor = match (heard, ticket) {
        _ if presented.is_some() => None,
        (LastHeard::Position(_, Some(pass)), _) => Some(ticket::readmit(app, id, pass, visit.now()).await),
        (_, Some(ticket)) => Some(ticket::redeem(app, id, ticket, visit.now()).await),
        _ => None,
    };
    match visitor {
        None => {
            let token = admit(app, visit, parts, presented).await?;
            Ok((admission::to_listen(app, &token, id).await?, Right::Token(token)))
        }
        Some(Ok(visitor)) => {
            visit.set_user(visitor.user);
            take(app, visit, Policy::SignedIn, visitor.user.as_bytes()).await?;
            Ok((admission::own(app, visitor.user, id).await?, Right::Ticket(visitor)))
        }
        // What does not open is an anonymous request, and counts as one.
        Some(Err(problem)) => {
            take_address(app, visit, Policy::Global).await?;
            Err(problem)
        }
    }
}

/// What `Last-Event-ID` says.
enum LastHeard {
    Nothing,
    Position(i64, Option<String>),
    Unreadable,
}

impl LastHeard {
    fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(LAST_EVENT_ID) else { return Self::Nothing };
        let text = value.to_str().unwrap_or_default();
        let (position, pass) = text.split_once('.').map_or((text, None), |(position, pass)| (position, Some(pass.to_owned())));
        match position.parse() {
            Ok(position) if position >= 0 => Self::Position(position, pass),
            _ => Self::Unreadable,
        }
    }
}
