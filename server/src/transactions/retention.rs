//! What nobody can restore any more goes for good: transactions that were deleted long ago, and everything of people who were erased.

use std::pin::Pin;
use std::time::Duration;

use uuid::Uuid;

use super::retention_store as store;
use crate::accounts::AccessLost;
use crate::db::{DbError, Tx};
use crate::error::Problem;
use crate::ground::Ground;
use crate::time::Timestamp;

/// Rows that one transaction of the store takes away; whoever writes meanwhile waits for no more.
pub(super) const BATCH: i64 = 500;
/// Batches of one sweep; the next one goes on.
const BATCHES: usize = 100;
/// Transactions that go in the transaction of the erasure itself.
const AT_ONCE: i64 = 2_000;
/// Ledgers that one sweep looks at.
const LEDGERS: i64 = 20;

/// Takes what is due, a bounded part of it.
///
/// # Errors
/// The store does not answer.
pub async fn sweep(ground: &Ground, now: Timestamp) -> Result<(), Problem> {
    let days = ground.settings.privacy.retention.transactions;
    let before = now.minus(Duration::from_secs(u64::from(days) * 24 * 60 * 60));
    let mut left = BATCHES;
    // Batch after batch, each a transaction of its own: one that took all would hold everybody up.
    while left > 0 && ground.db.write(async move |tx| store::expire(tx, before, BATCH).await).await? {
        left -= 1;
    }
    for owner in store::erased(&ground.db, LEDGERS).await? {
        while left > 0 && empty(ground, owner).await? {
            left -= 1;
        }
    }
    Ok(())
}

/// Takes a batch of what an erased person left; false once nothing is.
async fn empty(ground: &Ground, owner: Uuid) -> Result<bool, Problem> {
    Ok(ground.db.write(async move |tx| store::empty(tx, owner, BATCH).await).await?)
}

/// Hears of people who lose access. Of somebody who is being erased it takes at once what most people have; the sweep takes the
/// rest of those who have more.
#[derive(Clone, Copy, Debug)]
pub struct Ledgers;

impl AccessLost for Ledgers {
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        _now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move { store::take(tx, person, AT_ONCE).await })
    }
}
