//! `POST /oauth2/token`.
//!
//! Issued tokens are counted, not recorded one by one: a service fetches one every few minutes, all of them are equal, and
//! what matters for security (who may have them, with which scopes) is on record where it is decided.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::authorize;
use super::client::{Client, Grant};
use super::client_auth::{count, identify};
use super::error::{OAuthCode, OAuthError, Refusal};
use super::form::Form;
use super::refresh::refresh;
use super::resource::{self, Audience};
use super::{device, dpop, id_token, scopes};
use crate::access::is_scope;
use crate::accounts::PersonView;
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::visit::Visit;
use crate::sessions::store::Session;
use crate::sessions::{ACCESS_TOKEN_TYPE, Confirmation, TokenWish};
use crate::time::Timestamp;

/// Where tokens are issued.
pub const PATH: &str = "/oauth2/token";

/// The grants there are.
pub const SUPPORTED: &[Grant] = &[Grant::AuthorizationCode, Grant::ClientCredentials, Grant::RefreshToken, Grant::DeviceCode];

/// Counts tokens that clients got, by grant.
pub const TOKENS: &str = "keystead_oauth_tokens_total";

/// The parameters, for the API reference.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct TokenRequest {
    /// `authorization_code`, `client_credentials`, `refresh_token` or `urn:ietf:params:oauth:grant-type:device_code`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// Scopes separated by spaces; all that the client was registered for, or the person granted, when left out.
    scope: Option<String>,
    /// With `authorization_code`: the code that the person was sent back with.
    code: Option<String>,
    /// With `authorization_code`: the address that they were sent back to.
    redirect_uri: Option<String>,
    /// With `authorization_code`: what `code_challenge` was made of (RFC 7636).
    code_verifier: Option<String>,
    /// With `refresh_token`: the token.
    refresh_token: Option<String>,
    /// With the device grant: what `/oauth2/device_authorization` gave.
    device_code: Option<String>,
    /// What the token is for (RFC 8707): a resource that the client was registered for; may be repeated. This server when left out.
    resource: Option<String>,
    /// The client, unless the `Authorization` header says it.
    client_id: Option<String>,
    /// Its secret, unless the `Authorization` header has it.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed by the client.
    client_assertion: Option<String>,
}

/// A token (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    /// A JWT (RFC 9068).
    access_token: String,
    /// `Bearer`; `DPoP` when it is bound to the key that the request proved to have (RFC 9449).
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
    /// What it carries.
    scope: String,
    /// Exchange it for the next token; each one works once.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// Who signed in, how and when: a JWT (OpenID Connect Core section 2), with the scope `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// What a client gets of `session` that a person opened for it: tokens within `wish`, and an ID token if the scope `openid`
/// is among what it gets. `nonce` is that of the authorization request; a refresh has none (OpenID Connect Core section 12.2).
pub(super) fn of_session(
    app: &App,
    client: &Client,
    session: &Session,
    person: &Arc<PersonView>,
    wish: TokenWish<'_>,
    nonce: Option<&str>,
    now: Timestamp,
) -> Result<TokenAnswer, Refusal> {
    // What the client was registered for when the person agreed may have been taken from it since.
    let (scopes, resources) =
        (registered_scopes(client, session, &wish), registered_resources(client, session, &wish, app.ground.settings.public_url())?);
    let wish = TokenWish { scopes: Some(&scopes), resources: Some(&resources), ..wish };
    let tokens = app.sessions.client_tokens(session, person, wish, now)?;
    let id_token =
        id_token::wanted(&tokens.scope).then(|| id_token::issue(&app.ground, session, &tokens.access_token, nonce, now)).transpose()?;
    Ok(TokenAnswer {
        access_token: tokens.access_token,
        token_type: token_type(wish.jkt),
        expires_in: tokens.expires_in,
        scope: tokens.scope,
        refresh_token: tokens.refresh_token.map(|token| token.expose_secret().to_owned()),
        id_token,
    })
}

fn registered_scopes(client: &Client, session: &Session, wish: &TokenWish<'_>) -> Vec<String> {
    let wanted = wish.scopes.unwrap_or(&session.authorization.scopes);
    wanted.iter().filter(|scope| client.has_scope(scope)).cloned().collect()
}

fn registered_resources(client: &Client, session: &Session, wish: &TokenWish<'_>, issuer: &str) -> Result<Vec<String>, OAuthError> {
    let wanted = wish.resources.unwrap_or(&session.authorization.resources);
    let registered = |one: &&String| *one == issuer || client.party.resources.contains(one);
    let left: Vec<String> = wanted.iter().filter(registered).cloned().collect();
    // With nothing left the token would be for this server, which nobody asked for.
    if left.is_empty() && !wanted.is_empty() {
        return Err(OAuthError::new(OAuthCode::InvalidTarget, "The client is no longer registered for any of these resources."));
    }
    Ok(left)
}

/// The claims of a token that speaks for a client itself (RFC 9068 section 2.2): nobody is signed in, so there is neither
/// session nor role.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: Audience,
    sub: Uuid,
    exp: i64,
    iat: i64,
    nbf: i64,
    jti: Uuid,
    client_id: &'a str,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

