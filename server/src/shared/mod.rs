//! Shared state: what several instances must agree on quickly, and may forget.
//!
//! Budgets (the limiter), messages to every instance (revocations, cache invalidation), ephemeral
//! single-use values and leases. One type, [`Shared`], with two makes: in this process, for one
//! instance, and Redis, for many. It owns no table: what must not be lost is in the database, always.
//!
//! Redis may vanish at any time, hang, or come back empty. A request then waits once, for at most
//! [`Patience::answer`], and everybody goes on locally until a background task has proven that Redis
//! takes writes again. While it is lost every instance grants a whole budget of its own, values live
//! in the instance that stored them, messages wait in a bounded queue, and no lease is granted.
//!
//! Without Redis, instances on one PostgreSQL still hear each other's messages, over the database (`notify.rs`); budgets, values and
//! leases are then in each process.
//!
//! The algorithm stands in [`window`]; `link.rs` holds the line to Redis, `fanout.rs` the messages,
//! `target.rs` the forms of `REDIS_URL`, `remote.rs` the names of everything in Redis.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::db::Exchange;
use crate::secret::RootKeys;
use crate::time::{Clock, Timestamp};

mod expiring;
mod fanout;
mod link;
mod local;
pub mod net;
mod notify;
pub mod pieces;
pub mod queue;
mod remote;
mod target;
pub mod window;

pub use link::Patience;

use link::Missed;
use local::{Limiter, Values};
use notify::Notifier;
use remote::Remote;
use target::Target;

/// Messages a slow subscriber may be behind before it loses the oldest (and is told so).
const BEHIND: usize = 1024;
/// The same for bulk, of which a message may be long.
const BULK_BEHIND: usize = 256;

/// So many in any window of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most that is admitted; 0 admits nothing.
    pub limit: u32,
    /// The length of the window: exact to the microsecond, at most 71 years.
    pub window: Duration,
}

/// What the limiter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The cost was taken. A refusal takes nothing.
    pub allowed: bool,
    /// The limit that was asked about.
    pub limit: u32,
    /// What is left of it.
    pub remaining: u32,
    /// The window that was asked about.
    pub window: Duration,
    /// Until the whole budget is free again, if nothing else comes.
    pub reset_after: Duration,
    /// Until the same cost will be admitted, if nothing else comes; zero when allowed, the whole
    /// window when the cost exceeds the limit and never will be.
    pub retry_after: Duration,
}

/// A message every instance gets, the sender's own included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// One of the topics the instance was started with.
    pub topic: &'static str,
    /// What was said.
    pub payload: Vec<u8>,
}

/// What instances tell each other, and how they know that it was one of them.
#[derive(Clone)]
pub struct News {
    /// Topics of short messages: they wait while nothing can be sent, and go before bulk.
    pub topics: &'static [&'static str],
    /// Topics of much, and of long messages: whoever listens notices by itself that something is missing, so none wait while nothing
    /// can be sent.
    pub bulk: &'static [&'static str],
    /// Authenticates every message.
    pub roots: RootKeys,
}

impl News {
    fn all(&self) -> impl Iterator<Item = &'static str> {
        self.topics.iter().chain(self.bulk).copied()
    }

    fn find(&self, topic: &str) -> Option<&'static str> {
        self.all().find(|known| *known == topic)
    }
}

/// Hands messages to the subscribers of this instance. Bulk apart, so that much of it costs nobody else a message.
#[derive(Clone)]
struct Heard {
    steady: broadcast::Sender<Message>,
    bulk: broadcast::Sender<Message>,
    bulk_topics: &'static [&'static str],
}

impl Heard {
    fn new(bulk_topics: &'static [&'static str]) -> Self {
        Self { steady: broadcast::Sender::new(BEHIND), bulk: broadcast::Sender::new(BULK_BEHIND), bulk_topics }
    }

    fn send(&self, message: Message) {
        let to = if self.bulk_topics.contains(&message.topic) { &self.bulk } else { &self.steady };
        // Nobody listening is no error.
        let _ = to.send(message);
    }
}

