//! Every SQL line about roles.

use super::snapshot::is_built_in;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// Every role that is not deleted.
    ALL = "SELECT name, description, scopes, version, created_at, updated_at FROM roles WHERE deleted_at IS NULL ORDER BY name LIMIT $1";
    /// One role.
    FIND = "SELECT name, description, scopes, version, created_at, updated_at FROM roles WHERE name = $1 AND deleted_at IS NULL";
    /// What was changed or deleted since.
    CHANGED_SINCE = "SELECT name, version FROM roles WHERE updated_at > $1";
    /// A new role, or one that comes back; not one that is there.
    CREATE = "INSERT INTO roles (name, description, scopes, version, created_at, updated_at) VALUES ($1, $2, $3, 1, $4, $4)
        ON CONFLICT (name) DO UPDATE SET description = $2, scopes = $3, version = roles.version + 1, created_at = $4, updated_at = $4,
            deleted_at = NULL
        WHERE roles.deleted_at IS NOT NULL
        RETURNING name, description, scopes, version, created_at, updated_at";
    /// Another version in the place of the one that somebody knows.
    REPLACE = "UPDATE roles SET description = $2, scopes = $3, version = version + 1, updated_at = $4
        WHERE name = $1 AND version = $5 AND deleted_at IS NULL
        RETURNING name, description, scopes, version, created_at, updated_at";
    /// Deletes the version that somebody knows.
    DELETE = "UPDATE roles SET deleted_at = $2, updated_at = $2, version = version + 1
        WHERE name = $1 AND version = $3 AND deleted_at IS NULL RETURNING version";
    /// Whether there is such a role; on PostgreSQL nobody deletes it until the commit.
    HOLD = "SELECT name FROM roles WHERE name = $1 AND deleted_at IS NULL",
      postgres "SELECT name FROM roles WHERE name = $1 AND deleted_at IS NULL FOR SHARE";
    /// How many people have a role ($1 is a pattern); reads the table of `accounts`. Deleted ones count: they can be restored.
    HOLDERS = "SELECT count(*) FROM users WHERE ' ' || roles || ' ' LIKE $1 ESCAPE '!'";
}

/// A role as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub name: String,
    pub description: Option<String>,
    pub scopes: Vec<String>,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        name: row.get(0)?,
        description: row.get(1)?,
        scopes: row.get::<String>(2)?.split_ascii_whitespace().map(str::to_owned).collect(),
        version: row.get(3)?,
        created_at: row.get(4)?,
        updated_at: row.get(5)?,
    })
}

/// Up to `rows` roles, by name.
pub(super) async fn all(db: &Db, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(ALL, args![rows]).await?.iter().map(stored).collect()
}

/// The same inside a transaction.
pub(super) async fn all_in(tx: &mut Tx, rows: i64) -> Result<Vec<Stored>, DbError> {
    tx.query(ALL, args![rows]).await?.iter().map(stored).collect()
}

/// One role.
pub(super) async fn find(db: &Db, name: &str) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![name.to_owned()]).await?.as_ref().map(stored).transpose()
}

/// Names and versions of what was changed or deleted after `since`.
pub(super) async fn changed_since(db: &Db, since: Timestamp) -> Result<Vec<(String, i64)>, DbError> {
    db.query(CHANGED_SINCE, args![since]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Makes a role; `None` when there is one.
pub(super) async fn create(
    tx: &mut Tx,
    name: &str,
    description: Option<String>,
    scopes: &[String],
    now: Timestamp,
) -> Result<Option<Stored>, DbError> {
    let args = args![name.to_owned(), description, scopes.join(" "), now];
    tx.query_opt(CREATE, args).await?.as_ref().map(stored).transpose()
}

/// Changes a role; `None` when it is not that version any more.
pub(super) async fn replace(
    tx: &mut Tx,
    name: &str,
    description: Option<String>,
    scopes: &[String],
    version: i64,
    now: Timestamp,
) -> Result<Option<Stored>, DbError> {
    let args = args![name.to_owned(), description, scopes.join(" "), now, version];
    tx.query_opt(REPLACE, args).await?.as_ref().map(stored).transpose()
}

/// Deletes a role; false when it is not that version any more.
pub(super) async fn delete(tx: &mut Tx, name: &str, version: i64, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.query_opt(DELETE, args![name.to_owned(), now, version]).await?.is_some())
}

/// Whether each of `roles` is there; true holds until `tx` ends. For whoever gives roles to people, in the transaction that does.
///
/// # Errors
/// The store does not answer.
pub async fn hold(tx: &mut Tx, roles: &[String]) -> Result<bool, DbError> {
    for role in roles.iter().filter(|role| !is_built_in(role)) {
        if tx.query_opt(HOLD, args![role.clone()]).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many people have a role.
pub(super) async fn holders(db: &Db, name: &str) -> Result<i64, DbError> {
    db.query_opt(HOLDERS, args![holding(name)]).await?.map_or(Ok(0), |row| row.get(0))
}

/// The same inside a transaction.
pub(super) async fn holders_in(tx: &mut Tx, name: &str) -> Result<i64, DbError> {
    tx.query_opt(HOLDERS, args![holding(name)]).await?.map_or(Ok(0), |row| row.get(0))
}

/// The pattern of a list that contains `name`; an underscore in a pattern is any character.
fn holding(name: &str) -> String {
    format!("% {} %", name.replace('_', "!_"))
}
