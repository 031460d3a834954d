//! What waits to be sent over one connection: bounded, and the end of it when the client does not keep up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::Notify;

use super::close::Close;

/// A queue of frames with one reader. An empty one holds no memory of its own.
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// Bytes that may wait. One frame always may, however long it is.
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    close: Option<Close>,
}

/// What the reader gets next.
pub(super) enum Next {
    /// A frame.
    Frame(Utf8Bytes),
    /// Nothing more: close.
    Close(Close),
}

impl Outbox {
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), wake: Notify::new(), limit }
    }

    /// Queues a frame. When more waits than may, what waits is dropped and the connection is closed: a client that missed
    /// something and does not know would be worse.
    pub(super) fn push(&self, frame: Utf8Bytes) {
        let mut waiting = self.lock();
        if waiting.close.is_some() {
            return;
        }
        if !waiting.frames.is_empty() && waiting.bytes + frame.len() > self.limit {
            waiting.end(Close::TooSlow);
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Has the connection closed; false when it was being closed already. What waits is not sent any more.
    pub(super) fn close(&self, why: Close) -> bool {
        let mut waiting = self.lock();
        let first = waiting.close.is_none();
        if first {
            waiting.end(why);
        }
        drop(waiting);
        self.wake.notify_one();
        first
    }

    /// The next frame, or the end.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// The next frame, if one waits.
    pub(super) fn take(&self) -> Option<Next> {
        let mut waiting = self.lock();
        if let Some(close) = waiting.close {
            return Some(Next::Close(close));
        }
        let frame = waiting.frames.pop_front()?;
        waiting.bytes -= frame.len();
        if waiting.frames.is_empty() {
            waiting.frames = VecDeque::new();
        }
        Some(Next::Frame(frame))
    }

    /// Waits until the connection is to be closed, while frames may go on waiting.
    pub(super) async fn closed(&self) -> Close {
        loop {
            if let Some(close) = self.lock().close {
                return close;
            }
            self.wake.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Every change under the lock is whole: a panic in between has no place to happen.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn end(&mut self, why: Close) {
        self.close = Some(why);
        self.frames = VecDeque::new();
        self.bytes = 0;
    }
}
