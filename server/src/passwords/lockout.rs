//! Too many failed sign-ins lock an address for a while, whether or not an account has it.

use std::time::Duration;

use uuid::Uuid;

use super::store;
use crate::accounts::By;
use crate::audit::{self, Target};
use crate::config::Lockout;
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::time::Timestamp;

/// Counts lockouts.
pub const LOCKOUTS: &str = "keystead_lockouts_total";

/// Failed sign-ins of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many in a row.
    pub count: u32,
    /// The last one.
    pub last_at: Timestamp,
    /// Until when nothing is tried.
    pub locked_until: Option<Timestamp>,
}

impl Failures {
    /// How long the address is still locked at `now`.
    pub fn locked_for(&self, now: Timestamp) -> Option<Duration> {
        self.locked_until.filter(|until| *until > now).map(|until| until.since(now))
    }

    /// How many failures still count at `now`.
    pub fn counting(&self, lockout: Lockout, now: Timestamp) -> u32 {
        let over = self.locked_until.is_some_and(|until| until <= now) || self.last_at <= now.minus(lockout.duration);
        if over { 0 } else { self.count }
    }
}

/// The answer for a locked address.
pub fn locked(wait: Duration) -> Problem {
    let minutes = wait.as_secs().div_ceil(60).max(1);
    let unit = if minutes == 1 { "minute" } else { "minutes" };
    Problem::new(Code::AccountLocked)
        .detail(format!("Account locked due to too many failed login attempts. Try again in {minutes} {unit}."))
        .retry_after(wait)
}

/// Counts a failed sign-in; true when this one locked the address.
pub async fn count_failure(tx: &mut Tx, address: [u8; 32], lockout: Lockout, now: Timestamp) -> Result<(Failures, bool), DbError> {
    let until = now.plus(lockout.duration);
    let failures = store::fail(tx, address, now, lockout.threshold, until, now.minus(lockout.duration)).await?;
    let locks = failures.count == lockout.threshold;
    if locks {
        metrics::counter!(LOCKOUTS).increment(1);
    }
    Ok((failures, locks))
}

/// Until when the address with this blind index is locked, if it is.
pub async fn locked_until(ground: &Ground, address: [u8; 32], now: Timestamp) -> Result<Option<Timestamp>, DbError> {
    let failures = store::find(&ground.db, address).await?;
    Ok(failures.and_then(|failures| failures.locked_until).filter(|until| *until > now))
}

/// Takes a person's lock away before its time; false when there were no failures.
pub async fn unlock(ground: &Ground, person: Uuid, by: By, now: Timestamp) -> Result<bool, DbError> {
    let event = by.event(ground, audit::LOGIN_UNLOCKED, Target::user(person), now);
    ground
        .db
        .write(async move |tx| {
            let any = store::clear_of(tx, person).await?;
            if any {
                audit::record(tx, &event).await?;
            }
            Ok(any)
        })
        .await
}
