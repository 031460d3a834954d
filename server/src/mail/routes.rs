//! `/dev/mailbox`, mounted in development only.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use serde::Serialize;
use uuid::Uuid;

use super::mailbox::{Mail, Mailbox};
use super::page::{MAILBOX_CSS, render_page};
use crate::error::{Code, Problem};
use crate::http::extract::Path;

/// The list needs its style sheet and nothing else.
const PAGE_CSP: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A mail styles itself inline and may do nothing more: no script, no request, an origin of its own.
const MAIL_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
                        frame-ancestors 'none'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

/// The page, its data, its style and each mail's HTML.
pub fn routes<S>() -> Router<S>
where
    Mailbox: FromRef<S>,
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/dev/mailbox", get(page))
        .route("/dev/mailbox.json", get(json))
        .route("/dev/mailbox.css", get(css))
        .route("/dev/mailbox/{id}", get(mail))
}

#[derive(Serialize)]
struct Items {
    items: Vec<Mail>,
}

async fn page(State(mailbox): State<Mailbox>) -> Result<Response, Problem> {
    let mails = mailbox.list().await?;
    Ok(answer("text/html; charset=utf-8", PAGE_CSP, render_page(&mails)))
}

async fn json(State(mailbox): State<Mailbox>) -> Result<Response, Problem> {
    let items = mailbox.list().await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(Items { items })).into_response())
}

async fn css() -> Response {
    answer("text/css; charset=utf-8", PAGE_CSP, MAILBOX_CSS)
}

async fn mail(State(mailbox): State<Mailbox>, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: Uuid = id.parse().map_err(|_| Code::NotFound)?;
    let mail = mailbox.get(id).await?.ok_or(Code::NotFound)?;
    Ok(answer("text/html; charset=utf-8", MAIL_CSP, mail.html))
}

fn answer(content_type: &'static str, csp: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, csp),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}
