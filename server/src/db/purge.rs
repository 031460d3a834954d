//! Deleting what may be much: batch after batch, so that nobody who writes waits for long.

use super::DbError;

/// Rows that one transaction of a purge deletes at most.
pub const PURGE_ROWS: i64 = 1_000;
/// Such transactions of one purge; whoever calls it again goes on.
const ROUNDS: usize = 50;

/// Calls `batch`, which is one transaction and deletes as many rows as it is told at most, until it deletes less than that, or for long
/// enough; how many rows it deleted.
///
/// # Errors
/// That of the batch which failed; those before it are done.
pub async fn purged<F: Future<Output = Result<u64, DbError>>>(batch: impl Fn(i64) -> F) -> Result<u64, DbError> {
    let mut deleted = 0;
    for _ in 0..ROUNDS {
        let rows = batch(PURGE_ROWS).await?;
        deleted += rows;
        if rows < PURGE_ROWS.unsigned_abs() {
            break;
        }
    }
    Ok(deleted)
}
