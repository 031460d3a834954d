//! Guesses at one address, one after the other.
//!
//! A failed sign-in is counted when its hash is done, so forty guesses sent at once would all get through
//! before the first is counted. Here they queue: never more are under way for one address than tries are
//! left. Honest parallel sign-ins queue, too, and all succeed. One process sees only its own; the count in
//! the database bounds the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// What is under way; clones share it.
#[derive(Clone, Default)]
pub struct Attempts(Arc<Mutex<HashMap<[u8; 32], Arc<Slot>>>>);

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    free: Notify,
}

#[derive(Default)]
struct State {
    under_way: u32,
    holders: u32,
    /// The most that anybody here has heard of; `None` until somebody has looked.
    failures: Option<u32>,
}

/// The right to make one guess; gives it back when dropped.
pub struct Turn {
    attempts: Attempts,
    address: [u8; 32],
    slot: Arc<Slot>,
}

impl Attempts {
    /// Waits until a guess at `address` may be made: at most `width` at once, and at most as many as are left
    /// of `threshold` after the failures that are known.
    pub async fn turn(&self, address: [u8; 32], threshold: u32, width: u32) -> Turn {
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(address).or_default().clone();
            lock(&slot).holders += 1;
            slot
        };
        // From here on the holder is counted and given back on drop, even when this future is dropped.
        let waiting = Waiting { attempts: self.clone(), address, slot: Some(slot.clone()) };
        loop {
            let freed = slot.free.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            {
                let mut state = lock(&slot);
                // Whoever comes first looks alone: there may be one try left.
                let left = state.failures.map_or(1, |failures| threshold.saturating_sub(failures).clamp(1, width.max(1)));
                if state.under_way < left {
                    state.under_way += 1;
                    return waiting.into_turn();
                }
            }
            freed.await;
        }
    }

    fn release(&self, address: &[u8; 32], slot: &Slot) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = lock(slot);
        state.holders -= 1;
        if state.holders == 0 {
            slots.remove(address);
        }
    }
}

fn lock(slot: &Slot) -> std::sync::MutexGuard<'_, State> {
    slot.state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Waiting {
    attempts: Attempts,
    address: [u8; 32],
    slot: Option<Arc<Slot>>,
}

impl Waiting {
    fn into_turn(mut self) -> Turn {
        let slot = self.slot.take().unwrap_or_default();
        Turn { attempts: self.attempts.clone(), address: self.address, slot }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.attempts.release(&self.address, &slot);
        }
    }
}

impl Turn {
    /// Tells those who wait how many failures there are. A smaller number than the one known is an older look,
    /// or failures were forgotten meanwhile; to believe it could let one guess too many through, not to believe
    /// it makes some wait who need not.
    pub fn known_failures(&self, failures: u32) {
        {
            let mut state = lock(&self.slot);
            state.failures = state.failures.max(Some(failures));
        }
        self.slot.free.notify_waiters();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.slot).under_way -= 1;
        self.slot.free.notify_waiters();
        self.attempts.release(&self.address, &self.slot);
    }
}
