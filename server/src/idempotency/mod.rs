//! `Idempotency-Key`: a creating request that is repeated creates once and is answered twice.
//!
//! The first request with a key reserves it; its answer is kept, sealed, for a day. A repeat with the same
//! body gets that answer again; with another body it is refused, and so is one that arrives while the first
//! is still under way. A first request that failed on our side gives its key back. Keys are scoped to the
//! route and the caller: nobody reaches another one's answers.
//!
//! Owns the table `idempotency_keys`.

mod key;
mod store;

use std::pin::Pin;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use uuid::Uuid;

pub use key::{IdempotencyKey, Idempotent};
pub use store::{STATEMENTS, purge};

use crate::app::App;
use crate::error::{Code, Problem};
use crate::http::extract::json_bytes;
use crate::secret::Purpose;
use crate::time::Timestamp;

/// How long a first answer can be asked for again.
pub const KEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a request may be under way before its key is free again: longer than any request may take.
const UNDER_WAY: Duration = Duration::from_secs(5 * 60);

/// Says that the answer is the first one again.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A first request's work; boxed, because it is large and lives on a task of its own.
pub type Work = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send>>;

/// Runs `work` unless its key was used before. `caller` is who calls, if signed in. With a key the work goes
/// on when the client goes away, because a client that went away is what asks again.
///
/// # Errors
/// Those of `work`; `idempotency_key_reused` for another body; `conflict` while the first is under way.
pub async fn once(
    app: &App,
    key: Option<IdempotencyKey>,
    route: &'static str,
    caller: Option<Uuid>,
    now: Timestamp,
    work: Work,
) -> Result<Response, Problem> {
    let Some(key) = key else { return work.await };
    let app = app.clone();
    let task = tokio::spawn(async move { first(&app, &key, route, caller, now, work).await });
    task.await.map_err(Problem::internal)?
}

async fn first(
    app: &App,
    key: &IdempotencyKey,
    route: &str,
    caller: Option<Uuid>,
    now: Timestamp,
    work: Work,
) -> Result<Response, Problem> {
    let ground = &app.ground;
    let caller = caller.map(Uuid::into_bytes).unwrap_or_default();
    let (_, scope) = ground.roots.mac(Purpose::System, &[b"idempotency", route.as_bytes(), &caller, key.key.as_bytes()]);
    if !store::reserve(&ground.db, scope, key.request, now, now.plus(UNDER_WAY)).await? {
        return again(app, scope, key, now).await;
    }
    let answered = work.await;
    if answered.as_ref().is_ok_and(|response| response.status().is_server_error()) {
        store::release(&ground.db, scope).await?;
        return answered;
    }
    keep(app, scope, answered, now).await
}

async fn keep(app: &App, scope: [u8; 32], answered: Result<Response, Problem>, now: Timestamp) -> Result<Response, Problem> {
    let response = match answered {
        Ok(response) => response,
        Err(problem) => {
            // A refusal changed nothing: a repeat is refused again by itself.
            store::release(&app.ground.db, scope).await?;
            return Err(problem);
        }
    };
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map_err(Problem::internal)?.to_bytes();
    let sealed = app.ground.roots.seal(Purpose::System, &scope, &bytes);
    store::keep(&app.ground.db, scope, parts.status.as_u16(), sealed, now.plus(KEEP)).await?;
    Ok(Response::from_parts(parts, bytes.into()))
}

async fn again(app: &App, scope: [u8; 32], key: &IdempotencyKey, now: Timestamp) -> Result<Response, Problem> {
    let first = store::find(&app.ground.db, scope, now).await?;
    let Some(first) = first else { return Err(under_way()) };
    let same: bool = subtle::ConstantTimeEq::ct_eq(&first.request[..], &key.request[..]).into();
    if !same {
        return Err(Code::IdempotencyKeyReused.into());
    }
    let Some((status, sealed)) = first.answer else { return Err(under_way()) };
    let plain = app.ground.roots.open(Purpose::System, &scope, &sealed)?;
    let mut response = json_bytes(plain);
    *response.status_mut() = StatusCode::from_u16(status).map_err(Problem::internal)?;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response.into_response())
}

fn under_way() -> Problem {
    Problem::new(Code::Conflict)
        .detail("A request with this Idempotency-Key is still under way. Ask again in a moment.")
        .retry_after(Duration::from_secs(1))
}