/// How shared the shared state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// One instance, by configuration.
    InProcess,
    /// Redis answers.
    Connected,
    /// Redis does not answer; every instance is on its own until it does.
    Lost,
}

/// The shared state of an installation, as seen from one instance. Clones are cheap and the same.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    clock: Clock,
    limiter: Limiter,
    values: Values,
    heard: Heard,
    remote: Option<Remote>,
    /// Messages alone, over the database.
    notifier: Option<Notifier>,
}

impl Shared {
    /// Shared with nobody: everything is in this process.
    pub fn in_process(clock: Clock) -> Self {
        Self::with(clock, Heard::new(&[]), None, None)
    }

    /// Messages over the PostgreSQL behind `exchange`, everything else in this process: what an installation without Redis
    /// has. Messages come when they can; nothing may depend on them.
    pub fn over_database(exchange: Exchange, clock: Clock, news: News) -> Self {
        let heard = Heard::new(news.bulk);
        let notifier = Notifier::start(exchange, random_name(), news, heard.clone());
        Self::with(clock, heard, None, Some(notifier))
    }

    /// Shared over the Redis at `url` (forms: see the manual of `REDIS_URL`; `redis://`, `rediss://`,
    /// `redis+unix://`, `redis-cluster://host1,host2`, `redis-sentinel://host1,host2/master-name`).
    /// `news`: all topics that are ever published; others are not heard.
    ///
    /// # Errors
    /// Only for a URL that cannot be understood. An unreachable server is waited for a second at
    /// most; the instance then starts on its own and connects in the background.
    pub async fn redis(url: &str, clock: Clock, news: News) -> Result<Self, SharedError> {
        Self::redis_with(url, clock, news, Patience::default()).await
    }

    /// The same with another [`Patience`].
    ///
    /// # Errors
    /// As [`Shared::redis`].
    pub async fn redis_with(url: &str, clock: Clock, news: News, patience: Patience) -> Result<Self, SharedError> {
        let target = Target::parse(url)?;
        let heard = Heard::new(news.bulk);
        let remote = Remote::start(target, patience, random_name(), news, heard.clone()).await;
        Ok(Self::with(clock, heard, Some(remote), None))
    }

    fn with(clock: Clock, heard: Heard, remote: Option<Remote>, notifier: Option<Notifier>) -> Self {
        Self(Arc::new(Inner { clock, limiter: Limiter::new(), values: Values::new(), heard, remote, notifier }))
    }

    /// Takes `cost` from the budget of `(scope, key)`, atomically over all instances; on a lost Redis
    /// from a whole local budget. `cost` 0 only looks. Budgets with different windows are counted
    /// apart, so one key may have a short and a long one in the same scope.
    ///
    /// `now` is the request's instant. Never more than the limit is admitted in any window; spread
    /// events are released at most a twelfth of the window late (see [`window`]).
    pub async fn take(&self, scope: &'static str, key: &[u8], budget: Budget, cost: u32, now: Timestamp) -> Decision {
        if let Some(remote) = self.connected()
            && let Ok(decision) = remote.take(scope, key, budget, cost, now).await
        {
            return decision;
        }
        self.0.limiter.take(scope, key, budget, cost, now)
    }

    /// How many keys are counted in this process (bounded; nothing is counted here while Redis answers).
    pub fn counted_here(&self) -> usize {
        self.0.limiter.len()
    }

    /// Queues a message for every instance; never blocks, never fails (what must not be lost is in
    /// the database). Subscribers of this instance get it at once.
    pub fn publish(&self, topic: &'static str, payload: Vec<u8>) {
        let message = Message { topic, payload };
        if let Some(remote) = &self.0.remote {
            remote.send(message.clone());
        }
        if let Some(notifier) = &self.0.notifier {
            notifier.send(message.clone());
        }
        self.0.heard.send(message);
    }

