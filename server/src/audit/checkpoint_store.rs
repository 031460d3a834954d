//! Every SQL line about the signed statements and their key.

use super::chain::{GENESIS, Hash};
use super::checkpoint::{Kind, Statement};
use super::store;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::secret::PublicKey;
use crate::time::Timestamp;

crate::statements! {
    /// The keys, oldest first.
    KEYS = "SELECT public_key, private_key FROM audit_keys ORDER BY number";
    /// The key that signs.
    NEWEST_KEY = "SELECT public_key, private_key FROM audit_keys ORDER BY number DESC LIMIT 1";
    /// The first key; nothing when another instance has made it.
    ADD_KEY = "INSERT INTO audit_keys (number, kid, public_key, private_key, created_at) VALUES (1, $1, $2, $3, $4) ON CONFLICT (number) DO NOTHING";
    /// Only if nobody sealed it anew in the meantime.
    RESEAL = "UPDATE audit_keys SET private_key = $1 WHERE kid = $2 AND private_key = $3";
    /// A new statement; what was signed about a place stays.
    ADD = "INSERT INTO audit_checkpoints (seq, kind, hash, at, kid, signature) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (seq) DO NOTHING";
    /// Whether the last event is not signed yet.
    DUE = "SELECT e.seq FROM (SELECT seq FROM audit_events WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1) AS e
        WHERE e.seq > (SELECT coalesce(max(seq), 0) FROM audit_checkpoints)";
    /// Statements about a stretch of the chain.
    BETWEEN = "SELECT kind, seq, hash, at, kid, signature FROM audit_checkpoints WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
    /// The newest statement about a place or one before.
    UP_TO = "SELECT kind, seq, hash, at, kid, signature FROM audit_checkpoints WHERE seq <= $1 ORDER BY seq DESC LIMIT 1";
    /// The newest statement.
    NEWEST = "SELECT kind, seq, hash, at, kid, signature FROM audit_checkpoints ORDER BY seq DESC LIMIT 1";
    /// Whether any checkpoint is as old as that.
    HAS_OLDER = "SELECT seq FROM audit_checkpoints WHERE kind = 'checkpoint' AND at < $1 ORDER BY seq LIMIT 1";
    /// Old checkpoints, oldest first; never that of the last event, from which the next one goes on.
    OLDER = "SELECT kind, seq, hash, at, kid, signature FROM audit_checkpoints
        WHERE kind = 'checkpoint' AND at < $1 AND seq < (SELECT max(seq) FROM audit_events) ORDER BY seq LIMIT $2";
    /// Makes a checkpoint the beginning, exactly once.
    BEGIN = "UPDATE audit_checkpoints SET kind = 'begins', at = $2, kid = $3, signature = $4 WHERE seq = $1 AND kind = 'checkpoint'";
    /// What lies before the beginning.
    DELETE_EVENTS = "DELETE FROM audit_events WHERE seq <= $1";
    /// The statements about it.
    DELETE_STATEMENTS = "DELETE FROM audit_checkpoints WHERE seq < $1";
    /// Where the trail begins.
    BEGINS = "SELECT kind, seq, hash, at, kid, signature FROM audit_checkpoints WHERE kind = 'begins' ORDER BY seq DESC LIMIT 1";
}

/// A public key and its sealed other half.
pub(super) type StoredKey = (PublicKey, Vec<u8>);

/// What is known about the chain at one moment.
pub(super) struct State {
    pub begins: Option<Statement>,
    pub newest: Option<Statement>,
    pub head: Option<(i64, Option<Hash>)>,
    pub keys: Vec<StoredKey>,
}

/// Read on one snapshot.
pub(super) async fn state(db: &Db) -> Result<State, DbError> {
    db.read(async |tx| {
        Ok(State {
            begins: tx.query_opt(BEGINS, args![]).await?.as_ref().map(statement).transpose()?,
            newest: tx.query_opt(NEWEST, args![]).await?.as_ref().map(statement).transpose()?,
            head: store::loose_head(tx).await?,
            keys: tx.query(KEYS, args![]).await?.iter().filter_map(key).collect(),
        })
    })
    .await
}

