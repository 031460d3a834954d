//! `GET /api/v1/exports/{id}/events`: how far an export is, as it goes on. What tells is the row, so it does not matter which instance
//! writes the file.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::store;
use super::view::{ExportAnswer, ExportView};
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::Path;
use crate::http::guard::{Personal, Verified};

/// How often the row is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Whether the session goes on is asked at every so many looks.
const LOOKS_PER_CHECK: u32 = 4;
/// A listener comes back after so many looks, to another instance perhaps.
const LOOKS_MAX: u32 = 2_400;
/// The id of the last event; whoever comes back with it has heard everything.
const END: &str = "end";

/// The route of progress.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Listen to the progress of an export
///
/// Server-sent events: `progress` whenever something moved, with the same `{export}` that the export's own route answers, and `end` with
/// it when it is ready or has failed. Whoever reconnects after that gets 204, by which an `EventSource` knows to stop.
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
    let first = ExportView::of(stored, now);
    if first.is_over() && headers.get("last-event-id").is_some_and(|last| last == END) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let listener = Listener { app, token: caller.token(), person: caller.user, id, next: Some(first), told: None, looks: 0, over: false };
    let events = unfold(listener, async |mut listener| listener.hear().await.map(|event| (Ok::<_, Infallible>(event), listener)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

struct Listener {
    app: App,
    token: Arc<Verified>,
    person: Uuid,
    id: Uuid,
    /// What was seen and not told yet.
    next: Option<ExportView>,
    /// What was told last, as text.
    told: Option<String>,
    looks: u32,
    over: bool,
}

impl Listener {
    /// The next event; nothing when there will be none, or the listener has to come back.
    async fn hear(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        loop {
            let view = match self.next.take() {
                Some(view) => view,
                None => self.look().await?,
            };
            let over = view.is_over();
            // Words and numbers always serialise.
            let text = serde_json::to_string(&ExportAnswer { export: view }).unwrap_or_default();
            if self.told.as_deref() != Some(&text) || over {
                self.told = Some(text.clone());
                self.over = over;
                let event = Event::default().data(text).retry(Duration::from_secs(2));
                return Some(if over { event.event(END).id(END) } else { event.event("progress") });
            }
        }
    }

    async fn look(&mut self) -> Option<ExportView> {
        tokio::time::sleep(LOOK_EVERY).await;
        self.looks += 1;
        let now = self.app.ground.clock.now();
        if self.looks > LOOKS_MAX || now >= self.token.expires_at {
            return None;
        }
        if self.looks.is_multiple_of(LOOKS_PER_CHECK) && self.app.still(&self.token).await.is_err() {
            return None;
        }
        // While the store is away, nothing moves that anybody could be told of.
        let stored = store::find(&self.app.ground.db, self.id, self.person).await.ok()??;
        Some(ExportView::of(stored, now))
    }
}
