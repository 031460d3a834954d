//! Problem answers (RFC 9457): one table of codes, one way to say what happened and what to do.
//!
//! A [`Problem`] has two audiences. The client gets code, status, title and a sentence that is safe
//! to show. The log gets the cause, under the request id. Nothing of the cause ever leaves.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::DbError;
use crate::secret::{Overloaded, SealError};

/// Where each code is explained to people.
pub const ERROR_DOCS: &str = "https://keystead.dev/errors/";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal, $detail:literal;)+) => {
        /// Every way a request can fail, as the contract names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $variant),+ }

        impl Code {
            /// All codes, for the documentation and its test.
            pub const ALL: &[Code] = &[$(Code::$variant),+];

            /// The stable name a client may branch on.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code),+ }
            }

            /// The HTTP status that goes with the code.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status),+ }
            }

            /// The short, constant title.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title),+ }
            }

            /// What is said when a place has nothing better to say.
            pub const fn default_detail(self) -> &'static str {
                match self { $(Code::$variant => $detail),+ }
            }
        }
    };
}

codes! {
    /// The request cannot be read: broken JSON, unknown member, wrong type.
    InvalidRequest = "invalid_request", 400, "Invalid request", "The request could not be understood. Compare it with the API reference.";
    /// The request was read and some of its values are not acceptable.
    ValidationFailed = "validation_failed", 422, "Validation failed", "Some values are not acceptable. Each one is listed in `errors`.";
    /// A key was used again with another body.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "Idempotency key reused", "This Idempotency-Key was used before with a different request. Use a new key.";
    /// No usable credentials.
    Unauthenticated = "unauthenticated", 401, "Not signed in", "Sign in and send the access token as `Authorization: Bearer …`.";
    /// Wrong e-mail or password; which of the two is never said.
    InvalidCredentials = "invalid_credentials", 401, "Invalid credentials", "The e-mail address or the password is not right.";
    /// The access or refresh token is past its lifetime.
    TokenExpired = "token_expired", 401, "Token expired", "The token has expired. Refresh it or sign in again.";
    /// The session behind the token was ended.
    SessionRevoked = "session_revoked", 401, "Session ended", "This session was ended. Sign in again.";
    /// Signed in, and still not allowed.
    Forbidden = "forbidden", 403, "Forbidden", "You are not allowed to do this.";
    /// The token lacks a scope.
    InsufficientScope = "insufficient_scope", 403, "Insufficient scope", "The access token lacks a scope that this needs.";
    /// The password was right and the address is not confirmed yet.
    EmailNotVerified = "email_not_verified", 403, "E-mail not verified", "Confirm your e-mail address first. We can send the code again.";
    /// The cross-site request check failed.
    CsrfFailed = "csrf_failed", 403, "Cross-site check failed", "The request lacks a valid X-CSRF-Token or comes from another site. Fetch a new token from /api/v1/auth/session.";
    /// The feature is switched off here.
    FeatureDisabled = "feature_disabled", 404, "Feature disabled", "This feature is not enabled on this server.";
    /// Nothing there, or nothing that the caller may see.
    NotFound = "not_found", 404, "Not found", "There is nothing here. Check the address.";
    /// The method does not exist on this path.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed", "This address does not answer that method. The Allow header lists those it answers.";
    /// The request took longer than the server allows.
    RequestTimeout = "request_timeout", 408, "Request timed out", "The request took too long. Try again.";
    /// The state of the thing forbids this.
    Conflict = "conflict", 409, "Conflict", "This conflicts with the current state. Read it again and retry.";
    /// It was there and is used up or expired.
    Gone = "gone", 410, "Gone", "This was already used or has expired.";
    /// `If-Match` names another version.
    VersionConflict = "version_conflict", 412, "Version conflict", "Someone else changed this in the meantime. Read it again and retry.";
    /// The body is larger than allowed.
    PayloadTooLarge = "payload_too_large", 413, "Payload too large", "The request body is larger than this server accepts.";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type", "Send the body as `Content-Type: application/json`.";
    /// None of the bytes that are asked for exist.
    RangeNotSatisfiable = "range_not_satisfiable", 416, "Range not satisfiable", "The file ends before the range begins. Content-Range says how long it is.";
    /// Too many failed sign-ins for this address.
    AccountLocked = "account_locked", 423, "Account locked", "Account locked due to too many failed login attempts. Try again later.";
    /// A limit was reached.
    RateLimited = "rate_limited", 429, "Too many requests", "Too many requests. Wait as long as Retry-After says.";
    /// A quota is used up.
    QuotaExceeded = "quota_exceeded", 429, "Quota exceeded", "This quota is used up. It resets at the time given.";
    /// The request head is larger than allowed.
    HeadersTooLarge = "headers_too_large", 431, "Request headers too large", "The request headers are larger than this server accepts.";
    /// A defect of the server.
    Internal = "internal", 500, "Internal error", "Something went wrong on our side. Tell support the request id.";
    /// The server sheds load.
    Overloaded = "overloaded", 503, "Overloaded", "The server is busy. Try again as Retry-After says.";
    /// A part that this needs does not answer.
    Unavailable = "unavailable", 503, "Unavailable", "A service that this needs does not answer at the moment. Try again shortly.";
}

