//! Every SQL line about counters and days.

use uuid::Uuid;

use super::ask::Ask;
use super::calendar::Day;
use super::counter::{Counter, DayUse, OwnLimit, Take};
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Uses ($5) or reserves ($6, until $10) units, if nothing has to be thought about: it is the period and the day that the row is about,
    /// no reservation may have expired, it fits, and the threshold is not come to or was told of.
    TAKE = "UPDATE quota_counters SET used = used + $5, day_used = day_used + $5, reserved = reserved + $6,
            reserved_until = CASE WHEN reserved = 0 OR reserved_until > $10 THEN $10 ELSE reserved_until END,
            day_limit = CASE WHEN own_limit IS NULL OR own_limit_until <= $8 THEN $7 ELSE own_limit END
        WHERE user_id = $1 AND quota = $2 AND period_start = $3 AND day = $4
          AND (reserved = 0 OR reserved_until > $8)
          AND used + reserved + $5 + $6 <= CASE WHEN own_limit IS NULL OR own_limit_until <= $8 THEN $7 ELSE own_limit END
          AND (warned OR (used + $5) * 100 < $9 * CASE WHEN own_limit IS NULL OR own_limit_until <= $8 THEN $7 ELSE own_limit END)
        RETURNING period_start, used, reserved, reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until";
    /// A person's row, if there is such a person.
    ENSURE = "INSERT INTO quota_counters (user_id, quota, period_start, used, reserved, reserved_until, settled_at, day, day_used, day_limit, warned, exceeded)
        SELECT id, $2, $3, 0, 0, 0, 0, $4, 0, $5, FALSE, FALSE FROM users WHERE id = $1
        ON CONFLICT (user_id, quota) DO NOTHING";
    /// The row, which nobody else changes until the transaction ends.
    LOCK = "SELECT period_start, used, reserved, reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until
        FROM quota_counters WHERE user_id = $1 AND quota = $2",
      postgres "SELECT period_start, used, reserved, reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until
        FROM quota_counters WHERE user_id = $1 AND quota = $2 FOR UPDATE";
    /// Writes a row that is locked.
    WRITE = "UPDATE quota_counters SET period_start = $3, used = $4, reserved = $5, reserved_until = $6, settled_at = $7, day = $8, day_used = $9,
            day_limit = $10, warned = $11, exceeded = $12
        WHERE user_id = $1 AND quota = $2";
    /// A person's rows, with what is reserved at an instant instead of what the row says.
    ALL = "SELECT period_start, used,
            (SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM quota_reservations r WHERE r.user_id = c.user_id AND r.quota = c.quota
                AND r.state = 'open' AND r.period_start = c.period_start AND r.expires_at > $2 AND r.expires_at > c.settled_at),
            reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until, quota
        FROM quota_counters c WHERE user_id = $1 ORDER BY quota";
    /// One of them.
    FIND = "SELECT period_start, used,
            (SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM quota_reservations r WHERE r.user_id = c.user_id AND r.quota = c.quota
                AND r.state = 'open' AND r.period_start = c.period_start AND r.expires_at > $3 AND r.expires_at > c.settled_at),
            reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own_limit, own_limit_until
        FROM quota_counters c WHERE user_id = $1 AND quota = $2";
    /// Gives a person a limit of their own, or takes it away; a row that has to be made is made by ENSURE.
    SET_OWN_LIMIT = "UPDATE quota_counters SET own_limit = $3, own_limit_until = $4 WHERE user_id = $1 AND quota = $2";
    /// Counts what was used on a day that is over.
    ADD_DAY = "INSERT INTO quota_days (user_id, quota, day, used, day_limit) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, quota, day) DO UPDATE SET used = quota_days.used + $4";
    /// What a person used day by day; the day that the row is about is not over yet.
    DAYS = "SELECT day, used, day_limit FROM quota_days WHERE user_id = $1 AND quota = $2 AND day >= $3 AND day <= $4
        UNION ALL SELECT day, day_used, day_limit FROM quota_counters
            WHERE user_id = $1 AND quota = $2 AND day >= $3 AND day <= $4 AND day_used > 0";
    /// A page of all days of a person.
    DAYS_OF = "SELECT day, used, day_limit, quota FROM quota_days WHERE user_id = $1 AND (quota, day) > ($2, $3) ORDER BY quota, day LIMIT $4";
}

fn counter(row: &Row) -> Result<Counter, DbError> {
    let limit: Option<i64> = row.get(10)?;
    let until = row.get(11)?;
    Ok(Counter {
        period_start: row.get(0)?,
        used: row.get(1)?,
        reserved: row.get(2)?,
        reserved_until: row.get(3)?,
        settled_at: row.get(4)?,
        day: Day(row.get(5)?),
        day_used: row.get(6)?,
        day_limit: row.get(7)?,
        warned: row.get(8)?,
        exceeded: row.get(9)?,
        own: limit.map(|limit| OwnLimit { limit, until }),
    })
}

