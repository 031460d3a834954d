//! The refresh token grant for clients (RFC 6749 section 6), with the rotation of people's own sign-ins (RFC 9700
//! section 4.14): a token presented twice gets the same successor for a moment, a replay ends the session.

use secrecy::SecretString;

use super::client::Client;
use super::dpop;
use super::error::{OAuthCode, OAuthError, Refusal};
use super::form::Form;
use super::token::{TokenAnswer, of_session};
use crate::access::is_scope;
use crate::app::App;
use crate::http::context::Origin;
use crate::sessions::store::Session;
use crate::sessions::{RefreshError, ShownKey, TokenWish};

const NOT_GOOD: OAuthError = OAuthError::new(
    OAuthCode::InvalidGrant,
    "The refresh token is not good: it has expired, was revoked or used, or belongs to another client or key.",
);

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Failed(problem) => problem.into(),
            RefreshError::Unknown | RefreshError::Expired | RefreshError::Ended => NOT_GOOD.into(),
        }
    }
}

/// Exchanges a refresh token of `client` for its successor; `jkt` is the thumbprint of the key that it proves to have.
pub(super) async fn refresh(app: &App, client: &Client, origin: &Origin, form: &Form, jkt: Option<&str>) -> Result<TokenAnswer, Refusal> {
    // Not the arrival of the head: a body that is held back must not make a stolen token look as if it had been under way.
    let now = app.ground.clock.now();
    let token = SecretString::from(form.required("refresh_token", "refresh_token is missing.")?);
    let scopes = form.get("scope").map(scopes).transpose()?;
    let key = ShownKey { jkt, binds: dpop::binds_refresh(client) };
    let (session, person) = app.sessions.refresh_for_client(&client.id, &token, key, origin, now).await?;
    if let Some(scopes) = &scopes
        && !session.is_own()
        && !scopes.iter().all(|scope| session.authorization.scopes.contains(scope))
    {
        return Err(OAuthError::new(OAuthCode::InvalidScope, "The person did not grant one of these scopes.").into());
    }
    let resources = resources(&session, form, app.ground.settings.public_url())?;
    let wish = TokenWish { scopes: scopes.as_deref(), resources: resources.as_deref(), jkt, refreshable: true };
    of_session(app, client, &session, &person, wish, None, now)
}

/// Fewer audiences than were granted (RFC 8707 section 2.2).
fn resources(session: &Session, form: &Form, issuer: &str) -> Result<Option<Vec<String>>, OAuthError> {
    let asked: Vec<String> = form.all("resource").map(str::to_owned).collect();
    let granted = &session.authorization.resources;
    let fits = |resource: &String| granted.contains(resource) || (granted.is_empty() && resource == issuer);
    match asked.iter().all(fits) {
        true => Ok((!asked.is_empty()).then_some(asked)),
        false => Err(OAuthError::new(OAuthCode::InvalidTarget, "The tokens of this session are not for one of these resources.")),
    }
}

fn scopes(list: &str) -> Result<Vec<String>, OAuthError> {
    let scopes: Vec<String> = list.split(' ').map(str::to_owned).collect();
    match scopes.iter().all(|scope| is_scope(scope)) {
        true => Ok(scopes),
        false => Err(OAuthError::new(OAuthCode::InvalidScope, "Scopes are separated by one space each.")),
    }
}
