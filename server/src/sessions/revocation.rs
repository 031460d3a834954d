//! Sessions that were ended, and tokens that were revoked, while access tokens still run.
//!
//! Ending a session writes `ended_at` and, once that is committed, tells every instance. Each holds the set
//! of sessions ended within one access lifetime: loaded at start, fed by pushes, and by a poll of the
//! indexed column twice a second as the net under them (a push may be lost, and the command line ends
//! sessions without one). When neither has worked for the configured staleness the instance cannot know
//! any more and says so: 503, never 200.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::db::{Db, DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::shared::Health;
use crate::time::Timestamp;

/// Fan-out topic: session id ‖ ended_at in microseconds, big-endian.
pub const SESSION_ENDED: &str = "session.ended";

const POLL_EVERY: Duration = Duration::from_millis(500);
/// How far back each poll looks beyond the newest it knows. A session is ended at the instant its request arrived,
/// which may have taken the whole request time-out (30 s) to commit, on an instance whose clock is a little behind.
const POLL_OVERLAP: Duration = Duration::from_secs(45);
/// A poll that takes longer hangs on its connection: the next one tries another.
const POLL_WITHIN: Duration = Duration::from_secs(2);
/// Kept a little longer than any access token lives.
const KEEP_MARGIN: Duration = Duration::from_secs(60);

/// The set; clones share it.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

/// Reads what was ended after an instant: ids, and when.
pub type EndedSince = fn(Db, Timestamp) -> Pin<Box<dyn Future<Output = Result<Vec<(Uuid, Timestamp)>, DbError>> + Send>>;

struct Inner {
    ground: Ground,
    topic: &'static str,
    ended_since: EndedSince,
    ended: RwLock<HashMap<Uuid, Timestamp>>,
    newest: AtomicI64,
    /// Real time of the last answered poll, in milliseconds after `started`: the injected clock may jump.
    polled: AtomicU64,
    started: Instant,
}

impl Revocations {
    /// The set of ended sessions.
    pub(super) fn of_sessions(ground: Ground) -> Self {
        Self::new(ground, SESSION_ENDED, |db, since| Box::pin(async move { store::ended_since(&db, since).await }))
    }

    /// A set of other things that end before their tokens do: told under `topic`, polled with `ended_since`.
    pub fn new(ground: Ground, topic: &'static str, ended_since: EndedSince) -> Self {
        let inner = Inner {
            ground,
            topic,
            ended_since,
            ended: RwLock::default(),
            newest: AtomicI64::new(i64::MIN),
            polled: AtomicU64::new(0),
            started: Instant::now(),
        };
        Self(Arc::new(inner))
    }

    /// Refuses what was ended, and everything while this instance cannot know.
    pub fn check(&self, session: Uuid) -> Result<(), Problem> {
        if !self.is_fresh() {
            return Err(Problem::new(Code::Unavailable)
                .detail("This server cannot tell at the moment whether your session was ended. Try again shortly.")
                .retry_after(Duration::from_secs(1)));
        }
        let ended = self.0.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session);
        if ended { Err(Code::SessionRevoked.into()) } else { Ok(()) }
    }

    /// Whether pushes or polls have worked lately enough.
    pub fn is_fresh(&self) -> bool {
        let staleness = self.0.ground.settings.tokens.staleness;
        let elapsed = self.0.started.elapsed();
        let polled = Duration::from_millis(self.0.polled.load(Ordering::Relaxed));
        if elapsed.saturating_sub(polled) <= staleness {
            return true;
        }
        let shared = &self.0.ground.shared;
        match shared.health() {
            // Without Redis there is one instance, and on SQLite nobody ends sessions without the file it reads.
            Health::InProcess => self.0.ground.db.is_embedded(),
            Health::Connected => self.0.ground.clock.now().since(shared.heard_at()) <= staleness,
            Health::Lost => false,
        }
    }

    /// Has every instance refuse `sessions` once `tx` is committed.
    pub fn push_on_commit(&self, tx: &mut Tx, sessions: Vec<Uuid>, ended_at: Timestamp) {
        let this = self.clone();
        tx.on_commit(move || {
            for session in sessions {
                this.insert(session, ended_at);
                this.0.ground.shared.publish(this.0.topic, encode(session, ended_at));
            }
        });
    }

    fn insert(&self, session: Uuid, ended_at: Timestamp) {
        self.0.ended.write().unwrap_or_else(PoisonError::into_inner).insert(session, ended_at);
    }

    /// Takes a push from another instance. Whatever the clock there says, nothing has ended in the future: it would never be forgotten.
    pub fn receive(&self, payload: &[u8]) {
        if let Some((session, ended_at)) = decode(payload) {
            self.insert(session, ended_at.min(self.0.ground.clock.now()));
        }
    }

    /// Reads what was ended lately: at start everything that still matters, afterwards what is new.
    pub async fn poll(&self) -> Result<(), DbError> {
        let begun = self.0.started.elapsed();
        let keep = self.0.ground.settings.tokens.longest() + KEEP_MARGIN;
        let oldest = self.0.ground.clock.now().minus(keep);
        // An instance whose clock is ahead must not blind the others.
        let newest = Timestamp::from_micros(self.0.newest.load(Ordering::Relaxed)).min(self.0.ground.clock.now());
        let since = oldest.max(newest.minus(POLL_OVERLAP));
        let found = (self.0.ended_since)(self.0.ground.db.clone(), since).await?;
        let mut latest = newest;
        {
            let mut ended = self.0.ended.write().unwrap_or_else(PoisonError::into_inner);
            for (session, at) in found {
                latest = latest.max(at);
                ended.insert(session, at);
            }
            ended.retain(|_, at| *at > oldest);
        }
        self.0.newest.store(latest.as_micros(), Ordering::Relaxed);
        self.0.polled.store(u64::try_from(begun.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Ok(())
    }

    /// Polls until `stop`; a failed poll is tried again at the next tick.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(POLL_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let late = |_| Err(DbError::Unavailable("it did not answer in time".to_owned()));
            match tokio::time::timeout(POLL_WITHIN, self.poll()).await.unwrap_or_else(late) {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, topic = self.0.topic, "cannot poll for what was ended; relying on pushes until it works again");
                }
                Err(_) => {}
            }
        }
    }
}

fn encode(session: Uuid, ended_at: Timestamp) -> Vec<u8> {
    [session.as_bytes().as_slice(), &ended_at.as_micros().to_be_bytes()].concat()
}

fn decode(payload: &[u8]) -> Option<(Uuid, Timestamp)> {
    let (session, at) = payload.split_at_checked(16)?;
    Some((Uuid::from_slice(session).ok()?, Timestamp::from_micros(i64::from_be_bytes(at.try_into().ok()?))))
}
