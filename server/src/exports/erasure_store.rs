//! Every SQL line that takes files of people who are being erased.

use uuid::Uuid;

use crate::args;
use crate::db::{DbError, Tx};

crate::statements! {
    /// Takes some parts of somebody's files.
    EMPTY = "DELETE FROM export_chunks WHERE (export_id, run, number) IN (
        SELECT c.export_id, c.run, c.number FROM exports e JOIN export_chunks c ON c.export_id = e.id WHERE e.user_id = $1 LIMIT $2)";
}

/// Takes up to `parts` parts of the files of `owner`; false when that was the rest.
pub(super) async fn empty(tx: &mut Tx, owner: Uuid, parts: i64) -> Result<bool, DbError> {
    Ok(i64::try_from(tx.execute(EMPTY, args![owner, parts]).await?).is_ok_and(|taken| taken >= parts))
}
