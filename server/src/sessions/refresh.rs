//! A refresh: one conditional UPDATE, or the reading of the row that says why it did not match.

use std::sync::Arc;

use secrecy::SecretString;

use super::authorization::ShownKey;
use super::device::{describe, open_device};
use super::rotation::{Standing, Verdict, decide};
use super::store::{self, Session};
use super::token::RefreshToken;
use super::{EndReason, FIRST_PARTY_CLIENT, Sessions, SignIn};
use crate::accounts::PersonView;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::mail::{self, Letter};
use crate::time::Timestamp;

/// Counts refreshes by what became of them.
pub const REFRESHES: &str = "keystead_refreshes_total";

/// Why a refresh was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not a refresh token of this installation, or its session is no longer known.
    #[error("not a refresh token of this installation")]
    Unknown,
    /// The session's idle or absolute lifetime has passed.
    #[error("the session has expired")]
    Expired,
    /// The session was ended.
    #[error("the session was ended")]
    Ended,
    /// A part that is needed failed.
    #[error("{}", .0.detail)]
    Failed(Problem),
}

impl<E: Into<Problem>> From<E> for RefreshError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl RefreshError {
    /// As the client sees it.
    pub(super) fn into_problem(self) -> Problem {
        match self {
            Self::Unknown => Problem::new(Code::Unauthenticated).detail("This refresh token is not valid. Sign in again."),
            Self::Expired => Problem::new(Code::TokenExpired).detail("Your session has expired. Sign in again."),
            Self::Ended => Code::SessionRevoked.into(),
            Self::Failed(problem) => problem,
        }
    }
}

impl Sessions {
    /// Reads a refresh token; what is not authentic is refused before the database hears of it.
    pub(super) fn open_refresh(&self, token: &SecretString) -> Result<RefreshToken, RefreshError> {
        RefreshToken::open(&self.ground.roots, token).ok_or(RefreshError::Unknown)
    }

    /// Rotates `token`'s session and signs the caller in again.
    pub(super) async fn refresh(&self, token: &RefreshToken, origin: &Origin, now: Timestamp) -> Result<SignIn, RefreshError> {
        let session = self.rotate(FIRST_PARTY_CLIENT, token, ShownKey::default(), origin, now).await?;
        let person = self.people.view(session.user).await?.ok_or(RefreshError::Ended)?;
        Ok(self.sign_in(&session, &person, now)?)
    }

    /// Rotates `token`'s session if it is one of `client` and bound to no other key than the one that was shown.
    pub(super) async fn rotate(
        &self,
        client: &str,
        token: &RefreshToken,
        key: ShownKey<'_>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Session, RefreshError> {
        let settings = &self.ground.settings;
        let refresh_end = now.plus(settings.tokens.refresh_ttl);
        let idle_end = now.plus(settings.sessions.idle_ttl);
        if let Some(session) = store::rotate(&self.ground.db, client, token, key, now, refresh_end, idle_end).await? {
            count("rotated");
            return Ok(session);
        }
        self.explain(client, token, key, origin, now).await
    }

    /// Why the UPDATE found no row: the session to answer with again, or the refusal.
    async fn explain(
        &self,
        client: &str,
        token: &RefreshToken,
        key: ShownKey<'_>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Session, RefreshError> {
        // The row may lag behind what instances have seen, so they are asked, and before the row is read: whoever
        // used the successor was answered first, and that answer moved `rotated_at`.
        let seen = self.activity.seen(token.session).await;
        // Of another client a token is no token, and its session stays.
        let fits = |found: &Session| found.salt == token.salt && found.client() == client;
        let session = store::find(&self.ground.db, token.session).await?.filter(fits);
        let Some(session) = session else { return Err(RefreshError::Unknown) };
        if session.authorization.jkt.as_deref().is_some_and(|bound| key.jkt != Some(bound)) {
            // The current one is of no use without the key. An older one was let slip by its client; or it is the client's, and
            // whoever bound the session in the meantime is not.
            if token.generation < session.generation && session.is_open(now) {
                count("replay");
                self.end_replayed(session, origin, now).await?;
            }
            return Err(RefreshError::Unknown);
        }
        if session.ended_at.is_some() {
            return Err(RefreshError::Ended);
        }
        if now >= session.ends() {
            return Err(RefreshError::Expired);
        }
        let seen = seen.max(session.seen_generation);
        let standing = Standing { current: session.generation, rotated_at: session.rotated_at, seen };
        let window = self.ground.settings.tokens.reuse_window;
        match decide(token.generation, standing, window, now) {
            Verdict::Repeated => count("repeated"),
            Verdict::LostAnswer => {
                count("lost_answer");
                // The successor is handed out only now: another tab that missed it too gets a window of its own.
                store::reissue(&self.ground.db, session.id, session.generation, now).await?;
            }
            Verdict::Expired => return Err(RefreshError::Expired),
            Verdict::Replay => {
                count("replay");
                self.end_replayed(session, origin, now).await?;
                return Err(RefreshError::Ended);
            }
        }
        Ok(session)
    }

    /// Ends the session of a token that somebody else holds, too; on record, and told to the owner.
    async fn end_replayed(&self, session: Session, origin: &Origin, now: Timestamp) -> Result<(), Problem> {
        let person: Option<Arc<PersonView>> = self.people.view(session.user).await?;
        let key = self.ground.keyring.get(session.user).await?;
        let event = audit::Event::new(&self.ground, audit::SESSION_REPLAYED, now)
            .actor(Actor::Unknown)
            .target(Target::session(session.id))
            .denied()
            .origin(&self.ground, Some(&key), origin);
        let device = store::find_device_of(&self.ground.db, session.id).await?;
        let device = describe(open_device(&key, session.id, &device).user_agent.as_deref());
        let sessions = self.clone();
        self.ground
            .db
            .write(async move |tx| {
                if !sessions.end_one(tx, session.id, session.user, EndReason::Replay, now).await? {
                    return Ok(());
                }
                audit::record(tx, &event).await?;
                if let Some(person) = &person {
                    let letter = Letter::SessionReplayed { name: person.name.clone(), device: device.clone(), at: now.to_rfc3339() };
                    mail::post(tx, &sessions.ground.jobs, &person.email, letter, now).await?;
                }
                Ok::<_, Problem>(())
            })
            .await
    }
}

fn count(branch: &'static str) {
    metrics::counter!(REFRESHES, "branch" => branch).increment(1);
}
