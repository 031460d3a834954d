//! Messages to every instance over the database, where there is PostgreSQL and no Redis.
//!
//! As over Redis ([`fanout`](super::fanout)): the sender's own subscribers have a message already, so each frame begins with the name
//! of the sending instance; messages wait in a bounded queue; once a second a beat goes the whole way and back, and a line on which
//! it does not come back is left for a new one. PostgreSQL carries at most 8,000 bytes of text, so a message goes in pieces.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use tokio::sync::{broadcast, mpsc};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Message;
use super::fanout::Instance;
use crate::db::{DbError, Exchange, LONGEST, Line};

/// The channel of all messages; a database has one installation.
const CHANNEL: &str = "keystead";
const QUEUED: usize = 4096;
const BATCH: usize = 64;
const BEAT_EVERY: Duration = Duration::from_secs(1);
const SILENT_FOR: Duration = Duration::from_secs(3);
const WITHIN: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// A server that knows no LISTEN (CockroachDB, a pooler in transaction mode) is not asked more often.
const RETRY_LAST: Duration = Duration::from_secs(30);

/// Instance, number of the message, which piece of how many: 16 + 8 + 4 + 4 bytes.
const HEAD: usize = 32;
/// Bytes of a message in one piece: base64 makes four of three.
const PIECE: usize = LONGEST / 4 * 3 - HEAD;
/// The longest message that is put together.
const WHOLE_MAX: usize = 16 * 1024 * 1024;

/// What one instance says to the others and hears from them.
pub(super) struct Notifier {
    queue: mpsc::Sender<Message>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Notifier {
    pub(super) fn start(
        exchange: Exchange,
        instance: Instance,
        topics: &'static [&'static str],
        heard: broadcast::Sender<Message>,
    ) -> Self {
        let (queue, queued) = mpsc::channel(QUEUED);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mouth = Mouth { instance, number: 0 };
        let ear = Ear { instance, topics, heard, pieces: HashMap::new() };
        tasks.spawn(run(exchange, mouth, ear, queued, stop.clone()));
        Self { queue, tasks, stop }
    }

    /// Queues a message for the other instances.
    pub(super) fn send(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
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

async fn run(exchange: Exchange, mut mouth: Mouth, mut ear: Ear, mut queued: mpsc::Receiver<Message>, stop: CancellationToken) {
    let mut retry = RETRY_FIRST;
    loop {
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = tokio::time::timeout(WITHIN, exchange.open(CHANNEL)) => opened,
        };
        match opened {
            Ok(Ok(mut line)) => {
                retry = RETRY_FIRST;
                converse(&mut line, &mut mouth, &mut ear, &mut queued, &stop).await;
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
async fn converse(line: &mut Line, mouth: &mut Mouth, ear: &mut Ear, queued: &mut mpsc::Receiver<Message>, stop: &CancellationToken) {
    let mut beat = tokio::time::interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
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
                false
            }
            _ = queued.recv_many(&mut batch, BATCH) => false,
            () = stop.cancelled() => true,
        };
        if stopping {
            while let Ok(message) = queued.try_recv() {
                batch.push(message);
            }
        }
        if mouth.say(line, &mut batch).await.is_err() || stopping {
            return;
        }
    }
}

/// Numbers messages and cuts them into pieces.
struct Mouth {
    instance: Instance,
    number: u64,
}

impl Mouth {
    /// Sends a batch, or a beat when there is nothing. What may have been sent is not sent again.
    async fn say(&mut self, line: &Line, batch: &mut Vec<Message>) -> Result<(), DbError> {
        let count = batch.len();
        let mut payloads: Vec<String> = batch.drain(..).flat_map(|message| self.pieces(&message)).collect();
        if payloads.is_empty() {
            self.number += 1;
            payloads.push(self.piece(0, 0, &[]));
        }
        let late = |_| Err(DbError::Unavailable("it did not answer in time".to_owned()));
        let sent = tokio::time::timeout(WITHIN, line.send(&payloads)).await.unwrap_or_else(late);
        if sent.is_err() {
            super::fanout::dropped(count);
        }
        sent
    }

    fn pieces(&mut self, message: &Message) -> Vec<String> {
        self.number += 1;
        // Topics are short words of ours.
        let topic = u8::try_from(message.topic.len()).unwrap_or(u8::MAX);
        let whole = [&[topic], message.topic.as_bytes(), &message.payload].concat();
        let chunks: Vec<&[u8]> = whole.chunks(PIECE).collect();
        let of = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        (1..).zip(chunks).map(|(at, chunk)| self.piece(at, of, chunk)).collect()
    }

    fn piece(&self, at: u32, of: u32, chunk: &[u8]) -> String {
        let number = self.number.to_be_bytes();
        let bytes = [self.instance.as_slice(), &number, &at.to_be_bytes(), &of.to_be_bytes(), chunk].concat();
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }
}

/// Puts messages together again.
struct Ear {
    instance: Instance,
    topics: &'static [&'static str],
    heard: broadcast::Sender<Message>,
    /// What has come of the message that an instance is sending: its number, the last piece, the bytes.
    pieces: HashMap<Instance, (u64, u32, Vec<u8>)>,
}

impl Ear {
    fn hear(&mut self, said: &str) {
        let Some(message) = BASE64_STANDARD_NO_PAD.decode(said).ok().and_then(|bytes| self.gather(&bytes)) else { return };
        // Nobody listening is no error.
        let _ = self.heard.send(message);
    }

    fn gather(&mut self, bytes: &[u8]) -> Option<Message> {
        let (instance, rest) = bytes.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (at, rest) = rest.split_first_chunk::<4>()?;
        let (of, chunk) = rest.split_first_chunk::<4>()?;
        let (number, at, of) = (u64::from_be_bytes(*number), u32::from_be_bytes(*at), u32::from_be_bytes(*of));
        if *instance == self.instance || of == 0 {
            return None;
        }
        if at == 1 {
            self.pieces.insert(*instance, (number, 0, Vec::new()));
        }
        let (expected, last, whole) = self.pieces.get_mut(instance)?;
        // A piece that is missing makes the rest worthless; whoever needs the message notices by itself.
        if *expected != number || *last + 1 != at || whole.len() + chunk.len() > WHOLE_MAX {
            self.pieces.remove(instance);
            return None;
        }
        *last = at;
        whole.extend_from_slice(chunk);
        if at < of {
            return None;
        }
        let (_, _, whole) = self.pieces.remove(instance)?;
        let (length, rest) = whole.split_first()?;
        let (topic, payload) = rest.split_at_checked(usize::from(*length))?;
        let topic = self.topics.iter().find(|known| known.as_bytes() == topic)?;
        Some(Message { topic, payload: payload.to_vec() })
    }
}
