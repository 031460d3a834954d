//! A session begins: sealed and keyed outside the transaction, written inside the caller's.

use std::sync::Arc;

use uuid::Uuid;

use super::{Sessions, SignIn};

use super::authorization::Authorization;
use super::device::seal_device;
use super::store::{self, SealedDevice, Session};
use crate::accounts::PersonView;
use crate::db::{DbError, Tx};
use crate::error::Problem;
use crate::http::context::Origin;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// A session that is ready to be written.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub(super) session: Session,
    device: SealedDevice,
}

impl NewSession {
    /// The session's id.
    pub fn id(&self) -> Uuid {
        self.session.id
    }

    /// The session as it will be stored.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Sessions {
    /// Prepares a first-party session of `user` at `now`.
    pub fn prepare(&self, user: Uuid, key: &PersonKey, origin: &Origin, now: Timestamp) -> NewSession {
        self.prepare_for_client(user, key, origin, Authorization::first_party(now), now)
    }

    /// Prepares a session of `user` for a client, with what was authorised.
    pub fn prepare_for_client(
        &self,
        user: Uuid,
        key: &PersonKey,
        origin: &Origin,
        authorization: Authorization,
        now: Timestamp,
    ) -> NewSession {
        let settings = &self.ground.settings;
        let id = self.ground.random.uuid(now);
        let session = Session {
            id,
            user,
            authorization,
            salt: self.ground.random.bytes(),
            generation: 0,
            seen_generation: 0,
            created_at: now,
            rotated_at: now,
            last_active_at: now,
            refresh_expires_at: now.plus(settings.tokens.refresh_ttl),
            idle_expires_at: now.plus(settings.sessions.idle_ttl),
            expires_at: now.plus(settings.sessions.absolute_ttl),
            ended_at: None,
            end_reason: None,
        };
        NewSession { session, device: seal_device(key, id, origin) }
    }
}

impl Sessions {
    /// The answer to a sign-in whose session was just written.
    pub fn signed_in(&self, new: &NewSession, person: &Arc<PersonView>, now: Timestamp) -> Result<SignIn, Problem> {
        self.sign_in(&new.session, person, now)
    }
}

/// Writes a prepared session.
pub async fn start(tx: &mut Tx, new: &NewSession) -> Result<(), DbError> {
    store::insert(tx, &new.session, &new.device).await
}
