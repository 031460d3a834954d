//! One request as everything on its way sees it: its instant, its id, where it comes from; and the
//! notes that the way leaves for the outermost gate, which writes them into the answer and the log.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use uuid::Uuid;

use super::limits::LimitHeaders;
use crate::error::{Code, Problem};
use crate::time::Timestamp;

/// The longest user agent that is kept, in bytes.
const USER_AGENT_MAX: usize = 512;

/// What is known of the request under way. The gate puts an `Arc` of it into the request's extensions.
#[derive(Debug)]
pub struct Context {
    /// The one instant at which all of this request happens: its arrival.
    pub now: Timestamp,
    /// Kept from the caller or made here; in every answer, log line and audit event.
    pub request_id: String,
    /// The caller's address behind trusted proxies.
    pub ip: Option<IpAddr>,
    user: OnceLock<Uuid>,
    limits: Mutex<Vec<LimitHeaders>>,
}

impl Context {
    /// A request that arrived at `now`.
    pub fn new(now: Timestamp, request_id: String, ip: Option<IpAddr>) -> Self {
        Self { now, request_id, ip, user: OnceLock::new(), limits: Mutex::new(Vec::new()) }
    }

    /// Notes who the caller turned out to be, for the log.
    pub fn note_user(&self, user: Uuid) {
        // The first one stays: a request has one caller.
        let _ = self.user.set(user);
    }

    /// Who the caller is, once known.
    pub fn user(&self) -> Option<Uuid> {
        self.user.get().copied()
    }

    /// Notes what a limiter said, for the answer's `RateLimit` fields.
    pub fn note_limit(&self, headers: LimitHeaders) {
        self.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(headers);
    }

    /// Writes the noted limits into the answer.
    pub fn write_limits(&self, response: &mut Response) {
        let noted = self.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !noted.is_empty() {
            LimitHeaders::write(&noted, response.headers_mut());
        }
    }
}

/// The context as an extractor: `Here(context): Here`.
#[derive(Clone, Debug)]
pub struct Here(pub Arc<Context>);

impl<S: Send + Sync> FromRequestParts<S> for Here {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        of(parts).map(Self)
    }
}

/// The context of the request whose head is `parts`.
pub fn of(parts: &Parts) -> Result<Arc<Context>, Problem> {
    let context = parts.extensions.get::<Arc<Context>>();
    context.cloned().ok_or_else(|| Problem::internal("the request did not come through the gate"))
}

/// Where a request comes from, in the form that is sealed and kept with sessions and audit events.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The caller's address.
    pub ip: Option<IpAddr>,
    /// The `User-Agent`, cut to 512 bytes.
    pub user_agent: Option<String>,
    /// The request id.
    pub request_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = of(parts)?;
        let user_agent = parts.headers.get(http::header::USER_AGENT).map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let mut end = text.len().min(USER_AGENT_MAX);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text[..end].to_owned()
        });
        Ok(Self { ip: context.ip, user_agent, request_id: Some(context.request_id.clone()) })
    }
}

/// The instant of the request.
#[derive(Clone, Copy, Debug)]
pub struct Now(pub Timestamp);

impl<S: Send + Sync> FromRequestParts<S> for Now {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        of(parts).map(|context| Self(context.now))
    }
}

impl From<axum::extract::rejection::PathRejection> for Problem {
    /// A path part that is not of its type names nothing that exists.
    fn from(_: axum::extract::rejection::PathRejection) -> Self {
        Self::new(Code::NotFound)
    }
}
