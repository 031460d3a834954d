//! How often something may happen: a rate for each key, and a few at once. Pure, no clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::time::Timestamp;

/// One of these may come each second for long; [`BURST`] of them at once.
const EACH: i64 = 1_000_000;
/// See [`EACH`].
const BURST: i64 = 3;

/// Once a second for each key, and a few times at once. Keys that rest are forgotten by [`Pace::tidy`].
pub(super) struct Pace<K>(HashMap<K, i64>);

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Pace<K> {
    /// Whether it may happen now; then it has.
    pub(super) fn take(&mut self, key: K, now: Timestamp) -> bool {
        let now = now.as_micros();
        let paid = self.0.entry(key).or_insert(now);
        // A clock that was set back makes nobody wait for what was.
        let until = (*paid).clamp(now, now + BURST * EACH) + EACH;
        let may = until - now <= BURST * EACH;
        if may {
            *paid = until;
        }
        may
    }

    pub(super) fn tidy(&mut self, now: Timestamp) {
        self.0.retain(|_, paid| *paid > now.as_micros());
    }
}

/// A rate that several connections share: until when what came so far would have taken at that rate, in microseconds.
#[derive(Debug)]
pub(super) struct Rate(AtomicI64);

impl Default for Rate {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Rate {
    /// Whether one more is within `per_second`; its double may come at once. A refusal takes nothing.
    pub(super) fn take(&self, per_second: u32, now: Timestamp) -> bool {
        let (each, now) = (1_000_000 / i64::from(per_second.max(1)), now.as_micros());
        let next = |paid: i64| {
            let until = paid.max(now) + each;
            (until - now <= 2_000_000).then_some(until)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Whether all of it is free again.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        self.0.load(Ordering::Relaxed) <= now.as_micros()
    }
}
