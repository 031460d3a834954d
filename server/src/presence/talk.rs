//! What a client says, frame by frame: read, counted, decided.

use std::sync::Arc;

use serde_json::Value;

use super::close::Close;
use super::connection::Connection;
use super::frame::{self, ClientFrame, ClientHello, Join, Nothing, ServerHello};
use super::pace::Rate;
use super::{Presence, Seat, resume};
use crate::error::{Code, Problem};
use crate::http::Policy;
use crate::http::guard::Caller;
use crate::time::Timestamp;

/// Frames that may be refused, beyond those that were taken since, before the connection is closed.
const REFUSED_MAX: u32 = 100;

/// All connections of a person together may send as much as so many of them.
const PERSON: u32 = 2;

/// The conversation over one connection.
pub(super) struct Talk<'a> {
    seat: &'a mut Seat,
    presence: Presence,
    connection: Arc<Connection>,
    epoch: u32,
    resumed: bool,
    rate: Rate,
    unreadable: u32,
    flooding: u32,
}

impl<'a> Talk<'a> {
    pub(super) fn new(seat: &'a mut Seat) -> Self {
        let (presence, connection) = (seat.presence.clone(), seat.connection.clone());
        Self { seat, presence, connection, epoch: 0, resumed: false, rate: Rate::default(), unreadable: 0, flooding: 0 }
    }

    /// Says who we are and what the connection is.
    pub(super) fn greet(&self, reference: Option<&str>) {
        let settings = &self.presence.0.ground.settings.presence;
        let hello = ServerHello {
            connection_id: self.seat.id,
            heartbeat_seconds: settings.heartbeat.as_secs(),
            resume_token: resume::seal(&self.presence.0.ground.roots, &self.connection, self.seat.id, self.epoch),
            resume_seconds: settings.resume_window.as_secs(),
            resumed: self.resumed,
            expires_at: self.connection.expires_at(),
        };
        self.connection.outbox.push(frame::write("hello", reference, None, &hello));
    }

    /// A sign of life below the frames; it counts as a message.
    ///
    /// # Errors
    /// Why the connection is to be closed.
    pub(super) fn beat(&mut self) -> Result<(), Close> {
        let now = self.presence.0.ground.clock.now();
        self.connection.heard(now);
        self.admit(now).map(|_| ())
    }

