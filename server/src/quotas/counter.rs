//! What a person's row says, and what becomes of it: plain arithmetic, without a store and without a clock.
//!
//! The one rule: what is used and what is reserved never exceed the limit together. (A limit that is lowered below what was used
//! already lets nothing more through.) The conditional UPDATE of the store says the same in SQL for the common case.

use super::calendar::Day;
use crate::time::Timestamp;

/// One person's row of one quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// When the period began that the row is about.
    pub period_start: Timestamp,
    /// Units used in it.
    pub used: i64,
    /// Units held back for open reservations of it.
    pub reserved: i64,
    /// When the first of those expires; until then `reserved` is exact.
    pub reserved_until: Timestamp,
    /// What expired by then is not in `reserved` any more.
    pub settled_at: Timestamp,
    /// The day that `day_used` is about.
    pub day: Day,
    /// Units used on it.
    pub day_used: i64,
    /// The limit that held on it last.
    pub day_limit: i64,
    /// The threshold was told of in this period.
    pub warned: bool,
    /// A refusal was told of in this period.
    pub exceeded: bool,
    /// A limit of the person's own.
    pub own: Option<OwnLimit>,
}

/// A limit instead of the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLimit {
    /// Units per period.
    pub limit: i64,
    /// When it ends; `None` for never.
    pub until: Option<Timestamp>,
}

/// What is asked of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Use so many units.
    Use(i64),
    /// Hold so many back until the instant.
    Reserve(i64, Timestamp),
}

impl Take {
    /// How many units.
    pub const fn amount(self) -> i64 {
        match self {
            Self::Use(amount) | Self::Reserve(amount, _) => amount,
        }
    }
}

/// What came of it. `tells`: for the first time in the period, so it goes on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fitted; `tells` that the threshold was come to.
    Taken {
        /// See [`Verdict`].
        tells: bool,
    },
    /// It did not, and nothing changed.
    Refused {
        /// See [`Verdict`].
        tells: bool,
    },
}

/// A day that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayUse {
    /// Which.
    pub day: Day,
    /// Units used on it.
    pub used: i64,
    /// The limit that held last.
    pub limit: i64,
}

impl Counter {
    /// The limit at `now`, where `configured` holds for everybody else.
    pub fn limit(&self, configured: i64, now: Timestamp) -> i64 {
        match self.own {
            Some(own) if own.until.is_none_or(|until| until > now) => own.limit,
            _ => configured,
        }
    }

    /// Goes on to the period and the day that it is now; gives the day that is over, to be kept. Never goes back: an instance whose
    /// clock is behind, or a changed setting, counts in the period that another one has begun.
    pub fn roll(&mut self, period_start: Timestamp, day: Day) -> Option<DayUse> {
        if period_start > self.period_start {
            self.period_start = period_start;
            (self.used, self.reserved, self.warned, self.exceeded) = (0, 0, false, false);
        }
        if day <= self.day {
            return None;
        }
        let over = DayUse { day: self.day, used: self.day_used, limit: self.day_limit };
        (self.day, self.day_used) = (day, 0);
        (over.used > 0).then_some(over)
    }

    /// The instant by which expiry is judged: not before one by which it was judged already.
    pub fn judged_at(&self, now: Timestamp) -> Timestamp {
        self.settled_at.max(now)
    }

    /// Takes note of what is reserved: `open` units, of which the first expire at `first`, as judged at `at`.
    pub fn settle(&mut self, open: i64, first: Option<Timestamp>, at: Timestamp) {
        (self.reserved, self.settled_at) = (open, at);
        self.reserved_until = first.unwrap_or(Timestamp::from_micros(i64::MAX));
    }

    /// Whether `amount` more would fit under `limit`.
    pub fn fits(&self, amount: i64, limit: i64) -> bool {
        amount <= limit.saturating_sub(self.used).saturating_sub(self.reserved)
    }

    /// Takes what is asked for, if it fits.
    pub fn take(&mut self, take: Take, limit: i64, warn_percent: i64) -> Verdict {
        self.day_limit = limit;
        if !self.fits(take.amount(), limit) {
            return Verdict::Refused { tells: !std::mem::replace(&mut self.exceeded, true) };
        }
        match take {
            Take::Use(amount) => self.count(amount),
            Take::Reserve(amount, until) => {
                self.reserved_until = if self.reserved == 0 { until } else { self.reserved_until.min(until) };
                self.reserved += amount;
            }
        }
        Verdict::Taken { tells: self.comes_to_threshold(limit, warn_percent) }
    }

    /// Counts what is used of the running period, today.
    pub fn count(&mut self, amount: i64) {
        self.used += amount;
        self.day_used += amount;
    }

    /// Gives back what was held for a reservation of the running period.
    pub fn give_back(&mut self, amount: i64) {
        self.reserved = self.reserved.saturating_sub(amount).max(0);
    }

    /// Whether the threshold was come to, and nobody was told in this period.
    pub fn comes_to_threshold(&mut self, limit: i64, warn_percent: i64) -> bool {
        let comes = !self.warned && at_threshold(self.used, limit, warn_percent);
        self.warned |= comes;
        comes
    }
}

/// Whether `used` is `percent` of `limit` or more.
pub fn at_threshold(used: i64, limit: i64, percent: i64) -> bool {
    i128::from(used) * 100 >= i128::from(limit) * i128::from(percent)
}
