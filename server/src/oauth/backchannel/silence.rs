//! Which clients are left alone, and for how long.
//!
//! A client that does not answer in time costs a worker that time, and a thousand sessions of it may end together. So after a
//! failure it is left alone for a while, by every instance, and what it is to be told waits without being tried. When the while
//! is over one notice goes out again: if that fails, too, the while doubles.

use std::time::Duration;

use uuid::Uuid;

use super::messenger::Failure;
use super::store;
use crate::audit::{self, Event, Target};
use crate::db::DbError;
use crate::ground::Ground;
use crate::time::Timestamp;

/// For how long a client is left alone at first, and at most.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Refusals and slow answers in a row that are put up with: they cost little, one by one.
const PATIENCE: u32 = 3;

/// What went wrong, in what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// It was not there, or let us wait until we gave up.
    Waited,
    /// It answered, and does not take the token.
    Answered,
    /// It took the token, after a long time.
    Slow,
}

impl Cost {
    /// What a failure cost; nothing for an address that is never called.
    pub(super) const fn of(failure: &Failure) -> Option<Self> {
        match failure {
            Failure::Forbidden(_) => None,
            Failure::Unreachable(_) => Some(Self::Waited),
            Failure::Refused(_) => Some(Self::Answered),
        }
    }
}

/// For how long a client is left alone after so many failures in a row, the last of which cost so much.
pub fn pause(failures: u32, cost: Cost) -> Option<Duration> {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX));
    match cost {
        Cost::Waited => Some(doubled.min(LONGEST)),
        _ if failures < PATIENCE => None,
        Cost::Answered => Some(doubled.min(LONGEST)),
        // It does take them; the others have their turn in between.
        Cost::Slow => Some(FIRST),
    }
}

/// How it stands with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It never failed, or took a token since.
    Good,
    /// It failed lately, and may be called.
    Failed,
    /// It is left alone until then.
    Silent(Timestamp),
}

pub(super) async fn standing(ground: &Ground, client: &str, address: &str, now: Timestamp) -> Result<Standing, DbError> {
    Ok(match store::find(&ground.db, client, address).await? {
        None => Standing::Good,
        Some(Some(until)) if until > now => Standing::Silent(until),
        Some(_) => Standing::Failed,
    })
}

/// A call failed, and cost so much. That a client is left alone from now on is on record.
pub(super) async fn failed(ground: &Ground, client: Uuid, address: &str, cost: Cost, now: Timestamp) -> Result<(), DbError> {
    let event = Event::new(ground, audit::CLIENT_LEFT_ALONE, now).target(Target::client(client));
    let (id, address) = (client.to_string(), address.to_owned());
    ground
        .db
        .write(async move |tx| {
            let failures = store::fail(tx, &id, &address).await?;
            let Some(pause) = pause(failures, cost) else { return Ok(()) };
            if store::silence(tx, &id, now, now.plus(pause)).await? == Some(now) {
                audit::record(tx, &event.clone().detail("failures", failures)).await?;
            }
            Ok(())
        })
        .await
}

/// A client that failed lately has taken a token.
pub(super) async fn taken(ground: &Ground, client: Uuid, now: Timestamp) -> Result<(), DbError> {
    let event = Event::new(ground, audit::CLIENT_ANSWERS_AGAIN, now).target(Target::client(client));
    let id = client.to_string();
    ground
        .db
        .write(async move |tx| {
            if let Some(since) = store::forget(tx, &id).await? {
                audit::record(tx, &event.clone().detail("seconds", now.since(since).as_secs())).await?;
            }
            Ok(())
        })
        .await
}
