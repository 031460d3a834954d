//! Every SQL line about large imports.

use uuid::Uuid;

use super::{LineError, Report};
use crate::args;
use crate::audit::Actor;
use crate::db::{Db, DbError, Row, Tx, hex};
use crate::time::Timestamp;

crate::statements! {
    /// How many imports are not finished.
    UNFINISHED = "SELECT count(*) FROM user_imports WHERE finished_at IS NULL";
    /// A new import, of which nothing has come yet.
    OPEN = "INSERT INTO user_imports (id, status, dry_run, actor_type, actor_id, grantable, created_at, updated_at, chunks, lines, next_chunk,
            imported, skipped, failed, errors)
        VALUES ($1, 'receiving', $2, $3, $4, $5, $6, $6, 0, 0, 0, 0, 0, 0, '[]')";
    /// One part of its stream.
    PUT = "INSERT INTO user_import_chunks (import_id, number, sealed) VALUES ($1, $2, $3)";
    /// Everything has come.
    QUEUE = "UPDATE user_imports SET status = 'queued', chunks = $2, lines = $3, updated_at = $4 WHERE id = $1 AND status = 'receiving'";
    /// The stream broke off.
    DISCARD = "DELETE FROM user_imports WHERE id = $1 AND status = 'receiving'";
    /// An import.
    FIND = "SELECT id, status, dry_run, actor_type, actor_id, grantable, created_at, updated_at, finished_at, chunks, lines, next_chunk,
            imported, skipped, failed, errors, reason
        FROM user_imports WHERE id = $1";
    /// One part of its stream.
    CHUNK = "SELECT sealed FROM user_import_chunks WHERE import_id = $1 AND number = $2";
    /// One part is done, exactly once.
    ADVANCE = "UPDATE user_imports SET status = 'running', next_chunk = next_chunk + 1, imported = imported + $3, skipped = skipped + $4,
            failed = failed + $5, errors = $6, updated_at = $7
        WHERE id = $1 AND next_chunk = $2 AND finished_at IS NULL AND status <> 'receiving'";
    /// What was done need not be kept.
    DROP_CHUNK = "DELETE FROM user_import_chunks WHERE import_id = $1 AND number = $2";
    /// The end, exactly once.
    FINISH = "UPDATE user_imports SET status = $2, reason = $3, finished_at = $4, updated_at = $4 WHERE id = $1 AND finished_at IS NULL";
    /// What was not done and never will be.
    DROP_CHUNKS = "DELETE FROM user_import_chunks WHERE import_id = $1";
    /// Who would have been imported ($2 is a JSON list of hex); whoever stands there already is left out.
    SEE = "INSERT INTO user_import_seen (import_id, email_index) SELECT $1, unhex(value) FROM json_each($2) WHERE true ON CONFLICT DO NOTHING",
      postgres "INSERT INTO user_import_seen (import_id, email_index)
        SELECT $1::uuid, decode(value, 'hex') FROM json_array_elements_text($2::text::json) ON CONFLICT DO NOTHING";
    /// Some of those.
    FORGET_SEEN = "DELETE FROM user_import_seen WHERE import_id = $1 AND email_index IN
        (SELECT email_index FROM user_import_seen WHERE import_id = $1 LIMIT $2)";
    /// Imports on which nothing has moved since.
    STALE = "SELECT id FROM user_imports WHERE finished_at IS NULL AND updated_at < $1 AND (status = $2 OR $2 = '') LIMIT 100";
    /// Reports that nobody reads any more.
    PURGE = "DELETE FROM user_imports WHERE finished_at < $1";
}

/// An import as it stands.
pub(super) struct Import {
    pub id: Uuid,
    pub status: String,
    pub dry_run: bool,
    pub actor: Actor,
    pub grantable: Vec<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub chunks: i64,
    pub lines: i64,
    pub next_chunk: i64,
    pub report: Report,
    pub reason: Option<String>,
}

fn count(row: &Row, index: usize) -> Result<u64, DbError> {
    Ok(u64::try_from(row.get::<i64>(index)?).unwrap_or(0))
}

fn import(row: &Row) -> Result<Import, DbError> {
    let id: Uuid = row.get(4)?;
    let errors: Vec<LineError> = serde_json::from_str(&row.get::<String>(15)?).map_err(|error| DbError::Decode(error.to_string()))?;
    Ok(Import {
        id: row.get(0)?,
        status: row.get(1)?,
        dry_run: row.get(2)?,
        actor: if row.get::<String>(3)? == "client" { Actor::Client(id) } else { Actor::User(id) },
        grantable: row.get::<String>(5)?.split_ascii_whitespace().map(str::to_owned).collect(),
        created_at: row.get(6)?,
        updated_at: row.get(7)?,
        finished_at: row.get(8)?,
        chunks: row.get(9)?,
        lines: row.get(10)?,
        next_chunk: row.get(11)?,
        report: Report { imported: count(row, 12)?, skipped: count(row, 13)?, failed: count(row, 14)?, errors },
        reason: row.get(16)?,
    })
}

/// How an import ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Done,
    /// A part failed for good.
    Broken,
    /// The sender lost the right to it.
    Forbidden,
    /// Nothing moved for days.
    Stuck,
}

