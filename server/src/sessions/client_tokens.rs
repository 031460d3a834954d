//! The tokens of a session that a person opened for an OAuth client.

use std::sync::Arc;

use secrecy::SecretString;

use super::Sessions;
use super::authorization::ShownKey;
use super::refresh::RefreshError;
use super::store::Session;
use super::token::RefreshToken;
use super::verify::{Audience, Claims, Confirmation};
use crate::accounts::PersonView;
use crate::error::Problem;
use crate::http::context::Origin;
use crate::time::Timestamp;

/// What a client asks for within what it was granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenWish<'a> {
    /// Fewer scopes than were granted (RFC 6749 section 6); `None`: all of them.
    pub scopes: Option<&'a [String]>,
    /// Fewer audiences than were granted (RFC 8707 section 2.2); `None`: all of them.
    pub resources: Option<&'a [String]>,
    /// Thumbprint of the key that the access token is bound to (RFC 9449 section 6).
    pub jkt: Option<&'a str>,
    /// Whether it gets a refresh token as well.
    pub refreshable: bool,
}

/// What the client gets.
#[derive(Debug)]
pub struct ClientTokens {
    /// A JWT (RFC 9068).
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// What it carries, separated by spaces.
    pub scope: String,
    /// The refresh token of the session's current generation.
    pub refresh_token: Option<SecretString>,
}

impl Sessions {
    /// The tokens of `session`'s current generation for its client.
    ///
    /// Scopes that roles decide about go into the token only while the person's roles grant them.
    ///
    /// # Errors
    /// When nothing can be signed.
    pub fn client_tokens(
        &self,
        session: &Session,
        person: &Arc<PersonView>,
        wish: TokenWish<'_>,
        now: Timestamp,
    ) -> Result<ClientTokens, Problem> {
        let settings = &self.ground.settings;
        let ends = now.plus(settings.tokens.access_ttl.min(settings.sessions.idle_ttl)).min(session.expires_at);
        let granted = &session.authorization;
        let scope = match session.is_own() {
            true => self.roles.scope_claim(&person.roles),
            false => {
                let roles = self.roles.snapshot();
                let usable = |scope: &&String| !roles.governs(scope) || roles.grants(&person.roles, scope);
                let scopes = wish.scopes.unwrap_or(&granted.scopes).iter().filter(|scope| granted.scopes.contains(scope));
                scopes.filter(usable).map(String::as_str).collect::<Vec<_>>().join(" ")
            }
        };
        let claims = Claims {
            iss: settings.public_url(),
            aud: Audience::of(wish.resources.unwrap_or(&granted.resources), settings.public_url()),
            sub: session.user,
            exp: ends.as_secs(),
            iat: now.as_secs(),
            nbf: now.as_secs(),
            jti: self.ground.random.uuid(now),
            client_id: session.client(),
            sid: session.id,
            scope,
            roles: &person.roles,
            r#gen: session.generation,
            cnf: wish.jkt.map(|jkt| Confirmation { jkt }),
            act: None,
        };
        let access_token = self.ground.signer.sign(super::verify::ACCESS_TOKEN_TYPE, &claims).map_err(Problem::internal)?;
        let refresh_token = wish.refreshable.then(|| {
            let refresh = RefreshToken { session: session.id, generation: session.generation, salt: session.salt };
            refresh.seal(&self.ground.roots)
        });
        Ok(ClientTokens { access_token, expires_in: ends.since(now).as_secs(), scope: claims.scope, refresh_token })
    }

    /// Rotates the refresh token of a session of `client`, which may show to have a key.
    /// The same rules hold as for people's own sign-ins: a token presented twice gets the same successor for a while, a
    /// replay ends the session.
    ///
    /// # Errors
    /// Why it does not go on; a token of another client, or bound to another key, is `Unknown`.
    pub async fn refresh_for_client(
        &self,
        client: &str,
        token: &SecretString,
        key: ShownKey<'_>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<(Session, Arc<PersonView>), RefreshError> {
        let token = self.open_refresh(token)?;
        let session = self.rotate(client, &token, key, origin, now).await?;
        let person = self.people.view(session.user).await?.ok_or(RefreshError::Ended)?;
        Ok((session, person))
    }
}
