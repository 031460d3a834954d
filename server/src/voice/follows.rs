//! What follows for voice when a sign-in ends or a person loses access, in the transaction in which that happens.
//!
//! A voice session ends with the sign-in it was opened in: signing out ends what was listening. A token ends with the sign-in it was
//! issued to and with its voice session, whichever is first. Each event names its cause, the sign-in that ended, so that the whole
//! consequence is found by one id.

use std::collections::BTreeMap;
use std::pin::Pin;

use uuid::Uuid;

use super::channel;
use super::store::{self, Ended};
use super::token_store::{self, Revoked};
use crate::accounts::AccessLost;
use crate::audit::{self, Actor, Event, Target};
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::presence::Announcer;
use crate::sessions::{self, SessionsEnded};
use crate::time::Timestamp;

/// Listens for the others; clones share it.
#[derive(Clone)]
pub struct Voice {
    pub(super) ground: Ground,
    announcer: Announcer,
}

impl Voice {
    /// A listener that writes with `ground` and tells those who are connected with `announcer`.
    pub fn new(ground: Ground, announcer: Announcer) -> Self {
        Self { ground, announcer }
    }

    /// Has everybody leave the channels of voice sessions that `tx` ends, once it is committed.
    fn shut_on_commit(&self, tx: &mut Tx, ended: &[Ended]) {
        let (announcer, channels): (_, Vec<String>) = (self.announcer.clone(), ended.iter().map(|one| channel::of(one.id)).collect());
        tx.on_commit(move || channels.iter().for_each(|channel| announcer.shut(channel)));
    }

    /// Puts on record what ended, and has it noticed; `cause` says for a sign-in at whose end it did.
    async fn record(
        &self,
        tx: &mut Tx,
        ended: &[Ended],
        revoked: &[Revoked],
        reason: &'static str,
        cause: impl Fn(Option<Uuid>) -> Option<Uuid>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.shut_on_commit(tx, ended);
        let event = |action, session, because: Option<Uuid>| {
            let event = Event::new(&self.ground, action, now).actor(Actor::System).target(Target::voice_session(session));
            let event = event.detail("reason", reason);
            match because {
                Some(cause) => event.detail("cause", cause.to_string()),
                None => event,
            }
        };
        for one in ended {
            let event = event(audit::VOICE_SESSION_ENDED, one.id, cause(one.login)).detail("of", one.owner.to_string());
            audit::record(tx, &event).await?;
        }
        // One event for the tokens of a voice session that have one cause. A token of somebody's other sign-in that ends
        // with the voice session ends because of the sign-in with which that does.
        let mut groups: BTreeMap<(Uuid, Uuid, Option<Uuid>), Vec<String>> = BTreeMap::new();
        for token in revoked {
            let of_session = || ended.iter().find(|one| one.id == token.voice_session).and_then(|one| cause(one.login));
            let because = cause(token.login).or_else(of_session);
            groups.entry((token.voice_session, token.owner, because)).or_default().push(token.id.to_string());
        }
        for ((session, owner, because), tokens) in groups {
            let event = event(audit::VOICE_TOKENS_REVOKED, session, because).detail("of", owner.to_string()).detail("tokens", tokens);
            audit::record(tx, &event).await?;
        }
        Ok(())
    }
}

impl SessionsEnded for Voice {
    fn sessions_ended<'t>(
        &'t self,
        tx: &'t mut Tx,
        ended: &'t [sessions::store::Ended],
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move {
            if ended.is_empty() {
                return Ok(());
            }
            let logins = store::many(ended.iter().map(|one| one.id))?;
            let over = store::end_of_logins(tx, logins.clone(), now).await?;
            let mut revoked = token_store::revoke_of_logins(tx, logins, now).await?;
            if !over.is_empty() {
                revoked.extend(token_store::revoke_of_sessions(tx, store::many(over.iter().map(|one| one.id))?, now).await?);
            }
            let cause = |login: Option<Uuid>| ended.iter().find(|one| Some(one.id) == login).map(|one| one.cause);
            self.record(tx, &over, &revoked, "session_ended", cause, now).await
        })
    }
}

impl AccessLost for Voice {
    /// Their sign-ins were ended before; this is what programs of theirs opened.
    fn access_lost<'t>(
        &'t self,
        tx: &'t mut Tx,
        person: Uuid,
        now: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
        Box::pin(async move {
            let over = store::end_all(tx, person, now).await?;
            let revoked = match over.is_empty() {
                true => Vec::new(),
                false => token_store::revoke_of_sessions(tx, store::many(over.iter().map(|one| one.id))?, now).await?,
            };
            self.record(tx, &over, &revoked, "access_lost", |_| None, now).await
        })
    }
}
