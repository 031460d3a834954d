//! Compression of answers, for those that gain from it and nobody else.
//!
//! Small answers are most of the traffic and pay one comparison here. Answers that set cookies stay
//! as they are: their length must tell nothing about a secret (BREACH, CVE-2013-3587).

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;

/// Below this many bytes compression costs more than it saves.
const SMALLEST: u64 = 1024;

/// Whether `response` is worth compressing at all.
pub fn pays(response: &Response) -> bool {
    let size = response.body().size_hint();
    if size.upper().is_some_and(|upper| upper < SMALLEST) {
        return false;
    }
    let headers = response.headers();
    response.status() != StatusCode::SWITCHING_PROTOCOLS
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(SET_COOKIE)
        && headers.get(CONTENT_TYPE).is_some_and(is_text)
        && !headers.get(CACHE_CONTROL).is_some_and(|value| contains(value, b"no-transform"))
}

/// Compresses `response` as `accepted` (the request's `Accept-Encoding`) prefers.
pub async fn compress(response: Response, accepted: HeaderValue) -> Response {
    if !contains(&accepted, b"gzip") && !contains(&accepted, b"br") {
        return response;
    }
    let mut request = Request::new(());
    request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    let mut once = Some(response);
    let answer = service_fn(move |_: Request<()>| std::future::ready(Ok::<_, Infallible>(once.take().unwrap_or_default())));
    match CompressionLayer::new().layer(answer).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// Event streams are text, too, but must leave event by event.
fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes();
    if kind.starts_with(b"text/event-stream") {
        return false;
    }
    kind.starts_with(b"text/")
        || kind.starts_with(b"application/json")
        || kind.starts_with(b"application/problem+json")
        || kind.starts_with(b"application/javascript")
        || kind.starts_with(b"application/x-ndjson")
        || kind.starts_with(b"image/svg+xml")
}

fn contains(value: &HeaderValue, word: &[u8]) -> bool {
    value.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}
