//! Refusals in the words of the RFCs.
//!
//! What an RFC names is answered as it says: `{error, error_description}` (RFC 6749 section 5.2). What none of them
//! names (a limit, an outage, a defect) is a problem, as everywhere else.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::error::Problem;
use crate::http::extract::Json;
use crate::secret::SealError;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OAuthCode {
    /// A parameter is missing, repeated or malformed; or the client proves itself in two ways at once.
    InvalidRequest,
    /// The client is not known, or did not prove that it is who it says.
    InvalidClient,
    /// The code, device code or refresh token is not good: expired, used, revoked, of another client.
    InvalidGrant,
    /// The client was not registered for this.
    UnauthorizedClient,
    /// There is no such way to get a token here.
    UnsupportedGrantType,
    /// The scope is malformed, or goes beyond what the client was registered for.
    InvalidScope,
    /// The resource is not one that tokens are issued for (RFC 8707).
    InvalidTarget,
    /// The proof of possession is missing where it must not be, or not good (RFC 9449 section 5).
    InvalidDpopProof,
    /// Nobody has decided about the device yet (RFC 8628 section 3.5, as those that follow).
    AuthorizationPending,
    /// The device polls too fast.
    SlowDown,
    /// The person did not let it in.
    AccessDenied,
    /// The codes of the device have expired.
    ExpiredToken,
    /// Only `code` can be asked for at the authorization endpoint (RFC 6749 section 4.1.2.1).
    UnsupportedResponseType,
    /// The person must sign in first (OpenID Connect Core section 3.1.2.6, as those that follow).
    LoginRequired,
    /// The person must agree first.
    ConsentRequired,
    /// Request objects are not read.
    RequestNotSupported,
    /// The `request_uri` is not one that was handed out for a pushed request, or was used.
    InvalidRequestUri,
}

impl OAuthCode {
    /// The stable name, as the RFCs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::InvalidRequestUri => "invalid_request_uri",
        }
    }
}

/// `{error, error_description}`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct OAuthError {
    /// The stable name.
    pub error: OAuthCode,
    /// A sentence for whoever writes the client.
    pub error_description: &'static str,
}

impl OAuthError {
    /// The refusal `error`, with a sentence of visible ASCII without quotes and backslashes.
    pub const fn new(error: OAuthCode, error_description: &'static str) -> Self {
        Self { error, error_description }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let mut response = Json(self).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.error == OAuthCode::InvalidClient {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"keystead\", charset=\"UTF-8\""));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        } else {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response
    }
}

/// Why an OAuth endpoint does not do what it was asked to.
#[derive(Debug)]
pub enum Refusal {
    /// In the words of an RFC.
    OAuth(OAuthError),
    /// As everywhere else.
    Problem(Problem),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::OAuth(error) => error.into_response(),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<SealError> for Refusal {
    fn from(error: SealError) -> Self {
        Self::Problem(error.into())
    }
}
