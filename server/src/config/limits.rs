//! Rate limits and named quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::fault::{Fault, Wrong, wrong};
use super::names::QUOTAS;
use super::parse;
use super::values::Values;
use crate::shared::Budget;

/// `KEYSTEAD_LIMITS__…`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Limits as a whole.
    pub enabled: bool,
    /// Callers who are not signed in, per address.
    pub global: Budget,
    /// Signed-in callers, per user.
    pub signed_in: Budget,
    /// Costly routes, per user.
    pub api_user: Budget,
    /// Sign-in, per address.
    pub login: Budget,
    /// Sign-up, per address.
    pub signup: Budget,
    /// Asking for a reset link, per address and per account.
    pub password_forgot: Budget,
    /// Asking for the code again, per address and per account.
    pub verify_resend: Budget,
    /// Beginning the sign-in of a device, per address.
    pub device_request: Budget,
    /// Typing the code of a device, per person and per address.
    pub device_code: Budget,
    /// Making tickets for realtime connections and live transcripts, per user.
    pub ticket: Budget,
    /// Starting voice sessions, per address.
    pub voice_session: Budget,
    /// Asking for voice tokens, per address.
    pub voice_token: Budget,
    /// Posting transcript segments, per address.
    pub transcript: Budget,
}

impl Limits {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let rate = |key| values.get(key, parse::rate);
        Ok(Self {
            enabled: values.get("limits.enabled", parse::flag)?,
            global: rate("limits.global")?,
            signed_in: rate("limits.signed_in")?,
            api_user: rate("limits.api_user")?,
            login: rate("limits.login")?,
            signup: rate("limits.signup")?,
            password_forgot: rate("limits.password_forgot")?,
            verify_resend: rate("limits.verify_resend")?,
            device_request: rate("limits.device_request")?,
            device_code: rate("limits.device_code")?,
            ticket: rate("limits.ticket")?,
            voice_session: rate("limits.voice_session")?,
            voice_token: rate("limits.voice_token")?,
            transcript: rate("limits.transcript")?,
        })
    }
}

/// So many units per period, per user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Units.
    pub amount: u64,
    /// The period after which they are free again.
    pub period: Duration,
}

/// `KEYSTEAD_QUOTAS__<NAME>`: every declared quota by its lower-case name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas(BTreeMap<String, Quota>);

impl Quotas {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        let mut quotas = BTreeMap::new();
        for key in values.keys_of(QUOTAS) {
            if let Some(quota) = values.get(key, quota)? {
                quotas.insert(key[QUOTAS.len()..].to_owned(), quota);
            }
        }
        Ok(Self(quotas))
    }

    /// The quota called `name`.
    pub fn get(&self, name: &str) -> Option<Quota> {
        self.0.get(name).copied()
    }

    /// All quotas by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Quota)> {
        self.0.iter().map(|(name, quota)| (name.as_str(), *quota))
    }
}

/// The most units that a quota has or that are consumed at once: what every JSON reader holds exactly (2^53 - 1).
pub const UNITS_MAX: u64 = (1 << 53) - 1;
/// The longest period.
const PERIOD_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// `50000/1d`, or `off` for a quota that is not there.
pub(super) fn quota(text: &str) -> Result<Option<Quota>, Wrong> {
    if text.trim().eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let (amount, period) = parse::per(text)?;
    if amount > UNITS_MAX || period > PERIOD_MAX || period.subsec_nanos() != 0 {
        return wrong("cannot be counted", format!("use at most {UNITS_MAX} units, and a period of whole seconds up to 366d"));
    }
    Ok(Some(Quota { amount, period }))
}

/// `KEYSTEAD_USAGE__…`: how what is used of the quotas is counted.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Where it is midnight when a day of the quotas ends.
    pub zone: TimeZone,
    /// Percent of a quota at which is warned.
    pub warn_percent: u32,
}

impl Usage {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self { zone: values.get("usage.time_zone", time_zone)?, warn_percent: values.get("usage.warn_percent", parse::number)? })
    }
}

/// A zone by its IANA name. The rules are those that were built in: every instance must mean the same instant by "midnight",
/// whatever is installed on its machine.
pub(super) fn time_zone(text: &str) -> Result<TimeZone, Wrong> {
    match TimeZoneDatabase::bundled().get(text.trim()) {
        Ok(zone) => Ok(zone),
        Err(_) => wrong("is not a time zone", "use a name of the IANA database, such as `UTC` or `Europe/Berlin`"),
    }
}
