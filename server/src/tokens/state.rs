//! Tokens in memory: each is read once, then a use costs two keyed hashes and a look-up, and whether it was revoked lately.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::secret::{self, Hash};
use super::store::{self, Stored};
use super::uses::Uses;
use crate::accounts::AccessLost;
use crate::db::{DbError, Tx};
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::guard::{Subject, Verified};
use crate::sessions::Revocations;
use crate::time::Timestamp;

/// Fan-out topic: a revoked token's id and when it was revoked.
pub const PERSONAL_TOKEN_REVOKED: &str = "personal_token.revoked";

/// Tokens that are kept in memory: about 300 bytes each.
const KNOWN_MAX: u64 = 50_000;

/// The tokens of one instance; clones share them.
#[derive(Clone)]
pub struct Tokens {
    pub(super) ground: Ground,
    known: Cache<Hash, Known>,
    /// Revoked while it may still be known somewhere.
    revoked: Revocations,
    uses: Uses,
}

#[derive(Clone)]
struct Known {
    verified: Arc<Verified>,
    read_at: Timestamp,
}

impl Tokens {
    /// Nothing in memory yet.
    pub fn new(ground: Ground) -> Self {
        let known = Cache::builder().max_capacity(KNOWN_MAX).time_to_live(keep(&ground)).build();
        let revoked = Revocations::new(ground.clone(), PERSONAL_TOKEN_REVOKED, |db, since| {
            Box::pin(async move { store::revoked_since(&db, since).await })
        });
        Self { uses: Uses::new(ground.clone()), ground, known, revoked }
    }

    /// Who presents `token`, which [`super::is_personal`].
    ///
    /// # Errors
    /// `unauthenticated` for what is no token (any more), `token_expired`, and `unavailable` when this instance has not heard
    /// of revocations for longer than the configured staleness, or the store does not answer.
    pub async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let verified = self.inspect(token, now).await?;
        self.uses.touch(&verified, now);
        Ok(verified)
    }

    /// The same for somebody who was shown the token and asks about it: that is no use of it.
    ///
    /// # Errors
    /// As [`Tokens::authenticate`].
    pub async fn inspect(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let hash = secret::read(&self.ground.roots, token).ok_or_else(unknown)?;
        // Older knowledge may be older than what the set of revoked tokens remembers.
        let known = self.known.get(&hash).filter(|known| now < known.read_at.plus(keep(&self.ground)));
        let verified = match known {
            Some(known) => known.verified,
            None => self.read(hash, now).await?,
        };
        // After the read: whatever was revoked since is in the set.
        self.revoked.check(verified.id).map_err(|problem| if problem.code == Code::SessionRevoked { revoked() } else { problem })?;
        if verified.expires_at <= now {
            let detail = "This personal access token has expired. Its owner makes a new one.";
            return Err(Problem::new(Code::TokenExpired).detail(detail));
        }
        Ok(verified)
    }

    async fn read(&self, hash: Hash, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let stored = store::find(&self.ground.db, hash).await?.ok_or_else(unknown)?;
        if stored.revoked_at.is_some() {
            return Err(revoked());
        }
        let verified = Arc::new(verified(stored));
        self.known.insert(hash, Known { verified: verified.clone(), read_at: now });
        Ok(verified)
    }

    /// Revokes a token of `user` on every instance; false when there is none, or it was revoked before. To be put on record by
    /// the caller.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn revoke(&self, tx: &mut Tx, token: Uuid, user: Uuid, now: Timestamp) -> Result<bool, DbError> {
        let done = store::revoke(tx, token, user, now).await?;
        if done {
            self.revoked.push_on_commit(tx, vec![token], now);
        }
        Ok(done)
    }

    /// Revokes every token of `user` on every instance; how many. To be put on record by the caller.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn revoke_all(&self, tx: &mut Tx, user: Uuid, now: Timestamp) -> Result<usize, DbError> {
        let tokens = store::revoke_all(tx, user, now).await?;
        let count = tokens.len();
        if count > 0 {
            self.revoked.push_on_commit(tx, tokens, now);
        }
        Ok(count)
    }

    /// Refuses a token that was revoked.
    ///
    /// # Errors
    /// `session_revoked`, or why it cannot be known.
    pub fn check(&self, token: Uuid) -> Result<(), Problem> {
        self.revoked.check(token)
    }

    /// Takes a push from another instance.
    pub fn receive(&self, payload: &[u8]) {
        self.revoked.receive(payload);
    }

    /// Reads what was revoked lately.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn poll(&self) -> Result<(), DbError> {
        self.revoked.poll().await
    }

    /// Writes down which tokens were used when.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn flush(&self) -> Result<(), DbError> {
        self.uses.flush().await
    }

    /// Polls for revoked tokens and writes uses down until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.revoked.run(stop.clone()), self.uses.run(stop));
    }
}

/// How long a token is known before it is read again: no longer than the set of revoked ones remembers.
fn keep(ground: &Ground) -> Duration {
    ground.settings.tokens.access_ttl
}

fn verified(stored: Stored) -> Verified {
    Verified {
        id: stored.id,
        subject: Subject::Token { user: stored.user, token: stored.id },
        client: String::new(),
        own: false,
        impersonator: None,
        jkt: None,
        elsewhere: None,
        scopes: stored.scopes,
        roles: Vec::new(),
        issued_at: stored.created_at,
        expires_at: stored.expires_at,
        touched: AtomicI64::new(stored.last_used_at.map_or(i64::MIN, Timestamp::as_micros)),
    }
}

fn unknown() -> Problem {
    Problem::new(Code::Unauthenticated).detail("There is no such personal access token. Is it whole, and of this server?")
}

fn revoked() -> Problem {
    Problem::new(Code::Unauthenticated).detail("This personal access token was revoked.")
}

impl AccessLost for Tokens {
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move { self.revoke_all(tx, person, now).await.map(|_| ()) })
    }
}
