//! Every SQL line about OAuth clients and revoked tokens.

use std::sync::Arc;

use uuid::Uuid;

use super::client::{AuthMethod, Client, Grant, RelyingParty};
use super::client_keys::read_set;
use super::registration::Registration;
use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A new client.
    INSERT_CLIENT = "INSERT INTO oauth_clients (id, name, secret_hash, grant_types, redirect_uris, scopes, token_endpoint_auth_method,
            jwks, first_party, resources, require_pushed, post_logout_redirect_uris, backchannel_logout_uri,
            backchannel_logout_session_required, version, created_at, updated_at, dpop_bound)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $15, $16)";
    /// One client, whatever its state.
    FIND_CLIENT = "SELECT id, name, secret_hash, grant_types, redirect_uris, scopes, token_endpoint_auth_method, jwks, first_party,
            version, created_at, updated_at, disabled_at, deleted_at,
            resources, require_pushed, post_logout_redirect_uris, backchannel_logout_uri, backchannel_logout_session_required, dpop_bound
        FROM oauth_clients WHERE id = $1";
    /// A page of the clients there are, newest first.
    LIST_CLIENTS = "SELECT id, name, secret_hash, grant_types, redirect_uris, scopes, token_endpoint_auth_method, jwks, first_party,
            version, created_at, updated_at, disabled_at, deleted_at,
            resources, require_pushed, post_logout_redirect_uris, backchannel_logout_uri, backchannel_logout_session_required, dpop_bound
        FROM oauth_clients WHERE deleted_at IS NULL AND id < $1 ORDER BY id DESC LIMIT $2";
    /// Changes the version that was read, and no other.
    UPDATE_CLIENT = "UPDATE oauth_clients SET name = $3, grant_types = $4, redirect_uris = $5, scopes = $6, token_endpoint_auth_method = $7,
            jwks = $8, first_party = $9, disabled_at = $10, updated_at = $11, version = version + 1, resources = $12, require_pushed = $13,
            post_logout_redirect_uris = $14, backchannel_logout_uri = $15, backchannel_logout_session_required = $16, dpop_bound = $17
        WHERE id = $1 AND version = $2 AND deleted_at IS NULL";
    /// Voids the old secret with the new one, while the client is as it was read.
    ROTATE_SECRET = "UPDATE oauth_clients SET secret_hash = $3, updated_at = $4, version = version + 1
        WHERE id = $1 AND version = $2 AND secret_hash IS NOT NULL AND deleted_at IS NULL";
    /// The same secret, hashed under the current master key.
    REHASH_SECRET = "UPDATE oauth_clients SET secret_hash = $3 WHERE id = $1 AND secret_hash = $2";
    /// Takes a client out; what could still prove anything goes at once.
    DELETE_CLIENT = "UPDATE oauth_clients SET deleted_at = $2, updated_at = $2, version = version + 1, secret_hash = NULL, jwks = NULL
        WHERE id = $1 AND deleted_at IS NULL";
    /// Who was changed since.
    CHANGED_CLIENTS = "SELECT id, updated_at, version FROM oauth_clients WHERE updated_at > $1";
    /// A client that is to be told when sessions of its end.
    IS_TOLD = "SELECT id FROM oauth_clients WHERE id = $1 AND backchannel_logout_uri IS NOT NULL AND disabled_at IS NULL AND deleted_at IS NULL";
    /// Revokes one token, once.
    REVOKE_TOKEN = "INSERT INTO oauth_revoked_tokens (jti, revoked_at, expires_at) VALUES ($1, $2, $3) ON CONFLICT (jti) DO NOTHING";
    /// What was revoked since.
    REVOKED_SINCE = "SELECT jti, revoked_at FROM oauth_revoked_tokens WHERE revoked_at > $1";
    /// Forgets revoked tokens that have expired anyway.
    PURGE_REVOKED = "DELETE FROM oauth_revoked_tokens WHERE jti IN (SELECT jti FROM oauth_revoked_tokens WHERE expires_at < $1 LIMIT $2)";
}

fn client(row: &Row) -> Result<Client, DbError> {
    let grants: String = row.get(3)?;
    let grants = grants.split_ascii_whitespace().map(|word| Grant::parse(word).ok_or_else(|| unknown(word)));
    let method: String = row.get(6)?;
    let jwks: Option<String> = row.get(7)?;
    let keys = jwks.as_deref().map(|set| {
        let set = serde_json::from_str(set).map_err(|error| DbError::Decode(error.to_string()))?;
        read_set(&set).map_err(|fault| DbError::Decode(fault.to_owned()))
    });
    Ok(Client {
        id: row.get(0)?,
        name: row.get(1)?,
        secret_hash: row.get(2)?,
        grants: grants.collect::<Result<_, _>>()?,
        redirect_uris: words(&row.get::<String>(4)?),
        scopes: words(&row.get::<String>(5)?),
        method: AuthMethod::parse(&method).ok_or_else(|| unknown(&method))?,
        keys: keys.transpose()?.unwrap_or_else(Arc::default),
        jwks,
        first_party: row.get(8)?,
        version: row.get(9)?,
        created_at: row.get(10)?,
        updated_at: row.get(11)?,
        disabled_at: row.get(12)?,
        deleted_at: row.get(13)?,
        party: RelyingParty {
            resources: words(&row.get::<String>(14)?),
            require_pushed: row.get(15)?,
            post_logout_redirect_uris: words(&row.get::<String>(16)?),
            backchannel_logout_uri: row.get(17)?,
            backchannel_logout_session_required: row.get(18)?,
            dpop_bound: row.get(19)?,
        },
    })
}

