//! Sealing: events that stand in no order yet get their place in the chain.
//!
//! Every instance does it twice a second. That no two give the same place is held by the table itself: a place is unique,
//! and an event is only sealed while it has none. Whoever is slower finds that out and leaves it to the other.

use crate::audit::chain::{GENESIS, Link};
use crate::audit::store;
use crate::db::{Db, DbError};

/// Events sealed in one transaction.
pub const BATCH: usize = 500;

/// Seals up to [`BATCH`] events, the oldest first; how many. Zero when there is nothing to do, or another instance was faster.
///
/// # Errors
/// The store does not answer.
pub async fn seal(db: &Db) -> Result<usize, DbError> {
    // Looking costs nothing; an empty transaction would cost a durable commit twice a second.
    if !store::has_unsealed(db).await? {
        return Ok(0);
    }
    let sealed = db
        .write(async |tx| {
            let (mut seq, mut previous) = store::head(tx).await?.unwrap_or((0, GENESIS));
            let events = store::unsealed(tx, BATCH).await?;
            let mut links = Vec::with_capacity(events.len());
            for event in events {
                seq += 1;
                let hash = event.hash(seq, &previous);
                links.push(Link { event, seq, previous: Some(previous), hash: Some(hash) });
                previous = hash;
            }
            if store::link(tx, &links).await? == links.len() {
                return Ok(links.len());
            }
            // Another sealer has some of them; undone as a whole.
            Err(DbError::Unique("audit_events.seq".to_owned()))
        })
        .await;
    match sealed {
        Err(DbError::Unique(_)) => Ok(0),
        sealed => sealed,
    }
}
