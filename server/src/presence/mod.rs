//! Presence: who is here, joins and leaves, over WebSocket and across instances; and whatever else a slice has to tell at once.
//!
//! A client opens `GET /api/v1/realtime` with a ticket or a token ([`routes`]) and joins channels ([`channel`]). It gets the state
//! of each, then what changes, gathered a few times a second ([`hub`]); frames that it does not take in time wait in a bounded
//! queue ([`outbox`]) and end the connection when there are too many. Instances tell each other who is where ([`gossip`]). A
//! lost connection can be resumed on any instance without anybody noticing ([`resume`]). A connection ends with its access token
//! unless it brings a fresh one, and within a second with its session, or when the flag is switched off ([`watch`]).
//!
//! Owns no table: what is here is in memory, and gone with its connection. Tickets are one-time codes of `codes`. What clients show
//! of themselves is never stored or logged. The protocol for people: `docs/realtime.md`; for programs: `asyncapi.json`.

mod asyncapi;
mod channel;
pub mod close;
mod connection;
mod frame;
mod gossip;
mod hub;
mod outbox;
mod resume;
mod roster;
mod routes;
mod socket;
mod talk;
mod ticket;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use asyncapi::asyncapi;
pub use channel::Authorizer;
pub use close::Close;
pub use gossip::REALTIME;
pub use routes::routes;

use self::channel::Kinds;
use self::connection::Connection;
use self::gossip::{Envelope, Message};
use self::hub::Hub;
use crate::error::Problem;
use crate::flags::Flags;
use crate::ground::Ground;
use crate::sessions::Sessions;

/// The connections of one instance; clones share them.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    ground: Ground,
    sessions: Sessions,
    flags: Flags,
    kinds: Kinds,
    /// This instance, to the others.
    me: Uuid,
    envelope: Envelope,
    hub: Mutex<Hub>,
    work: Notify,
    sockets: TaskTracker,
    stopping: CancellationToken,
}

impl Presence {
    /// Nobody is here yet. `kinds`: who decides about channels of other kinds than `user` and `room`, by kind.
    pub fn new(ground: Ground, sessions: Sessions, flags: Flags, kinds: Vec<(&'static str, Arc<dyn Authorizer>)>) -> Self {
        let me = ground.random.uuid(ground.clock.now());
        let envelope = Envelope::new(ground.roots.clone(), &ground.keyring.blind_index("realtime", "instances"));
        let inner = Inner {
            hub: Mutex::new(Hub::new(me, ground.settings.presence)),
            ground,
            sessions,
            flags,
            kinds: Kinds::new(kinds),
            me,
            envelope,
            work: Notify::new(),
            sockets: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self(Arc::new(inner))
    }

    /// Tells everybody who has joined `channel`, on every instance: a `diff` frame with `payload`, which is a JSON object of the
    /// slice's own. Never blocks. Each instance tells it in the order of these calls; one that missed something gives its listeners a
    /// fresh `state` instead, by which they know to read again what the slice has stored.
    pub fn publish(&self, channel: &str, payload: &impl Serialize) {
        match serde_json::value::to_raw_value(payload) {
            Ok(payload) => self.act(|hub| hub.publish(channel, payload.into())),
            Err(error) => tracing::error!(%error, "a payload could not be written as JSON and was not published"),
        }
    }

    /// Has everybody leave `channel`, on every instance: it is over. They get a `leave` frame.
    pub fn shut(&self, channel: &str) {
        self.act(|hub| hub.shut(channel));
    }

    /// How many connections are open here.
    pub fn connections(&self) -> usize {
        self.lock().connections()
    }

    /// Works on the hub; what it has to say to other instances goes out in the same order.
    fn act<T>(&self, work: impl FnOnce(&mut Hub) -> T) -> T {
        let mut hub = self.lock();
        let result = work(&mut hub);
        let alone = self.0.ground.shared.is_alone();
        for word in hub.words.drain(..).filter(|_| !alone) {
            let message = self.0.envelope.seal(&Message { from: self.0.me, word });
            self.0.ground.shared.publish(REALTIME, message);
        }
        if hub.has_work() {
            self.0.work.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Hub> {
        // The hub is consistent between any two of its steps; a panic in one must not end presence.
        self.0.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection that is about to be opened.
    fn seat(&self, connection: Connection, id: Uuid) -> Result<Seat, Problem> {
        let connection = Arc::new(connection);
        self.act(|hub| hub.open(id, connection.clone()))?;
        Ok(Seat { presence: self.clone(), connection, id, parks: false })
    }
}

/// A connection's place; given back when dropped, also when the upgrade fails.
struct Seat {
    presence: Presence,
    connection: Arc<Connection>,
    id: Uuid,
    /// Whether the connection may come back.
    parks: bool,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = self.presence.0.ground.clock.now();
        self.presence.act(|hub| hub.close(self.id, &self.connection, self.parks, now));
    }
}
