//! The API reference in the browser, from files inside the binary: no CDN, no inline script.
//!
//! The reference is Scalar's; its script puts style sheets into the page at run time, so this one page
//! allows inline styles. The script is compressed once, when first asked for, and kept so.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::error::Problem;

const PAGE: &str = include_str!("assets/docs.html");
const START: &str = include_str!("assets/docs-start.js");

const DOCS_CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
     connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
/// Without `no-transform` the gate would compress the megabytes anew for whoever does not take gzip.
const AN_HOUR_AS_IS: HeaderValue = HeaderValue::from_static("public, max-age=3600, no-transform");
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

#[derive(Clone, Default)]
struct Docs {
    script: Arc<OnceLock<Bytes>>,
}

#[derive(Clone)]
struct Document {
    json: Bytes,
    etag: HeaderValue,
}

/// `GET /api/docs` with its scripts and `GET /api/openapi.json`, which serves `openapi` as it is.
pub fn router(openapi: String) -> Router {
    Router::new()
        .route("/api/docs", get(page))
        .route("/api/docs/start.js", get(start))
        .route("/api/docs/scalar.js", get(script))
        .with_state(Docs::default())
        .merge(document("/api/openapi.json", openapi))
}

/// `GET path`, which serves `json` as it is.
pub fn document(path: &str, json: String) -> Router {
    let etag = URL_SAFE_NO_PAD.encode(digest(&SHA256, json.as_bytes()));
    // Base64url between quotes is always a valid header value.
    let etag = HeaderValue::from_str(&format!("\"{etag}\"")).unwrap_or(HeaderValue::from_static("\"document\""));
    Router::new().route(path, get(show)).with_state(Document { json: json.into(), etag })
}

async fn page() -> Response {
    ([(CONTENT_SECURITY_POLICY, DOCS_CSP), (CACHE_CONTROL, REVALIDATE)], Html(PAGE)).into_response()
}

async fn start() -> Response {
    ([(CONTENT_TYPE, JAVASCRIPT), (CACHE_CONTROL, AN_HOUR)], START).into_response()
}

async fn show(State(document): State<Document>, headers: HeaderMap) -> Response {
    let caching = [(ETAG, document.etag.clone()), (CACHE_CONTROL, REVALIDATE)];
    let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| matches(tags, &document.etag));
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], document.json).into_response()
}

/// Weak comparison (RFC 9110 section 8.8.3.2), because compression marks our tag as weak in some caches.
fn matches(tags: &str, etag: &HeaderValue) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/").as_bytes() == etag.as_bytes())
}

async fn script(State(docs): State<Docs>, headers: HeaderMap) -> Result<Response, Problem> {
    let gzip = headers.get(ACCEPT_ENCODING).and_then(|accepted| accepted.to_str().ok()).is_some_and(|accepted| accepted.contains("gzip"));
    let caching = [(CONTENT_TYPE, JAVASCRIPT), (CACHE_CONTROL, AN_HOUR_AS_IS), (VARY, HeaderValue::from_static("accept-encoding"))];
    // Copying or compressing some megabytes is nothing for an async thread.
    let body =
        tokio::task::spawn_blocking(move || if gzip { compressed(&docs.script) } else { plain() }).await.map_err(Problem::internal)??;
    if gzip {
        return Ok((caching, [(CONTENT_ENCODING, "gzip")], body).into_response());
    }
    Ok((caching, body).into_response())
}

fn plain() -> Result<Bytes, Problem> {
    let script = scalar_api_reference::get_asset("scalar.js");
    script.map(Bytes::from).ok_or_else(|| Problem::internal("the API reference's script is not in the binary"))
}

fn compressed(kept: &OnceLock<Bytes>) -> Result<Bytes, Problem> {
    if let Some(script) = kept.get() {
        return Ok(script.clone());
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(6));
    gzip.write_all(&plain()?).map_err(Problem::internal)?;
    let script = Bytes::from(gzip.finish().map_err(Problem::internal)?);
    Ok(kept.get_or_init(|| script).clone())
}
