//! When tokens were last used: noted in memory, written in batches, so that a use costs no write.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store;
use crate::db::DbError;
use crate::ground::Ground;
use crate::http::guard::Verified;
use crate::time::Timestamp;

/// A token's use is noted once in this time.
const NOTE_EVERY: Duration = Duration::from_secs(30);
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// Tokens written in one statement.
const BATCH: usize = 500;

/// The list; clones share it.
#[derive(Clone)]
pub(super) struct Uses(Arc<Inner>);

struct Inner {
    ground: Ground,
    notes: Mutex<HashMap<Uuid, Timestamp>>,
}

impl Uses {
    pub fn new(ground: Ground) -> Self {
        Self(Arc::new(Inner { ground, notes: Mutex::default() }))
    }

    /// Notes that a token was used at `now`.
    pub fn touch(&self, verified: &Verified, now: Timestamp) {
        let last = Timestamp::from_micros(verified.touched.load(Ordering::Relaxed));
        if now < last.plus(NOTE_EVERY) {
            return;
        }
        verified.touched.store(now.as_micros(), Ordering::Relaxed);
        self.note(verified.id, now);
    }

    fn note(&self, token: Uuid, at: Timestamp) {
        let mut notes = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = notes.entry(token).or_insert(at);
        *noted = at.max(*noted);
    }

    /// Writes the list down. What cannot be written stays on it.
    pub async fn flush(&self) -> Result<(), DbError> {
        let notes: Vec<(Uuid, Timestamp)> = self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for (index, batch) in notes.chunks(BATCH).enumerate() {
            let uses = batch.to_vec();
            if let Err(error) = self.0.ground.db.write(async move |tx| store::touch(tx, &uses).await).await {
                notes[index * BATCH..].iter().for_each(|(token, at)| self.note(*token, *at));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes it down every few seconds until `stop`, and then once more.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(FLUSH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                _ = tick.tick() => false,
            };
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "the last use of tokens could not be written; it is tried again");
            }
            if stopping {
                return;
            }
        }
    }
}
