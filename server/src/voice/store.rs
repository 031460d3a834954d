//! Every SQL line about voice sessions. Those about their tokens stand in `token_store.rs`.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A new session.
    INSERT = "INSERT INTO voice_sessions (id, owner_id, login_session_id, title, language, created_at, last_active_at, ends_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6, $7)";
    /// Whether a person may have a new session; on PostgreSQL nobody takes their access away, or opens another one, until the commit.
    HOLD_OWNER = "SELECT id FROM users WHERE id = $1 AND status = 'active'",
      postgres "SELECT id FROM users WHERE id = $1 AND status = 'active' FOR UPDATE";
    /// How many sessions of a person go on.
    COUNT_ACTIVE = "SELECT count(*) FROM voice_sessions WHERE owner_id = $1 AND end_reason IS NULL AND ends_at > $2";
    /// One of a person's sessions.
    FIND = "SELECT id, title, language, created_at, last_active_at, ends_at, end_reason FROM voice_sessions WHERE id = $1 AND owner_id = $2";
    /// Which of these go on ($1 is JSON: [id, …]).
    ACTIVE = "SELECT id FROM voice_sessions WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND end_reason IS NULL AND ends_at > $2",
      postgres "SELECT id FROM voice_sessions
        WHERE id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json)) AND end_reason IS NULL AND ends_at > $2";
    /// A page of a person's sessions, newest first.
    LIST = "SELECT id, title, language, created_at, last_active_at, ends_at, end_reason FROM voice_sessions
        WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// Uses a session that goes on; whoever comes too late does not get the row. A clock that is behind moves nothing back.
    USE = "UPDATE voice_sessions SET last_active_at = max(last_active_at, $3), ends_at = max(ends_at, $4)
        WHERE id = $1 AND owner_id = $2 AND end_reason IS NULL AND ends_at > $3",
      postgres "UPDATE voice_sessions SET last_active_at = greatest(last_active_at, $3), ends_at = greatest(ends_at, $4)
        WHERE id = $1 AND owner_id = $2 AND end_reason IS NULL AND ends_at > $3";
    /// Ends one that goes on, once.
    END = "UPDATE voice_sessions SET ends_at = $3, end_reason = 'ended' WHERE id = $1 AND owner_id = $2 AND end_reason IS NULL AND ends_at > $3";
    /// Ends those that were opened in sign-ins that ended ($1 is JSON: [id, …]).
    END_OF_LOGINS = "UPDATE voice_sessions SET ends_at = $2, end_reason = 'session_ended'
        WHERE login_session_id IN (SELECT unhex(value) FROM json_each($1)) AND end_reason IS NULL AND ends_at > $2
        RETURNING id, owner_id, login_session_id",
      postgres "UPDATE voice_sessions SET ends_at = $2, end_reason = 'session_ended'
        WHERE login_session_id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json)) AND end_reason IS NULL AND ends_at > $2
        RETURNING id, owner_id, login_session_id";
    /// Ends all of a person.
    END_ALL = "UPDATE voice_sessions SET ends_at = $2, end_reason = 'access_lost' WHERE owner_id = $1 AND end_reason IS NULL AND ends_at > $2
        RETURNING id, owner_id, login_session_id";
    /// Forgets those that ended long ago; their tokens go along.
    PURGE = "DELETE FROM voice_sessions WHERE ends_at < $1";
}

/// A session as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub id: Uuid,
    /// Sealed.
    pub title: Option<Vec<u8>>,
    pub language: Option<String>,
    pub created_at: Timestamp,
    pub last_active_at: Timestamp,
    pub ends_at: Timestamp,
    pub end_reason: Option<String>,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        id: row.get(0)?,
        title: row.get(1)?,
        language: row.get(2)?,
        created_at: row.get(3)?,
        last_active_at: row.get(4)?,
        ends_at: row.get(5)?,
        end_reason: row.get(6)?,
    })
}

/// A session that was ended because something else ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub id: Uuid,
    pub owner: Uuid,
    pub login: Option<Uuid>,
}

fn ended(row: &Row) -> Result<Ended, DbError> {
    Ok(Ended { id: row.get(0)?, owner: row.get(1)?, login: row.get(2)? })
}

