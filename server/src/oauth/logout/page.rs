//! The page of the sign-out: it asks, says that it is done, or says what is wrong.

use axum::Router;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, header};

use crate::http::security_headers::PAGE_CSP;
use crate::oauth::client::Client;

const FRAME: &str = include_str!("assets/logout.html");
const ASK: &str = include_str!("assets/ask.html");
const SCRIPT: &str = include_str!("assets/logout.js");

const AN_HOUR: &str = "public, max-age=3600";

/// The script of the page; its style is that of the page for devices.
pub fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/oauth2/logout.js", get(script))
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, AN_HOUR)], SCRIPT).into_response()
}

/// One page, ready to be sent.
pub(super) struct Page(String);

impl Page {
    /// Asks whether the person wants to sign out, and sends them to `next` afterwards.
    pub fn asking(client: Option<&Client>, next: Option<&str>) -> Self {
        let asks = |client: &Client| format!("<strong>{}</strong> asks to sign you out.", escape(&client.name));
        let question = client.map_or("Do you want to sign out?".to_owned(), asks);
        let body = ASK.replace("{question}", &question).replace("{next}", &escape(next.unwrap_or_default()));
        Self::framed("Sign out", &body, r#"<script src="/oauth2/logout.js" defer></script>"#)
    }

    /// The session has ended.
    pub fn done() -> Self {
        Self::framed("Signed out", r#"<p role="status">You are signed out. You can close this page.</p>"#, "")
    }

    /// Nothing was done.
    pub fn refused(sentence: &str) -> Self {
        let body = format!(r#"<p role="alert">{}</p><p>You were not signed out. Tell whoever runs the application.</p>"#, escape(sentence));
        Self::framed("This does not work", &body, "")
    }

    fn framed(title: &str, body: &str, script: &str) -> Self {
        Self(FRAME.replace("{title}", title).replace("{script}", script).replace("{body}", body))
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_SECURITY_POLICY, PAGE_CSP), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (headers, Html(self.0)).into_response()
    }
}

/// Text as HTML, between tags and in quoted attributes. Braces go, too, so that no text is taken for a place in the page.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '<' | '>' | '"' | '\'' | '{' | '}' => escaped.push_str(&format!("&#{};", u32::from(letter))),
            plain => escaped.push(plain),
        }
    }
    escaped
}
