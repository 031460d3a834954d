//! A deleted person is erased: the key first, then what they have much of in batches, the row last.
//!
//! What hangs from the row goes with it (`ON DELETE CASCADE`), in one transaction: nobody must have so much of anything then that it
//! takes long, or on PostgreSQL it is broken off each time it is tried, and on SQLite everybody who writes waits. So slices of which one
//! person may have very much are asked before, batch after batch ([`Emptied`]).

use std::future::Future;
use std::pin::Pin;

use uuid::Uuid;

use super::by::By;
use super::lifecycle::{Lifecycle, LifecycleError};
use super::store;
use crate::audit;
use crate::db::{DbError, Tx};
use crate::secret::SealError;
use crate::time::Timestamp;

/// Batches that one call takes of one person; the sweep goes on.
const BATCHES: usize = 500;

/// A slice of which one person may have very much; `app.rs` connects it.
pub trait Emptied: Send + Sync {
    /// Takes a batch of what `person` has, who is being erased: as much as nobody notices who writes meanwhile. False once so little
    /// is left that it can go with the row.
    fn empty<'t>(&'t self, tx: &'t mut Tx, person: Uuid) -> Pin<Box<dyn Future<Output = Result<bool, DbError>> + Send + 't>>;
}

impl Lifecycle {
    /// Erases a deleted person: the grace ends, the person's key is destroyed, so that every copy of what it
    /// sealed, in backups too, becomes unreadable, and then the rows go. A crash in between leaves a deleted
    /// row that nobody can restore and that the next sweep erases again; so does somebody who has more than one call takes away.
    pub async fn erase(&self, person: Uuid, by: By, now: Timestamp) -> Result<(), LifecycleError> {
        let db = &self.ground().db;
        if !store::end_grace(db, person).await? {
            let found = store::find(db, person).await?.ok_or(LifecycleError::NotFound)?;
            return Err(LifecycleError::Conflict(found.status));
        }
        match self.ground().keyring.destroy(person).await {
            Ok(()) | Err(SealError::Erased) => {}
            Err(error) => return Err(error.into()),
        }
        if !self.empty(person).await? {
            return Ok(());
        }
        let this = self.clone();
        let event = self.event(audit::USER_ERASED, person, &by, now);
        db.write(async move |tx| {
            this.tell(tx, person, now).await?;
            if store::erase(tx, person).await? {
                audit::record(tx, &event).await?;
                this.people().changed_on_commit(tx, person);
            }
            Ok(())
        })
        .await
    }

    /// Takes what there may be much of, each batch in a transaction of its own; whether nothing of it is left.
    async fn empty(&self, person: Uuid) -> Result<bool, LifecycleError> {
        let mut left = BATCHES;
        for slice in 0..self.emptied().len() {
            while self.empty_some(slice, person).await? {
                left -= 1;
                if left == 0 {
                    tracing::info!(%person, "somebody who is being erased has very much; the sweep takes the rest");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Takes a batch of what the slice at this place has.
    async fn empty_some(&self, slice: usize, person: Uuid) -> Result<bool, DbError> {
        let this = self.clone();
        self.ground().db.write(async move |tx| this.emptied()[slice].empty(tx, person).await).await
    }
}
