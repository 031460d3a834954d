//! `POST /oauth2/par` (RFC 9126): a client sends its request itself, proven, and gives the browser only a reference to it.
//!
//! The reference is the request, sealed: nothing is stored but that it was used.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::request::{Addressed, Asked};
use crate::app::App;
use crate::error::ProblemBody;
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::visit::Visit;
use crate::oauth::client_auth::authenticate;
use crate::oauth::dpop;
use crate::oauth::error::{OAuthCode, OAuthError, Refusal};
use crate::oauth::form::Form;
use crate::shared::Budget;
use crate::time::Timestamp;

/// Where requests are pushed.
pub(in crate::oauth) const PATH: &str = "/oauth2/par";

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// How soon the browser must come with the reference (RFC 9126 section 2.2).
const LIFETIME: Duration = Duration::from_secs(90);

const NOT_OURS: OAuthError =
    OAuthError::new(OAuthCode::InvalidRequestUri, "The link was used already, has expired, or is not one of this application.");

/// The parameters, for the API reference.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct AuthorizationRequest {
    /// The client.
    client_id: Option<String>,
    /// `code`.
    response_type: Option<String>,
    /// One of the client's registered addresses, letter by letter.
    redirect_uri: Option<String>,
    /// Scopes separated by spaces.
    scope: Option<String>,
    /// Comes back as it is.
    state: Option<String>,
    /// SHA-256 of the code verifier in base64url (RFC 7636).
    code_challenge: Option<String>,
    /// `S256`.
    code_challenge_method: Option<String>,
    /// Stands in the ID token as it is.
    nonce: Option<String>,
    /// `none`, `login`, `consent`, `select_account`.
    prompt: Option<String>,
    /// Seconds since the person proved who they are, at most.
    max_age: Option<String>,
    /// Their e-mail address, if the client knows it.
    login_hint: Option<String>,
    /// What the tokens are for (RFC 8707); may be repeated.
    resource: Option<String>,
    /// Thumbprint of the key that the code is bound to (RFC 9449).
    dpop_jkt: Option<String>,
    /// When pushed: the client's secret, unless the `Authorization` header has it.
    client_secret: Option<String>,
    /// When pushed: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// When pushed: a JWT signed by the client.
    client_assertion: Option<String>,
}

/// The reference (RFC 9126 section 2.2).
#[derive(Serialize, ToSchema)]
pub(super) struct Pushed {
    /// For the browser: `/oauth2/authorize?client_id=…&request_uri=…`, once.
    request_uri: String,
    /// Seconds until it ends.
    expires_in: u64,
}

/// Push an authorization request
///
/// As RFC 9126 says: the parameters of `/oauth2/authorize` in the body, with the client's proof. What is wrong is refused here,
/// before anybody sees a page.
#[utoipa::path(post, path = "/oauth2/par", tag = "oauth", operation_id = "pushAuthorizationRequest", security(("client" = []), ()),
    params(("DPoP" = Option<String>, Header, description = "Proof of the key that the code is to be bound to (RFC 9449)")),
    request_body(content = inline(AuthorizationRequest), content_type = "application/x-www-form-urlencoded"),
    responses((status = 201, body = Pushed), (status = 400, content((OAuthError = "application/json"), (ProblemBody = "application/problem+json"))), (status = 401, body = OAuthError),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn push(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Refusal> {
    let client = authenticate(&app, &visit, &origin, &headers, &form).await?;
    if form.get("request_uri").is_some() {
        return Err(OAuthError::new(OAuthCode::InvalidRequest, "A pushed request has no request_uri.").into());
    }
    let redirect_uri = form.required("redirect_uri", "redirect_uri is missing.")?;
    let addressed = Addressed::checked(client, redirect_uri, form.get("state"))?;
    let mut asked = Asked::read(&addressed, &form, app.ground.settings.public_url(), visit.now())?;
    // RFC 9449 section 10.1: a proof says the same as the thumbprint of its key, and better.
    if let Some(jkt) = dpop::shown(&app, &headers, PATH, app.ground.clock.now()).await? {
        asked.bind_to(jkt)?;
    }
    let answer = Pushed { request_uri: format!("{PREFIX}{}", asked.seal(&app.ground.roots)?), expires_in: LIFETIME.as_secs() };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    Ok((StatusCode::CREATED, headers, Json(answer)).into_response())
}

/// The request behind `uri`, once.
pub(super) async fn take(app: &App, client: &str, uri: &str, now: Timestamp) -> Result<Asked, Refusal> {
    let sealed = uri.strip_prefix(PREFIX).ok_or(NOT_OURS)?;
    let asked = Asked::open(&app.ground.roots, sealed, now).filter(|asked| asked.client == client && now < asked.asked_at().plus(LIFETIME));
    let asked = asked.ok_or(NOT_OURS)?;
    let once = Budget { limit: 1, window: LIFETIME };
    let first = app.ground.shared.take("pushed_request", digest(&SHA256, sealed.as_bytes()).as_ref(), once, 1, now).await.allowed;
    if first { Ok(asked) } else { Err(NOT_OURS.into()) }
}
