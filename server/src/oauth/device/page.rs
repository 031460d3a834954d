//! `GET /device`: where a person types the code, unless the application in front serves a page of its own there.
//!
//! A page, its style and its script; everything it does goes through the API, as any other page would.

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};

use crate::http::security_headers::PAGE_CSP;

const PAGE: &str = include_str!("assets/device.html");
const STYLE: &str = include_str!("assets/device.css");
const SIGNING_IN: &str = include_str!("assets/signing-in.js");
const SCRIPT: &str = include_str!("assets/device.js");

const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
const AN_HOUR: &str = "public, max-age=3600";

/// The page and its files; the style and what signs people in serve `/authorize`, too.
pub fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/device", get(html))
        .route("/device.css", get(style))
        .route("/signing-in.js", get(signing_in))
        .route("/device.js", get(script))
}

async fn html() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_CSP), (header::CACHE_CONTROL, REVALIDATE)], Html(PAGE)).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, AN_HOUR)], STYLE).into_response()
}

async fn signing_in() -> Response {
    javascript(SIGNING_IN)
}

async fn script() -> Response {
    javascript(SCRIPT)
}

fn javascript(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, AN_HOUR)], text).into_response()
}
