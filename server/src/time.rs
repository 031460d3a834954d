//! Time as a value: microseconds since the Unix epoch in UTC, read from an injected [`Clock`].
//!
//! Business code never asks the machine for the time. A request reads its clock once and hands the
//! [`Timestamp`] on, so everything that happens in it happens at one instant; tests move the clock.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// An instant: whole microseconds since 1970-01-01T00:00:00Z. RFC 3339 outside, an integer in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant `seconds` seconds after the Unix epoch.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down (the NumericDate of RFC 7519).
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This instant moved forward by `by`; saturates at the end of time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(micros(by)))
    }

    /// This instant moved back by `by`; saturates at the beginning of time.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(micros(by)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The lowest UUIDv7 of this instant's millisecond (RFC 9562 section 5.7): whatever was made later has a higher id.
    pub fn lowest_id(self) -> Uuid {
        let millis = u64::try_from(self.0.div_euclid(1000)).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
    }

    /// RFC 3339 in UTC with microseconds; instants outside the years 0–9999 are shown at the limit.
    pub fn to_rfc3339(self) -> String {
        const LAST: i64 = 253_402_300_799_999_999;
        const FIRST: i64 = -62_167_219_200_000_000;
        let nanos = i128::from(self.0.clamp(FIRST, LAST)) * 1000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Where the time comes from. Clones share one offset, so a whole instance lives at one time.
#[derive(Clone, Debug)]
pub struct Clock {
    offset: Arc<AtomicI64>,
    frozen: bool,
}

impl Clock {
    /// The machine's clock, movable forward with [`Clock::advance`].
    pub fn system() -> Self {
        Self { offset: Arc::new(AtomicI64::new(0)), frozen: false }
    }

    /// A clock that stands still at `at` until it is advanced.
    pub fn frozen(at: Timestamp) -> Self {
        Self { offset: Arc::new(AtomicI64::new(at.0)), frozen: true }
    }

    /// The current instant.
    pub fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        if self.frozen {
            return Timestamp(offset);
        }
        // The one place that reads the machine's clock.
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(micros(since_epoch).saturating_add(offset))
    }

    /// Moves the clock forward for everyone who holds a clone of it.
    pub fn advance(&self, by: Duration) -> Timestamp {
        self.offset.fetch_add(micros(by), Ordering::Relaxed);
        self.now()
    }
}
