//! Every statement on the table `jobs`.
//!
//! State check and state change are one statement: a claim takes only what is free, and whoever
//! records an outcome must still hold the lease. Affected rows are always looked at.

use std::time::Duration;

use uuid::Uuid;

use super::{Kind, State};
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;
use crate::{args, statements};

statements! {
    INSERT = "INSERT INTO jobs (id, kind, state, run_at, attempts, max_attempts, lease, enqueued_at, payload)
              VALUES ($1, $2, 'queued', $3, 0, $4, $5, $6, $7)";
    /// Of each kind of `$1` (a JSON list of names), when the job that is free for `$3` and due first is or was due.
    NEXT = "SELECT value, (SELECT run_at FROM jobs WHERE kind = value AND state = 'queued'
                AND (leased_until IS NULL OR leased_until <= $2) AND (lease_owner IS NULL OR lease_owner <> $3)
                ORDER BY run_at LIMIT 1) FROM json_each($1)",
        postgres "SELECT value, (SELECT run_at FROM jobs WHERE kind = value AND state = 'queued'
                AND (leased_until IS NULL OR leased_until <= $2) AND (lease_owner IS NULL OR lease_owner <> $3)
                ORDER BY run_at LIMIT 1) FROM json_array_elements_text($1::text::json)";
    /// Takes up to `$4` due jobs of the kind `$3` for `$2`. What `$2` holds already is left alone, even when a clock that was
    /// moved has ended the lease: the handler is running in this very process.
    CLAIM = "UPDATE jobs SET leased_until = $1 + lease, lease_owner = $2, attempts = attempts + 1
             WHERE id IN (
                 SELECT id FROM jobs WHERE kind = $3 AND state = 'queued' AND run_at <= $1
                     AND (leased_until IS NULL OR leased_until <= $1) AND (lease_owner IS NULL OR lease_owner <> $2)
                 ORDER BY run_at LIMIT $4)
             AND state = 'queued' AND run_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
             RETURNING id, kind, run_at, attempts, max_attempts, lease, enqueued_at, payload",
        // ARRAY(…) is evaluated once; a plain IN with LIMIT may be run again per row and take too many.
        // SKIP LOCKED: instances that claim together take different rows instead of waiting for each other.
        postgres "UPDATE jobs SET leased_until = $1 + lease, lease_owner = $2, attempts = attempts + 1
             WHERE id = ANY (ARRAY(
                 SELECT id FROM jobs WHERE kind = $3 AND state = 'queued' AND run_at <= $1
                     AND (leased_until IS NULL OR leased_until <= $1) AND (lease_owner IS NULL OR lease_owner <> $2)
                 ORDER BY run_at LIMIT $4 FOR UPDATE SKIP LOCKED))
             AND state = 'queued' AND run_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
             RETURNING id, kind, run_at, attempts, max_attempts, lease, enqueued_at, payload";
    RENEW = "UPDATE jobs SET leased_until = $3 + lease WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    /// Done: the row goes, and what was sealed in it.
    FINISH = "DELETE FROM jobs WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    RETRY = "UPDATE jobs SET run_at = $3, last_error = $4, leased_until = NULL, lease_owner = NULL
             WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    BURY = "UPDATE jobs SET state = 'dead', finished_at = $3, last_error = $4, leased_until = NULL, lease_owner = NULL
            WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    /// As if it had never been claimed.
    HAND_BACK = "UPDATE jobs SET run_at = $3, attempts = attempts - 1, leased_until = NULL, lease_owner = NULL
                 WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    /// The same, with what kept it from being tried.
    POSTPONE = "UPDATE jobs SET run_at = $3, last_error = $4, attempts = attempts - 1, leased_until = NULL, lease_owner = NULL
                WHERE id = $1 AND lease_owner = $2 AND state = 'queued'";
    DEPTH = "SELECT kind,
                 count(*) FILTER (WHERE state = 'queued' AND (leased_until IS NULL OR leased_until <= $1)),
                 count(*) FILTER (WHERE state = 'queued' AND leased_until > $1),
                 count(*) FILTER (WHERE state = 'dead'),
                 min(run_at) FILTER (WHERE state = 'queued' AND run_at <= $1 AND (leased_until IS NULL OR leased_until <= $1))
             FROM jobs GROUP BY kind ORDER BY kind";
    LIST = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2";
    LIST_QUEUED = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE state = 'queued' AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_DEAD = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE state = 'dead' AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_KIND = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE kind = $3 AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_KIND_QUEUED = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE kind = $3 AND state = 'queued' AND id < $1 ORDER BY id DESC LIMIT $2";
    LIST_KIND_DEAD = "SELECT id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error
            FROM jobs WHERE kind = $3 AND state = 'dead' AND id < $1 ORDER BY id DESC LIMIT $2";
    REVIVE = "UPDATE jobs SET state = 'queued', run_at = $2, attempts = 0, finished_at = NULL WHERE id = $1 AND state = 'dead'
            RETURNING id, kind, attempts, max_attempts, run_at, leased_until, enqueued_at, finished_at, last_error";
    EXISTS = "SELECT id FROM jobs WHERE id = $1";
    PURGE = "DELETE FROM jobs WHERE state = 'dead' AND finished_at < $1";
}

/// A claimed row, payload still sealed.
pub(super) struct ClaimedRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) run_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) max_attempts: u32,
    pub(super) lease: Duration,
    pub(super) enqueued_at: Timestamp,
    pub(super) sealed: Vec<u8>,
}

