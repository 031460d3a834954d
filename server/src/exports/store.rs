//! Every SQL line about exports. Reads the table of `accounts`, whose row it holds while an export is ordered.

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Whether a person may order an export; on PostgreSQL nobody suspends them, and they order no other one, until the commit.
    HOLD = "SELECT id FROM users WHERE id = $1 AND status = 'active'",
      postgres "SELECT id FROM users WHERE id = $1 AND status = 'active' FOR UPDATE";
    /// How many exports of a person are under way, how many files of theirs there are, and how many bytes all of that has.
    COUNT = "SELECT count(*), count(finished_at), CAST(coalesce(sum(bytes), 0) AS bigint) FROM exports
        WHERE user_id = $1 AND (finished_at IS NULL OR (status = 'ready' AND expires_at > $2))";
    /// A new export.
    INSERT = "INSERT INTO exports (id, user_id, kind, format, wish, status, rows_done, bytes, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, 'queued', 0, 0, $6, $6)";
    /// A page of a person's exports, newest first.
    LIST = "SELECT id, user_id, kind, format, wish, status, run, rows_done, rows_expected, bytes, failure, created_at, finished_at, expires_at
        FROM exports WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// One export of a person.
    FIND = "SELECT id, user_id, kind, format, wish, status, run, rows_done, rows_expected, bytes, failure, created_at, finished_at, expires_at
        FROM exports WHERE id = $1 AND user_id = $2";
    /// An attempt begins: what earlier ones wrote counts for nothing.
    BEGIN = "UPDATE exports SET status = 'running', run = $2, rows_done = 0, rows_expected = NULL, bytes = 0, updated_at = $3
        WHERE id = $1 AND finished_at IS NULL
        RETURNING id, user_id, kind, format, wish, status, run, rows_done, rows_expected, bytes, failure, created_at, finished_at, expires_at";
    /// The parts of earlier attempts.
    DROP_OTHER_RUNS = "DELETE FROM export_chunks WHERE export_id = $1 AND run <> $2";
    /// How many rows there are.
    EXPECT = "UPDATE exports SET rows_expected = $3 WHERE id = $1 AND run = $2 AND status = 'running'";
    /// How far the attempt is, as long as it is the one that counts.
    ADVANCE = "UPDATE exports SET rows_done = $3, bytes = $4, updated_at = $5 WHERE id = $1 AND run = $2 AND status = 'running'";
    /// The bytes of a person's other exports.
    OTHERS = "SELECT CAST(coalesce(sum(bytes), 0) AS bigint) FROM exports
        WHERE user_id = $1 AND id <> $2 AND (finished_at IS NULL OR (status = 'ready' AND expires_at > $3))";
    /// A part of a file.
    PUT = "INSERT INTO export_chunks (export_id, run, number, sealed) VALUES ($1, $2, $3, $4)";
    /// The same, for reading.
    PART = "SELECT sealed FROM export_chunks WHERE export_id = $1 AND run = $2 AND number = $3";
    /// The file is whole: once.
    FINISH = "UPDATE exports SET status = 'ready', rows_done = $3, bytes = $4, updated_at = $5, finished_at = $5, expires_at = $6
        WHERE id = $1 AND run = $2 AND status = 'running'";
    /// It will not be.
    FAIL = "UPDATE exports SET status = 'failed', failure = $2, updated_at = $3, finished_at = $3 WHERE id = $1 AND finished_at IS NULL";
    /// What was written of a file that will not be.
    DROP_PARTS = "DELETE FROM export_chunks WHERE export_id = $1";
    /// A person takes an export back.
    DELETE = "DELETE FROM exports WHERE id = $1 AND user_id = $2";
    /// Files whose time has come.
    DUE = "SELECT id FROM exports WHERE status = 'ready' AND expires_at <= $1 ORDER BY expires_at LIMIT $2";
    /// Such a file is deleted.
    EXPIRE = "UPDATE exports SET status = 'expired', updated_at = $2 WHERE id = $1 AND status = 'ready' AND expires_at <= $2";
    /// Somebody fetches a file, by what they are signed in with: true for the first time since $5, and for whatever was not the last.
    FETCH = "UPDATE exports SET fetched_at = $3, fetched_by = $4
        WHERE id = $1 AND user_id = $2 AND (fetched_at IS NULL OR fetched_at <= $5 OR fetched_by IS NULL OR fetched_by <> $4)";
    /// Files of this kind that are being written, when somebody's grace was ended, which is how erasing them begins.
    OUTDATE_RUNNING = "UPDATE exports SET status = 'failed', failure = 'outdated', updated_at = $2, finished_at = $2, expires_at = $2
        WHERE kind = $1 AND finished_at IS NULL AND status = 'running'
            AND EXISTS (SELECT 1 FROM users WHERE users.id = $3 AND users.status = 'deleted' AND users.erases_at = 0)";
    /// The same of those that are ready; after the others, one of which may just have become so.
    OUTDATE_READY = "UPDATE exports SET expires_at = $2 WHERE kind = $1 AND status = 'ready' AND expires_at > $2
            AND EXISTS (SELECT 1 FROM users WHERE users.id = $3 AND users.status = 'deleted' AND users.erases_at = 0)";
    /// Failed ones whose parts are still there.
    OUTDATED = "SELECT id FROM exports WHERE status = 'failed' AND expires_at IS NOT NULL ORDER BY expires_at LIMIT $1";
    /// They are not any more.
    DROP_OUTDATED = "UPDATE exports SET expires_at = NULL WHERE id = $1 AND status = 'failed' AND expires_at IS NOT NULL";
    /// Exports on which nothing moved since.
    STUCK = "SELECT id FROM exports WHERE finished_at IS NULL AND updated_at < $1 ORDER BY updated_at LIMIT $2";
    /// Forgets orders that are long over.
    PURGE = "DELETE FROM exports WHERE finished_at < $1 AND status <> 'ready'";
}

