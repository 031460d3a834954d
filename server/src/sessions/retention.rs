//! Sessions that are over are kept for the days of `retention.sessions`, for their person and for whoever looks into an incident.

use super::store;
use crate::audit;
use crate::db::{DbError, purged};
use crate::ground::Ground;
use crate::time::Timestamp;

/// Deletes a bounded part of the sessions that were over before `before`, on record.
///
/// # Errors
/// The store does not answer.
pub async fn purge(ground: &Ground, before: Timestamp, now: Timestamp) -> Result<(), DbError> {
    let deleted = purged(|rows| ground.db.write(async move |tx| store::purge(tx, before, rows).await)).await?;
    audit::forgotten(ground, "sessions", deleted, now).await
}
