//! How long a failed job waits: exponential with full jitter, so that a thousand jobs that failed
//! together do not come back together.

use std::time::Duration;

use crate::secret::Random;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The longest wait after the `attempt`th failed attempt (1 = the first): 2 s, 4 s, 8 s, … up to an hour.
pub fn ceiling(attempt: u32) -> Duration {
    // 2^11 × 2 s is more than an hour already.
    let doublings = attempt.saturating_sub(1).min(11);
    FIRST.saturating_mul(1 << doublings).min(LONGEST)
}

/// A wait drawn evenly from zero to [`ceiling`].
pub(super) fn draw(attempt: u32, random: &Random) -> Duration {
    let fraction = u32::from_le_bytes(random.bytes::<4>());
    ceiling(attempt).mul_f64(f64::from(fraction) / f64::from(u32::MAX))
}
