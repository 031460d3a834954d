//! What is forgotten: days after their retention, reservations a day after their end, rows of those who used nothing for as long.

use std::time::Duration;

use super::calendar::Day;
use super::purge_store as store;
use crate::db::purged;
use crate::error::Problem;
use crate::ground::Ground;
use crate::time::Timestamp;

/// How long a commit can be asked again.
const KEEP_RESERVATIONS: Duration = Duration::from_secs(24 * 60 * 60);

/// Forgets it, a bounded part of it; the next sweep goes on.
///
/// # Errors
/// The store does not answer.
pub async fn purge(ground: &Ground, now: Timestamp) -> Result<(), Problem> {
    let (settings, db) = (&ground.settings, &ground.db);
    let oldest = Day(Day::of(&settings.usage.zone, now).0 - i64::from(settings.privacy.retention.quotas));
    // What was used counts until its period ends, however long that is.
    let longest = settings.quotas.iter().map(|(_, quota)| quota.period).max().unwrap_or_default();
    // One after the other, and each whatever becomes of the others.
    let reservations = purged(|rows| store::reservations(db, now.minus(KEEP_RESERVATIONS), rows)).await;
    let days = purged(|rows| store::days(db, oldest, rows)).await;
    let counters = purged(|rows| store::counters(db, oldest, now.minus(longest), now, rows)).await;
    reservations.and(days).and(counters)?;
    Ok(())
}
