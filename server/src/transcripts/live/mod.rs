//! Listeners of transcripts on this instance, and what they are told.
//!
//! A [`hub`](Hub) stands for one voice session that somebody listens to here. Whoever stores a segment says so to every instance; each
//! reads what is new from the database, once for all its listeners ([`pump`]), and puts it into the hub's ring. A message may be lost:
//! every second all hubs are read anyway. The ring is bounded and nobody waits for a slow listener: one that fell out of it is told,
//! and reads from the database until it has caught up ([`listener`]). Whether a listener may still listen is looked at four times a
//! second ([`rights`]).

mod listener;
mod pump;
mod rights;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, oneshot};
use uuid::Uuid;

pub(super) use listener::Listener;
pub use pump::run;
pub(super) use rights::Right;

use super::store::Session;
use crate::db::Db;
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::time::Timestamp;

/// Fan-out topic: voice session id ‖ position up to which its transcript was written, big-endian.
pub const TRANSCRIPT_CHANGED: &str = "transcript.changed";

/// The live side of one instance; clones share it.
#[derive(Clone)]
pub struct Transcripts(Arc<Inner>);

struct Inner {
    ground: Ground,
    hubs: Mutex<HashMap<Uuid, Hub>>,
    open: Mutex<Open>,
    /// Sessions with a hub of which something new is to be read.
    dirty: Mutex<HashSet<Uuid>>,
    wake: Notify,
    draining: AtomicBool,
}

/// A voice session that somebody listens to here.
struct Hub {
    owner: Uuid,
    /// The position up to which the ring was filled.
    head: i64,
    ring: broadcast::Sender<Heard>,
}

/// What goes through a ring.
#[derive(Clone, Debug)]
enum Heard {
    Segment(Arc<Said>),
    /// The session has ended; nothing more will come.
    End(Timestamp),
}

/// A segment as listeners get it.
#[derive(Debug)]
struct Said {
    position: i64,
    json: String,
}

/// Why a stream ends before the session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// The sign-in or the right to listen is over.
    Revoked,
    /// The access token has expired.
    Expired,
    /// This instance cannot tell at the moment whether the listener may still listen, or cannot read.
    Unavailable,
    /// This instance stops.
    Draining,
}

#[derive(Default)]
struct Open {
    next: u64,
    listeners: HashMap<u64, Entry>,
    per_user: HashMap<Uuid, u32>,
}

struct Entry {
    user: Uuid,
    right: Right,
    close: Option<oneshot::Sender<Closing>>,
}

/// A place among the listeners, given back when dropped.
struct Place {
    live: Transcripts,
    id: u64,
    session: Uuid,
    /// Taken when dropped, before it is counted who is left.
    ring: Option<broadcast::Receiver<Heard>>,
}

impl Transcripts {
    /// Nobody listens yet.
    pub fn new(ground: Ground) -> Self {
        Self(Arc::new(Inner {
            ground,
            hubs: Mutex::default(),
            open: Mutex::default(),
            dirty: Mutex::default(),
            wake: Notify::new(),
            draining: AtomicBool::new(false),
        }))
    }

    /// The store, for who may join the channel of a session.
    pub(super) fn db(&self) -> &Db {
        &self.0.ground.db
    }

    /// Tells every instance that the transcript of `session` was written up to `position`.
    pub(super) fn publish(&self, session: Uuid, position: i64) {
        let payload = [session.as_bytes().as_slice(), &position.to_be_bytes()].concat();
        self.0.ground.shared.publish(TRANSCRIPT_CHANGED, payload);
    }

    /// Takes such a message.
    pub fn receive(&self, payload: &[u8]) {
        let Some((session, position)) = decode(payload) else { return };
        if lock(&self.0.hubs).get(&session).is_some_and(|hub| hub.head < position) {
            lock(&self.0.dirty).insert(session);
            self.0.wake.notify_one();
        }
    }

    /// Ends every stream, and each that is opened from now on, asking its client to connect again: to another instance.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
        for entry in lock(&self.0.open).listeners.values_mut() {
            entry.close(Closing::Draining);
        }
    }

    /// A place for one more listener of `session`, and how it learns that it has to go.
    fn join(&self, session: &Session, user: Uuid, right: Right) -> Result<(Place, oneshot::Receiver<Closing>), Problem> {
        let (close, closing) = oneshot::channel();
        let id = lock(&self.0.open).admit(user, right, close, self.0.ground.settings.transcripts.listeners)?;
        // Whoever was admitted before the drain is told by it; whoever came after, here.
        if self.0.draining.load(Ordering::SeqCst) {
            self.close(id, Closing::Draining);
        }
        let mut hubs = lock(&self.0.hubs);
        let hub = hubs.entry(session.id).or_insert_with(|| Hub {
            owner: session.owner,
            head: session.position,
            ring: broadcast::Sender::new(self.0.ground.settings.transcripts.buffer),
        });
        let ring = Some(hub.ring.subscribe());
        Ok((Place { live: self.clone(), id, session: session.id, ring }, closing))
    }

    fn close(&self, listener: u64, closing: Closing) {
        if let Some(entry) = lock(&self.0.open).listeners.get_mut(&listener) {
            entry.close(closing);
        }
    }

    fn leave(&self, listener: u64, session: Uuid) {
        lock(&self.0.open).dismiss(listener);
        let mut hubs = lock(&self.0.hubs);
        if hubs.get(&session).is_some_and(|hub| hub.ring.receiver_count() == 0) {
            hubs.remove(&session);
        }
    }
}

impl Open {
    fn admit(&mut self, user: Uuid, right: Right, close: oneshot::Sender<Closing>, most: u32) -> Result<u64, Problem> {
        let count = self.per_user.entry(user).or_default();
        if *count >= most {
            return Err(Problem::new(Code::RateLimited)
                .detail(format!("You listen to {most} transcripts already. Close one of them."))
                .retry_after(Duration::from_secs(5)));
        }
        *count += 1;
        let id = self.next;
        self.next += 1;
        self.listeners.insert(id, Entry { user, right, close: Some(close) });
        self.report();
        Ok(id)
    }

    fn dismiss(&mut self, listener: u64) {
        let Some(entry) = self.listeners.remove(&listener) else { return };
        if let Some(count) = self.per_user.get_mut(&entry.user) {
            *count -= 1;
            if *count == 0 {
                self.per_user.remove(&entry.user);
            }
        }
        self.report();
    }

    fn report(&self) {
        metrics::gauge!("keystead_transcript_listeners").set(self.listeners.len() as f64);
    }
}

impl Entry {
    fn close(&mut self, closing: Closing) {
        if let Some(close) = self.close.take() {
            // Whoever is gone needs no word.
            let _ = close.send(closing);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.ring.take());
        self.live.leave(self.id, self.session);
    }
}

fn decode(payload: &[u8]) -> Option<(Uuid, i64)> {
    let (session, position) = payload.split_at_checked(16)?;
    Some((Uuid::from_slice(session).ok()?, i64::from_be_bytes(position.try_into().ok()?)))
}

/// Nothing that is done under these locks can be left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
