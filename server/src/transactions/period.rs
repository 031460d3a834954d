//! Days and months in UTC, and how a period is put together from whole ones.

use std::ops::Range;
use std::time::Duration;

use time::{Month, OffsetDateTime};

use super::body::{EARLIEST, LATEST};
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The first instant of the day of `at`.
pub(super) fn day_of(at: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.as_micros().div_euclid(day) * day)
}

/// The first instant of the month of `at`.
pub(super) fn month_of(at: Timestamp) -> Timestamp {
    let day = day_of(at);
    let of_month = date(day).map_or(1, |date| date.day());
    day.minus(DAY * u32::from(of_month - 1))
}

/// `2026-05` for an instant in May 2026.
pub(super) fn month_name(at: Timestamp) -> String {
    date(at).map_or_else(String::new, |date| format!("{:04}-{:02}", date.year(), u8::from(date.month())))
}

/// `None` only outside the years that the library knows, ±9999.
fn date(at: Timestamp) -> Option<time::Date> {
    OffsetDateTime::from_unix_timestamp(at.as_secs()).ok().map(OffsetDateTime::date)
}

fn next_month(month: Timestamp) -> Timestamp {
    let days = date(month).map_or(31, |date| Month::length(date.month(), date.year()));
    month.plus(DAY * u32::from(days))
}

/// The first whole one that begins at `at` or later.
fn up(at: Timestamp, start: fn(Timestamp) -> Timestamp, next: impl Fn(Timestamp) -> Timestamp) -> Timestamp {
    let begun = start(at);
    if begun == at { at } else { next(begun) }
}

/// A part of a period that lies within one month: whole days, and what is left before and behind them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// The month.
    pub month: Timestamp,
    /// Whole days.
    pub days: Range<Timestamp>,
    /// Before the first whole day; all of it when there is none.
    pub before: Range<Timestamp>,
    /// Behind the last whole day.
    pub behind: Range<Timestamp>,
}

impl Edge {
    fn of(range: Range<Timestamp>) -> Self {
        let month = month_of(range.start);
        let (first, last) = (up(range.start, day_of, |day| day.plus(DAY)), day_of(range.end));
        if first > last {
            return Self { month, days: first..first, before: range.clone(), behind: range.end..range.end };
        }
        Self { month, days: first..last, before: range.start..first, behind: last..range.end }
    }
}

/// A period, put together from whole months and what is left at its two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// Whole months.
    pub months: Range<Timestamp>,
    /// At the beginning.
    pub first: Edge,
    /// At the end.
    pub last: Edge,
}

impl Period {
    /// From `from` on and before `to`.
    pub fn of(from: Timestamp, to: Timestamp) -> Self {
        let from = from.clamp(EARLIEST, LATEST);
        let to = to.clamp(from, LATEST);
        let (first, last) = (up(from, month_of, next_month), month_of(to));
        let none = Edge::of(to..to);
        if first > last {
            // Within one month.
            return Self { months: to..to, first: Edge::of(from..to), last: none };
        }
        Self { months: first..last, first: Edge::of(from..first), last: Edge::of(last..to) }
    }
}
