//! When the periods and days of quotas begin and end.
//!
//! A period of whole days ends at midnight in the zone of the installation, so it lasts 23 or 25 hours more or less where the clocks
//! change; several days are counted from Monday, 1970-01-05, so that seven end with the week. Any other period is so many seconds
//! from 1970-01-01T00:00Z on, whatever the zone: an hour ends on the hour. Everybody's periods are the same.

use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};

use crate::time::Timestamp;

const DAY: u64 = 24 * 60 * 60;
/// The Monday from which periods of several days are counted.
const MONDAY: i64 = 4;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// From `start` to just before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first instant.
    pub start: Timestamp,
    /// When the next one begins.
    pub end: Timestamp,
}

/// A day of the calendar: days since 1970-01-01. Shown as `2026-11-29`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day that it is at `now` in `zone`; before its first instant (where the clocks jump over midnight) still the day before.
    pub fn of(zone: &TimeZone, now: Timestamp) -> Self {
        let date = zone.to_datetime(instant(now)).date();
        let day = Self(date.duration_since(EPOCH).as_hours() / 24);
        if day.start(zone) > now { Self(day.0 - 1) } else { day }
    }

    /// Reads `2026-11-29`.
    pub fn parse(text: &str) -> Option<Self> {
        // The reader takes whole times as well.
        let date: Date = text.parse().ok().filter(|_| text.len() == 10)?;
        Some(Self(date.duration_since(EPOCH).as_hours() / 24))
    }

    /// Its first instant in `zone`: midnight, or when the clocks have jumped over it.
    pub fn start(self, zone: &TimeZone) -> Timestamp {
        let at = self.date().and_then(|date| zone.to_timestamp(date.at(0, 0, 0, 0)).ok());
        at.map_or(Timestamp::from_secs(self.0.saturating_mul(86_400)), |at| Timestamp::from_micros(at.as_microsecond()))
    }

    fn date(self) -> Option<Date> {
        EPOCH.checked_add(SignedDuration::from_hours(self.0.checked_mul(24)?)).ok()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => date.fmt(f),
            None => f.write_str("9999-12-31"),
        }
    }
}

/// The period that `now` is in.
pub fn window(zone: &TimeZone, period: Duration, now: Timestamp) -> Window {
    let seconds = period.as_secs().max(1);
    if !seconds.is_multiple_of(DAY) {
        let micros = i64::try_from(period.as_micros()).unwrap_or(i64::MAX).max(1);
        let start = Timestamp::from_micros(now.as_micros().div_euclid(micros).saturating_mul(micros));
        return Window { start, end: start.plus(period) };
    }
    let days = i64::try_from(seconds / DAY).unwrap_or(i64::MAX);
    let first = Day((Day::of(zone, now).0 - MONDAY).div_euclid(days).saturating_mul(days).saturating_add(MONDAY));
    let end = Day(first.0.saturating_add(days)).start(zone);
    // At the end of time the calendar has no next day.
    Window { start: first.start(zone), end: if end > now { end } else { now.plus(period) } }
}

fn instant(at: Timestamp) -> Instant {
    let end = if at.as_micros() < 0 { Instant::MIN } else { Instant::MAX };
    Instant::from_microsecond(at.as_micros()).unwrap_or(end)
}
