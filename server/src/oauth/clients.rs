//! Clients in memory: read once, dropped on every instance when they change.
//!
//! Whoever changes a client calls [`Clients::changed_on_commit`] in the same transaction. Every instance is told, and
//! polls the indexed `updated_at` twice a second as the net under the push.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::{Client, built_in, registered_id};
use super::store;
use crate::accounts::CACHE;
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::shared::net;
use crate::time::Timestamp;

/// Fan-out topic: the client's id.
pub const CLIENT_CHANGED: &str = "oauth.client_changed";

const CLIENTS_MAX: u64 = 10_000;
const KEEP: Duration = Duration::from_secs(60);
/// A change is dated by its request's arrival, which may have taken the whole request time-out (30 s) to commit.
const POLL_OVERLAP: Duration = Duration::from_secs(45);

/// The cache; clones share it.
#[derive(Clone)]
pub struct Clients {
    ground: Ground,
    built_in: Arc<[Arc<Client>]>,
    known: Cache<Uuid, Arc<Client>>,
    newest: Arc<AtomicI64>,
    hits: metrics::Counter,
    misses: metrics::Counter,
}

impl Clients {
    pub(super) fn new(ground: Ground) -> Self {
        let known = Cache::builder().max_capacity(CLIENTS_MAX).time_to_live(KEEP).build();
        let newest = Arc::new(AtomicI64::new(ground.clock.now().as_micros()));
        let hits = metrics::counter!(CACHE, "cache" => "clients", "result" => "hit");
        let misses = metrics::counter!(CACHE, "cache" => "clients", "result" => "miss");
        Self { ground, built_in: built_in().into(), known, newest, hits, misses }
    }

    /// The client called `id`, in whatever state, if this instance remembers it. Asks nobody.
    pub fn remembered(&self, id: &str) -> Option<Arc<Client>> {
        if let Some(client) = self.built_in.iter().find(|client| client.id == id) {
            return Some(client.clone());
        }
        let found = registered_id(id).and_then(|id| self.known.get(&id));
        if found.is_some() { &self.hits } else { &self.misses }.increment(1);
        found
    }

    /// The client called `id` as it is stored now, in whatever state.
    pub async fn read(&self, id: &str) -> Result<Option<Arc<Client>>, DbError> {
        let Some(uuid) = registered_id(id) else { return Ok(None) };
        let found = store::find(&self.ground.db, uuid).await?.map(Arc::new);
        if let Some(client) = &found {
            self.known.insert(uuid, client.clone());
        }
        Ok(found)
    }

    /// The client called `id`, if it may do anything now.
    pub async fn live(&self, id: &str) -> Result<Option<Arc<Client>>, DbError> {
        let found = match self.remembered(id) {
            Some(client) => Some(client),
            None => self.read(id).await?,
        };
        Ok(found.filter(|client| client.is_live()))
    }

    /// Forgets a client here, so that it is read again.
    pub fn forget(&self, id: Uuid) {
        self.known.invalidate(&id);
    }

    /// Has every instance forget `id` once `tx` is committed.
    pub fn changed_on_commit(&self, tx: &mut Tx, id: Uuid) {
        let this = self.clone();
        tx.on_commit(move || {
            this.forget(id);
            this.ground.shared.publish(CLIENT_CHANGED, id.as_bytes().to_vec());
        });
    }

    /// Takes a push from another instance.
    pub fn receive(&self, payload: &[u8]) {
        if let Ok(id) = Uuid::from_slice(payload) {
            self.forget(id);
        }
    }

    /// Forgets who was changed since the last poll.
    pub async fn poll(&self) -> Result<(), DbError> {
        // An instance whose clock is ahead must not blind the others.
        let newest = Timestamp::from_micros(self.newest.load(Ordering::Relaxed)).min(self.ground.clock.now());
        let mut latest = newest;
        for (id, at, version) in store::changed_since(&self.ground.db, newest.minus(POLL_OVERLAP)).await? {
            latest = latest.max(at);
            let Some(id) = registered_id(&id) else { continue };
            // Whoever was changed last is found by every poll; what was read after that change stays.
            if self.known.get(&id).is_some_and(|client| client.version < version) {
                self.forget(id);
            }
        }
        self.newest.store(latest.as_micros(), Ordering::Relaxed);
        Ok(())
    }

    /// Polls until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        net::follow("clients", stop, || self.poll()).await;
    }
}