/// Why an export will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Never {
    /// More than a PDF can hold.
    TooManyRows,
    /// Whoever ordered it may not have it any more.
    Forbidden,
    /// There is more of it than its person may store.
    NoRoom,
    /// It did not go on.
    Stuck,
    /// It could not be written, however often it was tried.
    Broken,
}

impl Never {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooManyRows => "too_many_rows",
            Self::Forbidden => "forbidden",
            Self::NoRoom => "no_room",
            Self::Stuck => "stuck",
            Self::Broken => "broken",
        }
    }
}

/// An export as the store has it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    /// The export.
    pub id: Uuid,
    /// Whose it is.
    pub user: Uuid,
    /// Of what.
    pub kind: String,
    /// How it is written.
    pub format: String,
    /// What narrows it, sealed.
    pub wish: Vec<u8>,
    /// `queued`, `running`, `ready`, `failed` or `expired`.
    pub status: String,
    /// The attempt whose parts count.
    pub run: Option<Uuid>,
    /// Rows that are written.
    pub rows_done: i64,
    /// Rows that there were when the attempt began.
    pub rows_expected: Option<i64>,
    /// Bytes that are written.
    pub bytes: i64,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When the file goes.
    pub expires_at: Option<Timestamp>,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        id: row.get(0)?,
        user: row.get(1)?,
        kind: row.get(2)?,
        format: row.get(3)?,
        wish: row.get(4)?,
        status: row.get(5)?,
        run: row.get(6)?,
        rows_done: row.get(7)?,
        rows_expected: row.get(8)?,
        bytes: row.get(9)?,
        failure: row.get(10)?,
        created_at: row.get(11)?,
        finished_at: row.get(12)?,
        expires_at: row.get(13)?,
    })
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Whether `user` may order an export; true holds until `tx` ends.
pub(super) async fn hold(tx: &mut Tx, user: Uuid) -> Result<bool, DbError> {
    Ok(tx.query_opt(HOLD, args![user]).await?.is_some())
}

/// What a person has of exports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holds {
    /// Exports that are under way.
    pub under_way: i64,
    /// Files that can be fetched.
    pub files: i64,
    /// Bytes of both.
    pub bytes: u64,
}

/// What `user` has of exports.
pub(super) async fn count(tx: &mut Tx, user: Uuid, now: Timestamp) -> Result<Holds, DbError> {
    let Some(row) = tx.query_opt(COUNT, args![user, now]).await? else { return Ok(Holds::default()) };
    let (all, files): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok(Holds { under_way: all - files, files, bytes: row.get(2)? })
}

/// The bytes of the exports of `user` besides `id`.
pub(super) async fn others(tx: &mut Tx, user: Uuid, id: Uuid, now: Timestamp) -> Result<u64, DbError> {
    tx.query_opt(OTHERS, args![user, id, now]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Writes an order.
pub(super) async fn insert(tx: &mut Tx, new: &Stored) -> Result<(), DbError> {
    let args = args![new.id, new.user, new.kind.clone(), new.format.clone(), new.wish.clone(), new.created_at];
    tx.execute(INSERT, args).await.map(drop)
}

/// Up to `rows` exports of `user` older than `before`, newest first.
pub(super) async fn list(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(LIST, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}

/// An export of `user`.
pub(super) async fn find(db: &Db, id: Uuid, user: Uuid) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![id, user]).await?.as_ref().map(stored).transpose()
}

/// Begins an attempt under the name `run`; nothing when the export has ended or was taken back.
pub(super) async fn begin(tx: &mut Tx, id: Uuid, run: Uuid, now: Timestamp) -> Result<Option<Stored>, DbError> {
    let begun = tx.query_opt(BEGIN, args![id, run, now]).await?.as_ref().map(stored).transpose()?;
    if begun.is_some() {
        tx.execute(DROP_OTHER_RUNS, args![id, run]).await?;
    }
    Ok(begun)
}

/// Notes how many rows there are.
pub(super) async fn expect(db: &Db, id: Uuid, run: Uuid, rows: u64) -> Result<(), DbError> {
    db.write_one(EXPECT, args![id, run, number(rows)]).await.map(drop)
}

/// Notes how far `run` is; false when it does not count any more.
pub(super) async fn advance(tx: &mut Tx, id: Uuid, run: Uuid, rows: u64, bytes: u64, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(ADVANCE, args![id, run, number(rows), number(bytes), now]).await? == 1)
}

