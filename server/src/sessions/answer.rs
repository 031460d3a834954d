//! The sign-in answer, the same wherever a session starts or goes on.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use cookie::{Cookie, SameSite};
use http::{HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Sessions;
use super::store::Session;
use super::token::RefreshToken;
use super::verify::{Audience, Claims};
use crate::accounts::{PersonView, UserBody};
use crate::config::Settings;
use crate::error::Problem;
use crate::http::extract::Json;
use crate::time::Timestamp;

/// How the refresh token travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// As HttpOnly cookie, for browsers.
    #[default]
    Cookie,
    /// In the body, for everything else.
    Body,
}

/// A session as its owner sees it in a sign-in answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// The session's id.
    pub id: Uuid,
    /// When it started.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends unless it is used.
    #[schema(value_type = String, format = DateTime)]
    pub idle_expires_at: Timestamp,
    /// When it ends whatever happens.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self { id: session.id, created_at: session.created_at, idle_expires_at: session.ends(), expires_at: session.expires_at }
    }
}

/// The body of a sign-in answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInAnswer {
    /// Who signed in.
    pub user: UserBody,
    /// The session.
    pub session: SessionView,
    /// A JWT (RFC 9068) for `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token ends.
    pub expires_in: u64,
    /// Send it as `X-CSRF-Token` with requests that the cookie authenticates.
    pub csrf_token: String,
    /// Only with `"transport": "body"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// `{user}`.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserAnswer {
    /// The person.
    pub user: UserBody,
}

/// A sign-in that is ready to be answered.
pub struct SignIn {
    body: SignInAnswer,
    refresh_token: SecretString,
    cookie_lifetime: std::time::Duration,
    https: bool,
}

impl Sessions {
    /// Makes the tokens of `session`'s current generation.
    pub(super) fn sign_in(&self, session: &Session, person: &Arc<PersonView>, now: Timestamp) -> Result<SignIn, Problem> {
        let settings = &self.ground.settings;
        let ends = now.plus(settings.tokens.access_ttl.min(settings.sessions.idle_ttl)).min(session.expires_at);
        let claims = Claims {
            iss: settings.public_url(),
            aud: Audience::One(settings.public_url()),
            sub: session.user,
            exp: ends.as_secs(),
            iat: now.as_secs(),
            nbf: now.as_secs(),
            jti: self.ground.random.uuid(now),
            client_id: session.client(),
            sid: session.id,
            scope: self.roles.scope_claim(&person.roles),
            roles: &person.roles,
            r#gen: session.generation,
            cnf: None,
            act: None,
        };
        let access_token = self.ground.signer.sign(super::verify::ACCESS_TOKEN_TYPE, &claims).map_err(Problem::internal)?;
        let refresh = RefreshToken { session: session.id, generation: session.generation, salt: session.salt };
        let refresh_token = refresh.seal(&self.ground.roots);
        Ok(SignIn {
            body: SignInAnswer {
                user: person.body(),
                session: session.into(),
                access_token,
                token_type: "Bearer",
                expires_in: ends.since(now).as_secs(),
                csrf_token: self.ground.csrf.token(session.id),
                refresh_token: None,
            },
            refresh_token,
            cookie_lifetime: session.refresh_expires_at.min(session.expires_at).since(now),
            https: settings.is_https(),
        })
    }
}

impl SignIn {
    /// Who signed in.
    pub fn user(&self) -> Uuid {
        self.body.user.id
    }

    /// The answer with the refresh token where `transport` says.
    pub fn answer(mut self, status: StatusCode, transport: Transport) -> Response {
        if transport == Transport::Body {
            self.body.refresh_token = Some(self.refresh_token.expose_secret().to_owned());
            return (status, Json(self.body)).into_response();
        }
        let cookie = refresh_cookie(self.https, self.refresh_token.expose_secret(), self.cookie_lifetime.as_secs());
        let mut response = (status, Json(self.body)).into_response();
        append_cookie(&mut response, &cookie);
        response
    }
}

/// The cookie's name: bound to the host where the connection is encrypted.
pub fn cookie_name(settings: &Settings) -> &'static str {
    name(settings.is_https())
}

const fn name(https: bool) -> &'static str {
    if https { "__Host-keystead_refresh" } else { "keystead_refresh" }
}

fn refresh_cookie(https: bool, token: &str, max_age: u64) -> String {
    let lifetime = time::Duration::seconds(i64::try_from(max_age).unwrap_or(i64::MAX));
    Cookie::build((name(https), token.to_owned()))
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Strict)
        .path("/")
        .max_age(lifetime)
        .build()
        .to_string()
}

/// Tells the browser to forget the refresh token.
pub(super) fn clear_cookie(response: &mut Response, settings: &Settings) {
    append_cookie(response, &refresh_cookie(settings.is_https(), "", 0));
}

fn append_cookie(response: &mut Response, cookie: &str) {
    // A cookie of ours is visible ASCII, so it is always a header value.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The refresh token that the request's cookie carries.
pub(super) fn cookie_token(headers: &http::HeaderMap, settings: &Settings) -> Option<SecretString> {
    let wanted = cookie_name(settings);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == wanted && !cookie.value().is_empty())
        .map(|cookie| cookie.value().to_owned().into())
}
