//! A session ends: one, all others, or all. Whoever ends one here cannot forget to tell the instances.

use std::pin::Pin;

use uuid::Uuid;

use super::Sessions;
use super::store::{self, Ended};
use crate::audit::{self, Actor, Target};
use crate::db::{DbError, Tx};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::secret::SealError;
use crate::time::Timestamp;

/// Is told that sessions were ended, in the transaction that ended them.
pub trait SessionsEnded: Send + Sync {
    /// Does what follows. It may run again when the transaction does.
    fn sessions_ended<'t>(
        &'t self,
        tx: &'t mut Tx,
        ended: &'t [Ended],
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>>;
}

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
    /// Whoever runs the installation ended it.
    RevokedByOperator,
    /// The administrator who acted as the person signed out, or may not do so any more.
    ImpersonatorGone,
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
            Self::RevokedByOperator => "revoked_by_operator",
            Self::ImpersonatorGone => "impersonator_gone",
            Self::RevokedByClient => "revoked_by_client",
        }
    }
}

impl Sessions {
    /// Ends one open session of `user`; false when there was none.
    pub async fn end_one(&self, tx: &mut Tx, session: Uuid, user: Uuid, reason: EndReason, now: Timestamp) -> Result<bool, DbError> {
        let ended = store::end_one(tx, session, user, now, reason.as_str()).await?;
        let any = ended.iter().any(|one| one.id == session);
        self.ended(tx, ended, now).await?;
        Ok(any)
    }

    /// Ends the open sessions of `user` but `keep`; which.
    pub async fn end_others(&self, tx: &mut Tx, user: Uuid, keep: Uuid, reason: EndReason, now: Timestamp) -> Result<Vec<Uuid>, DbError> {
        let ended = store::end_others(tx, user, keep, now, reason.as_str()).await?;
        let ids = ended.iter().map(|one| one.id).collect();
        self.ended(tx, ended, now).await?;
        Ok(ids)
    }

    /// Ends the open sessions of `user` through `client`; how many.
    pub async fn end_of_client(&self, tx: &mut Tx, user: Uuid, client: &str, reason: EndReason, now: Timestamp) -> Result<usize, DbError> {
        let ended = store::end_of_client(tx, user, client, now, reason.as_str()).await?;
        let count = ended.len();
        self.ended(tx, ended, now).await?;
        Ok(count)
    }

    /// What follows from the end of sessions, in the same transaction.
    async fn ended(&self, tx: &mut Tx, ended: Vec<Ended>, now: Timestamp) -> Result<(), DbError> {
        for listener in self.listeners.iter() {
            listener.sessions_ended(tx, &ended, now).await?;
        }
        self.revocations.push_on_commit(tx, ended.into_iter().map(|one| one.id).collect(), now);
        Ok(())
    }

    /// Ends one open session of `user` at the will of `actor`, on record; false when there was none.
    ///
    /// # Errors
    /// A store does not answer.
    pub async fn end_on_record(
        &self,
        session: Uuid,
        user: Uuid,
        reason: EndReason,
        actor: Actor,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<bool, Problem> {
        let key = match self.ground.keyring.get(user).await {
            Ok(key) => key,
            // Being erased at this moment, which ends the session as well.
            Err(SealError::Erased) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let event = audit::Event::new(&self.ground, audit::SESSION_ENDED, now)
            .actor(actor)
            .target(Target::session(session))
            .detail("reason", reason.as_str())
            .origin(&self.ground, Some(&key), origin);
        let this = self.clone();
        self.ground
            .db
            .write(async move |tx| {
                let ended = this.end_one(tx, session, user, reason, now).await?;
                if ended {
                    audit::record(tx, &event).await?;
                }
                Ok::<_, Problem>(ended)
            })
            .await
    }

    /// Ends every open session of `user`; which.
    pub async fn end_all(&self, tx: &mut Tx, user: Uuid, reason: EndReason, now: Timestamp) -> Result<Vec<Uuid>, DbError> {
        self.end_others(tx, user, Uuid::nil(), reason, now).await
    }
}