/// One kind's line of [`DEPTH`].
pub(super) struct KindDepth {
    pub(super) kind: String,
    pub(super) queued: i64,
    pub(super) running: i64,
    pub(super) dead: i64,
    pub(super) oldest_due: Option<Timestamp>,
}

/// What a payload is bound to: it opens in its own row only. The id has a fixed length, so the two cannot blur.
pub(super) fn seal_context(kind: &str, id: Uuid) -> Vec<u8> {
    [kind.as_bytes(), id.as_bytes()].concat()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(super) async fn insert(tx: &mut Tx, id: Uuid, kind: Kind, run_at: Timestamp, now: Timestamp, sealed: Vec<u8>) -> Result<(), DbError> {
    tx.execute(INSERT, args![id, kind.name, run_at, kind.max_attempts, micros(kind.lease), now, sealed]).await.map(drop)
}

/// Of each of `kinds` that has jobs which `owner` could take, now or later: when the first is or was due. The earliest first.
pub(super) async fn next(db: &Db, kinds: &[&str], now: Timestamp, owner: Uuid) -> Result<Vec<(String, Timestamp)>, DbError> {
    let names = serde_json::json!(kinds).to_string();
    let rows = db.query(NEXT, args![names, now, owner]).await?;
    let mut next = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(run_at) = row.get::<Option<Timestamp>>(1)? {
            next.push((row.get(0)?, run_at));
        }
    }
    next.sort_by_key(|(_, run_at)| *run_at);
    Ok(next)
}

/// Up to `limit` due jobs of `kind`, claimed; the one due first last (so that callers can pop).
pub(super) async fn claim(db: &Db, kind: &'static str, now: Timestamp, owner: Uuid, limit: usize) -> Result<Vec<ClaimedRow>, DbError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let (rows, _) = db.write_one(CLAIM, args![now, owner, kind, limit]).await?;
    let mut jobs = rows.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
    jobs.sort_by_key(|job| std::cmp::Reverse((job.run_at, job.id)));
    Ok(jobs)
}

fn claimed(row: &Row) -> Result<ClaimedRow, DbError> {
    Ok(ClaimedRow {
        id: row.get(0)?,
        kind: row.get(1)?,
        run_at: row.get(2)?,
        attempts: row.get(3)?,
        max_attempts: row.get(4)?,
        lease: Duration::from_micros(u64::try_from(row.get::<i64>(5)?).unwrap_or(0)),
        enqueued_at: row.get(6)?,
        sealed: row.get(7)?,
    })
}

/// Each of these is `false` when `owner` no longer holds the job.
pub(super) async fn renew(db: &Db, id: Uuid, owner: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(db.write_one(RENEW, args![id, owner, now]).await?.1 == 1)
}

pub(super) async fn finish(db: &Db, id: Uuid, owner: Uuid) -> Result<bool, DbError> {
    Ok(db.write_one(FINISH, args![id, owner]).await?.1 == 1)
}

pub(super) async fn retry(db: &Db, id: Uuid, owner: Uuid, run_at: Timestamp, error: String) -> Result<bool, DbError> {
    Ok(db.write_one(RETRY, args![id, owner, run_at, error]).await?.1 == 1)
}

pub(super) async fn bury(tx: &mut Tx, id: Uuid, owner: Uuid, now: Timestamp, error: String) -> Result<bool, DbError> {
    Ok(tx.execute(BURY, args![id, owner, now, error]).await? == 1)
}

pub(super) async fn hand_back(db: &Db, id: Uuid, owner: Uuid, run_at: Timestamp) -> Result<bool, DbError> {
    Ok(db.write_one(HAND_BACK, args![id, owner, run_at]).await?.1 == 1)
}

pub(super) async fn postpone(db: &Db, id: Uuid, owner: Uuid, run_at: Timestamp, why: String) -> Result<bool, DbError> {
    Ok(db.write_one(POSTPONE, args![id, owner, run_at, why]).await?.1 == 1)
}

pub(super) async fn depth(db: &Db, now: Timestamp) -> Result<Vec<KindDepth>, DbError> {
    let rows = db.query(DEPTH, args![now]).await?;
    let line = |row: &Row| {
        Ok(KindDepth { kind: row.get(0)?, queued: row.get(1)?, running: row.get(2)?, dead: row.get(3)?, oldest_due: row.get(4)? })
    };
    rows.iter().map(line).collect()
}

pub(super) async fn list(db: &Db, state: Option<State>, kind: Option<String>, before: Uuid, rows: i64) -> Result<Vec<Row>, DbError> {
    let statement = match (state, &kind) {
        (None, None) => LIST,
        (Some(State::Queued), None) => LIST_QUEUED,
        (Some(State::Dead), None) => LIST_DEAD,
        (None, Some(_)) => LIST_KIND,
        (Some(State::Queued), Some(_)) => LIST_KIND_QUEUED,
        (Some(State::Dead), Some(_)) => LIST_KIND_DEAD,
    };
    let mut args = args![before, rows];
    args.extend(kind.map(Into::into));
    db.query(statement, args).await
}

/// The dead letter as it is queued again; nothing when there is no such dead letter.
pub(super) async fn revive(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<Option<Row>, DbError> {
    tx.query_opt(REVIVE, args![id, now]).await
}

pub(super) async fn exists(tx: &mut Tx, id: Uuid) -> Result<bool, DbError> {
    Ok(tx.query_opt(EXISTS, args![id]).await?.is_some())
}

pub(super) async fn purge(db: &Db, before: Timestamp) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before]).await?.1)
}
