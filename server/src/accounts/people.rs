//! People in memory: opened once, shared by all requests, dropped everywhere when they change.
//!
//! Whoever changes a person calls [`People::changed_on_commit`] in the same transaction. Every instance is
//! told, and polls the indexed `updated_at` twice a second as the net under the push.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::{self, UserRow};
use super::view::PersonView;
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::secret::{PersonKey, SealError};
use crate::shared::net;
use crate::time::Timestamp;

/// Fan-out topic: the person's id.
pub const PERSON_CHANGED: &str = "person.changed";

/// Counts look-ups by whether memory had the answer.
pub const CACHE: &str = "keystead_cache_requests_total";

const PEOPLE_MAX: u64 = 50_000;
/// Bounds how far `lastActiveAt` lags; changes are pushed.
const KEEP: Duration = Duration::from_secs(60);
const POLL_OVERLAP: Duration = Duration::from_secs(10);

/// The cache; clones share it.
#[derive(Clone)]
pub struct People {
    ground: Ground,
    views: Cache<Uuid, Arc<PersonView>>,
    newest: Arc<AtomicI64>,
    hits: metrics::Counter,
    misses: metrics::Counter,
}

impl People {
    /// Nobody in memory yet.
    pub fn new(ground: Ground) -> Self {
        let views = Cache::builder().max_capacity(PEOPLE_MAX).time_to_live(KEEP).build();
        let newest = Arc::new(AtomicI64::new(ground.clock.now().as_micros()));
        let hits = metrics::counter!(CACHE, "cache" => "people", "result" => "hit");
        let misses = metrics::counter!(CACHE, "cache" => "people", "result" => "miss");
        Self { ground, views, newest, hits, misses }
    }

    /// A person, from memory when warm; `None` when there is none (any more).
    pub async fn view(&self, id: Uuid) -> Result<Option<Arc<PersonView>>, SealError> {
        if let Some(view) = self.views.get(&id) {
            self.hits.increment(1);
            return Ok(Some(view));
        }
        self.misses.increment(1);
        let Some(row) = store::find(&self.ground.db, id).await? else { return Ok(None) };
        let key = match self.ground.keyring.get(id).await {
            Ok(key) => key,
            Err(SealError::Erased) => return Ok(None),
            Err(error) => return Err(error),
        };
        self.opened(&row, &key).map(Some)
    }

    /// Keeps a person whose row was read just now.
    pub fn opened(&self, row: &UserRow, key: &PersonKey) -> Result<Arc<PersonView>, SealError> {
        let view = Arc::new(PersonView::open(row, key)?);
        self.views.insert(row.id, view.clone());
        Ok(view)
    }

    /// Has every instance forget `id` once `tx` is committed.
    pub fn changed_on_commit(&self, tx: &mut Tx, id: Uuid) {
        let this = self.clone();
        tx.on_commit(move || {
            this.views.invalidate(&id);
            this.ground.shared.publish(PERSON_CHANGED, id.as_bytes().to_vec());
        });
    }

    /// Takes a push from another instance. The key goes with the view: the change may have been the erasure.
    pub fn receive(&self, payload: &[u8]) {
        if let Ok(id) = Uuid::from_slice(payload) {
            self.ground.keyring.forget(id);
            self.views.invalidate(&id);
        }
    }

    /// Forgets who was changed since the last poll.
    pub async fn poll(&self) -> Result<(), DbError> {
        let newest = Timestamp::from_micros(self.newest.load(Ordering::Relaxed));
        let mut latest = newest;
        for (id, at, version) in store::changed_since(&self.ground.db, newest.minus(POLL_OVERLAP)).await? {
            latest = latest.max(at);
            // Whoever was changed last is found by every poll; a view of that change stays, or it would be read again
            // twice a second, and be gone at once when the database is.
            if self.views.get(&id).is_some_and(|view| view.version < version) {
                self.views.invalidate(&id);
            }
        }
        self.newest.store(latest.as_micros(), Ordering::Relaxed);
        Ok(())
    }

    /// Polls until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        net::follow("people", stop, || self.poll()).await;
    }
}
