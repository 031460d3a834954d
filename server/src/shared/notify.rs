//! Messages to every instance over the database, where there is PostgreSQL and no Redis.
//!
//! As over Redis ([`fanout`](super::fanout)): the sender's own subscribers have a message already, so each frame begins with the name
//! of the sending instance; messages wait in a bounded queue; once a second a beat goes the whole way and back, and a line on which
//! it does not come back is left for a new one. PostgreSQL carries at most 8,000 bytes of text, so a message goes in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pieces::{Cutter, Gatherer, Instance};
use super::queue::Queue;
use super::{Heard, Message, News};
use crate::db::{DbError, Exchange, Line};

/// The channel of all messages; a database has one installation.
const CHANNEL: &str = "keystead";
const BATCH: usize = 64;
const BEAT_EVERY: Duration = Duration::from_secs(1);
const SILENT_FOR: Duration = Duration::from_secs(3);
const WITHIN: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// A server that knows no LISTEN (CockroachDB, a pooler in transaction mode) is not asked more often.
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What one instance says to the others and hears from them.
pub(super) struct Notifier {
    outgoing: Arc<Outgoing>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Outgoing {
    queue: Queue,
    /// Whether a line is open.
    up: AtomicBool,
}

impl Notifier {
    pub(super) fn start(exchange: Exchange, instance: Instance, news: News, heard: Heard) -> Self {
        let outgoing = Arc::new(Outgoing { queue: Queue::new(news.bulk), up: AtomicBool::new(false) });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mouth = Mouth { cutter: Cutter::new(instance, news.roots.clone()) };
        let ear = Ear { gatherer: Gatherer::new(instance, news.roots.clone()), news, heard };
        tasks.spawn(run(exchange, mouth, ear, outgoing.clone(), stop.clone()));
        Self { outgoing, tasks, stop }
    }

    /// Queues a message for the other instances.
    pub(super) fn send(&self, message: Message) {
        if !self.outgoing.queue.push(message, self.outgoing.up.load(Ordering::Relaxed)) {
            super::fanout::dropped(1);
        }
    }

    /// Sends what is still queued, if the database answers.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(WITHIN, self.tasks.wait()).await;
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(exchange: Exchange, mut mouth: Mouth, mut ear: Ear, outgoing: Arc<Outgoing>, stop: CancellationToken) {
    let mut retry = RETRY_FIRST;
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = tokio::time::timeout(WITHIN, exchange.open(CHANNEL)) => opened,
        };
        match opened {
            Ok(Ok(mut line)) => {
                retry = RETRY_FIRST;
                outgoing.up.store(true, Ordering::Relaxed);
                converse(&mut line, &mut mouth, &mut ear, &outgoing.queue, &stop).await;
                outgoing.up.store(false, Ordering::Relaxed);
                super::fanout::dropped(outgoing.queue.forget_bulk());
                if stop.is_cancelled() {
                    return;
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the line for messages between instances cannot be opened and is tried again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(retry) => retry = (retry * 2).min(RETRY_LAST),
        }
    }
}

/// Speaks and listens until the line is broken or silent, or `stop`; then sends what is still queued.
async fn converse(line: &mut Line, mouth: &mut Mouth, ear: &mut Ear, queue: &Queue, stop: &CancellationToken) {
    let mut beat = tokio::time::interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    loop {
        let stopping = tokio::select! {
            said = line.hear() => {
                let Some(said) = said else { return };
                heard_at = Instant::now();
                ear.hear(&said);
                continue;
            }
            _ = beat.tick() => {
                if heard_at.elapsed() > SILENT_FOR {
                    return;
                }
                ear.gatherer.tidy(Instant::now());
                false
            }
            () = queue.wait() => false,
            () = stop.cancelled() => true,
        };
        loop {
            let batch = queue.take(BATCH);
            let last = batch.is_empty();
            if mouth.say(line, batch).await.is_err() || (stopping && last) {
                return;
            }
            if !stopping || last {
                break;
            }
        }
    }
}

/// Says messages.
struct Mouth {
    cutter: Cutter,
}

impl Mouth {
    /// Sends a batch, or a beat when there is nothing. What may have been sent is not sent again.
    async fn say(&mut self, line: &Line, batch: Vec<Message>) -> Result<(), DbError> {
        let count = batch.len();
        let mut payloads: Vec<String> = batch.iter().flat_map(|message| self.cutter.cut(message.topic, &message.payload)).collect();
        if payloads.is_empty() {
            payloads.push(self.cutter.beat());
        }
        let late = |_| Err(DbError::Unavailable("it did not answer in time".to_owned()));
        let sent = tokio::time::timeout(WITHIN, line.send(&payloads)).await.unwrap_or_else(late);
        if sent.is_err() {
            super::fanout::dropped(count);
        }
        sent
    }
}

/// Hears what others say.
struct Ear {
    gatherer: Gatherer,
    news: News,
    heard: Heard,
}

impl Ear {
    fn hear(&mut self, said: &str) {
        let Some((topic, payload)) = self.gatherer.hear(said, Instant::now()) else { return };
        if let Some(topic) = self.news.find(&topic) {
            self.heard.send(Message { topic, payload });
        }
    }
}
