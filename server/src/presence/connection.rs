//! One connection, as the rest of the instance knows it: whose it is, what waits for it, when it was heard.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::close::Close;
use super::outbox::Outbox;
use crate::http::client_ip::LimitKey;
use crate::time::Timestamp;

/// Who opened a connection, proven by a ticket or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The person.
    pub user: Uuid,
    /// Their session; the connection ends with it.
    pub session: Uuid,
    /// When the access token behind it ends.
    pub expires_at: Timestamp,
}

/// Times in it are microseconds since the Unix epoch.
pub(super) struct Connection {
    pub user: Uuid,
    pub session: Uuid,
    pub address: LimitKey,
    pub outbox: Outbox,
    expires_at: AtomicI64,
    heard_at: AtomicI64,
    /// When the client was asked whether it is there and has not answered yet; else 0.
    asked_at: AtomicI64,
}

/// What a look at a connection says.
pub(super) enum Health {
    Well,
    /// Ask whether the client is there.
    Ask,
    Over(Close),
}

impl Connection {
    pub(super) fn new(holder: Holder, address: LimitKey, send_buffer: usize, now: Timestamp) -> Self {
        Self {
            user: holder.user,
            session: holder.session,
            address,
            outbox: Outbox::new(send_buffer),
            expires_at: AtomicI64::new(holder.expires_at.as_micros()),
            heard_at: AtomicI64::new(now.as_micros()),
            asked_at: AtomicI64::new(0),
        }
    }

    pub(super) fn expires_at(&self) -> Timestamp {
        Timestamp::from_micros(self.expires_at.load(Ordering::Relaxed))
    }

    /// A token that ends earlier takes nothing away.
    pub(super) fn extend(&self, until: Timestamp) {
        self.expires_at.fetch_max(until.as_micros(), Ordering::Relaxed);
    }

    pub(super) fn heard(&self, now: Timestamp) {
        self.heard_at.store(now.as_micros(), Ordering::Relaxed);
        self.asked_at.store(0, Ordering::Relaxed);
    }

    /// Silent for one heartbeat: it is asked. Silent for one more: it is gone. In two steps, so that a clock that jumps closes
    /// nobody who answers.
    pub(super) fn look(&self, heartbeat: Duration, now: Timestamp) -> Health {
        if self.expires_at() <= now {
            return Health::Over(Close::Expired);
        }
        match self.asked_at.load(Ordering::Relaxed) {
            0 => {
                let heard = Timestamp::from_micros(self.heard_at.load(Ordering::Relaxed));
                if now.since(heard) < heartbeat {
                    return Health::Well;
                }
                self.asked_at.store(now.as_micros(), Ordering::Relaxed);
                Health::Ask
            }
            asked if now.since(Timestamp::from_micros(asked)) >= heartbeat => Health::Over(Close::Silent),
            _ => Health::Well,
        }
    }
}