/// Keeps a part.
pub(super) async fn put(tx: &mut Tx, id: Uuid, run: Uuid, place: i64, sealed: Vec<u8>) -> Result<(), DbError> {
    tx.execute(PUT, args![id, run, place, sealed]).await.map(drop)
}

/// A part.
pub(super) async fn part(db: &Db, id: Uuid, run: Uuid, place: i64) -> Result<Option<Vec<u8>>, DbError> {
    db.query_opt(PART, args![id, run, place]).await?.map(|row| row.get(0)).transpose()
}

/// How much a finished file holds, and until when it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    pub rows: u64,
    pub bytes: u64,
    pub now: Timestamp,
    pub expires_at: Timestamp,
}

/// Opens the file of `run` to its person; false when that does not count any more.
pub(super) async fn finish(db: &Db, id: Uuid, run: Uuid, whole: Whole) -> Result<bool, DbError> {
    let args = args![id, run, number(whole.rows), number(whole.bytes), whole.now, whole.expires_at];
    Ok(db.write_one(FINISH, args).await?.1 == 1)
}

/// Ends an export that is not to be; false when it has ended before.
pub(super) async fn fail(tx: &mut Tx, id: Uuid, why: Never, now: Timestamp) -> Result<bool, DbError> {
    if tx.execute(FAIL, args![id, why.as_str(), now]).await? != 1 {
        return Ok(false);
    }
    tx.execute(DROP_PARTS, args![id]).await?;
    Ok(true)
}

/// Deletes an export of `user` with its file; false when there is none.
pub(super) async fn delete(tx: &mut Tx, id: Uuid, user: Uuid) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE, args![id, user]).await? == 1)
}

/// Notes that `user` fetches the file of `id` by the session or token `by`; false when that is on record since `since`.
pub(super) async fn fetch(tx: &mut Tx, id: Uuid, user: Uuid, by: Uuid, now: Timestamp, since: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(FETCH, args![id, user, now, by, since]).await? == 1)
}

/// When `person` is being erased, ends all exports of `kind` that may say something of them.
pub(super) async fn outdate(tx: &mut Tx, kind: &'static str, person: Uuid, now: Timestamp) -> Result<(), DbError> {
    tx.execute(OUTDATE_RUNNING, args![kind, now, person]).await?;
    tx.execute(OUTDATE_READY, args![kind, now, person]).await.map(drop)
}

/// Up to `rows` exports that failed so and still have parts.
pub(super) async fn outdated(db: &Db, rows: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(OUTDATED, args![rows]).await?.iter().map(|row| row.get(0)).collect()
}

/// Deletes their parts.
pub(super) async fn drop_outdated(tx: &mut Tx, id: Uuid) -> Result<(), DbError> {
    if tx.execute(DROP_OUTDATED, args![id]).await? == 1 {
        tx.execute(DROP_PARTS, args![id]).await?;
    }
    Ok(())
}

/// Up to `rows` files that are to be deleted.
pub(super) async fn due(db: &Db, now: Timestamp, rows: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(DUE, args![now, rows]).await?.iter().map(|row| row.get(0)).collect()
}

/// Deletes a file whose time has come.
pub(super) async fn expire(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<(), DbError> {
    if tx.execute(EXPIRE, args![id, now]).await? == 1 {
        tx.execute(DROP_PARTS, args![id]).await?;
    }
    Ok(())
}

/// Up to `rows` exports on which nothing moved since `before`.
pub(super) async fn stuck(db: &Db, before: Timestamp, rows: i64) -> Result<Vec<Uuid>, DbError> {
    db.query(STUCK, args![before, rows]).await?.iter().map(|row| row.get(0)).collect()
}

/// Forgets orders that ended before `before`.
pub(super) async fn purge(db: &Db, before: Timestamp) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before]).await?.1)
}
