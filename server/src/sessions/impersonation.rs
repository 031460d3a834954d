//! An administrator acts as somebody else for a while.
//!
//! Such a session has no refresh token, ends by itself within an hour and with the session it was opened from, and its access token
//! says who acts (RFC 8693 section 4.1). It stands for the person in part only: it carries what the person's roles grant in the
//! application and what everybody may see of themselves, none of Keystead's own scopes, and is refused where the person alone may act.

use std::sync::Arc;

use uuid::Uuid;

use super::authorization::Authorization;
use super::start::NewSession;
use super::store::Session;
use super::verify::{ACCESS_TOKEN_TYPE, Actor as ActClaim, Audience, Claims};
use super::{EndReason, FIRST_PARTY_CLIENT, Sessions, impersonation_store as store};
use crate::access::SCOPES;
use crate::access::scope::{LENT, UsersImpersonate};
use crate::accounts::{PersonView, Status};
use crate::audit::Actor;
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::http::guard::{Scope, Subject, Verified};
use crate::secret::PersonKey;
use crate::time::Timestamp;

impl Sessions {
    /// Prepares a session in which the owner of `parent` acts as the person of `key` until `ends`. Nothing of where the administrator is goes into
    /// it: the person sees their sessions.
    pub fn prepare_impersonation(
        &self,
        parent: &Session,
        person: &PersonView,
        key: &PersonKey,
        ends: Timestamp,
        now: Timestamp,
    ) -> NewSession {
        let authorization = Authorization {
            client: FIRST_PARTY_CLIENT.to_owned(),
            scopes: self.lent(person),
            resources: Vec::new(),
            auth_time: now,
            amr: Vec::new(),
            parent: Some(parent.id),
            jkt: None,
            impersonator: Some(parent.user),
        };
        let mut new = self.prepare_for_client(key.person(), key, &Origin::default(), authorization, now);
        let session = &mut new.session;
        (session.refresh_expires_at, session.idle_expires_at, session.expires_at) = (ends, ends, ends);
        new
    }

    /// What somebody who acts as `person` may do: what the application lets that person do, and what everybody sees of themselves.
    fn lent(&self, person: &PersonView) -> Vec<String> {
        let roles = self.roles.snapshot();
        let of_application = roles.scopes_of(&person.roles).into_iter().filter(|scope| !SCOPES.contains(scope));
        LENT.iter().copied().chain(of_application).map(str::to_owned).collect()
    }

    /// The access token of a session that was prepared so, as long as it lasts; and its seconds. There is no other token of it.
    ///
    /// # Errors
    /// When nothing can be signed.
    pub fn impersonation_token(&self, new: &NewSession, person: &Arc<PersonView>, now: Timestamp) -> Result<(String, u64), Problem> {
        let (session, settings) = (new.session(), &self.ground.settings);
        // A service that decides by roles must not take an administrator for another one.
        let roles = self.roles.snapshot();
        let harmless = |role: &&String| !SCOPES.iter().any(|scope| roles.grants(std::slice::from_ref(*role), scope));
        let lent: Vec<String> = person.roles.iter().filter(harmless).cloned().collect();
        let claims = Claims {
            iss: settings.public_url(),
            aud: Audience::One(settings.public_url()),
            sub: session.user,
            exp: session.expires_at.as_secs(),
            iat: now.as_secs(),
            nbf: now.as_secs(),
            jti: self.ground.random.uuid(now),
            client_id: session.client(),
            sid: session.id,
            scope: session.authorization.scopes.join(" "),
            roles: &lent,
            r#gen: session.generation,
            cnf: None,
            act: session.authorization.impersonator.map(|sub| ActClaim { sub }),
        };
        let token = self.ground.signer.sign(ACCESS_TOKEN_TYPE, &claims).map_err(Problem::internal)?;
        Ok((token, session.expires_at.since(now).as_secs()))
    }

    /// Whether `admin` may act as others at this moment.
    async fn may_impersonate(&self, admin: Uuid) -> Result<bool, Problem> {
        let person = self.people.view(admin).await?.filter(|person| person.status == Status::Active);
        Ok(person.is_some_and(|person| self.roles.grants(&person.roles, UsersImpersonate::NAME)))
    }

    /// Refuses the token of somebody who acts as another person and may not any more, and ends that session for good.
    ///
    /// # Errors
    /// `session_revoked`; a store does not answer.
    pub async fn check_impersonator(&self, verified: &Verified, now: Timestamp) -> Result<(), Problem> {
        let (Some(admin), Subject::Person { user, session, .. }) = (verified.impersonator, verified.subject) else { return Ok(()) };
        if self.may_impersonate(admin).await? {
            return Ok(());
        }
        self.end_impersonation(session, user, now).await?;
        Err(Code::SessionRevoked.into())
    }

    /// Ends the sessions of those who may not act as others any more and did not use them since.
    ///
    /// # Errors
    /// A store does not answer.
    pub async fn sweep_impersonations(&self, now: Timestamp) -> Result<(), Problem> {
        for (session, user, admin) in store::open(&self.ground.db, now).await? {
            if !self.may_impersonate(admin).await? {
                self.end_impersonation(session, user, now).await?;
            }
        }
        Ok(())
    }

    async fn end_impersonation(&self, session: Uuid, user: Uuid, now: Timestamp) -> Result<(), Problem> {
        self.end_on_record(session, user, EndReason::ImpersonatorGone, Actor::System, &Origin::default(), now).await.map(|_| ())
    }
}
