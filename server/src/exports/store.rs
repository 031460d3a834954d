//! Every SQL line about exports.

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row};
use crate::time::Timestamp;

crate::statements! {
    /// A page of a person's exports, newest first.
    LIST = "SELECT id, user_id, kind, format, wish, status, run, rows_done, rows_expected, bytes, failure, created_at, updated_at, finished_at, expires_at
        FROM exports WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
}

/// An export as the store has it.
#[expect(dead_code, reason = "the routes that order and serve them come next")]
#[derive(Clone, Debug)]
pub struct Stored {
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
    /// When it moved last.
    pub updated_at: Timestamp,
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
        updated_at: row.get(12)?,
        finished_at: row.get(13)?,
        expires_at: row.get(14)?,
    })
}

/// Up to `rows` exports of `user` older than `before`, newest first.
pub(super) async fn list(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(LIST, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}
