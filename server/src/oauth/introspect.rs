//! `POST /oauth2/introspect` (RFC 7662).
//!
//! Who is told what: a client that can prove itself learns about tokens that were issued to it. With the scope
//! `tokens:introspect` it also learns about access tokens of others, which is what a service needs that people call with
//! theirs; never about refresh tokens, which no service is shown. Nobody learns a name or an address here. Whatever a client
//! may not know about is `{active: false}`, like a token that does not exist.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::client::{AuthMethod, Client};
use super::client_auth::authenticate;
use super::error::{OAuthCode, OAuthError, Refusal};
use super::form::Form;
use super::lookup::{Found, find};
use super::resource::Audience;
use super::token::token_type;
use crate::access::scope::TokensIntrospect;
use crate::app::App;
use crate::error::{Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Json;
use crate::http::guard::{Scope, Subject, Verified};
use crate::http::visit::Visit;
use crate::sessions::store::Session;
use crate::sessions::{Actor, Confirmation};

/// The parameters, for the API reference.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form")]
pub(super) struct TokenQuestion {
    /// The token.
    token: String,
    /// `access_token` or `refresh_token`; it is found without, too.
    token_type_hint: Option<String>,
    /// The client, unless the `Authorization` header says it.
    client_id: Option<String>,
    /// Its secret, unless the `Authorization` header has it.
    client_secret: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// A JWT signed by the client.
    client_assertion: Option<String>,
}

/// What a token is (RFC 7662 section 2.2). All but `active` is left out when it is not good, or not for the asker.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Introspection<'a> {
    /// Whether it is good at this moment.
    active: bool,
    /// What it may be used for now.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The client it was issued to; a personal access token was issued to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Of access tokens: `Bearer`, or `DPoP` when they are bound to a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// The person, or the client itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Uuid>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// The token's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    /// The key that it is bound to (RFC 9449 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
    /// The administrator who acts as the person (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

/// What is this token
///
/// As RFC 7662 says, for clients that can prove themselves. Tokens of other clients are told about with the scope
/// `tokens:introspect`, and access tokens only.
#[utoipa::path(post, path = "/oauth2/introspect", tag = "oauth", operation_id = "introspect", security(("client" = []), ()),
    request_body(content = inline(TokenQuestion), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection), (status = 400, content((OAuthError = "application/json"), (ProblemBody = "application/problem+json"))), (status = 401, body = OAuthError),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn introspect(
    State(app): State<App>,
    visit: Visit,
    origin: Origin,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Refusal> {
    let client = authenticate(&app, &visit, &origin, &headers, &form).await?;
    if client.method == AuthMethod::None {
        return Err(OAuthError::new(OAuthCode::InvalidClient, "Only clients that can prove who they are may ask about tokens.").into());
    }
    let token = form.required("token", "token is missing.")?;
    let found = find(&app, token, visit.now()).await?.filter(|found| may_know(&client, found));
    let answer = match &found {
        Some(Found::Access(verified)) => access_token(&app, verified).await?,
        Some(Found::Refresh { session, current: true }) => refresh_token(&app, session),
        Some(Found::Refresh { .. }) | None => Introspection::default(),
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn may_know(client: &Client, found: &Found) -> bool {
    found.client() == client.id || (client.has_scope(TokensIntrospect::NAME) && matches!(found, Found::Access(_)))
}

async fn access_token<'a>(app: &App, verified: &'a Verified) -> Result<Introspection<'a>, Problem> {
    let Some(scope) = app.scopes_now(verified).await? else { return Ok(Introspection::default()) };
    let issuer = app.ground.settings.public_url();
    Ok(Introspection {
        active: true,
        scope: Some(scope),
        client_id: Some(verified.client.clone()).filter(|client| !client.is_empty()),
        token_type: Some(token_type(verified.jkt.as_deref())),
        cnf: verified.jkt.as_deref().map(|jkt| Confirmation { jkt }),
        act: verified.impersonator.map(|sub| Actor { sub }),
        exp: Some(verified.expires_at.as_secs()),
        iat: Some(verified.issued_at.as_secs()),
        sub: Some(verified.subject.id()),
        aud: Some(Audience::of(verified.elsewhere.as_deref().unwrap_or_default().to_vec(), issuer)),
        iss: Some(issuer.to_owned()),
        jti: Some(verified.id),
        sid: match verified.subject {
            Subject::Person { session, .. } => Some(session),
            Subject::Token { .. } | Subject::Service(_) => None,
        },
    })
}

fn refresh_token<'a>(app: &App, session: &'a Session) -> Introspection<'a> {
    Introspection {
        active: true,
        client_id: Some(session.client().to_owned()),
        exp: Some(session.ends().as_secs()),
        iat: Some(session.rotated_at.as_secs()),
        sub: Some(session.user),
        iss: Some(app.ground.settings.public_url().to_owned()),
        sid: Some(session.id),
        cnf: session.authorization.jkt.as_deref().map(|jkt| Confirmation { jkt }),
        ..Introspection::default()
    }
}
