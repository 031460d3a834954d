//! Every SQL line about feature flags.

use super::definition::Definition;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Every flag that is not deleted.
    ALL = "SELECT key, definition, version, created_at, updated_at FROM flags WHERE deleted_at IS NULL ORDER BY key LIMIT $1";
    /// One flag.
    FIND = "SELECT key, definition, version, created_at, updated_at FROM flags WHERE key = $1 AND deleted_at IS NULL";
    /// What was changed or deleted since.
    CHANGED_SINCE = "SELECT key, version FROM flags WHERE updated_at > $1";
    /// How many there are.
    COUNT = "SELECT count(*) FROM flags WHERE deleted_at IS NULL";
    /// A new flag, a new version of it, or one that comes back.
    PUT = "INSERT INTO flags (key, definition, version, created_at, updated_at) VALUES ($1, $2, 1, $3, $3)
        ON CONFLICT (key) DO UPDATE SET definition = $2, version = flags.version + 1, updated_at = $3, deleted_at = NULL,
            created_at = CASE WHEN flags.deleted_at IS NULL THEN flags.created_at ELSE $3 END
        RETURNING key, definition, version, created_at, updated_at";
    /// The same for whoever knows which version they change.
    REPLACE = "UPDATE flags SET definition = $2, version = version + 1, updated_at = $3 WHERE key = $1 AND version = $4 AND deleted_at IS NULL
        RETURNING key, definition, version, created_at, updated_at";
    /// Deletes, whichever version it is.
    DELETE = "UPDATE flags SET deleted_at = $2, updated_at = $2, version = version + 1 WHERE key = $1 AND deleted_at IS NULL RETURNING version";
    /// Deletes the version that somebody knows.
    DELETE_VERSION = "UPDATE flags SET deleted_at = $2, updated_at = $2, version = version + 1
        WHERE key = $1 AND version = $3 AND deleted_at IS NULL RETURNING version";
}

/// A flag as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub key: String,
    pub definition: Definition,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    let definition: String = row.get(1)?;
    let definition = serde_json::from_str(&definition).map_err(|error| DbError::Decode(format!("flags.definition: {error}")))?;
    Ok(Stored { key: row.get(0)?, definition, version: row.get(2)?, created_at: row.get(3)?, updated_at: row.get(4)? })
}

/// Up to `rows` flags, by key.
pub(super) async fn all(db: &Db, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(ALL, args![rows]).await?.iter().map(stored).collect()
}

/// One flag.
pub(super) async fn find(db: &Db, key: &str) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![key.to_owned()]).await?.as_ref().map(stored).transpose()
}

/// Keys and versions of what was changed or deleted after `since`.
pub(super) async fn changed_since(db: &Db, since: Timestamp) -> Result<Vec<(String, i64)>, DbError> {
    db.query(CHANGED_SINCE, args![since]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// How many flags there are.
pub(super) async fn count(tx: &mut Tx) -> Result<i64, DbError> {
    tx.query_opt(COUNT, args![]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Writes a flag; with `expected`, only over that version, and `None` when it is another one (or none).
pub(super) async fn put(
    tx: &mut Tx,
    key: &str,
    definition: &Definition,
    expected: Option<i64>,
    now: Timestamp,
) -> Result<Option<Stored>, DbError> {
    let (key, json) = (key.to_owned(), definition.to_json());
    let row = match expected {
        Some(version) => tx.query_opt(REPLACE, args![key, json, now, version]).await?,
        None => tx.query_opt(PUT, args![key, json, now]).await?,
    };
    row.as_ref().map(stored).transpose()
}

/// Deletes a flag; with `expected`, only that version. False when there was none.
pub(super) async fn delete(tx: &mut Tx, key: &str, expected: Option<i64>, now: Timestamp) -> Result<bool, DbError> {
    let key = key.to_owned();
    let row = match expected {
        Some(version) => tx.query_opt(DELETE_VERSION, args![key, now, version]).await?,
        None => tx.query_opt(DELETE, args![key, now]).await?,
    };
    Ok(row.is_some())
}
