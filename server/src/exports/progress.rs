//! `GET /api/v1/exports/{id}/events`: how far an export is, as it goes on.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::looking::Seen;
use super::places::Place;
use super::right::Right;
use super::store;
use super::view::{ExportAnswer, ExportView};
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::Path;
use crate::http::guard::Personal;

/// How often it is asked whether a listener may still listen.
const CHECK_EVERY: Duration = Duration::from_millis(500);
/// A listener comes back after so long, to another instance perhaps.
const LONGEST: Duration = Duration::from_secs(600);
/// The id of the last event; whoever comes back with it has heard everything.
const END: &str = "end";

/// The route of progress.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Listen to the progress of an export
///
/// | event | data | what to do |
/// |---|---|---|
/// | `progress` | `{export}`, whenever something moved | show it |
/// | `end` | `{export}`, when it is ready or has failed | close; whoever reconnects is answered 204, by which an `EventSource` knows to stop |
/// | `reconnect` | `{reason}` | come again: `draining`, `unavailable`, `too_long`, or, with a new access token, `token_expired` |
/// | `revoked` | `{reason}` | sign in again |
#[utoipa::path(get, path = "/api/v1/exports/{id}/events", tag = "exports", operation_id = "exportEvents", security(("bearer" = []), ("delegated" = ["exports:write"])),
    params(("id" = Uuid, Path, description = "The export's id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "Everything was heard"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn events(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    Now(now): Now,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stored = store::find(&app.ground.db, id, caller.user).await?.ok_or(Code::NotFound)?;
    let first = ExportView::of(stored.clone(), now);
    if first.is_over() && headers.get("last-event-id").is_some_and(|last| last == END) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = app.exports.listen(caller.user)?;
    let mut check = interval(CHECK_EVERY);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener = Listener {
        seen: app.exports.looking().follow(&app.ground, stored),
        draining: app.exports.draining(),
        right: Right::new(app.clone(), caller.token(), None),
        app,
        next: Some(first),
        told: None,
        check,
        ends: Instant::now() + LONGEST,
        over: false,
        _place: place,
    };
    let events = unfold(listener, async |mut listener| listener.hear().await.map(|event| (Ok::<_, Infallible>(event), listener)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

struct Listener {
    app: App,
    seen: Seen,
    draining: CancellationToken,
    right: Right,
    /// What was seen and not told yet.
    next: Option<ExportView>,
    /// What was told last, as text.
    told: Option<String>,
    check: Interval,
    ends: Instant,
    over: bool,
    _place: Place,
}

/// What happens to a listener.
enum Happens {
    Moved,
    /// Taken back: there is nothing to tell of any more.
    Gone,
    Close(&'static str, &'static str),
}

impl Listener {
    /// The next event; nothing when there will be none.
    async fn hear(&mut self) -> Option<Event> {
        while !self.over {
            if let Some(event) = self.next.take().and_then(|view| self.tell(view)) {
                return Some(event);
            }
            match self.happens().await {
                Happens::Moved => {}
                Happens::Gone => return None,
                Happens::Close(event, reason) => {
                    self.over = true;
                    return Some(Event::default().event(event).data(json!({ "reason": reason }).to_string()));
                }
            }
        }
        None
    }

    /// What there is to tell of `view`, if that is anything new.
    fn tell(&mut self, view: ExportView) -> Option<Event> {
        let over = view.is_over();
        // Words and numbers always serialise.
        let text = serde_json::to_string(&ExportAnswer { export: view }).unwrap_or_default();
        if self.told.as_deref() == Some(&text) && !over {
            return None;
        }
        self.told = Some(text.clone());
        self.over = over;
        let event = Event::default().data(text).retry(Duration::from_secs(2));
        Some(if over { event.event(END).id(END) } else { event.event("progress") })
    }

    async fn happens(&mut self) -> Happens {
        loop {
            tokio::select! {
                biased;
                () = self.draining.cancelled() => return Happens::Close("reconnect", "draining"),
                () = tokio::time::sleep_until(self.ends) => return Happens::Close("reconnect", "too_long"),
                _ = self.check.tick() => {
                    if let Err(problem) = self.right.still().await {
                        return match problem.code {
                            Code::TokenExpired => Happens::Close("reconnect", "token_expired"),
                            code if code.status() >= 500 => Happens::Close("reconnect", "unavailable"),
                            _ => Happens::Close("revoked", "session_revoked"),
                        };
                    }
                }
                moved = self.seen.changed() => {
                    // Nobody looks any more: it cannot be read.
                    if moved.is_err() {
                        return Happens::Close("reconnect", "unavailable");
                    }
                    let Some(stored) = self.seen.borrow_and_update().clone() else { return Happens::Gone };
                    self.next = Some(ExportView::of(stored, self.app.ground.clock.now()));
                    return Happens::Moved;
                }
            }
        }
    }
}
