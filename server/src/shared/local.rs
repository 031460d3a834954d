//! The make in this process: budgets and ephemeral values, also the fall-back of the Redis make.

use std::time::Duration;

use super::expiring::{Expires, Expiring};
use super::window::{Terms, Window};
use super::{Budget, Decision};
use crate::time::Timestamp;

/// Keys that are counted at once. Beyond it the keys nearest to a free budget are forgotten first:
/// with a quarter of a million addresses at the door that is the harm worth having.
const MOST_KEYS: usize = 200_000;
/// Ephemeral values that are held at once.
const MOST_VALUES: usize = 100_000;

struct Counted {
    window: Window,
    free_at: Timestamp,
}

impl Expires for Counted {
    fn expires(&self) -> Timestamp {
        self.free_at
    }
}

/// Budgets counted in this process.
pub(super) struct Limiter {
    keys: Expiring<Counted>,
}

impl Limiter {
    pub(super) fn new() -> Self {
        Self { keys: Expiring::new(MOST_KEYS) }
    }

    pub(super) fn take(&self, scope: &str, key: &[u8], budget: Budget, cost: u32, now: Timestamp) -> Decision {
        let key = self.keys.key(&(scope, Terms::of(budget).window, key));
        let work = |entry: Option<&mut Counted>| match entry {
            Some(counted) => {
                let decision = counted.window.take(budget, cost, now);
                counted.free_at = counted.window.free_at(budget);
                (decision, None)
            }
            None => {
                let mut window = Window::default();
                let decision = window.take(budget, cost, now);
                let free_at = window.free_at(budget);
                (decision, (!window.is_empty()).then_some(Counted { window, free_at }))
            }
        };
        self.keys.entry(key, work, now)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

struct Held {
    value: Vec<u8>,
    expires: Timestamp,
    only_here: bool,
}

impl Expires for Held {
    fn expires(&self) -> Timestamp {
        self.expires
    }
}

/// Ephemeral values held in this process.
pub(super) struct Values {
    held: Expiring<Held>,
}

impl Values {
    pub(super) fn new() -> Self {
        Self { held: Expiring::new(MOST_VALUES) }
    }

    /// `only_here`: no other store can have got the value, so it may be handed out as single-use.
    pub(super) fn put(&self, key: &str, value: Vec<u8>, ttl: Duration, only_here: bool, now: Timestamp) {
        self.held.insert(self.held.key(&key), Held { value, expires: now.plus(ttl), only_here }, now);
    }

    /// `copies`: also a value that another store may hold (and have given away) as well.
    pub(super) fn get(&self, key: &str, copies: bool, now: Timestamp) -> Option<Vec<u8>> {
        let wanted = |held: &&mut Held| held.expires > now && (copies || held.only_here);
        let read = |entry: Option<&mut Held>| (entry.filter(wanted).map(|held| held.value.clone()), None);
        self.held.entry(self.held.key(&key), read, now)
    }

    /// Removes and returns the value, unless another store may hold it as well.
    pub(super) fn take(&self, key: &str, now: Timestamp) -> Option<Vec<u8>> {
        self.held.remove_if(self.held.key(&key), now, |held| held.only_here).map(|held| held.value)
    }

    pub(super) fn remove(&self, key: &str, now: Timestamp) {
        self.held.remove_if(self.held.key(&key), now, |_| true);
    }
}
