//! A session ends: one, all others, or all. Whoever ends one here cannot forget to tell the instances.

use uuid::Uuid;

use super::Sessions;
use super::store::{self, Ended};
use crate::db::{DbError, Tx};
use crate::time::Timestamp;

/// Why a session was ended; kept in its row and in the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The person signed out.
    Logout,
    /// The person ended it from another session.
    Revoked,
    /// A rotated refresh token was presented again.
    Replay,
    /// The password was reset or changed.
    PasswordChanged,
    /// The account was suspended, deleted or erased.
    AccountClosed,
    /// The client it was opened through revoked its token.
    RevokedByClient,
}

impl EndReason {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Replay => "replay",
            Self::PasswordChanged => "password_changed",
            Self::AccountClosed => "account_closed",
            Self::RevokedByClient => "revoked_by_client",
        }
    }
}

impl Sessions {
    /// Ends one open session of `user`; false when there was none.
    pub async fn end_one(&self, tx: &mut Tx, session: Uuid, user: Uuid, reason: EndReason, now: Timestamp) -> Result<bool, DbError> {
        let ended = store::end_one(tx, session, user, now, reason.as_str()).await?;
        let any = ended.iter().any(|one| one.id == session);
        self.ended(tx, ended, now);
        Ok(any)
    }

    /// Ends the open sessions of `user` but `keep`; how many.
    pub async fn end_others(&self, tx: &mut Tx, user: Uuid, keep: Uuid, reason: EndReason, now: Timestamp) -> Result<usize, DbError> {
        let ended = store::end_others(tx, user, keep, now, reason.as_str()).await?;
        let count = ended.len();
        self.ended(tx, ended, now);
        Ok(count)
    }

    /// Ends the open sessions of `user` through `client`; how many.
    pub async fn end_of_client(&self, tx: &mut Tx, user: Uuid, client: &str, reason: EndReason, now: Timestamp) -> Result<usize, DbError> {
        let ended = store::end_of_client(tx, user, client, now, reason.as_str()).await?;
        let count = ended.len();
        self.ended(tx, ended, now);
        Ok(count)
    }

    /// What follows from the end of sessions, in the same transaction.
    fn ended(&self, tx: &mut Tx, ended: Vec<Ended>, now: Timestamp) {
        self.revocations.push_on_commit(tx, ended.into_iter().map(|one| one.id).collect(), now);
    }

    /// Ends every open session of `user`; how many.
    pub async fn end_all(&self, tx: &mut Tx, user: Uuid, reason: EndReason, now: Timestamp) -> Result<usize, DbError> {
        self.end_others(tx, user, Uuid::nil(), reason, now).await
    }
}
