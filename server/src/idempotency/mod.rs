//! `Idempotency-Key`: a creating request that is repeated creates once and is answered twice.
//!
//! The first request with a key reserves it; its answer is kept, sealed, for a day ([`reply`]). A repeat with the same
//! body gets that answer again; with another body it is refused, and so is one that arrives while the first
//! is still under way. A first request that was refused, or failed in a way that undid it, gives its key back. Keys are scoped to the
//! route and the caller: nobody reaches another one's answers.
//!
//! An instance may be killed, or the database lost, between the commit of the work and the keeping of its answer. Then only the work
//! itself can know: it keeps a *receipt* ([`once_with_receipt`]) in its transaction, under a unique index, and answers with what it finds
//! there. Work without one keeps its key for some minutes where nobody knows what became of it.
//!
//! Owns the table `idempotency_keys`.

mod key;
mod reply;
mod store;

use std::pin::Pin;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use uuid::Uuid;

pub use key::{IdempotencyKey, Idempotent};
pub use store::{STATEMENTS, purge};

use self::store::Kept;
use crate::app::App;
use crate::db::DbError;
use crate::error::{Code, Problem};
use crate::http::extract::json_bytes;
use crate::secret::{PersonKey, Purpose, SealError};
use crate::time::Timestamp;

/// How long a first answer can be asked for again, and a receipt counts.
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
    on_its_own(First { app: app.clone(), key, route, caller, receipted: false }, now, work).await
}

/// The same for work that keeps the receipt which it is given in its transaction, under a unique index, and answers with what it finds
/// under a receipt that is there and not older than [`KEEP`]. It is done once whatever fails, and may be tried again at once where
/// nobody knows what became of it.
///
/// # Errors
/// As for [`once`].
pub async fn once_with_receipt(
    app: &App,
    key: Option<IdempotencyKey>,
    route: &'static str,
    caller: Uuid,
    now: Timestamp,
    work: impl FnOnce(Option<Uuid>) -> Work,
) -> Result<Response, Problem> {
    let Some(key) = key else { return work(None).await };
    let work = work(Some(key.receipt(&app.ground.roots, route, caller)));
    on_its_own(First { app: app.clone(), key, route, caller: Some(caller), receipted: true }, now, work).await
}

async fn on_its_own(first: First, now: Timestamp, work: Work) -> Result<Response, Problem> {
    tokio::spawn(async move { first.run(now, work).await }).await.map_err(Problem::internal)?
}

/// A request that may be the first with its key.
struct First {
    app: App,
    key: IdempotencyKey,
    route: &'static str,
    caller: Option<Uuid>,
    /// Sending it again does no harm.
    receipted: bool,
}

impl First {
    async fn run(self, now: Timestamp, work: Work) -> Result<Response, Problem> {
        let (ground, person) = (&self.app.ground, self.person().await?);
        let caller = self.caller.map(Uuid::into_bytes).unwrap_or_default();
        let (_, scope) = ground.roots.mac(Purpose::System, &[b"idempotency", self.route.as_bytes(), &caller, self.key.key.as_bytes()]);
        if !store::reserve(&ground.db, scope, self.key.request, now, now.plus(UNDER_WAY)).await? {
            return self.again(person.as_ref(), scope, now).await;
        }
        let answered = work.await;
        match answered {
            Ok(response) if !response.status().is_server_error() => self.keep(person.as_ref(), scope, response, now).await,
            // Where the store was away nobody knows whether the commit was carried out.
            Err(problem) if problem.code == Code::Unavailable => {
                self.leave_open(scope, now).await;
                Err(problem)
            }
            // A refusal changed nothing: a repeat is refused again by itself.
            undone => {
                noted(self.route, store::release(&ground.db, scope).await);
                undone
            }
        }
    }

    /// The key of the caller; none when they are not a person, or not any more.
    async fn person(&self) -> Result<Option<PersonKey>, Problem> {
        let Some(caller) = self.caller else { return Ok(None) };
        match self.app.ground.keyring.get(caller).await {
            Ok(key) => Ok(Some(key)),
            Err(SealError::Erased) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What finds its receipt may be tried again at once, by the same request; anything else keeps its key for as long as a request may
    /// be under way.
    async fn leave_open(&self, scope: [u8; 32], now: Timestamp) {
        if self.receipted {
            noted(self.route, store::loosen(&self.app.ground.db, scope, now.plus(KEEP)).await);
        }
    }

    async fn keep(&self, person: Option<&PersonKey>, scope: [u8; 32], response: Response, now: Timestamp) -> Result<Response, Problem> {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(Problem::internal)?.to_bytes();
        let sealed = reply::seal(&self.app.ground.roots, person, &scope, &parts.headers, &bytes)?;
        if let Err(error) = store::keep(&self.app.ground.db, scope, parts.status.as_u16(), sealed, now.plus(KEEP)).await {
            // The work is done, and whoever asked is told so.
            tracing::warn!(%error, route = self.route, "an answer could not be kept for those who repeat the request");
        }
        Ok(Response::from_parts(parts, bytes.into()))
    }

    async fn again(&self, person: Option<&PersonKey>, scope: [u8; 32], now: Timestamp) -> Result<Response, Problem> {
        let ground = &self.app.ground;
        let first = store::find(&ground.db, scope, now).await?;
        let Some(first) = first else { return Err(under_way()) };
        let same: bool = subtle::ConstantTimeEq::ct_eq(&first.request[..], &self.key.request[..]).into();
        if !same {
            return Err(Code::IdempotencyKeyReused.into());
        }
        let Some((status, kept)) = first.answer else { return Err(under_way()) };
        let mut response = match kept {
            Kept::Reply(sealed) => reply::open(&ground.roots, person, &scope, &sealed)?,
            Kept::Body(sealed) => json_bytes(ground.roots.open(Purpose::System, &scope, &sealed)?),
        };
        *response.status_mut() = StatusCode::from_u16(status).map_err(Problem::internal)?;
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response.into_response())
    }
}

fn noted(route: &'static str, given_back: Result<(), DbError>) {
    if let Err(error) = given_back {
        tracing::warn!(%error, route, "an Idempotency-Key could not be given back; it is free again in some minutes");
    }
}

fn under_way() -> Problem {
    Problem::new(Code::Conflict)
        .detail("A request with this Idempotency-Key is still under way. Ask again in a moment.")
        .retry_after(Duration::from_secs(1))
}
