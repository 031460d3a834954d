//! What waits to be sent to other instances: two lanes, each bounded by count and by bytes.
//!
//! Short messages that somebody waits for (what was ended, what changed) go first and wait while nothing can be sent. Bulk, of which
//! whoever listens notices by itself that something is missing and asks, waits behind them, and not at all while the line is down:
//! it would be stale when the line is back, and is the one thing that can become much meanwhile.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Message;

/// Messages that wait in a lane before new ones are dropped.
const COUNT_MAX: usize = 4096;
/// Bytes that short messages may hold.
const STEADY_MAX: usize = 16 * 1024 * 1024;
/// Bytes that bulk may hold.
const BULK_MAX: usize = 16 * 1024 * 1024;
/// Bytes that are sent in one go, and at least one message.
const BATCH_BYTES: usize = 512 * 1024;
/// What a message costs besides its payload.
const OVERHEAD: usize = 64;

/// The queue; it has one reader.
pub struct Queue {
    bulk: &'static [&'static str],
    lanes: Mutex<Lanes>,
    wake: Notify,
}

struct Lanes {
    steady: Lane,
    bulk: Lane,
}

struct Lane {
    messages: VecDeque<Message>,
    bytes: usize,
    limit: usize,
}

impl Queue {
    /// An empty queue in which messages of the topics `bulk` are bulk.
    pub fn new(bulk: &'static [&'static str]) -> Self {
        let lane = |limit| Lane { messages: VecDeque::new(), bytes: 0, limit };
        Self { bulk, lanes: Mutex::new(Lanes { steady: lane(STEADY_MAX), bulk: lane(BULK_MAX) }), wake: Notify::new() }
    }

    /// Queues a message; false when it was dropped instead.
    pub fn push(&self, message: Message, line_is_up: bool) -> bool {
        let is_bulk = self.bulk.contains(&message.topic);
        if is_bulk && !line_is_up {
            return false;
        }
        let mut lanes = self.lock();
        let lane = if is_bulk { &mut lanes.bulk } else { &mut lanes.steady };
        let queued = lane.push(message);
        drop(lanes);
        self.wake.notify_one();
        queued
    }

    /// Waits until there is something to send.
    pub async fn wait(&self) {
        while self.is_empty() {
            self.wake.notified().await;
        }
    }

    /// The next messages, at most `count`: first what is short. Empty when nothing waits.
    pub fn take(&self, count: usize) -> Vec<Message> {
        let mut lanes = self.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < count && (batch.is_empty() || bytes < BATCH_BYTES) {
            let Some(message) = lanes.steady.pop().or_else(|| lanes.bulk.pop()) else { break };
            bytes += size(&message);
            batch.push(message);
        }
        batch
    }

    /// Drops the bulk that waits; how many messages.
    pub fn forget_bulk(&self) -> usize {
        let lane = &mut self.lock().bulk;
        lane.bytes = 0;
        std::mem::take(&mut lane.messages).len()
    }

    /// Bytes that wait, roughly.
    pub fn bytes(&self) -> usize {
        let lanes = self.lock();
        lanes.steady.bytes + lanes.bulk.bytes
    }

    fn is_empty(&self) -> bool {
        let lanes = self.lock();
        lanes.steady.messages.is_empty() && lanes.bulk.messages.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // Every change under the lock is whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    fn push(&mut self, message: Message) -> bool {
        let size = size(&message);
        if self.messages.len() >= COUNT_MAX || self.bytes + size > self.limit {
            return false;
        }
        self.bytes += size;
        self.messages.push_back(message);
        true
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= size(&message);
        Some(message)
    }
}

fn size(message: &Message) -> usize {
    message.payload.len() + OVERHEAD
}