    /// Takes a frame and answers it.
    ///
    /// # Errors
    /// Why the connection is to be closed.
    pub(super) async fn hear(&mut self, text: &str) -> Result<(), Close> {
        metrics::counter!("keystead_realtime_frames_total").increment(1);
        let now = self.presence.0.ground.clock.now();
        self.connection.heard(now);
        let frame = match frame::read(text) {
            Ok(frame) => frame,
            Err(problem) => {
                self.connection.outbox.push(frame::refusal(&problem, None, None));
                self.unreadable += 1;
                self.admit(now)?;
                return if self.unreadable >= REFUSED_MAX { Err(Close::Malformed) } else { Ok(()) };
            }
        };
        self.unreadable = 0;
        let (reference, channel) = (frame.r#ref.clone(), frame.channel.clone());
        let outcome = if self.admit(now)? { self.answer(frame, now).await } else { Err(too_many()) };
        if let Err(problem) = outcome {
            self.connection.outbox.push(frame::refusal(&problem, reference.as_deref(), channel.as_deref()));
        }
        Ok(())
    }

    /// Whether one more message is within the rate of the connection and of its person, whose connections share one; the double
    /// may come at once.
    fn admit(&mut self, now: Timestamp) -> Result<bool, Close> {
        let each = self.presence.0.ground.settings.presence.messages_per_second;
        if !self.rate.take(each, now) || !self.seat.rate.take(each.saturating_mul(PERSON), now) {
            self.flooding += 1;
            return if self.flooding >= REFUSED_MAX { Err(Close::Flood) } else { Ok(false) };
        }
        self.flooding = self.flooding.saturating_sub(1);
        Ok(true)
    }

    async fn answer(&mut self, frame: ClientFrame, now: Timestamp) -> Result<(), Problem> {
        let reference = frame.r#ref.as_deref();
        match (frame.r#type.as_str(), frame.channel.as_deref()) {
            ("join", Some(channel)) => self.join(channel, frame.payload, reference, now).await,
            ("leave", Some(channel)) => {
                let Nothing {} = frame::payload(frame.payload)?;
                if !self.presence.act(|hub| hub.leave(self.seat.id, channel)) {
                    return Err(Problem::new(Code::NotFound).detail("This connection is not in that channel."));
                }
                self.connection.outbox.push(frame::write("leave", reference, Some(channel), &Nothing {}));
                Ok(())
            }
            ("join" | "leave", None) => Err(Problem::new(Code::InvalidRequest).detail("This frame names a `channel`.")),
            ("hello" | "ping" | "pong", Some(_)) => Err(Problem::new(Code::InvalidRequest).detail("This frame names no `channel`.")),
            ("hello", None) => self.hello(frame::payload(frame.payload)?, reference, now),
            ("ping", None) => {
                let Nothing {} = frame::payload(frame.payload)?;
                self.connection.outbox.push(frame::write("pong", reference, None, &Nothing {}));
                Ok(())
            }
            ("pong", None) => frame::payload(frame.payload).map(|Nothing {}| ()),
            _ => Err(Problem::new(Code::InvalidRequest).detail("The `type` of a frame is hello, join, leave, ping or pong.")),
        }
    }

    async fn join(&mut self, channel: &str, payload: Option<Value>, reference: Option<&str>, now: Timestamp) -> Result<(), Problem> {
        let Join { metadata } = frame::payload(payload)?;
        let metadata = frame::metadata(metadata)?;
        if self.presence.0.kinds.looks_up(channel) {
            // It costs what a request costs that asks the same.
            self.presence.0.ground.limiter.check(Policy::SignedIn, self.connection.user.as_bytes(), now).await?;
        }
        self.presence.0.kinds.check(self.connection.user, channel).await?;
        self.presence.act(|hub| hub.join(self.seat.id, channel, metadata, reference, now))?;
        metrics::counter!("keystead_realtime_joins_total").increment(1);
        Ok(())
    }

    fn hello(&mut self, hello: ClientHello, reference: Option<&str>, now: Timestamp) -> Result<(), Problem> {
        if let Some(token) = &hello.token {
            self.connection.extend(self.renewed(token, now)?);
        }
        self.resumed = false;
        if let Some(token) = &hello.resume
            && let Some((lost, epoch)) = resume::open(&self.presence.0.ground.roots, &self.connection, token)
            && let Some(epoch) = self.presence.act(|hub| hub.resume(self.seat.id, lost, epoch))
        {
            (self.seat.id, self.epoch, self.resumed) = (lost, epoch, true);
        }
        self.greet(reference);
        Ok(())
    }

    /// Until when a fresh token of the same session is good.
    fn renewed(&self, token: &str, now: Timestamp) -> Result<Timestamp, Problem> {
        let sessions = &self.presence.0.sessions;
        let verified = sessions.authenticate(token, now)?;
        if verified.jkt.is_some() {
            let detail = "This access token is bound to a key, which a frame cannot prove. Open a new connection with a ticket.";
            return Err(Problem::new(Code::Unauthenticated).detail(detail));
        }
        let caller = Caller::of(verified)?;
        if (caller.user, caller.session) != (self.connection.user, self.connection.session) {
            let detail = "This access token is of another session than the connection. Open a new connection.";
            return Err(Problem::new(Code::Forbidden).detail(detail));
        }
        sessions.used(&caller, now);
        Ok(caller.expires_at)
    }
}

fn too_many() -> Problem {
    Problem::new(Code::RateLimited).detail("Too many messages. Send fewer each second.")
}
