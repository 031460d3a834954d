//! What is forgotten: days after their retention, reservations a day after their end, rows of those who used nothing for as long.

use std::time::Duration;

use super::calendar::Day;
use super::{reservation_store, store};
use crate::error::Problem;
use crate::ground::Ground;
use crate::time::Timestamp;

/// How long a commit can be asked again.
const KEEP_RESERVATIONS: Duration = Duration::from_secs(24 * 60 * 60);

/// Forgets it.
///
/// # Errors
/// The store does not answer.
pub async fn purge(ground: &Ground, now: Timestamp) -> Result<(), Problem> {
    let settings = &ground.settings;
    let oldest = Day(Day::of(&settings.usage.zone, now).0 - i64::from(settings.privacy.retention.quotas));
    // What was used counts until its period ends, however long that is.
    let longest = settings.quotas.iter().map(|(_, quota)| quota.period).max().unwrap_or_default();
    ground
        .db
        .write(async move |tx| {
            reservation_store::purge(tx, now.minus(KEEP_RESERVATIONS)).await?;
            store::purge(tx, oldest, now.minus(longest), now).await?;
            Ok(())
        })
        .await
}
