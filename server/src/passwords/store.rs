//! Every SQL line about failed sign-ins.

use uuid::Uuid;

use super::lockout::Failures;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// How often signing in to an address failed.
    FIND = "SELECT failures, last_failure_at, locked_until FROM login_failures WHERE email_index = $1";
    /// One more failure: counts from one again when the lock has run out or the last failure is old ($5),
    /// and locks when the threshold ($3) is reached.
    FAIL = "INSERT INTO login_failures (email_index, failures, last_failure_at, locked_until)
        VALUES ($1, 1, $2, CASE WHEN 1 >= $3 THEN $4 END)
        ON CONFLICT (email_index) DO UPDATE SET
            failures = CASE WHEN login_failures.locked_until <= $2 OR login_failures.last_failure_at <= $5 THEN 1 ELSE login_failures.failures + 1 END,
            locked_until = CASE
                WHEN login_failures.locked_until <= $2 OR login_failures.last_failure_at <= $5 THEN CASE WHEN 1 >= $3 THEN $4 END
                WHEN login_failures.failures + 1 >= $3 THEN coalesce(login_failures.locked_until, $4) END,
            last_failure_at = $2
        RETURNING failures, last_failure_at, locked_until",
      postgres "INSERT INTO login_failures (email_index, failures, last_failure_at, locked_until)
        VALUES ($1, 1, $2::bigint, CASE WHEN 1 >= $3::bigint THEN $4::bigint END)
        ON CONFLICT (email_index) DO UPDATE SET
            failures = CASE WHEN login_failures.locked_until <= $2 OR login_failures.last_failure_at <= $5::bigint THEN 1 ELSE login_failures.failures + 1 END,
            locked_until = CASE
                WHEN login_failures.locked_until <= $2 OR login_failures.last_failure_at <= $5 THEN CASE WHEN 1 >= $3 THEN $4 END
                WHEN login_failures.failures + 1 >= $3 THEN coalesce(login_failures.locked_until, $4) END,
            last_failure_at = $2
        RETURNING failures, last_failure_at, locked_until";
    /// Forgets an address's failures.
    CLEAR = "DELETE FROM login_failures WHERE email_index = $1";
    /// Forgets a person's failures (reads `users` of the slice `accounts`).
    CLEAR_OF = "DELETE FROM login_failures WHERE email_index = (SELECT email_index FROM users WHERE id = $1)";
    /// Forgets failures that no longer count.
    PURGE = "DELETE FROM login_failures WHERE last_failure_at < $1 AND (locked_until IS NULL OR locked_until < $1)";
}

fn failures(row: &Row) -> Result<Failures, DbError> {
    Ok(Failures { count: row.get(0)?, last_at: row.get(1)?, locked_until: row.get(2)? })
}

/// An address's failures.
pub async fn find(db: &Db, address: [u8; 32]) -> Result<Option<Failures>, DbError> {
    db.query_opt(FIND, args![address]).await?.as_ref().map(failures).transpose()
}

/// Counts one more; the count and the lock afterwards.
pub async fn fail(
    tx: &mut Tx,
    address: [u8; 32],
    now: Timestamp,
    threshold: u32,
    locked_until: Timestamp,
    counts_since: Timestamp,
) -> Result<Failures, DbError> {
    let row = tx.query_opt(FAIL, args![address, now, threshold, locked_until, counts_since]).await?;
    row.as_ref().map(failures).unwrap_or_else(|| Err(DbError::Decode("an upsert returned no row".to_owned())))
}

/// Forgets an address's failures; whether there were any.
pub async fn clear(tx: &mut Tx, address: [u8; 32]) -> Result<bool, DbError> {
    Ok(tx.execute(CLEAR, args![address]).await? > 0)
}

/// Forgets a person's failures; whether there were any.
pub async fn clear_of(tx: &mut Tx, user: Uuid) -> Result<bool, DbError> {
    Ok(tx.execute(CLEAR_OF, args![user]).await? > 0)
}

/// Forgets failures that were last counted before `before`.
pub async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64, DbError> {
    tx.execute(PURGE, args![before]).await
}
