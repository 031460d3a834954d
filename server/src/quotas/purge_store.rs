//! Every SQL line that takes counters, days and reservations away, a bounded number of rows at a time.

use uuid::Uuid;

use super::calendar::Day;
use crate::args;
use crate::db::{Db, DbError, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Forgets reservations that nobody can ask about any more.
    RESERVATIONS = "DELETE FROM quota_reservations WHERE id IN (SELECT id FROM quota_reservations WHERE expires_at < $1 LIMIT $2)";
    /// Forgets days.
    DAYS = "DELETE FROM quota_days WHERE (user_id, quota, day) IN (SELECT user_id, quota, day FROM quota_days WHERE day < $1 LIMIT $2)";
    /// Forgets the rows of those who used nothing for long, and have no limit of their own. Whoever uses something meanwhile keeps theirs.
    COUNTERS = "DELETE FROM quota_counters
        WHERE (user_id, quota) IN (SELECT user_id, quota FROM quota_counters
            WHERE day < $1 AND period_start < $2 AND (own_limit IS NULL OR own_limit_until <= $3) LIMIT $4)
        AND day < $1 AND period_start < $2 AND (own_limit IS NULL OR own_limit_until <= $3)";
    /// Takes some reservations of a person.
    EMPTY_RESERVATIONS = "DELETE FROM quota_reservations WHERE id IN (SELECT id FROM quota_reservations WHERE user_id = $1 LIMIT $2)";
    /// The same of the days.
    EMPTY_DAYS = "DELETE FROM quota_days WHERE (user_id, quota, day) IN (SELECT user_id, quota, day FROM quota_days WHERE user_id = $1 LIMIT $2)";
}

/// Forgets up to `rows` reservations that expired before `before`; how many.
pub(super) async fn reservations(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(RESERVATIONS, args![before, rows]).await?.1)
}

/// Forgets up to `rows` days older than `day`; how many.
pub(super) async fn days(db: &Db, day: Day, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(DAYS, args![day.0, rows]).await?.1)
}

/// Forgets up to `rows` counters of people who used nothing since `day`; how many. Those whose period may still run are kept, and so are
/// limits of people's own that hold at `now`.
pub(super) async fn counters(db: &Db, day: Day, running: Timestamp, now: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(COUNTERS, args![day.0, running, now, rows]).await?.1)
}

/// Takes up to `rows` reservations and as many days of `owner`; false when that was the rest. There are only a few counters.
pub(super) async fn empty(tx: &mut Tx, owner: Uuid, rows: i64) -> Result<bool, DbError> {
    let reservations = tx.execute(EMPTY_RESERVATIONS, args![owner, rows]).await?;
    let days = tx.execute(EMPTY_DAYS, args![owner, rows]).await?;
    Ok(i64::try_from(reservations.max(days)).is_ok_and(|taken| taken >= rows))
}
