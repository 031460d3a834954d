//! `/.well-known/oauth-authorization-server` (RFC 8414) and `/.well-known/openid-configuration`: what works here, and
//! nothing else.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::client::{AuthMethod, Grant};
use super::client_keys::ALGORITHMS;
use super::scopes;
use crate::access::SCOPES;
use crate::access::scope::PERSONAL;
use crate::app::App;
use crate::error::ProblemBody;
use crate::http::challenge::PROOF_ALGORITHMS;
use crate::http::extract::Json;

/// How a client may prove itself where only proof will do.
const PROOFS: &[AuthMethod] = &[AuthMethod::SecretBasic, AuthMethod::SecretPost, AuthMethod::PrivateKeyJwt];

/// What is told about a person and their sign-in.
const CLAIMS: &[&str] =
    &["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "sid", "nonce", "at_hash", "name", "updated_at", "email", "email_verified"];

/// The metadata of this server (RFC 8414 section 2).
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    introspection_endpoint: String,
    revocation_endpoint: String,
    device_authorization_endpoint: String,
    authorization_endpoint: String,
    pushed_authorization_request_endpoint: String,
    require_pushed_authorization_requests: bool,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    code_challenge_methods_supported: [&'static str; 1],
    prompt_values_supported: &'static [&'static str],
    /// Every answer says who answers (RFC 9207).
    authorization_response_iss_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    userinfo_endpoint: String,
    end_session_endpoint: String,
    /// Those of OpenID Connect and Keystead's own; clients may have scopes of their application besides.
    scopes_supported: Vec<&'static str>,
    /// What is told about a person and their sign-in, in ID tokens and at the userinfo endpoint.
    claims_supported: &'static [&'static str],
    /// Everybody is called the same by every client.
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    /// Clients are told when sessions of theirs end (OpenID Connect Back-Channel Logout section 2.1).
    backchannel_logout_supported: bool,
    /// And which.
    backchannel_logout_session_supported: bool,
    /// What a proof of possession may be signed with (RFC 9449 section 5.1).
    dpop_signing_alg_values_supported: &'static [&'static str],
    grant_types_supported: &'static [Grant],
    token_endpoint_auth_methods_supported: &'static [AuthMethod],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: &'static [AuthMethod],
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    /// Public clients as well: they may give back what they hold.
    revocation_endpoint_auth_methods_supported: &'static [AuthMethod],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
}

impl Metadata {
    fn of(issuer: &str) -> Self {
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            issuer: issuer.to_owned(),
            jwks_uri: at("/.well-known/jwks.json"),
            token_endpoint: at(super::token::PATH),
            introspection_endpoint: at("/oauth2/introspect"),
            revocation_endpoint: at("/oauth2/revoke"),
            device_authorization_endpoint: at(super::device::PATH),
            authorization_endpoint: at(super::authorize::PATH),
            pushed_authorization_request_endpoint: at(super::authorize::PUSHED_PATH),
            require_pushed_authorization_requests: false,
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            code_challenge_methods_supported: ["S256"],
            prompt_values_supported: super::authorize::PROMPTS,
            authorization_response_iss_parameter_supported: true,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            userinfo_endpoint: at(super::userinfo::PATH),
            end_session_endpoint: at(super::logout::PATH),
            scopes_supported: scopes::SUPPORTED.iter().chain(PERSONAL).chain(SCOPES).copied().collect(),
            claims_supported: CLAIMS,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["EdDSA"],
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            dpop_signing_alg_values_supported: PROOF_ALGORITHMS,
            grant_types_supported: super::token::SUPPORTED,
            // Public clients as well: they get tokens by codes and for devices.
            token_endpoint_auth_methods_supported: AuthMethod::ALL,
            token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            introspection_endpoint_auth_methods_supported: PROOFS,
            introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            revocation_endpoint_auth_methods_supported: AuthMethod::ALL,
            revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        }
    }
}

fn answer(app: &App) -> Response {
    let metadata = Metadata::of(app.ground.settings.public_url());
    ([(header::CACHE_CONTROL, "public, max-age=60")], Json(metadata)).into_response()
}

/// What this authorization server can do
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth", operation_id = "authorizationServer",
    responses((status = 200, body = Metadata), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn authorization_server(State(app): State<App>) -> Response {
    answer(&app)
}

/// The same where OpenID clients look for it
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "oauth", operation_id = "openidConfiguration",
    responses((status = 200, body = Metadata), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn openid_configuration(State(app): State<App>) -> Response {
    answer(&app)
}