    /// Every message from now on but bulk, those of this instance included. Who reads so slowly that
    /// `RecvError::Lagged` is returned has missed some and must read the database.
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.0.heard.steady.subscribe()
    }

    /// The same for bulk alone.
    pub fn subscribe_bulk(&self) -> broadcast::Receiver<Message> {
        self.0.heard.bulk.subscribe()
    }

    /// Stores an ephemeral value: gone after `ttl`, maybe earlier. While Redis is lost it is stored in
    /// this instance alone.
    pub async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) {
        let now = self.0.clock.now();
        let missed = match &self.0.remote {
            Some(remote) => match remote.put(key, &value, ttl, now).await {
                Ok(()) => return self.0.values.remove(key, now),
                Err(missed) => missed,
            },
            None => Missed::Undone,
        };
        self.0.values.put(key, value, ttl, missed == Missed::Undone, now);
    }

    /// The value, while it lives; `None` also when it is out of reach.
    pub async fn get(&self, key: &str) -> Option<Vec<u8>> {
        let now = self.0.clock.now();
        // What stands only here was stored later than anything Redis may have under that name.
        if let Some(value) = self.0.values.get(key, false, now) {
            return Some(value);
        }
        if let Some(remote) = self.connected()
            && let Ok(answer) = remote.get(key, now).await
        {
            return answer;
        }
        self.0.values.get(key, true, now)
    }

    /// Removes and returns the value; of many callers at most one gets it. A value whose storing was
    /// interrupted by the loss of Redis may stand there as well, so nobody gets that one from here.
    pub async fn take_value(&self, key: &str) -> Option<Vec<u8>> {
        let now = self.0.clock.now();
        if let Some(value) = self.0.values.take(key, now) {
            return Some(value);
        }
        self.connected()?.take_value(key, now).await.ok().flatten()
    }

    /// Takes or renews the lease `name` for this instance; `false` when another instance has it, and
    /// while Redis is lost, because then nobody can know. In this process it is always granted.
    /// Renew well before `ttl` is over (a third is usual); Redis measures it by its own clock.
    pub async fn lease(&self, name: &str, ttl: Duration) -> bool {
        match &self.0.remote {
            Some(remote) => remote.lease(name, ttl).await.unwrap_or(false),
            None => true,
        }
    }

    /// Gives the lease `name` back, if this instance has it; else it ends by itself.
    pub async fn release(&self, name: &str) {
        if let Some(remote) = &self.0.remote {
            // A lease that cannot be given back now runs out.
            let _ = remote.release(name).await;
        }
    }

    /// Whether messages reach no other process, by configuration.
    pub fn is_alone(&self) -> bool {
        self.0.remote.is_none() && self.0.notifier.is_none()
    }

    /// Whether Redis answers.
    pub fn health(&self) -> Health {
        match &self.0.remote {
            None => Health::InProcess,
            Some(remote) if remote.is_up() => Health::Connected,
            Some(_) => Health::Lost,
        }
    }

    /// When the push channel last proved alive (a message heard, or the beat that is sent through
    /// Redis and back once a second); the beginning of time when it never was. In this process: now.
    ///
    /// The age is measured on the monotonic clock, so a moved clock does not make a live channel look
    /// dead.
    pub fn heard_at(&self) -> Timestamp {
        let now = self.0.clock.now();
        match &self.0.remote {
            None => now,
            Some(remote) => remote.silent_for().map_or(Timestamp::from_micros(0), |age| now.minus(age)),
        }
    }

    /// Sends what is still queued, if Redis (or the database) answers, and stops the background tasks.
    pub async fn close(&self) {
        if let Some(remote) = &self.0.remote {
            remote.close().await;
        }
        if let Some(notifier) = &self.0.notifier {
            notifier.close().await;
        }
    }

    fn connected(&self) -> Option<&Remote> {
        self.0.remote.as_ref().filter(|remote| remote.is_up())
    }
}

/// What can be wrong with the shared state at start.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The URL has none of the understood forms. Never contains the password.
    #[error("REDIS_URL is not usable: {0}")]
    Url(String),
}

/// 128 bits that no other instance has. They guard nothing, so the process's hash keys will do.
fn random_name() -> [u8; 16] {
    let half = || RandomState::new().hash_one("keystead instance").to_be_bytes();
    let mut name = [0; 16];
    name[..8].copy_from_slice(&half());
    name[8..].copy_from_slice(&half());
    name
}