/// One refused value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The member of the request, dotted for nested ones.
    pub field: Cow<'static, str>,
    /// Stable name of the rule that failed, such as `too_short`.
    pub code: &'static str,
    /// A sentence for the person who typed it.
    pub message: Cow<'static, str>,
}

/// A failed request: what the client is told, and what only the log learns.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The code; status and title follow from it.
    pub code: Code,
    /// A sentence that is safe to show.
    pub detail: Cow<'static, str>,
    /// Refused values, for 400 and 422.
    pub errors: Vec<FieldError>,
    /// Seconds for `Retry-After`, rounded up.
    pub retry_after: Option<u64>,
    /// More headers for the answer, such as `RateLimit`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone.
    pub cause: Option<Arc<str>>,
}

impl Problem {
    /// The problem `code` with its usual sentence.
    pub fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(code.default_detail()), errors: Vec::new(), retry_after: None, headers: Vec::new(), cause: None }
    }

    /// Says something more to the point than the code's usual sentence.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a refused value.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        self.errors.push(FieldError { field: field.into(), code, message: message.into() });
        self
    }

    /// Tells the client when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.retry_after = Some(whole.max(1));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Keeps the cause for the log. It must not hold personal data or secrets.
    #[must_use]
    pub fn cause(mut self, cause: impl Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// A defect or an unexpected state, with its cause for the log.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(Code::Internal).cause(cause)
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(_) => Self::new(Code::Unavailable).retry_after(Duration::from_secs(2)).cause(error),
            DbError::Serialization => Self::new(Code::Overloaded).retry_after(Duration::from_secs(1)).cause(error),
            DbError::Unique(_) => Self::new(Code::Conflict).cause(error),
            DbError::Decode(_) | DbError::Other(_) => Self::internal(error),
        }
    }
}

impl From<SealError> for Problem {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Db(inner) => inner.into(),
            SealError::Erased => Self::new(Code::Gone).cause(error),
            SealError::Altered | SealError::UnknownKey => Self::internal(error),
        }
    }
}

impl From<Overloaded> for Problem {
    fn from(error: Overloaded) -> Self {
        Self::new(Code::Overloaded).retry_after(error.retry_after).cause(error)
    }
}

/// The body of every error answer. `http` writes it last, when the request id is at hand.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// The page that explains the code.
    pub r#type: String,
    /// The code's constant title.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// The stable name a client may branch on.
    pub code: &'a str,
    /// What happened and what to do.
    pub detail: &'a str,
    /// The same as `detail`, for plain clients.
    pub error: &'a str,
    /// Tell it to support.
    pub request_id: &'a str,
    /// Refused values.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
}

impl Problem {
    /// The answer's body for the request `request_id`.
    pub fn to_json(&self, request_id: &str) -> Vec<u8> {
        let body = ProblemBody {
            r#type: format!("{ERROR_DOCS}{}", self.code.as_str()),
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.as_str(),
            detail: &self.detail,
            error: &self.detail,
            request_id,
            errors: &self.errors,
        };
        // Serialising strings and numbers into memory has no way to fail; an empty body is the harmless answer if it did.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// Status and headers now; the outermost gate writes the body, when it knows the request id.
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == 401 {
            // RFC 6750 section 3: a 401 names the scheme.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keystead\""));
        }
        for (at, (name, value)) in self.headers.iter().enumerate() {
            // What is said here stands for what is said by rule; said twice, it has two lines.
            if self.headers[..at].iter().any(|(said, _)| said == name) {
                response.headers_mut().append(name.clone(), value.clone());
            } else {
                response.headers_mut().insert(name.clone(), value.clone());
            }
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
