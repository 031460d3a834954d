//! When sessions and people were last active, without a write on every request.
//!
//! A request costs one comparison; at most twice a minute a session's use is put on a list in memory, and
//! the list is written in batches. With it goes which refresh generation was seen in use, which is what
//! tells a lost answer from a replay.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::accounts;
use crate::db::DbError;
use crate::ground::Ground;
use crate::http::guard::{Subject, Verified};
use crate::time::Timestamp;

const NOTE_EVERY: Duration = Duration::from_secs(30);
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Sessions written in one statement.
const BATCH: usize = 500;
const SEEN_MAX: u64 = 100_000;

#[derive(Clone, Copy, Debug)]
struct Note {
    user: Uuid,
    at: Timestamp,
    generation: i64,
}

impl Note {
    /// The newest of both; one session has one user.
    fn join(&mut self, other: Self) {
        self.at = self.at.max(other.at);
        self.generation = self.generation.max(other.generation);
    }
}

/// The list; clones share it.
#[derive(Clone)]
pub struct Activity(Arc<Inner>);

struct Inner {
    ground: Ground,
    notes: Mutex<HashMap<Uuid, Note>>,
    seen: Cache<Uuid, i64>,
}

impl Activity {
    pub(super) fn new(ground: Ground) -> Self {
        let seen = Cache::builder().max_capacity(SEEN_MAX).time_to_live(ground.settings.tokens.access_ttl * 2).build();
        Self(Arc::new(Inner { ground, notes: Mutex::default(), seen }))
    }

    /// Notes that a token was used at `now`.
    pub(super) fn touch(&self, verified: &Verified, now: Timestamp) {
        let Subject::Person { user, session, generation } = verified.subject else { return };
        let last = Timestamp::from_micros(verified.touched.load(Ordering::Relaxed));
        if now < last.plus(NOTE_EVERY) {
            return;
        }
        verified.touched.store(now.as_micros(), Ordering::Relaxed);
        let mut notes = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let note = Note { user, at: now, generation };
        notes.entry(session).or_insert(note).join(note);
    }

    /// Notes that a token of `generation` was presented for the first time.
    pub(super) fn first_sight(&self, session: Uuid, generation: i64) {
        if generation == 0 || self.0.seen.get(&session).is_some_and(|seen| seen >= generation) {
            return;
        }
        self.0.seen.insert(session, generation);
        let shared = self.0.ground.shared.clone();
        let ttl = self.0.ground.settings.tokens.access_ttl * 2;
        tokio::spawn(async move { shared.put(&seen_key(session), generation.to_be_bytes().to_vec(), ttl).await });
    }

    /// The newest generation that any instance has seen in use and may not have written down yet.
    pub(super) async fn seen(&self, session: Uuid) -> i64 {
        let here = self.0.seen.get(&session).unwrap_or(0);
        let elsewhere = self.0.ground.shared.get(&seen_key(session)).await;
        let elsewhere = elsewhere.and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes);
        here.max(elsewhere)
    }

    /// Writes the list down. What cannot be written stays on it.
    pub async fn flush(&self) -> Result<(), DbError> {
        let notes: Vec<(Uuid, Note)> = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (index, batch) in notes.chunks(BATCH).enumerate() {
            if let Err(error) = self.write(batch).await {
                let mut list = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner);
                for (session, note) in &notes[index * BATCH..] {
                    list.entry(*session).or_insert(*note).join(*note);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write(&self, batch: &[(Uuid, Note)]) -> Result<(), DbError> {
        let idle = self.0.ground.settings.sessions.idle_ttl;
        let sessions: Vec<_> = batch.iter().map(|(id, note)| (*id, note.at, note.at.plus(idle), note.generation)).collect();
        let mut people = HashMap::new();
        for (_, note) in batch {
            let at = people.entry(note.user).or_insert(note.at);
            *at = note.at.max(*at);
        }
        let people: Vec<(Uuid, Timestamp)> = people.into_iter().collect();
        self.0
            .ground
            .db
            .write(async move |tx| {
                store::touch(tx, &sessions).await?;
                accounts::touch(tx, &people).await
            })
            .await
    }

    pub(super) async fn run(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                _ = tick.tick() => false,
            };
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "activity could not be written; it is tried again");
            }
            if stopping {
                return;
            }
        }
    }
}

fn seen_key(session: Uuid) -> String {
    format!("seen:{}", session.simple())
}
