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
    /// Nobody has decided about the device yet (RFC 8628 section 3.5, as those that follow).
    AuthorizationPending,
    /// The device polls too fast.
    SlowDown,
    /// The person did not let it in.
    AccessDenied,
    /// The codes of the device have expired.
    ExpiredToken,
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
