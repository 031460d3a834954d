//! Registering, changing and deleting clients, on record, for the API and the command line alike.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::client::Client;
use super::registration::{Registration, Wanted, check};
use super::{OAuth, client_secret, store};
use crate::audit::{self, Action, Actor, Target};
use crate::error::{Code, Problem};
use crate::http::context::Origin;
use crate::secret::PersonKey;
use crate::time::Timestamp;

/// Who changes a client, and from where.
#[derive(Clone)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// From where; the command line has no address.
    pub origin: Option<Origin>,
    /// The key that seals where a person came from.
    pub key: Option<PersonKey>,
}

impl By {
    /// An operator at the command line.
    pub const fn operator() -> Self {
        Self { actor: Actor::Operator, origin: None, key: None }
    }
}

/// A client, and its secret if one was made just now.
pub struct Registered {
    /// As it stands in the store.
    pub client: Arc<Client>,
    /// Shown once; nobody can read it again.
    pub secret: Option<SecretString>,
}

impl OAuth {
    /// Registers a client.
    ///
    /// # Errors
    /// `validation_failed` with each refused value.
    pub async fn create(&self, wanted: Wanted, by: By, now: Timestamp) -> Result<Registered, Problem> {
        let new = check(wanted).map_err(refused)?;
        let id = self.ground.random.uuid(now);
        let secret = new.method.has_secret().then(|| client_secret::generate(&self.ground.random));
        let hash = secret.as_ref().map(|secret| client_secret::hash(&self.ground.roots, &id.to_string(), secret));
        let event = self.event(audit::CLIENT_CREATED, id, &by, now).detail("scopes", new.scopes.join(" "));
        self.ground
            .db
            .write(async move |tx| {
                store::insert(tx, id, &new, hash.clone(), now).await?;
                audit::record(tx, &event).await
            })
            .await?;
        Ok(Registered { client: self.find(id).await?, secret })
    }

    /// One client that was not deleted.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn find(&self, id: Uuid) -> Result<Arc<Client>, Problem> {
        let found = self.clients.read(&id.to_string()).await?;
        found.filter(|client| client.deleted_at.is_none()).ok_or_else(|| Code::NotFound.into())
    }

    /// Puts `wanted` in the place of what `before` says. How a client proves itself stays of its kind: another kind needs
    /// other secrets, and those belong to another client.
    ///
    /// # Errors
    /// `validation_failed`; `version_conflict` when somebody else changed the client since `before` was read.
    pub async fn update(&self, before: &Client, wanted: Wanted, disabled: bool, by: By, now: Timestamp) -> Result<Arc<Client>, Problem> {
        let (id, version) = (before.uuid().ok_or(Code::NotFound)?, before.version);
        let kept = wanted.method == before.method || (wanted.method.has_secret() && before.method.has_secret());
        if !kept {
            let message = "A client keeps the way it proves itself. Register another client.";
            return Err(Problem::new(Code::ValidationFailed).field("tokenEndpointAuthMethod", "not_changeable", message));
        }
        let new = check(wanted).map_err(refused)?;
        let disabled_at = disabled.then(|| before.disabled_at.unwrap_or(now));
        let event = self.event(audit::CLIENT_UPDATED, id, &by, now).detail("changed", changes(before, &new, disabled));
        let clients = self.clients.clone();
        self.ground
            .db
            .write(async move |tx| {
                if !store::update(tx, id, version, &new, disabled_at, now).await? {
                    return Err(Problem::new(Code::VersionConflict));
                }
                audit::record(tx, &event).await?;
                clients.changed_on_commit(tx, id);
                Ok(())
            })
            .await?;
        self.find(id).await
    }

    /// Gives a client a new secret; the old one is void at once.
    ///
    /// # Errors
    /// `conflict` for a client without a secret; `version_conflict` when it changed since `before` was read.
    pub async fn rotate_secret(&self, before: &Client, by: By, now: Timestamp) -> Result<Registered, Problem> {
        let (id, version) = (before.uuid().ok_or(Code::NotFound)?, before.version);
        if !before.method.has_secret() {
            return Err(Problem::new(Code::Conflict).detail("This client has no secret: it proves itself in another way, or not at all."));
        }
        let secret = client_secret::generate(&self.ground.random);
        let hash = client_secret::hash(&self.ground.roots, &before.id, &secret);
        let event = self.event(audit::CLIENT_SECRET_ROTATED, id, &by, now);
        let clients = self.clients.clone();
        self.ground
            .db
            .write(async move |tx| {
                if !store::rotate_secret(tx, id, version, hash.clone(), now).await? {
                    return Err(Problem::new(Code::VersionConflict));
                }
                audit::record(tx, &event).await?;
                clients.changed_on_commit(tx, id);
                Ok(())
            })
            .await?;
        Ok(Registered { client: self.find(id).await?, secret: Some(secret) })
    }

    /// Deletes a client. Its tokens are refused on every instance within a second.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn delete(&self, id: Uuid, by: By, now: Timestamp) -> Result<(), Problem> {
        let event = self.event(audit::CLIENT_DELETED, id, &by, now);
        let clients = self.clients.clone();
        self.ground
            .db
            .write(async move |tx| {
                if !store::delete(tx, id, now).await? {
                    return Err(Problem::new(Code::NotFound));
                }
                audit::record(tx, &event).await?;
                clients.changed_on_commit(tx, id);
                Ok(())
            })
            .await
    }

    fn event(&self, action: Action, client: Uuid, by: &By, now: Timestamp) -> audit::Event {
        let event = audit::Event::new(&self.ground, action, now).actor(by.actor).target(Target::client(client));
        match &by.origin {
            Some(origin) => event.origin(&self.ground, by.key.as_ref(), origin),
            None => event,
        }
    }
}

fn refused(errors: Vec<crate::error::FieldError>) -> Problem {
    Problem { errors, ..Problem::new(Code::ValidationFailed) }
}

/// The members that differ, for the record.
fn changes(before: &Client, new: &Registration, disabled: bool) -> Vec<&'static str> {
    let all = [
        ("name", before.name != new.name),
        ("grantTypes", before.grants != new.grants),
        ("redirectUris", before.redirect_uris != new.redirect_uris),
        ("scopes", before.scopes != new.scopes),
        ("tokenEndpointAuthMethod", before.method != new.method),
        ("jwks", before.jwks != new.jwks),
        ("firstParty", before.first_party != new.first_party),
        ("resources", before.party.resources != new.party.resources),
        ("requirePushedAuthorizationRequests", before.party.require_pushed != new.party.require_pushed),
        ("postLogoutRedirectUris", before.party.post_logout_redirect_uris != new.party.post_logout_redirect_uris),
        ("backchannelLogoutUri", before.party.backchannel_logout_uri != new.party.backchannel_logout_uri),
        (
            "backchannelLogoutSessionRequired",
            before.party.backchannel_logout_session_required != new.party.backchannel_logout_session_required,
        ),
        ("dpopBoundAccessTokens", before.party.dpop_bound != new.party.dpop_bound),
        ("disabled", before.disabled_at.is_some() != disabled),
    ];
    all.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}
