//! Every SQL line about reservations.

use std::time::Duration;

use uuid::Uuid;

use super::ask::Ask;
use super::calendar::Day;
use super::counter::Counter;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::idempotency;
use crate::time::Timestamp;

crate::statements! {
    /// A new reservation; or, settled already, the record of what was consumed with an Idempotency-Key.
    INSERT = "INSERT INTO quota_reservations (id, user_id, quota, period_start, day, amount, made_by, state, committed, expires_at, receipt)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    /// What was done for a request that was sent before.
    BY_RECEIPT = "SELECT id, user_id, quota, period_start, day, amount, state, committed, expires_at FROM quota_reservations WHERE receipt = $1";
    /// That request can be sent anew, for something else.
    DROP_RECEIPT = "UPDATE quota_reservations SET receipt = NULL WHERE id = $1";
    /// One, for whoever made it.
    FIND = "SELECT id, user_id, quota, period_start, day, amount, state, committed, expires_at
        FROM quota_reservations WHERE id = $1 AND made_by = $2";
    /// What is open in a period at an instant, and when the first of it expires.
    OPEN = "SELECT CAST(coalesce(sum(amount), 0) AS bigint), min(expires_at) FROM quota_reservations
        WHERE user_id = $1 AND quota = $2 AND state = 'open' AND period_start = $3 AND expires_at > $4";
    /// Settles one, once, while it is good.
    SETTLE = "UPDATE quota_reservations SET state = $2, committed = $3 WHERE id = $1 AND state = 'open' AND expires_at > $4";
    /// A page of a person's, newest first.
    ALL_OF = "SELECT id, user_id, quota, period_start, day, amount, state, committed, expires_at
        FROM quota_reservations WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
}

/// The states: as they are stored.
pub(super) const OPEN_STATE: &str = "open";
/// See [`OPEN_STATE`].
pub(super) const COMMITTED: &str = "committed";
/// See [`OPEN_STATE`].
pub(super) const RELEASED: &str = "released";

/// A reservation.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub id: Uuid,
    pub user: Uuid,
    pub quota: String,
    pub period_start: Timestamp,
    pub day: Day,
    pub amount: i64,
    pub state: String,
    pub committed: i64,
    pub expires_at: Timestamp,
}

impl Stored {
    /// An open one in the period and on the day that `counter` is about.
    pub fn new(id: Uuid, ask: &Ask, counter: &Counter, amount: i64, expires_at: Timestamp) -> Self {
        Self {
            id,
            user: ask.user,
            quota: ask.name.clone(),
            period_start: counter.period_start,
            day: counter.day,
            amount,
            state: OPEN_STATE.to_owned(),
            committed: 0,
            expires_at,
        }
    }
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        id: row.get(0)?,
        user: row.get(1)?,
        quota: row.get(2)?,
        period_start: row.get(3)?,
        day: Day(row.get(4)?),
        amount: row.get(5)?,
        state: row.get(6)?,
        committed: row.get(7)?,
        expires_at: row.get(8)?,
    })
}

/// Writes a new one that `by` alone may settle, made by the request that `receipt` names.
pub(super) async fn insert(tx: &mut Tx, new: &Stored, by: Uuid, receipt: Option<Uuid>) -> Result<(), DbError> {
    let (id, user, quota, state) = (new.id, new.user, new.quota.clone(), new.state.clone());
    let (start, day) = (new.period_start, new.day.0);
    let args = args![id, user, quota, start, day, new.amount, by, state, new.committed, new.expires_at, receipt];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// What the request that `receipt` names made, for as long as its key lives. After that the receipt is taken off: whoever uses the key
/// again means something new.
pub(super) async fn by_receipt(tx: &mut Tx, receipt: Option<Uuid>, now: Timestamp) -> Result<Option<Stored>, DbError> {
    let Some(receipt) = receipt else { return Ok(None) };
    let found = tx.query_opt(BY_RECEIPT, args![receipt]).await?.as_ref().map(stored).transpose()?;
    let Some(found) = found else { return Ok(None) };
    // The id says when it was made, to the millisecond; so does the receipt end one too early sooner than too late.
    if found.id >= now.minus(idempotency::KEEP).plus(Duration::from_millis(1)).lowest_id() {
        return Ok(Some(found));
    }
    tx.execute(DROP_RECEIPT, args![found.id]).await?;
    Ok(None)
}

/// The reservation `id` that `by` made.
pub(super) async fn find(db: &Db, id: Uuid, by: Uuid) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![id, by]).await?.as_ref().map(stored).transpose()
}

/// The same in a transaction.
pub(super) async fn find_in(tx: &mut Tx, id: Uuid, by: Uuid) -> Result<Option<Stored>, DbError> {
    tx.query_opt(FIND, args![id, by]).await?.as_ref().map(stored).transpose()
}

/// Units that are held back in the period that began at `start`, as judged at `at`, and when the first of them expire.
pub(super) async fn open(tx: &mut Tx, ask: &Ask, start: Timestamp, at: Timestamp) -> Result<(i64, Option<Timestamp>), DbError> {
    let row = tx.query_opt(OPEN, args![ask.user, ask.name.clone(), start, at]).await?;
    row.map_or(Ok((0, None)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Settles a reservation; false when it was settled before, or has expired at `at`.
pub(super) async fn settle(tx: &mut Tx, id: Uuid, state: &'static str, committed: i64, at: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(SETTLE, args![id, state, committed, at]).await? == 1)
}

/// Up to `rows` reservations of `user` older than `before`, newest first.
pub(super) async fn all_of(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(ALL_OF, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}
