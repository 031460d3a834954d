//! Messages to every instance, over Redis Pub/Sub.
//!
//! The sender's own subscribers get a message at once and in this process; Redis only carries it to
//! the others, so every frame begins with the random name of the sending instance and its own come
//! back unheard; then follows a tag, because a Redis may have other users. Messages wait in a bounded
//! queue while Redis is lost; what does not fit is dropped and counted, because what must not be lost
//! is in the database and is polled.
//!
//! Once a second each instance sends a beat to itself, through Redis and back over its subscription.
//! Only that proves the whole way of a push; an open socket proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Msg, RedisResult};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::link::{Link, within};
use super::pieces::Instance;
use super::queue::Queue;
use super::{Heard, Message, News};
use crate::secret::Purpose;

/// Separates these tags from others under the same key.
const CONTEXT: &[u8] = b"pubsub 1";
/// Messages sent in one go.
const BATCH: usize = 128;
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A subscription that silent is left for a new one.
const SILENT_FOR: Duration = Duration::from_secs(3);
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(1);
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// What one instance says to the others and hears from them.
pub(super) struct Fanout {
    link: Arc<Link>,
    instance: Instance,
    beat_channel: String,
    /// Pub/Sub knows no numbered databases, and installations may be kept apart by them.
    database: i64,
    news: News,
    queue: Queue,
    heard: Heard,
    pulse: Pulse,
}

impl Fanout {
    pub(super) fn new(link: Arc<Link>, instance: Instance, news: News, heard: Heard) -> Arc<Self> {
        let queue = Queue::new(news.bulk);
        let beat_channel = format!("ks:b:{:032x}", u128::from_be_bytes(instance));
        let database = link.target().database();
        Arc::new(Self { link, instance, beat_channel, database, news, queue, heard, pulse: Pulse::new() })
    }

    /// Queues a message for the other instances.
    pub(super) fn send(&self, message: Message) {
        if !self.queue.push(message, self.link.is_up()) {
            dropped(1);
        }
    }

    /// How long ago the way through Redis and back was proven; `None` when it never was.
    pub(super) fn silent_for(&self) -> Option<Duration> {
        self.pulse.age()
    }

    /// Carries queued messages to Redis until `stop`, then what is still queued if Redis answers.
    pub(super) async fn carry(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.queue.wait() => {}
            }
            if !self.link.is_up() {
                dropped(self.queue.forget_bulk());
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.link.wait_up() => self.publish(self.queue.take(BATCH)).await,
            }
        }
        loop {
            let batch = self.queue.take(BATCH);
            if batch.is_empty() {
                return;
            }
            self.publish(batch).await;
        }
    }

    /// In one pipeline, so in order. A message that may have gone out is never sent again: twice would
    /// be worse than polled.
    async fn publish(&self, batch: Vec<Message>) {
        let frames = batch.iter().map(|message| {
            let channel = self.channel(message.topic);
            let (key, tag) = self.news.roots.mac(Purpose::Messages, &[CONTEXT, channel.as_bytes(), &self.instance, &message.payload]);
            (channel, [self.instance.as_slice(), &key, &tag, &message.payload].concat())
        });
        if !self.publish_frames("publish", frames).await {
            dropped(batch.len() + self.queue.forget_bulk());
        }
    }

    async fn publish_frames(&self, operation: &'static str, frames: impl Iterator<Item = (String, Vec<u8>)>) -> bool {
        let mut pipeline = redis::pipe();
        for (channel, frame) in frames {
            pipeline.cmd("PUBLISH").arg(channel).arg(frame).ignore();
        }
        let send = |mut connection| async move { pipeline.exec_async(&mut connection).await };
        self.link.run(operation, send).await.is_ok()
    }

    /// Listens until `stop`, subscribing again whenever the line breaks or falls silent. `tried` is
    /// cancelled when the first attempt has ended.
    pub(super) async fn listen(self: Arc<Self>, tried: CancellationToken, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.subscribe() => match outcome {
                    Ok(subscription) => tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.hear(subscription, &tried) => {}
                    },
                    Err(error) => tracing::debug!(%error, "the subscription to Redis failed and is tried again"),
                },
            }
            tried.cancel();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY_EVERY) => {}
            }
        }
    }

    /// The sink is kept with the stream: dropping it is no harm today, and a promise of nobody.
    async fn subscribe(&self) -> RedisResult<(PubSubSink, PubSubStream)> {
        let (mut sink, stream) = within(SUBSCRIBE_WITHIN, self.link.target().listen()).await?.split();
        let channels: Vec<String> = self.news.all().map(|topic| self.channel(topic)).chain([self.beat_channel.clone()]).collect();
        within(SUBSCRIBE_WITHIN, sink.subscribe(channels)).await?;
        Ok((sink, stream))
    }

    async fn hear(&self, (_sink, mut stream): (PubSubSink, PubSubStream), tried: &CancellationToken) {
        let subscribed = Instant::now();
        let mut beat = tokio::time::interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                frame = stream.next() => match frame {
                    Some(frame) => {
                        self.pulse.beat();
                        tried.cancel();
                        self.receive(&frame);
                    }
                    None => return,
                },
                _ = beat.tick() => {
                    let silent = self.pulse.age().unwrap_or(Duration::MAX).min(subscribed.elapsed());
                    if silent > SILENT_FOR {
                        return;
                    }
                    self.publish_frames("beat", std::iter::once((self.beat_channel.clone(), self.instance.to_vec()))).await;
                }
            }
        }
    }

    fn channel(&self, topic: &str) -> String {
        format!("ks:t:{}:{topic}", self.database)
    }

    fn receive(&self, frame: &Msg) {
        let Some((from, rest)) = frame.get_payload_bytes().split_first_chunk::<16>() else { return };
        if *from == self.instance {
            return;
        }
        let channel = frame.get_channel_name();
        let Some(topic) = self.news.all().find(|topic| self.channel(topic) == channel) else { return };
        let Some((key, rest)) = rest.split_first_chunk::<4>() else { return };
        let Some((tag, payload)) = rest.split_first_chunk::<32>() else { return };
        if self.news.roots.verify(*key, Purpose::Messages, &[CONTEXT, channel.as_bytes(), from, payload], tag) {
            self.heard.send(Message { topic, payload: payload.to_vec() });
        }
    }
}

/// When the subscription was last heard, on the monotonic clock.
struct Pulse {
    born: Instant,
    /// Microseconds after `born`, plus one; 0 is never.
    last: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { born: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let micros = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.last.store(micros + 1, Ordering::Relaxed);
    }

    fn age(&self) -> Option<Duration> {
        let last = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.born.elapsed().saturating_sub(Duration::from_micros(last)))
    }
}

pub(super) fn dropped(count: usize) {
    if count > 0 {
        metrics::counter!("keystead_fanout_dropped_total").increment(count as u64);
    }
}
