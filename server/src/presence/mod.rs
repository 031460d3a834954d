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

mod announce;
mod asyncapi;
mod channel;
pub mod close;
mod connection;
mod frame;
mod gossip;
mod hub;
mod outbox;
mod pace;
mod resume;
mod roster;
mod routes;
mod socket;
mod talk;
mod ticket;
mod watch;

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use announce::{Announcements, Announcer, announcements};
pub use asyncapi::asyncapi;
pub use channel::Authorizer;
pub use close::Close;
pub use gossip::REALTIME;
pub use routes::routes;

use self::announce::Announcement;
use self::channel::Kinds;
use self::connection::Connection;
use self::gossip::Envelope;
use self::hub::Hub;
use self::pace::Rate;
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
    envelope: Envelope,
    announcer: Announcer,
    hub: Mutex<Guarded>,
    work: Notify,
    sockets: TaskTracker,
    stopping: CancellationToken,
}

/// What the lock guards.
struct Guarded {
    hub: Hub,
    announced: Receiver<Announcement>,
}

impl Presence {
    /// Nobody is here yet. `kinds`: who decides about channels of other kinds than `user` and `room`, by kind.
    pub fn new(
        ground: Ground,
        sessions: Sessions,
        flags: Flags,
        kinds: Vec<(&'static str, Arc<dyn Authorizer>)>,
        announcements: Announcements,
    ) -> Self {
        let me = ground.random.uuid(ground.clock.now());
        let envelope = Envelope::new(ground.roots.clone(), &ground.keyring.blind_index("realtime", "instances"), me);
        let Announcements { announcer, queue: announced } = announcements;
        let inner = Inner {
            hub: Mutex::new(Guarded { hub: Hub::new(me, ground.settings.presence), announced }),
            announcer,
            ground,
            sessions,
            flags,
            kinds: Kinds::new(kinds),
            envelope,
            work: Notify::new(),
            sockets: TaskTracker::new(),
            stopping: CancellationToken::new(),
        };
        Self(Arc::new(inner))
    }

    /// As [`Announcer::publish`].
    pub fn publish(&self, channel: &str, payload: &impl Serialize) {
        self.0.announcer.publish(channel, payload);
    }

    /// As [`Announcer::shut`].
    pub fn shut(&self, channel: &str) {
        self.0.announcer.shut(channel);
    }

    /// How many connections are open here.
    pub fn connections(&self) -> usize {
        self.lock().hub.connections()
    }

    /// Works on the hub, after what was announced before; what it has to say to other instances goes out in the same order.
    fn act<T>(&self, work: impl FnOnce(&mut Hub) -> T) -> T {
        let now = self.0.ground.clock.now();
        let Guarded { hub, announced } = &mut *self.lock();
        announced.try_iter().for_each(|announcement| hub.announce(announcement, now));
        let result = work(hub);
        let alone = self.0.ground.shared.is_alone();
        for word in hub.words.drain(..).filter(|_| !alone) {
            self.0.ground.shared.publish(REALTIME, self.0.envelope.seal(word, now));
        }
        if hub.has_work() {
            self.0.work.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        // The hub is consistent between any two of its steps; a panic in one must not end presence.
        self.0.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection that is about to be opened.
    fn seat(&self, connection: Connection, id: Uuid) -> Result<Seat, Problem> {
        let connection = Arc::new(connection);
        let rate = self.act(|hub| hub.open(id, connection.clone()))?;
        Ok(Seat { presence: self.clone(), connection, rate, id, parks: false })
    }
}

/// A connection's place; given back when dropped, also when the upgrade fails.
struct Seat {
    presence: Presence,
    connection: Arc<Connection>,
    /// What all connections of its person send, together.
    rate: Arc<Rate>,
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