/// Writes a new session of `owner`.
pub(super) async fn insert(tx: &mut Tx, new: &Stored, owner: Uuid, login: Option<Uuid>) -> Result<(), DbError> {
    let args = args![new.id, owner, login, new.title.clone(), new.language.clone(), new.created_at, new.ends_at];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// Whether `owner` may have a new session; true holds until `tx` ends.
pub(super) async fn hold_owner(tx: &mut Tx, owner: Uuid) -> Result<bool, DbError> {
    Ok(tx.query_opt(HOLD_OWNER, args![owner]).await?.is_some())
}

/// How many sessions of `owner` go on.
pub(super) async fn count_active(tx: &mut Tx, owner: Uuid, now: Timestamp) -> Result<i64, DbError> {
    tx.query_opt(COUNT_ACTIVE, args![owner, now]).await?.map_or(Ok(0), |row| row.get(0))
}

/// A session of `owner`, whatever became of it.
pub(super) async fn find(db: &Db, id: Uuid, owner: Uuid) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![id, owner]).await?.as_ref().map(stored).transpose()
}

/// Which of `sessions` go on.
pub(super) async fn active(db: &Db, sessions: impl IntoIterator<Item = Uuid>, now: Timestamp) -> Result<HashSet<Uuid>, DbError> {
    db.query(ACTIVE, args![many(sessions)?, now]).await?.iter().map(|row| row.get(0)).collect()
}

/// A session of `owner`, in a transaction.
pub(super) async fn find_in(tx: &mut Tx, id: Uuid, owner: Uuid) -> Result<Option<Stored>, DbError> {
    tx.query_opt(FIND, args![id, owner]).await?.as_ref().map(stored).transpose()
}

/// Up to `rows` sessions of `owner` older than `before`, newest first.
pub(super) async fn list(db: &Db, owner: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(LIST, args![owner, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}

/// Ends a session of `owner` that goes on; false when there is none.
pub(super) async fn end(tx: &mut Tx, id: Uuid, owner: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(END, args![id, owner, now]).await? == 1)
}

/// Ids as a statement takes many.
pub(super) fn many(ids: impl IntoIterator<Item = Uuid>) -> Result<String, DbError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.simple().to_string()).collect();
    serde_json::to_string(&ids).map_err(|error| DbError::Other(error.to_string()))
}

/// Ends what was opened in the sign-ins `logins`; what that was.
pub(super) async fn end_of_logins(tx: &mut Tx, logins: String, now: Timestamp) -> Result<Vec<Ended>, DbError> {
    tx.query(END_OF_LOGINS, args![logins, now]).await?.iter().map(ended).collect()
}

/// Ends all sessions of `owner`; which those were.
pub(super) async fn end_all(tx: &mut Tx, owner: Uuid, now: Timestamp) -> Result<Vec<Ended>, DbError> {
    tx.query(END_ALL, args![owner, now]).await?.iter().map(ended).collect()
}

/// A voice session of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The session.
    pub id: Uuid,
    /// Whether it goes on.
    pub active: bool,
    /// When it expires unless it is used; when it ended, once it has.
    pub ends_at: Timestamp,
}

/// What becomes of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The session goes on, and was used just now. On PostgreSQL its row is held: whoever uses or ends the same session waits for
    /// the commit.
    Active,
    /// It has ended or expired.
    Over,
    /// The person has no such session: 404.
    Unknown,
}

/// Uses a voice session of `owner` at `now`, in the transaction of what it is used for; unless it is used again it expires after
/// `idle` (`settings.voice.idle_ttl`). The check and the use are one statement: whoever comes after its end gets [`Standing::Over`].
///
/// # Errors
/// The store does not answer.
pub async fn own_active(tx: &mut Tx, id: Uuid, owner: Uuid, idle: Duration, now: Timestamp) -> Result<Standing, DbError> {
    if tx.execute(USE, args![id, owner, now, now.plus(idle)]).await? == 1 {
        return Ok(Standing::Active);
    }
    Ok(if find_in(tx, id, owner).await?.is_some() { Standing::Over } else { Standing::Unknown })
}

/// A voice session of `owner`, for reading what belongs to it; `None` when there is none, or it is somebody else's.
///
/// # Errors
/// The store does not answer.
pub async fn own(db: &Db, id: Uuid, owner: Uuid, now: Timestamp) -> Result<Option<Owned>, DbError> {
    let found = find(db, id, owner).await?;
    Ok(found.map(|found| Owned { id, active: found.end_reason.is_none() && found.ends_at > now, ends_at: found.ends_at }))
}

/// Forgets sessions that ended before `before`, with everything that hangs from them.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp) -> Result<(), DbError> {
    tx.execute(PURGE, args![before]).await.map(|_| ())
}
