//! Every SQL line about consents.

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A consent, unless it was given before.
    INSERT = "INSERT INTO consents (id, user_id, policy, version, accepted_at, ip) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id, policy, version) DO NOTHING";
    /// A page of a person's consents, newest first.
    LIST = "SELECT id, user_id, policy, version, accepted_at, ip FROM consents WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// Forgets a person's consents.
    CLEAR = "DELETE FROM consents WHERE user_id = $1";
    /// One consent.
    FIND = "SELECT id, user_id, policy, version, accepted_at, ip FROM consents WHERE user_id = $1 AND policy = $2 AND version = $3";
}

/// A consent as the store has it.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Its id.
    pub id: Uuid,
    /// Who gave it.
    pub user: Uuid,
    /// To what.
    pub policy: String,
    /// In which version.
    pub version: String,
    /// When.
    pub accepted_at: Timestamp,
    /// From where, sealed.
    pub ip: Option<Vec<u8>>,
}

fn consent(row: &Row) -> Result<Consent, DbError> {
    Ok(Consent { id: row.get(0)?, user: row.get(1)?, policy: row.get(2)?, version: row.get(3)?, accepted_at: row.get(4)?, ip: row.get(5)? })
}

/// Writes a consent; false when it was given before.
pub async fn insert(tx: &mut Tx, new: &Consent) -> Result<bool, DbError> {
    let args = args![new.id, new.user, new.policy.clone(), new.version.clone(), new.accepted_at, new.ip.clone()];
    Ok(tx.execute(INSERT, args).await? == 1)
}

/// Forgets every consent of a person.
pub async fn clear(tx: &mut Tx, user: Uuid) -> Result<(), DbError> {
    tx.execute(CLEAR, args![user]).await.map(|_| ())
}

/// Up to `rows` consents older than `before`, newest first.
pub async fn list(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Consent>, DbError> {
    db.query(LIST, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(consent).collect()
}

/// A person's consent to one version of one policy.
pub async fn find(tx: &mut Tx, user: Uuid, policy: &str, version: &str) -> Result<Option<Consent>, DbError> {
    tx.query_opt(FIND, args![user, policy.to_owned(), version.to_owned()]).await?.as_ref().map(consent).transpose()
}
