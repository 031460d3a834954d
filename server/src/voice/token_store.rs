//! Every SQL line about voice tokens. The tokens themselves are not stored: their ids are, and what became of them.

use uuid::Uuid;

use crate::args;
use crate::db::{Db, DbError, Row, Tx};
use crate::time::Timestamp;

crate::statements! {
    /// A token was issued.
    INSERT = "INSERT INTO voice_tokens (id, voice_session_id, owner_id, login_session_id, personal_token_id, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    /// Redeems a token that is good at this moment: whoever gets the row has redeemed it, everybody else has not.
    REDEEM = "UPDATE voice_tokens SET redeemed_at = $2, redeemed_by = $3
        WHERE id = $1 AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $2
            AND EXISTS (SELECT 1 FROM voice_sessions
                WHERE voice_sessions.id = voice_tokens.voice_session_id AND end_reason IS NULL AND ends_at > $2)
            AND (personal_token_id IS NULL OR EXISTS (SELECT 1 FROM personal_tokens
                WHERE personal_tokens.id = voice_tokens.personal_token_id AND revoked_at IS NULL AND personal_tokens.expires_at > $2))
            AND (login_session_id IS NULL OR EXISTS (SELECT 1 FROM sessions LEFT JOIN oauth_clients ON oauth_clients.id = sessions.client_id
                WHERE sessions.id = voice_tokens.login_session_id AND ended_at IS NULL AND disabled_at IS NULL AND deleted_at IS NULL))
        RETURNING voice_session_id, owner_id, expires_at";
    /// Whether a token that a service redeemed would still be good, had nobody redeemed it.
    STANDS = "SELECT id FROM voice_tokens WHERE id = $1 AND redeemed_by = $3 AND revoked_at IS NULL AND expires_at > $2
            AND EXISTS (SELECT 1 FROM voice_sessions
                WHERE voice_sessions.id = voice_tokens.voice_session_id AND end_reason IS NULL AND ends_at > $2)
            AND (personal_token_id IS NULL OR EXISTS (SELECT 1 FROM personal_tokens
                WHERE personal_tokens.id = voice_tokens.personal_token_id AND revoked_at IS NULL AND personal_tokens.expires_at > $2))
            AND (login_session_id IS NULL OR EXISTS (SELECT 1 FROM sessions LEFT JOIN oauth_clients ON oauth_clients.id = sessions.client_id
                WHERE sessions.id = voice_tokens.login_session_id AND ended_at IS NULL AND disabled_at IS NULL AND deleted_at IS NULL))";
    /// What became of a token.
    FIND = "SELECT redeemed_at, revoked_at, expires_at FROM voice_tokens WHERE id = $1";
    /// Revokes what was issued to sign-ins that ended and not redeemed ($1 is JSON: [id, …]).
    REVOKE_OF_LOGINS = "UPDATE voice_tokens SET revoked_at = $2
        WHERE login_session_id IN (SELECT unhex(value) FROM json_each($1)) AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING id, voice_session_id, owner_id, login_session_id",
      postgres "UPDATE voice_tokens SET revoked_at = $2
        WHERE login_session_id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json))
            AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING id, voice_session_id, owner_id, login_session_id";
    /// The same for voice sessions that ended.
    REVOKE_OF_SESSIONS = "UPDATE voice_tokens SET revoked_at = $2
        WHERE voice_session_id IN (SELECT unhex(value) FROM json_each($1)) AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING id, voice_session_id, owner_id, login_session_id",
      postgres "UPDATE voice_tokens SET revoked_at = $2
        WHERE voice_session_id IN (SELECT value::uuid FROM json_array_elements_text($1::text::json))
            AND redeemed_at IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING id, voice_session_id, owner_id, login_session_id";
    /// Forgets those that expired long ago.
    PURGE = "DELETE FROM voice_tokens WHERE expires_at < $1";
}

/// To whom a token is issued, and with whom it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A sign-in of the person's, their own or an application's.
    Login(Uuid),
    /// A program of theirs, with a personal access token.
    Program(Uuid),
}

impl Holder {
    /// The sign-in, if it is one.
    pub const fn login(self) -> Option<Uuid> {
        match self {
            Self::Login(session) => Some(session),
            Self::Program(_) => None,
        }
    }

    /// The personal access token, if it is one.
    const fn program(self) -> Option<Uuid> {
        match self {
            Self::Login(_) => None,
            Self::Program(token) => Some(token),
        }
    }
}

/// A token that is issued.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewToken {
    pub id: Uuid,
    pub voice_session: Uuid,
    pub owner: Uuid,
    pub holder: Holder,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A token that was redeemed just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redeemed {
    pub voice_session: Uuid,
    pub owner: Uuid,
    pub expires_at: Timestamp,
}

/// What became of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub redeemed_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub expires_at: Timestamp,
}

/// A token that was revoked just now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revoked {
    pub id: Uuid,
    pub voice_session: Uuid,
    pub owner: Uuid,
    pub login: Option<Uuid>,
}

fn revoked(row: &Row) -> Result<Revoked, DbError> {
    Ok(Revoked { id: row.get(0)?, voice_session: row.get(1)?, owner: row.get(2)?, login: row.get(3)? })
}

/// Writes down that a token was issued.
pub(super) async fn insert(tx: &mut Tx, new: NewToken) -> Result<(), DbError> {
    let NewToken { id, voice_session, owner, holder, created_at, expires_at } = new;
    let args = args![id, voice_session, owner, holder.login(), holder.program(), created_at, expires_at];
    tx.execute(INSERT, args).await.map(|_| ())
}

/// Redeems the token `id` for `service`, if it is good at `now` and nobody did before.
pub(super) async fn redeem(tx: &mut Tx, id: Uuid, service: Uuid, now: Timestamp) -> Result<Option<Redeemed>, DbError> {
    let row = tx.query_opt(REDEEM, args![id, now, service]).await?;
    row.map(|row| Ok(Redeemed { voice_session: row.get(0)?, owner: row.get(1)?, expires_at: row.get(2)? })).transpose()
}

/// Whether the token `id`, which `service` redeemed, would be good at `now` if it had not been.
pub(super) async fn stands(db: &Db, id: Uuid, service: Uuid, now: Timestamp) -> Result<bool, DbError> {
    Ok(db.query_opt(STANDS, args![id, now, service]).await?.is_some())
}

/// What became of the token `id`.
pub(super) async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Fate>, DbError> {
    let row = tx.query_opt(FIND, args![id]).await?;
    row.map(|row| Ok(Fate { redeemed_at: row.get(0)?, revoked_at: row.get(1)?, expires_at: row.get(2)? })).transpose()
}

/// Revokes what was issued to the sign-ins `logins`.
pub(super) async fn revoke_of_logins(tx: &mut Tx, logins: String, now: Timestamp) -> Result<Vec<Revoked>, DbError> {
    tx.query(REVOKE_OF_LOGINS, args![logins, now]).await?.iter().map(revoked).collect()
}

/// Revokes what was issued for the voice sessions `sessions`.
pub(super) async fn revoke_of_sessions(tx: &mut Tx, sessions: String, now: Timestamp) -> Result<Vec<Revoked>, DbError> {
    tx.query(REVOKE_OF_SESSIONS, args![sessions, now]).await?.iter().map(revoked).collect()
}

/// Forgets tokens that expired before `before`.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp) -> Result<(), DbError> {
    tx.execute(PURGE, args![before]).await.map(|_| ())
}
