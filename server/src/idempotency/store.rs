//! Every SQL line about idempotency keys.

use crate::args;
use crate::db::{Db, DbError};
use crate::time::Timestamp;

crate::statements! {
    /// Reserves a key. One whose time has passed counts as free, and a loose one is free for the request that it belongs to.
    RESERVE = "INSERT INTO idempotency_keys (scope, request, created_at, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (scope) DO UPDATE SET request = $2, status = NULL, answer = NULL, reply = NULL, loose = FALSE, created_at = $3, expires_at = $4
            WHERE idempotency_keys.expires_at <= $3 OR (idempotency_keys.loose AND idempotency_keys.request = $2)";
    /// The first request with a key.
    FIND = "SELECT request, status, answer, reply FROM idempotency_keys WHERE scope = $1 AND expires_at > $2";
    /// Keeps the first answer.
    KEEP = "UPDATE idempotency_keys SET status = $2, reply = $3, expires_at = $4 WHERE scope = $1";
    /// Gives a key back.
    RELEASE = "DELETE FROM idempotency_keys WHERE scope = $1 AND status IS NULL";
    /// Gives a key back to the request that it belongs to, and to no other.
    LOOSEN = "UPDATE idempotency_keys SET loose = TRUE, expires_at = $2 WHERE scope = $1 AND status IS NULL";
    /// Forgets what nobody can ask for any more.
    PURGE = "DELETE FROM idempotency_keys WHERE scope IN (SELECT scope FROM idempotency_keys WHERE expires_at < $1 LIMIT $2)
        AND expires_at < $1";
}

/// A first request.
pub(super) struct First {
    /// Keyed hash of its body.
    pub request: [u8; 32],
    /// How it was answered, once it was.
    pub answer: Option<(u16, Kept)>,
}

/// What is kept of an answer.
pub(super) enum Kept {
    /// Headers and body, sealed.
    Reply(Vec<u8>),
    /// The body alone, sealed, by the version before.
    Body(Vec<u8>),
}

/// Reserves `scope`; false when somebody has it.
pub(super) async fn reserve(db: &Db, scope: [u8; 32], request: [u8; 32], now: Timestamp, until: Timestamp) -> Result<bool, DbError> {
    Ok(db.write_one(RESERVE, args![scope, request, now, until]).await?.1 == 1)
}

/// The first request that reserved `scope`.
pub(super) async fn find(db: &Db, scope: [u8; 32], now: Timestamp) -> Result<Option<First>, DbError> {
    let Some(row) = db.query_opt(FIND, args![scope, now]).await? else { return Ok(None) };
    let status = row.get::<Option<u32>>(1)?.and_then(|status| u16::try_from(status).ok());
    let (body, reply) = (row.get::<Option<Vec<u8>>>(2)?, row.get::<Option<Vec<u8>>>(3)?);
    // While two versions run, the older one does not know `reply`: where there is a body, that is the newer answer.
    let kept = body.map(Kept::Body).or(reply.map(Kept::Reply));
    Ok(Some(First { request: row.get(0)?, answer: status.zip(kept) }))
}

/// Keeps the answer of the first request.
pub(super) async fn keep(db: &Db, scope: [u8; 32], status: u16, reply: Vec<u8>, until: Timestamp) -> Result<(), DbError> {
    db.write_one(KEEP, args![scope, i64::from(status), reply, until]).await.map(|_| ())
}

/// Gives `scope` back.
pub(super) async fn release(db: &Db, scope: [u8; 32]) -> Result<(), DbError> {
    db.write_one(RELEASE, args![scope]).await.map(|_| ())
}

/// Gives `scope` back to the same request, until `until`.
pub(super) async fn loosen(db: &Db, scope: [u8; 32], until: Timestamp) -> Result<(), DbError> {
    db.write_one(LOOSEN, args![scope, until]).await.map(|_| ())
}

/// Forgets up to `rows` keys whose time passed before `before`; how many.
pub async fn purge(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before, rows]).await?.1)
}