/// Where the trail begins, when its older part was cut off.
pub(super) async fn begins(db: &Db) -> Result<Option<Statement>, DbError> {
    db.query_opt(BEGINS, args![]).await?.as_ref().map(statement).transpose()
}

/// What somebody wrote by hand may be no hash at all; then the signature does not fit.
fn statement(row: &Row) -> Result<Statement, DbError> {
    let hash = Hash::try_from(row.get::<Vec<u8>>(2)?).unwrap_or(GENESIS);
    let kind = if row.get::<String>(0)? == Kind::Begins.as_str() { Kind::Begins } else { Kind::Checkpoint };
    Ok(Statement { kind, seq: row.get(1)?, hash, at: row.get(3)?, kid: row.get(4)?, signature: row.get(5)? })
}

/// What is no key signs nothing.
fn key(row: &Row) -> Option<StoredKey> {
    Some((PublicKey::new(&row.get::<Vec<u8>>(0).ok()?)?, row.get(1).ok()?))
}

/// The keys, oldest first.
pub(super) async fn keys(db: &Db) -> Result<Vec<StoredKey>, DbError> {
    Ok(db.query(KEYS, args![]).await?.iter().filter_map(key).collect())
}

/// The key that signs.
pub(super) async fn newest_key(tx: &mut Tx) -> Result<Option<StoredKey>, DbError> {
    Ok(tx.query_opt(NEWEST_KEY, args![]).await?.as_ref().and_then(key))
}

/// Stores the first key; false when there is one.
pub(super) async fn add_key(tx: &mut Tx, public: PublicKey, sealed: Vec<u8>, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(ADD_KEY, args![public.kid(), *public.as_bytes(), sealed, now]).await? == 1)
}

/// Exchanges the sealed half.
pub(super) async fn reseal(db: &Db, public: PublicKey, fresh: Vec<u8>, sealed: Vec<u8>) -> Result<(), DbError> {
    db.write_one(RESEAL, args![fresh, public.kid(), sealed]).await.map(|_| ())
}

/// Stores a statement; false when there is one about that place.
pub(super) async fn add(tx: &mut Tx, statement: &Statement) -> Result<bool, DbError> {
    let Statement { kind, seq, hash, at, kid, signature } = statement.clone();
    Ok(tx.execute(ADD, args![seq, kind.as_str(), hash, at, kid, signature]).await? == 1)
}

/// Whether events came behind the newest statement.
pub(super) async fn is_due(db: &Db) -> Result<bool, DbError> {
    Ok(db.query_opt(DUE, args![]).await?.is_some())
}

/// Up to `rows` statements about places behind `after`, up to `last`.
pub(super) async fn between(db: &Db, after: i64, last: i64, rows: i64) -> Result<Vec<Statement>, DbError> {
    db.query(BETWEEN, args![after, last, rows]).await?.iter().map(statement).collect()
}

/// The newest statement about `seq` or a place before.
pub(super) async fn up_to(db: &Db, seq: i64) -> Result<Option<Statement>, DbError> {
    db.query_opt(UP_TO, args![seq]).await?.as_ref().map(statement).transpose()
}

/// Whether any checkpoint was signed before `at`.
pub(super) async fn has_older(db: &Db, at: Timestamp) -> Result<bool, DbError> {
    Ok(db.query_opt(HAS_OLDER, args![at]).await?.is_some())
}

/// Up to `rows` checkpoints that were signed before `at`, oldest first.
pub(super) async fn older(db: &Db, at: Timestamp, rows: i64) -> Result<Vec<Statement>, DbError> {
    db.query(OLDER, args![at, rows]).await?.iter().map(statement).collect()
}

/// Lets the trail begin behind a checkpoint and deletes what came up to it; how many events, nothing when somebody did it before.
pub(super) async fn begin(tx: &mut Tx, begins: &Statement) -> Result<Option<u64>, DbError> {
    let Statement { seq, at, kid, signature, .. } = begins.clone();
    if tx.execute(BEGIN, args![seq, at, kid, signature]).await? != 1 {
        return Ok(None);
    }
    let deleted = tx.execute(DELETE_EVENTS, args![seq]).await?;
    tx.execute(DELETE_STATEMENTS, args![seq]).await?;
    Ok(Some(deleted))
}
