//! `GET /authorize`: where a person signs in and decides, unless the application in front serves a page of its own there.
//!
//! A page, its style and its script; everything it does goes through the API, as any other page would.

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};

use crate::http::security_headers::PAGE_CSP;

const PAGE: &str = include_str!("assets/authorize.html");
const FAILED: &str = include_str!("assets/failed.html");
const SCRIPT: &str = include_str!("assets/authorize.js");

const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const AN_HOUR: &str = "public, max-age=3600";

/// The page and its script; its style, and what signs people in, are those of `/device`.
pub fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/authorize", get(html)).route("/authorize.js", get(script))
}

async fn html() -> Response {
    let no_referrer = (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    ([(header::CONTENT_SECURITY_POLICY, PAGE_CSP), (header::CACHE_CONTROL, REVALIDATE), no_referrer], Html(PAGE)).into_response()
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, AN_HOUR)], SCRIPT).into_response()
}

/// Tells a person why the link that an application gave them does not work. `sentence` is one of ours.
pub(super) fn failed(status: StatusCode, sentence: &str) -> Response {
    let headers = [(header::CONTENT_SECURITY_POLICY, PAGE_CSP), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers, Html(FAILED.replace("{sentence}", sentence))).into_response()
}
