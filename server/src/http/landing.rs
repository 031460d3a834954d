//! `GET /`: what a person sees who opens the server's address in a browser.

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header;

use super::security_headers::PAGE_CSP;

const PAGE: &str = include_str!("assets/landing.html");
const STYLE: &str = include_str!("assets/landing.css");
const MAILBOX: &str = "<li><a href=\"/dev/mailbox\">Mailbox</a> <span>mail that would have been sent</span></li>\n        ";

/// `GET /` and its style sheet. The mailbox is linked where there is one.
pub fn router(mailbox: bool) -> Router {
    let mailbox = if mailbox { MAILBOX } else { "" };
    let page = PAGE.replace("{{version}}", env!("CARGO_PKG_VERSION")).replace("{{mailbox}}", mailbox);
    Router::new().route("/", get(move || std::future::ready(html(page.clone())))).route("/landing.css", get(style))
}

fn html(page: String) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_CSP)], Html(page)).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")], STYLE).into_response()
}