fn unknown(word: &str) -> DbError {
    DbError::Decode(format!("a client is registered for `{word}`, which this version does not know"))
}

fn words(list: &str) -> Vec<String> {
    list.split_ascii_whitespace().map(str::to_owned).collect()
}

fn grant_words(grants: &[Grant]) -> String {
    grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" ")
}

/// Registers a client.
pub async fn insert(tx: &mut Tx, id: Uuid, new: &Registration, secret_hash: Option<Vec<u8>>, now: Timestamp) -> Result<(), DbError> {
    let args = args![
        id.to_string(),
        new.name.clone(),
        secret_hash,
        grant_words(&new.grants),
        new.redirect_uris.join(" "),
        new.scopes.join(" "),
        new.method.as_str(),
        new.jwks.clone(),
        new.first_party,
        new.party.resources.join(" "),
        new.party.require_pushed,
        new.party.post_logout_redirect_uris.join(" "),
        new.party.backchannel_logout_uri.clone(),
        new.party.backchannel_logout_session_required,
        now,
        new.party.dpop_bound
    ];
    tx.execute(INSERT_CLIENT, args).await.map(|_| ())
}

/// One client, deleted ones too.
pub async fn find(db: &Db, id: Uuid) -> Result<Option<Client>, DbError> {
    db.query_opt(FIND_CLIENT, args![id.to_string()]).await?.as_ref().map(client).transpose()
}

/// Up to `rows` clients older than `before`, newest first.
pub async fn list(db: &Db, before: Option<Uuid>, rows: i64) -> Result<Vec<Client>, DbError> {
    let before = before.unwrap_or(Uuid::max()).to_string();
    db.query(LIST_CLIENTS, args![before, rows]).await?.iter().map(client).collect()
}

/// Changes a client that still stands at `version`; false when it does not.
pub async fn update(
    tx: &mut Tx,
    id: Uuid,
    version: i64,
    new: &Registration,
    disabled_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, DbError> {
    let args = args![
        id.to_string(),
        version,
        new.name.clone(),
        grant_words(&new.grants),
        new.redirect_uris.join(" "),
        new.scopes.join(" "),
        new.method.as_str(),
        new.jwks.clone(),
        new.first_party,
        disabled_at,
        now,
        new.party.resources.join(" "),
        new.party.require_pushed,
        new.party.post_logout_redirect_uris.join(" "),
        new.party.backchannel_logout_uri.clone(),
        new.party.backchannel_logout_session_required,
        new.party.dpop_bound
    ];
    Ok(tx.execute(UPDATE_CLIENT, args).await? == 1)
}

/// Puts a new secret in the place of the old one; false when the client no longer stands at `version`.
pub async fn rotate_secret(tx: &mut Tx, id: Uuid, version: i64, hash: Vec<u8>, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(ROTATE_SECRET, args![id.to_string(), version, hash, now]).await? == 1)
}

/// Stores the same secret under another key, if it is still the same.
pub async fn rehash_secret(db: &Db, id: Uuid, old: Vec<u8>, new: Vec<u8>) -> Result<(), DbError> {
    db.write_one(REHASH_SECRET, args![id.to_string(), old, new]).await.map(|_| ())
}

/// Deletes a client; false when there was none.
pub async fn delete(tx: &mut Tx, id: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(DELETE_CLIENT, args![id.to_string(), now]).await? == 1)
}

/// Who was changed after `since`: id, when, and the version it has.
pub async fn changed_since(db: &Db, since: Timestamp) -> Result<Vec<(String, Timestamp, i64)>, DbError> {
    let rows = db.query(CHANGED_CLIENTS, args![since]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// Revokes a token; false when it was revoked before.
pub async fn revoke_token(tx: &mut Tx, jti: Uuid, now: Timestamp, expires_at: Timestamp) -> Result<bool, DbError> {
    Ok(tx.execute(REVOKE_TOKEN, args![jti, now, expires_at]).await? == 1)
}

/// Tokens that were revoked after `since`, with when.
pub async fn revoked_since(db: &Db, since: Timestamp) -> Result<Vec<(Uuid, Timestamp)>, DbError> {
    let rows = db.query(REVOKED_SINCE, args![since]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Forgets up to `rows` revoked tokens that expired before `before`; how many.
pub async fn purge_revoked(db: &Db, before: Timestamp, rows: i64) -> Result<u64, DbError> {
    Ok(db.write_one(PURGE_REVOKED, args![before, rows]).await?.1)
}

/// Whether a client is to be told when sessions of its end.
pub async fn is_told(tx: &mut Tx, client: &str) -> Result<bool, DbError> {
    Ok(tx.query_opt(IS_TOLD, args![client.to_owned()]).await?.is_some())
}
