//! A transaction is deleted, and restored.

use uuid::Uuid;

use super::create::held;
use super::store;
use super::totals::Totals;
use super::view::{self, TransactionView};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::if_match::IfMatch;
use crate::time::Timestamp;

/// Deletes a transaction, if `if_match` allows its version. It can be restored until retention takes it.
///
/// # Errors
/// `not_found`, `version_conflict`.
pub(super) async fn delete(ground: &Ground, owner: Uuid, id: Uuid, if_match: IfMatch, now: Timestamp) -> Result<(), Problem> {
    // A stranger's guess opens no ledger.
    store::find(&ground.db, owner, id).await?.ok_or(Code::NotFound)?;
    ground
        .db
        .write(async move |tx| {
            held(tx, owner).await?;
            let found = store::find_in(tx, owner, id).await?.filter(|found| found.deleted_at.is_none()).ok_or(Code::NotFound)?;
            if !if_match.allows(found.version) || !store::delete(tx, owner, id, found.version, now).await? {
                return Err(Problem::from(Code::VersionConflict));
            }
            let mut totals = Totals::default();
            totals.take(&found);
            totals.write(tx, owner).await
        })
        .await
}

/// Restores a deleted transaction.
///
/// # Errors
/// `not_found`; `conflict` when it is not deleted, or a sum becomes too large meanwhile.
pub(super) async fn restore(ground: &Ground, owner: Uuid, id: Uuid, now: Timestamp) -> Result<TransactionView, Problem> {
    store::find(&ground.db, owner, id).await?.ok_or(Code::NotFound)?;
    let key = ground.keyring.get(owner).await?;
    let stored = ground
        .db
        .write(async move |tx| {
            held(tx, owner).await?;
            let found = store::find_in(tx, owner, id).await?.ok_or(Code::NotFound)?;
            if found.deleted_at.is_none() || !store::restore(tx, owner, id, found.version, now).await? {
                return Err(Problem::new(Code::Conflict).detail("This transaction is not deleted."));
            }
            let restored = store::Stored { deleted_at: None, updated_at: now, version: found.version + 1, ..found };
            let mut totals = Totals::default();
            totals.add(&restored);
            totals.write(tx, owner).await?;
            Ok(restored)
        })
        .await?;
    Ok(view::open(stored, &key)?)
}
