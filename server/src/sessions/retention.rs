//! Sessions that are over are kept for the days of `retention.sessions`, for their person and for whoever looks into an incident.

use super::store;
use crate::audit;
use crate::db::DbError;
use crate::ground::Ground;
use crate::time::Timestamp;

/// Rows of one transaction, so that nobody waits long for it.
const BATCH: u32 = 1_000;
/// Transactions of one sweep; the next sweep goes on.
const ROUNDS: u32 = 50;

/// Deletes a bounded part of the sessions that were over before `before`, on record; how many.
///
/// # Errors
/// The store does not answer.
pub async fn purge(ground: &Ground, before: Timestamp, now: Timestamp) -> Result<u64, DbError> {
    let mut deleted = 0;
    for _ in 0..ROUNDS {
        let batch = ground.db.write(async move |tx| store::purge(tx, before, BATCH).await).await?;
        deleted += batch;
        if batch == 0 {
            break;
        }
    }
    audit::forgotten(ground, "sessions", deleted, now).await?;
    Ok(deleted)
}
