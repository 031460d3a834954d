//! Sealing: events that stand in no order yet get their place in the chain.
//!
//! Every instance does it twice a second. That no two give the same place is held by the table itself: a place is unique,
//! and an event is only sealed while it has none. Whoever is slower finds that out and leaves it to the other.

use super::chain::{GENESIS, Link};
use super::checkpoint::{SPACING, sign};
use super::store;
use crate::db::DbError;
use crate::ground::Ground;
use crate::secret::SealError;

/// Events sealed in one transaction.
pub const BATCH: usize = 500;

/// Seals up to [`BATCH`] events, the oldest first; how many. Zero when there is nothing to do, or another instance was faster.
/// The batch that fills a spacing is signed in the same transaction.
///
/// # Errors
/// The store does not answer, or the key that signs cannot be opened.
pub async fn seal(ground: &Ground) -> Result<usize, SealError> {
    // Looking costs nothing; an empty transaction would cost a durable commit twice a second.
    if !store::has_unsealed(&ground.db).await? {
        return Ok(0);
    }
    let this = ground.clone();
    let sealed = ground
        .db
        .write(async move |tx| {
            let (start, mut previous) = store::head(tx).await?.unwrap_or((0, GENESIS));
            let events = store::unsealed(tx, BATCH).await?;
            let mut seq = start;
            let mut links = Vec::with_capacity(events.len());
            for event in events {
                seq += 1;
                let hash = event.hash(seq, &previous);
                links.push(Link { event, seq, previous: Some(previous), hash: Some(hash) });
                previous = hash;
            }
            if store::link(tx, &links).await? != links.len() {
                // Another sealer has some of them; undone as a whole.
                return Err(DbError::Unique("audit_events.seq".to_owned()).into());
            }
            if seq / SPACING > start / SPACING {
                sign(tx, &this, (seq, previous)).await?;
            }
            Ok(links.len())
        })
        .await;
    match sealed {
        Err(SealError::Db(DbError::Unique(_))) => Ok(0),
        sealed => sealed,
    }
}