/// What a token is called that is bound to the key `jkt`, if it is to one (RFC 9449 section 5).
pub(super) const fn token_type(jkt: Option<&str>) -> &'static str {
    match jkt {
        Some(_) => "DPoP",
        None => "Bearer",
    }
}

/// Get a token
///
/// As RFC 6749 says: parameters as a form, each once, refusals as `{error, error_description}`. The client proves itself with
/// its secret (in the `Authorization` header or in the body) or with an assertion that it signed (RFC 7523). With a proof in the `DPoP`
/// header the token is bound to a key of the client (RFC 9449).
#[utoipa::path(post, path = "/oauth2/token", tag = "oauth", operation_id = "token", security(("client" = []), ()),
    params(("DPoP" = Option<String>, Header, description = "Proof of the key that the tokens are to be bound to (RFC 9449), or are already")),
    request_body(content = inline(TokenRequest), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), (status = 400, content((OAuthError = "application/json"), (ProblemBody = "application/problem+json"))), (status = 401, body = OAuthError),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn token(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Refusal> {
    let client = identify(&app, &visit, &origin, &headers, &form).await?;
    let grant = form.get("grant_type").and_then(Grant::parse).filter(|grant| SUPPORTED.contains(grant));
    // A device that polls is counted by what it polls for.
    if grant != Some(Grant::DeviceCode) || !client.may(Grant::DeviceCode) {
        count(&app, &visit, &client).await?;
    }
    form.required("grant_type", "grant_type is missing.")?;
    let grant = grant.ok_or(OAuthError::new(OAuthCode::UnsupportedGrantType, "This server has no such way to get tokens."))?;
    if !client.may(grant) {
        return Err(OAuthError::new(OAuthCode::UnauthorizedClient, "The client was not registered for this grant type.").into());
    }
    let now = app.ground.clock.now();
    let answer = match grant {
        // Counted by what it polls for, before anything is verified.
        Grant::DeviceCode => device::redeem(&app, &client, &visit, &origin, &headers, &form).await?,
        Grant::AuthorizationCode => {
            let jkt = dpop::binding(&app, &client, &headers, now).await?;
            authorize::redeem(&app, &client, &origin, &form, jkt.as_deref()).await?
        }
        Grant::RefreshToken => {
            let jkt = dpop::binding(&app, &client, &headers, now).await?;
            refresh(&app, &client, &origin, &form, jkt.as_deref()).await?
        }
        Grant::ClientCredentials => {
            let jkt = dpop::binding(&app, &client, &headers, now).await?;
            client_credentials(&app, &client, &visit, &form, jkt.as_deref())?
        }
    };
    metrics::counter!(TOKENS, "grant" => grant.as_str()).increment(1);
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    Ok((headers, Json(answer)).into_response())
}

/// A token for the client itself (RFC 6749 section 4.4).
fn client_credentials(app: &App, client: &Client, visit: &Visit, form: &Form, jkt: Option<&str>) -> Result<TokenAnswer, Refusal> {
    let resources = resource::asked(client, form, app.ground.settings.public_url())?;
    let scope = scopes::of_services(&granted(client, form.get("scope"))?);
    Ok(issue(app, client, scope, resources, jkt, visit.now())?)
}

/// The scopes that are granted: those asked for, if the client has each of them.
pub(super) fn granted(client: &Client, asked: Option<&str>) -> Result<String, OAuthError> {
    let Some(asked) = asked else { return Ok(client.scopes.join(" ")) };
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split(' ') {
        if !is_scope(scope) {
            return Err(OAuthError::new(OAuthCode::InvalidScope, "Scopes are separated by one space each."));
        }
        if !client.has_scope(scope) {
            return Err(OAuthError::new(OAuthCode::InvalidScope, "The client was not registered for one of these scopes."));
        }
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    Ok(granted.join(" "))
}

fn issue(
    app: &App,
    client: &Client,
    scope: String,
    resources: Vec<String>,
    jkt: Option<&str>,
    now: Timestamp,
) -> Result<TokenAnswer, Problem> {
    let settings = &app.ground.settings;
    let ends = now.plus(settings.tokens.access_ttl);
    let claims = Claims {
        iss: settings.public_url(),
        aud: Audience::of(resources, settings.public_url()),
        sub: client.uuid().ok_or_else(|| Problem::internal("a built-in client got a token for itself"))?,
        exp: ends.as_secs(),
        iat: now.as_secs(),
        nbf: now.as_secs(),
        jti: app.ground.random.uuid(now),
        client_id: &client.id,
        scope: &scope,
        cnf: jkt.map(|jkt| Confirmation { jkt }),
    };
    let access_token = app.ground.signer.sign(ACCESS_TOKEN_TYPE, &claims).map_err(Problem::internal)?;
    Ok(TokenAnswer {
        access_token,
        token_type: token_type(jkt),
        expires_in: ends.since(now).as_secs(),
        scope,
        refresh_token: None,
        id_token: None,
    })
}
