//! Every SQL line about codes and about what people agreed to. Reads `sessions`, of which it asks only whether one has ended.

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::http::page::Page;
use crate::time::Timestamp;

crate::statements! {
    /// A new code.
    INSERT = "INSERT INTO oauth_codes (id, code_hash, client_id, user_id, session_id, redirect_uri, challenge, nonce, scopes, resources, dpop_jkt,
            created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    /// The code with this hash, in whatever state.
    FIND = "SELECT id, client_id, user_id, session_id, redirect_uri, challenge, nonce, scopes, resources, dpop_jkt, expires_at, used_at, issued_session_id
        FROM oauth_codes WHERE code_hash = $1";
    /// Uses a code up: whoever gets the row may begin the session.
    REDEEM = "UPDATE oauth_codes SET used_at = $2, issued_session_id = $3
        WHERE id = $1 AND used_at IS NULL AND expires_at > $2
            AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = oauth_codes.session_id AND sessions.ended_at IS NULL)";
    /// Forgets codes.
    PURGE = "DELETE FROM oauth_codes WHERE id IN (SELECT id FROM oauth_codes WHERE expires_at < $1 LIMIT $2)";
    /// What a person agreed to for a client.
    FIND_CONSENT = "SELECT id, client_id, scopes, resources, given_at FROM oauth_consents WHERE user_id = $1 AND client_id = $2";
    /// A person agrees to (now) this.
    PUT_CONSENT = "INSERT INTO oauth_consents (id, user_id, client_id, scopes, resources, given_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, resources = excluded.resources, given_at = excluded.given_at";
    /// A page of what a person agreed to, the newest client first.
    LIST_CONSENTS = "SELECT id, client_id, scopes, resources, given_at FROM oauth_consents
        WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    /// A person takes back what they agreed to.
    DELETE_CONSENT = "DELETE FROM oauth_consents WHERE user_id = $1 AND client_id = $2";
    /// Codes that a client has not exchanged yet are void as well.
    DROP_CODES = "DELETE FROM oauth_codes WHERE user_id = $1 AND client_id = $2 AND used_at IS NULL";
}

/// A code that is about to be written.
#[derive(Clone)]
pub(super) struct NewCode {
    pub id: Uuid,
    pub hash: [u8; 32],
    pub client: String,
    pub user: Uuid,
    pub session: Uuid,
    pub redirect_uri: String,
    pub challenge: String,
    pub nonce: Option<String>,
    pub scopes: Vec<String>,
    pub resources: Vec<String>,
    pub jkt: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A code as it is presented.
pub(super) struct Code {
    pub id: Uuid,
    pub client: String,
    pub user: Uuid,
    /// Where it was authorised.
    pub session: Uuid,
    pub redirect_uri: String,
    pub challenge: String,
    pub nonce: Option<String>,
    pub scopes: Vec<String>,
    pub resources: Vec<String>,
    pub jkt: Option<String>,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// The session that it began.
    pub issued: Option<Uuid>,
}

/// What a person agreed to for a client.
#[derive(Clone, Debug)]
pub(super) struct Consent {
    pub id: Uuid,
    pub client: String,
    pub scopes: Vec<String>,
    pub resources: Vec<String>,
    pub given_at: Timestamp,
}

fn words(list: &str) -> Vec<String> {
    list.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Writes a code.
pub(super) async fn insert(tx: &mut Tx, new: &NewCode) -> Result<(), DbError> {
    let args = args![
        new.id,
        new.hash,
        new.client.clone(),
        new.user,
        new.session,
        new.redirect_uri.clone(),
        new.challenge.clone(),
        new.nonce.clone(),
        new.scopes.join(" "),
        new.resources.join(" "),
        new.jkt.clone(),
        new.created_at,
        new.expires_at
    ];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// The code with one of these hashes.
pub(super) async fn find(db: &Db, hashes: Vec<[u8; 32]>) -> Result<Option<Code>, DbError> {
    for hash in hashes {
        if let Some(row) = db.query_opt(FIND, args![hash]).await? {
            return code(&row).map(Some);
        }
    }
    Ok(None)
}

fn code(row: &Row) -> Result<Code, DbError> {
    Ok(Code {
        id: row.get(0)?,
        client: row.get(1)?,
        user: row.get(2)?,
        session: row.get(3)?,
        redirect_uri: row.get(4)?,
        challenge: row.get(5)?,
        nonce: row.get(6)?,
        scopes: words(&row.get::<String>(7)?),
        resources: words(&row.get::<String>(8)?),
        jkt: row.get(9)?,
        expires_at: row.get(10)?,
        used_at: row.get(11)?,
        issued: row.get(12)?,
    })
}

/// Uses a code up for `session`; false when it is not good (any more).
pub(super) async fn redeem(tx: &mut Tx, id: Uuid, session: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(REDEEM, args![id, now, session]).await? == 1)
}

/// Forgets up to `rows` codes that expired before `before`, until when a second use is recognised; how many.
pub async fn purge(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE, args![before, rows]).await?.1)
}

fn consent(row: &Row) -> Result<Consent, DbError> {
    Ok(Consent {
        id: row.get(0)?,
        client: row.get(1)?,
        scopes: words(&row.get::<String>(2)?),
        resources: words(&row.get::<String>(3)?),
        given_at: row.get(4)?,
    })
}

/// What `user` agreed to for `client`.
pub(super) async fn find_consent(db: &Db, user: Uuid, client: &str) -> Result<Option<Consent>, DbError> {
    db.query_opt(FIND_CONSENT, args![user, client.to_owned()]).await?.map(|row| consent(&row)).transpose()
}

/// Writes what `user` agrees to, in place of what was.
pub(super) async fn put_consent(tx: &mut Tx, user: Uuid, new: &Consent) -> Result<(), DbError> {
    let args = args![new.id, user, new.client.clone(), new.scopes.join(" "), new.resources.join(" "), new.given_at];
    tx.execute(PUT_CONSENT, args).await.map(|_| ())
}

/// A page of what `user` agreed to.
pub(super) async fn list_consents(db: &Db, user: Uuid, page: Page) -> Result<Vec<Consent>, DbError> {
    consents_of(db, user, page.after, page.rows()).await
}

/// Up to `rows` of those before `before`, the newest client first.
pub(super) async fn consents_of(db: &Db, user: Uuid, before: Option<Uuid>, rows: i64) -> Result<Vec<Consent>, DbError> {
    db.query(LIST_CONSENTS, args![user, before.unwrap_or(Uuid::max()), rows]).await?.iter().map(consent).collect()
}

/// Takes back what `user` agreed to for `client`, with the codes it has not exchanged; false when there was nothing.
pub(super) async fn delete_consent(tx: &mut Tx, user: Uuid, client: &str) -> Result<bool, DbError> {
    tx.execute(DROP_CODES, args![user, client.to_owned()]).await?;
    Ok(tx.execute(DELETE_CONSENT, args![user, client.to_owned()]).await? == 1)
}
