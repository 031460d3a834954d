//! INTERFACE SKETCH of shared state (bodies to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::time::{Clock, Timestamp};
use std::time::Duration;

/// So many in any window of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub limit: u32,
    pub window: Duration,
}

/// What the limiter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32,
    pub window: Duration,
    /** until the whole budget is free again */
    pub reset_after: Duration,
    /** zero when allowed */
    pub retry_after: Duration,
}

/// A message every instance gets, the sender's own included.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: &'static str,
    pub payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    InProcess,
    Connected,
    Lost,
}

#[derive(Clone)]
pub struct Shared(());
impl Shared {
    pub fn in_process(clock: Clock) -> Self {
        todo!()
    }
    /// Never fails for an unreachable server: starts degraded and connects in the background. `topics`: all topics ever published.
    pub async fn redis(url: &str, clock: Clock, topics: &'static [&'static str]) -> Result<Self, SharedError> {
        todo!()
    }
    /// Takes `cost` from the budget of `(scope, key)`, atomically over all instances; on a lost Redis from a local budget.
    /// `cost` 0 only looks.
    pub async fn take(&self, scope: &'static str, key: &[u8], budget: Budget, cost: u32, now: Timestamp) -> Decision {
        todo!()
    }
    /// Queues a message for every instance; never blocks, never fails (what must not be lost is in the database).
    pub fn publish(&self, topic: &'static str, payload: Vec<u8>) {
        todo!()
    }
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Message> {
        todo!()
    }
    /// Ephemeral values: gone after `ttl`, maybe earlier; `None` when lost.
    pub async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) {
        todo!()
    }
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        todo!()
    }
    /// Removes and returns the value; of many callers exactly one gets it.
    pub async fn take_value(&self, key: &str) -> Option<Vec<u8>> {
        todo!()
    }
    pub fn health(&self) -> Health {
        todo!()
    }
    /// When the push channel last proved alive (a message or an answered ping).
    pub fn heard_at(&self) -> Timestamp {
        todo!()
    }
    pub async fn close(&self) {
        todo!()
    }
}
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    #[error("REDIS_URL is not usable: {0}")]
    Url(String),
}
