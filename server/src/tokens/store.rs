//! Every SQL line about personal access tokens.

use uuid::Uuid;

use super::secret::Hash;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A new token.
    INSERT = "INSERT INTO personal_tokens (id, user_id, secret_hash, name, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// Whether a person may have a new token; on PostgreSQL nobody suspends them, or makes another token, until the commit.
    HOLD = "SELECT id FROM users WHERE id = $1 AND status = 'active'",
      postgres "SELECT id FROM users WHERE id = $1 AND status = 'active' FOR UPDATE";
    /// How many live tokens a person has.
    COUNT = "SELECT count(*) FROM personal_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2";
    /// A token by its hash.
    FIND = "SELECT id, user_id, name, scopes, created_at, expires_at, last_used_at, revoked_at FROM personal_tokens WHERE secret_hash = $1";
    /// A page of a person's tokens, newest first.
    LIST = "SELECT id, user_id, name, scopes, created_at, expires_at, last_used_at, revoked_at FROM personal_tokens
        WHERE user_id = $1 AND id < $2 AND revoked_at IS NULL ORDER BY id DESC LIMIT $3";
    /// A page of all tokens of a person, revoked ones too, newest first.
    ALL_OF = "SELECT id, user_id, name, scopes, created_at, expires_at, last_used_at, revoked_at FROM personal_tokens
        WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// Revokes one, once.
    REVOKE = "UPDATE personal_tokens SET revoked_at = $3 WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";
    /// Revokes all of a person.
    REVOKE_ALL = "UPDATE personal_tokens SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL RETURNING id";
    /// What was revoked since.
    REVOKED_SINCE = "SELECT id, revoked_at FROM personal_tokens WHERE revoked_at > $1";
    /// When tokens were last used, for many at once ($1 is JSON: [[id, at], …]).
    TOUCH = "UPDATE personal_tokens SET last_used_at = max(coalesce(last_used_at, 0), n.at)
        FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS at FROM json_each($1)) AS n WHERE personal_tokens.id = n.id",
      postgres "UPDATE personal_tokens SET last_used_at = greatest(last_used_at, n.at)
        FROM (SELECT (value ->> 0)::uuid AS id, (value ->> 1)::bigint AS at FROM json_array_elements($1::text::json)) AS n
        WHERE personal_tokens.id = n.id";
    /// Forgets those that ended long ago.
    PURGE = "DELETE FROM personal_tokens WHERE id IN (SELECT id FROM personal_tokens WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2)";
}

/// A token as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub id: Uuid,
    pub user: Uuid,
    /// Sealed.
    pub name: Vec<u8>,
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

fn stored(row: &Row) -> Result<Stored, DbError> {
    Ok(Stored {
        id: row.get(0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        scopes: row.get::<String>(3)?.split_ascii_whitespace().map(str::to_owned).collect(),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        last_used_at: row.get(6)?,
        revoked_at: row.get(7)?,
    })
}

/// Writes a new token.
pub(super) async fn insert(tx: &mut Tx, new: &Stored, hash: Hash) -> Result<(), DbError> {
    let args = args![new.id, new.user, hash, new.name.clone(), new.scopes.join(" "), new.created_at, new.expires_at];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// Whether `user` may have a new token; true holds until `tx` ends.
pub(super) async fn hold(tx: &mut Tx, user: Uuid) -> Result<bool, DbError> {
    Ok(tx.query_opt(HOLD, args![user]).await?.is_some())
}

/// How many tokens of `user` are good at `now`.
pub(super) async fn count(tx: &mut Tx, user: Uuid, now: Timestamp) -> Result<i64, DbError> {
    tx.query_opt(COUNT, args![user, now]).await?.map_or(Ok(0), |row| row.get(0))
}

/// A token by its hash, in whatever state.
pub(super) async fn find(db: &Db, hash: Hash) -> Result<Option<Stored>, DbError> {
    db.query_opt(FIND, args![hash]).await?.as_ref().map(stored).transpose()
}

/// Up to `rows` tokens of `user` older than `before` that were not revoked, newest first.
pub(super) async fn list(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(LIST, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}

/// Up to `rows` tokens of `user` older than `before`, whether or not they were revoked, newest first.
pub(super) async fn all_of(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Stored>, DbError> {
    db.query(ALL_OF, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(stored).collect()
}

/// Revokes a token of `user`; false when there is none, or it was revoked before.
pub(super) async fn revoke(tx: &mut Tx, token: Uuid, user: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(REVOKE, args![token, user, now]).await? == 1)
}

/// Revokes every token of `user`; which.
pub(super) async fn revoke_all(tx: &mut Tx, user: Uuid, now: Timestamp) -> Result<Vec<Uuid>, DbError> {
    tx.query(REVOKE_ALL, args![user, now]).await?.iter().map(|row| row.get(0)).collect()
}

/// What was revoked after `since`, and when.
pub(super) async fn revoked_since(db: &Db, since: Timestamp) -> Result<Vec<(Uuid, Timestamp)>, DbError> {
    db.query(REVOKED_SINCE, args![since]).await?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Writes down when tokens were last used.
pub(super) async fn touch(tx: &mut Tx, uses: &[(Uuid, Timestamp)]) -> Result<(), DbError> {
    let rows: Vec<_> = uses.iter().map(|(id, at)| (id.simple().to_string(), at.as_micros())).collect();
    let rows = serde_json::to_string(&rows).map_err(|error| DbError::Other(error.to_string()))?;
    tx.execute(TOUCH, args![rows]).await.map(|_| ())
}

/// Forgets up to `rows` tokens that ended before `before`; how many.
pub async fn purge(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before, rows]).await?.1)
}
