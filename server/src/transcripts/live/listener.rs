//! One listener: what it is sent, from the position it names until the session ends.
//!
//! It stands in the ring first and reads from the database then, so that nothing falls between the two; what comes twice is known by
//! its position. The connection asks for the next event when it has sent the one before, so a slow client slows only itself: it falls
//! out of the ring, is told so, and is read to from the database again.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::pump::said;
use super::{Closing, Heard, Place, Right, Said, Transcripts};
use crate::error::Problem;
use crate::secret::PersonKey;
use crate::time::Timestamp;
use crate::transcripts::store::{self, Session};
use crate::transcripts::ticket;

/// Segments that are read at once for a listener that catches up.
const PAGE: i64 = 100;

/// A listener of one transcript.
pub(in crate::transcripts) struct Listener {
    live: Transcripts,
    place: Place,
    closing: oneshot::Receiver<Closing>,
    key: PersonKey,
    session: Uuid,
    /// When the session ended, once it has.
    ended_at: Option<Timestamp>,
    /// How far it was read to.
    position: i64,
    ready: VecDeque<Said>,
    step: Step,
    /// What stands behind the position in ids, for those who come again with nothing else.
    pass: Option<String>,
}

/// Where the next event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The first bytes, which name the position.
    Greeting,
    /// The database.
    CatchingUp,
    /// The ring.
    Live,
    /// Nowhere.
    Done,
}

impl Listener {
    /// A listener of `session` who has heard up to `position` and may listen by `right`. What is there already is read at once.
    ///
    /// # Errors
    /// `rate_limited` when its person has too many; the store does not answer.
    pub async fn open(live: &Transcripts, session: Session, right: Right, position: i64) -> Result<Self, Problem> {
        let ground = &live.0.ground;
        let key = ground.keyring.get(session.owner).await?;
        let ended_at = (session.ends_at <= ground.clock.now()).then_some(session.ends_at);
        let pass = match right {
            Right::Ticket(visitor) => Some(ticket::pass(ground, session.id, visitor)),
            Right::Token(_) => None,
        };
        let (place, closing) = live.join(&session, session.owner, right)?;
        // A position that was never given comes from another time of the database: all is told again.
        let position = if position > session.position { 0 } else { position };
        let (live, session, ready) = (live.clone(), session.id, VecDeque::new());
        let mut listener = Self { live, place, closing, key, session, ended_at, position, ready, step: Step::Greeting, pass };
        listener.read().await?;
        Ok(listener)
    }

    /// Whether there is nothing to tell and never will be.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some() && self.ready.is_empty()
    }

    /// The events, to the end.
    pub fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send {
        unfold(self, |mut this| async move { this.next().await.map(|event| (Ok(event), this)) })
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.step != Step::Done
                && let Ok(closing) = self.closing.try_recv()
            {
                return Some(self.close(closing));
            }
            match self.step {
                Step::Done => return None,
                Step::Greeting => {
                    self.step = Step::CatchingUp;
                    return Some(self.greeting());
                }
                Step::CatchingUp => match self.ready.pop_front() {
                    Some(said) => return Some(self.segment(&said)),
                    None => {
                        if let Some(event) = self.catch_up().await {
                            return Some(event);
                        }
                    }
                },
                Step::Live => {
                    if let Some(event) = self.listen().await {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Reads on; once there is no more, the ring goes on, or the session is over.
    async fn catch_up(&mut self) -> Option<Event> {
        match self.read().await {
            Err(problem) => {
                tracing::warn!(cause = ?problem.cause, "a transcript cannot be read for a listener, who is asked to come again");
                Some(self.close(Closing::Unavailable))
            }
            Ok(()) if !self.ready.is_empty() => None,
            Ok(()) => match self.ended_at {
                Some(at) => Some(self.end(at)),
                None => {
                    self.step = Step::Live;
                    None
                }
            },
        }
    }

    async fn read(&mut self) -> Result<(), Problem> {
        let rows = store::after(&self.live.0.ground.db, self.session, self.position, PAGE).await?;
        self.ready = rows.iter().map(|row| said(self.session, row, &self.key)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// What comes next from the ring; `None` when it was nothing new.
    async fn listen(&mut self) -> Option<Event> {
        // The ring is taken only when the place is given back.
        let ring = self.place.ring.as_mut()?;
        let heard = tokio::select! {
            biased;
            Ok(closing) = &mut self.closing => return Some(self.close(closing)),
            heard = ring.recv() => heard,
        };
        match heard {
            Ok(Heard::Segment(said)) => self.hear(&said),
            Ok(Heard::End(at)) => Some(self.end(at)),
            Err(RecvError::Lagged(missed)) => {
                self.step = Step::CatchingUp;
                metrics::counter!("keystead_transcript_listeners_behind_total").increment(1);
                Some(self.event("behind", &json!({ "position": self.position, "missed": missed })))
            }
            // The hub is held by this place; if it is gone nevertheless, another connection finds a new one.
            Err(RecvError::Closed) => Some(self.close(Closing::Unavailable)),
        }
    }

    fn hear(&mut self, said: &Arc<Said>) -> Option<Event> {
        (said.position > self.position).then(|| self.segment(said))
    }

    /// Names the position before anything is told, so that a client that is cut off at once comes again with it.
    fn greeting(&self) -> Event {
        let random = &self.live.0.ground.random;
        // Those who were cut off together do not come together again.
        let spread = u64::from(random.bytes::<1>()[0]) * 4;
        Event::default().id(self.id()).retry(Duration::from_millis(500 + spread))
    }

    fn segment(&mut self, said: &Said) -> Event {
        self.position = said.position;
        Event::default().event("segment").id(self.id()).data(&said.json)
    }

    fn end(&mut self, at: Timestamp) -> Event {
        self.step = Step::Done;
        let late = at.plus(self.live.0.ground.settings.transcripts.grace);
        self.event("end", &json!({ "position": self.position, "endedAt": at, "lateUntil": late }))
    }

    fn close(&mut self, closing: Closing) -> Event {
        self.step = Step::Done;
        let (name, reason) = match closing {
            Closing::Revoked => ("revoked", "session_revoked"),
            Closing::Expired => ("reconnect", "token_expired"),
            Closing::Unavailable => ("reconnect", "unavailable"),
            Closing::Draining => ("reconnect", "draining"),
        };
        self.event(name, &json!({ "position": self.position, "reason": reason }))
    }

    /// Where to go on from.
    fn id(&self) -> String {
        let position = self.position;
        self.pass.as_ref().map_or_else(|| position.to_string(), |pass| format!("{position}.{pass}"))
    }

    fn event(&self, name: &str, data: &serde_json::Value) -> Event {
        Event::default().event(name).id(self.id()).data(data.to_string())
    }
}