impl End {
    const fn status(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Broken | Self::Forbidden | Self::Stuck => "failed",
        }
    }

    fn reason(self) -> Option<String> {
        let reason = match self {
            Self::Done => return None,
            Self::Broken => "A part of it could not be carried out; the log of the server tells why. Send the stream again.",
            Self::Forbidden => "Whoever sent it may not import people any more. What was imported before stays.",
            Self::Stuck => "It did not go on for three days. Send the stream again.",
        };
        Some(reason.to_owned())
    }
}

/// Who sends an import, and what for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// A person or a client.
    pub actor: Actor,
    /// Roles that they may give.
    pub grantable: Vec<String>,
    /// Nothing is written.
    pub dry_run: bool,
}

/// Opens an import; false when `most` are unfinished, or nobody who could be asked again sends it.
pub(super) async fn open(tx: &mut Tx, id: Uuid, order: &Order, most: i64, now: Timestamp) -> Result<bool, DbError> {
    let (kind, actor) = match order.actor {
        Actor::User(id) => ("user", id),
        Actor::Client(id) => ("client", id),
        Actor::Operator | Actor::System | Actor::Unknown => return Ok(false),
    };
    let unfinished = tx.query_opt(UNFINISHED, args![]).await?.map_or(Ok(0), |row| row.get::<i64>(0))?;
    if unfinished >= most {
        return Ok(false);
    }
    tx.execute(OPEN, args![id, order.dry_run, kind, actor, order.grantable.join(" "), now]).await?;
    Ok(true)
}

/// Keeps a part.
pub(super) async fn put(db: &Db, id: Uuid, number: i64, sealed: Vec<u8>) -> Result<(), DbError> {
    db.write_one(PUT, args![id, number, sealed]).await.map(drop)
}

/// Everything has come; false when somebody gave it up meanwhile.
pub(super) async fn queue(tx: &mut Tx, id: Uuid, chunks: i64, lines: u64, now: Timestamp) -> Result<bool, DbError> {
    let lines = i64::try_from(lines).unwrap_or(i64::MAX);
    Ok(tx.execute(QUEUE, args![id, chunks, lines, now]).await? == 1)
}

/// Gives up what has come so far.
pub(super) async fn discard(db: &Db, id: Uuid) -> Result<(), DbError> {
    db.write_one(DISCARD, args![id]).await.map(drop)
}

/// An import.
pub(super) async fn find(db: &Db, id: Uuid) -> Result<Option<Import>, DbError> {
    db.query_opt(FIND, args![id]).await?.as_ref().map(import).transpose()
}

/// A part that is not done.
pub(super) async fn chunk(db: &Db, id: Uuid, number: i64) -> Result<Option<Vec<u8>>, DbError> {
    db.query_opt(CHUNK, args![id, number]).await?.map(|row| row.get(0)).transpose()
}

/// Notes in the transaction of its accounts that part `number` is done; `part` is what became of it, `errors` are all there are.
/// False when another worker has done it.
pub(super) async fn advance(
    tx: &mut Tx,
    id: Uuid,
    number: i64,
    part: [u64; 3],
    errors: &[LineError],
    now: Timestamp,
) -> Result<bool, DbError> {
    let [imported, skipped, failed] = part.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let errors = serde_json::to_string(errors).map_err(|error| DbError::Other(error.to_string()))?;
    if tx.execute(ADVANCE, args![id, number, imported, skipped, failed, errors, now]).await? != 1 {
        return Ok(false);
    }
    tx.execute(DROP_CHUNK, args![id, number]).await?;
    Ok(true)
}

/// Ends an import and deletes what is left of its stream; false when it has ended before.
pub(super) async fn finish(tx: &mut Tx, id: Uuid, end: End, now: Timestamp) -> Result<bool, DbError> {
    if tx.execute(FINISH, args![id, end.status(), end.reason(), now]).await? != 1 {
        return Ok(false);
    }
    tx.execute(DROP_CHUNKS, args![id]).await?;
    Ok(true)
}

/// Notes who would have been imported; how many were not seen before.
pub(super) async fn see(tx: &mut Tx, id: Uuid, indexes: &[[u8; 32]]) -> Result<usize, DbError> {
    let indexes: Vec<String> = indexes.iter().map(|index| hex(index)).collect();
    let indexes = serde_json::to_string(&indexes).map_err(|error| DbError::Other(error.to_string()))?;
    Ok(usize::try_from(tx.execute(SEE, args![id, indexes]).await?).unwrap_or(usize::MAX))
}

/// Forgets up to `rows` of those; how many.
pub(super) async fn forget_seen(db: &Db, id: Uuid, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(FORGET_SEEN, args![id, rows]).await?.1)
}

/// Imports on which nothing has moved since `before`; only those in `status`, unless that is empty.
pub(super) async fn stale(db: &Db, before: Timestamp, status: &'static str) -> Result<Vec<Uuid>, DbError> {
    db.query(STALE, args![before, status]).await?.iter().map(|row| row.get(0)).collect()
}

/// Forgets the reports of imports that ended before `before`.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp) -> Result<(), DbError> {
    tx.execute(PURGE, args![before]).await.map(drop)
}
