//! Cross-origin requests (the Fetch standard's CORS protocol) from an explicit list of origins.
//!
//! A listed origin may send credentials; any other gets an answer without CORS headers, which its
//! browser then keeps from it. There is no wildcard.

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, dpop, content-type, x-csrf-token, idempotency-key, if-match, if-none-match, if-range, range, last-event-id, x-request-id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, www-authenticate, ratelimit, ratelimit-policy, retry-after, etag, location, content-disposition, content-range, \
     accept-ranges, idempotency-replayed, deprecation, sunset, link",
);
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Which origins may read our answers.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: Vec<HeaderValue>,
}

impl Cors {
    /// Allows exactly `origins`, each as a browser writes it: `https://app.example.com`.
    pub fn new(origins: &[String]) -> Self {
        Self { origins: origins.iter().filter_map(|origin| HeaderValue::from_str(origin.trim_end_matches('/')).ok()).collect() }
    }

    /// The request's origin, when it is a listed one.
    pub fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins.iter().find(|listed| *listed == origin).cloned()
    }

    /// The answer to a preflight; `None` when the request is none. A foreign origin gets an answer
    /// without permission.
    pub fn preflight(&self, parts: &Parts) -> Option<Response> {
        if parts.method != Method::OPTIONS || !parts.headers.contains_key(ORIGIN) {
            return None;
        }
        parts.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        if self.allowed(&parts.headers).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }

    /// Adds to an answer what the browser of the listed `origin` needs to hand it out.
    pub fn permit(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        // Also on answers without it: a shared cache must not hand one origin's answer to another.
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}
