//! The limiter's arithmetic: a sliding window in at most thirteen slots. Pure, no clock, no I/O.
//!
//! The promise is *never more than the budget in **any** window of that length*. A bucket that
//! refills while it drains cannot give it (a burst of n, then the refill, is nearly 2n inside one
//! window), and a log of every event can but costs memory per event. So events are gathered in
//! slots a twelfth of the window wide, and a slot counts in full until its **last** event has left
//! the window: the count is never too small. It is exact for a burst; for events spread over a slot
//! the first of them is released at most a twelfth of the window late.
//! Decision record: `docs/decisions/0003-limiter.md`. `limiter.lua` is the same algorithm, line by
//! line, for Redis; a property test holds the two together.

use std::time::Duration;

use super::{Budget, Decision};
use crate::time::Timestamp;

/// A slot is this fraction of the window wide.
const PARTS: i64 = 12;

/// Instants beyond the year 2112 and windows beyond 71 years (in microseconds) are held at these
/// limits, so that every sum stays exact in the doubles that Lua reckons with.
const LATEST: i64 = 1 << 52;
const LONGEST: i64 = 1 << 51;

/// Events that lie within a twelfth of the window of each other.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// When the first came, in microseconds.
    start: i64,
    /// When the last came: the slot counts until this has left the window.
    last: i64,
    /// What they cost together.
    count: u32,
}

/// What one key has used of its budget.
///
/// A key keeps one window length for life: callers with another window keep another `Window`.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Oldest first; both `start` and `last` rise.
    slots: Vec<Slot>,
}

impl Window {
    /// Takes `cost` from the budget, if that much is free at `now`. A refusal costs nothing and
    /// cost 0 only looks. More than the whole budget is always refused.
    ///
    /// Time never runs backwards for a key: a `now` before the last admitted event counts as that
    /// event's instant. Only a clock that was set back by more than a window is believed; then
    /// everything already used counts as used just now.
    pub fn take(&mut self, budget: Budget, cost: u32, now: Timestamp) -> Decision {
        let terms = Terms::of(budget);
        let now = instant(now);
        self.follow_a_clock_set_back(now, terms.window);
        let at = self.newest().map_or(now, |slot| slot.last.max(now));
        let gone = self.slots.iter().take_while(|slot| slot.last + terms.window <= at).count();
        let used: u64 = self.slots[gone..].iter().map(|slot| u64::from(slot.count)).sum();
        let after = used + u64::from(cost);
        if after > u64::from(budget.limit) {
            let retry = self.wait_for(after - u64::from(budget.limit), gone, now, terms.window);
            return Decision::refused(budget, used, self.reset(used, now, terms.window), retry);
        }
        if cost > 0 {
            self.slots.drain(..gone);
            self.join(at, cost, terms.step);
        }
        Decision::admitted(budget, after, self.reset(after, now, terms.window))
    }

    /// Nothing was ever taken.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many slots are kept (at most thirteen).
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// From this instant on nothing is used any more and the window may be forgotten.
    pub fn free_at(&self, budget: Budget) -> Timestamp {
        Timestamp::from_micros(self.newest().map_or(i64::MIN, |slot| slot.last + Terms::of(budget).window))
    }

    fn newest(&self) -> Option<&Slot> {
        self.slots.last()
    }

    fn follow_a_clock_set_back(&mut self, now: i64, window: i64) {
        let ahead = self.newest().map_or(0, |slot| slot.last - now);
        if ahead > window {
            for slot in &mut self.slots {
                slot.start -= ahead;
                slot.last -= ahead;
            }
        }
    }

    fn join(&mut self, at: i64, cost: u32, step: i64) {
        match self.slots.last_mut() {
            Some(slot) if at - slot.start < step => {
                slot.last = at;
                // Cannot overflow: the sum was just compared with a u32 limit.
                slot.count = slot.count.saturating_add(cost);
            }
            Some(_) => self.slots.push(Slot { start: at, last: at, count: cost }),
            None => {
                // Most keys only ever need one slot; `push` alone would make room for four.
                self.slots.reserve_exact(1);
                self.slots.push(Slot { start: at, last: at, count: cost });
            }
        }
    }

    /// Microseconds until enough of the oldest slots have left for `missing` to fit; the whole
    /// window when it can never fit.
    fn wait_for(&self, missing: u64, gone: usize, now: i64, window: i64) -> i64 {
        let mut freed = 0;
        for slot in &self.slots[gone..] {
            freed += u64::from(slot.count);
            if freed >= missing {
                return (slot.last + window - now).max(1);
            }
        }
        window
    }

    fn reset(&self, used: u64, now: i64, window: i64) -> i64 {
        if used == 0 { 0 } else { self.newest().map_or(0, |slot| slot.last + window - now) }
    }
}

/// A budget in the microseconds the arithmetic works with.
pub(super) struct Terms {
    pub(super) window: i64,
    pub(super) step: i64,
}

impl Terms {
    pub(super) fn of(budget: Budget) -> Self {
        let window = i64::try_from(budget.window.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST);
        // Rounded up, so that thirteen slots always suffice.
        Self { window, step: (window + PARTS - 1) / PARTS }
    }
}

/// `now` in microseconds, held where sums stay exact.
pub(super) fn instant(now: Timestamp) -> i64 {
    now.as_micros().clamp(-LATEST, LATEST)
}

impl Decision {
    pub(super) fn admitted(budget: Budget, used: u64, reset: i64) -> Self {
        Self {
            allowed: true,
            limit: budget.limit,
            remaining: left(budget, used),
            window: budget.window,
            reset_after: micros(reset),
            retry_after: Duration::ZERO,
        }
    }

    pub(super) fn refused(budget: Budget, used: u64, reset: i64, retry: i64) -> Self {
        Self { allowed: false, retry_after: micros(retry.max(1)), ..Self::admitted(budget, used, reset) }
    }
}

fn left(budget: Budget, used: u64) -> u32 {
    budget.limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
}

fn micros(count: i64) -> Duration {
    Duration::from_micros(u64::try_from(count).unwrap_or(0))
}