fn take_args(ask: &Ask, take: Take) -> Vec<crate::db::Value> {
    let (used, reserved, until) = match take {
        Take::Use(amount) => (amount, 0, Timestamp::from_micros(i64::MAX)),
        Take::Reserve(amount, until) => (0, amount, until),
    };
    let (start, day) = (ask.window.start, ask.day.0);
    args![ask.user, ask.name.clone(), start, day, used, reserved, ask.configured, ask.now, ask.warn_percent, until]
}

/// Takes units by one statement; `None` when it has to be thought about.
pub(super) async fn take(db: &Db, ask: &Ask, take: Take) -> Result<Option<Counter>, DbError> {
    let (rows, _) = db.write_one(TAKE, take_args(ask, take)).await?;
    rows.first().map(counter).transpose()
}

/// The same in a transaction.
pub(super) async fn take_in(tx: &mut Tx, ask: &Ask, take: Take) -> Result<Option<Counter>, DbError> {
    tx.query_opt(TAKE, take_args(ask, take)).await?.as_ref().map(counter).transpose()
}

/// Makes sure that there is a row; without one afterwards, there is no such person.
pub(super) async fn ensure(tx: &mut Tx, ask: &Ask) -> Result<(), DbError> {
    let args = args![ask.user, ask.name.clone(), ask.window.start, ask.day.0, ask.configured];
    tx.execute(ENSURE, args).await.map(|_| ())
}

/// The row, held until `tx` ends.
pub(super) async fn lock(tx: &mut Tx, user: Uuid, quota: &str) -> Result<Option<Counter>, DbError> {
    tx.query_opt(LOCK, args![user, quota.to_owned()]).await?.as_ref().map(counter).transpose()
}

/// Writes a row that is held.
///
/// # Errors
/// There is none: it was not held.
pub(super) async fn write(tx: &mut Tx, ask: &Ask, counter: &Counter) -> Result<(), DbError> {
    let Counter { period_start, used, reserved, reserved_until, settled_at, day, day_used, day_limit, warned, exceeded, own: _ } = *counter;
    let (user, quota) = (ask.user, ask.name.clone());
    let args = args![user, quota, period_start, used, reserved, reserved_until, settled_at, day.0, day_used, day_limit, warned, exceeded];
    match tx.execute(WRITE, args).await? {
        1 => Ok(()),
        _ => Err(DbError::Other("a counter that was held is gone".to_owned())),
    }
}

/// The row as it is at `ask.now`.
pub(super) async fn find(db: &Db, ask: &Ask) -> Result<Option<Counter>, DbError> {
    db.query_opt(FIND, args![ask.user, ask.name.clone(), ask.now]).await?.as_ref().map(counter).transpose()
}

/// Every row of `user` as it is at `now`, by the quota's name.
pub(super) async fn all(db: &Db, user: Uuid, now: Timestamp) -> Result<Vec<(String, Counter)>, DbError> {
    db.query(ALL, args![user, now]).await?.iter().map(|row| Ok((row.get(12)?, counter(row)?))).collect()
}

/// Gives `ask.user` a limit of their own, or takes it away; false when there is no row.
pub(super) async fn set_own_limit(tx: &mut Tx, ask: &Ask, own: Option<OwnLimit>) -> Result<bool, DbError> {
    let (limit, until) = (own.map(|own| own.limit), own.and_then(|own| own.until));
    Ok(tx.execute(SET_OWN_LIMIT, args![ask.user, ask.name.clone(), limit, until]).await? == 1)
}

/// Adds to a day that is over.
pub(super) async fn add_day(tx: &mut Tx, ask: &Ask, over: DayUse) -> Result<(), DbError> {
    tx.execute(ADD_DAY, args![ask.user, ask.name.clone(), over.day.0, over.used, over.limit]).await.map(|_| ())
}

/// What was used from day to day, in no order.
pub(super) async fn days(db: &Db, ask: &Ask, from: Day, to: Day) -> Result<Vec<DayUse>, DbError> {
    let rows = db.query(DAYS, args![ask.user, ask.name.clone(), from.0, to.0]).await?;
    rows.iter().map(day_use).collect()
}

/// Up to `rows` days of `user` behind `day` of `quota`, by quota and day.
pub(super) async fn days_of(db: &Db, user: Uuid, quota: &str, day: Day, rows: i64) -> Result<Vec<(String, DayUse)>, DbError> {
    let rows = db.query(DAYS_OF, args![user, quota.to_owned(), day.0, rows]).await?;
    rows.iter().map(|row| Ok((row.get(3)?, day_use(row)?))).collect()
}

fn day_use(row: &Row) -> Result<DayUse, DbError> {
    Ok(DayUse { day: Day(row.get(0)?), used: row.get(1)?, limit: row.get(2)? })
}
