//! `GET /api/v1/exports/{id}/download`: the file, whole or from where a broken download ended (RFC 9110 section 14).

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::file::{File, Reading};
use super::order::may;
use super::right::Right;
use super::sending::Sending;
use super::source::Format;
use super::store::{self, Stored};
use super::view::{Status, status};
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::db::Tx;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::Path;
use crate::http::guard::{Personal, Subject, take};
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::time::Timestamp;

/// A file, or a part of one, is sent for so long at most; the rest is asked for with `Range`.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// Fetching one file by the same session or token is on record once in so long.
const ON_RECORD: Duration = Duration::from_secs(60 * 60);

/// The route of files.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Fetch an export
///
/// Only by whoever ordered it, until it expires; 409 while it is not ready, 410 afterwards. A download that broke off goes on with
/// `Range` and `If-Range`, on any instance. One is broken off when the session ends or the access token expires meanwhile, or a right
/// is lost that its kind needs.
#[utoipa::path(get, path = "/api/v1/exports/{id}/download", tag = "exports", operation_id = "downloadExport", security(("bearer" = []), ("delegated" = ["exports:write"])),
    params(("id" = Uuid, Path, description = "The export's id"),
        ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=1000-`"),
        ("If-Range" = Option<String>, Header, description = "The `ETag` of the part that you have")),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (Object = "application/json"), (String = "application/pdf"))),
        (status = 206, description = "A part of it", content((String = "text/csv"), (String = "application/json"), (String = "application/pdf"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn download(
    State(app): State<App>,
    method: Method,
    caller: Personal<ExportsWrite>,
    visit: Visit,
    origin: Origin,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = visit.now();
    // HEAD fetches nothing.
    let fetches = method != Method::HEAD;
    if fetches {
        take(&app, &visit, Policy::ApiUser, caller.user.as_bytes()).await?;
    }
    let stored = store::find(&app.ground.db, id, caller.user).await?.ok_or(Code::NotFound)?;
    let kind = app.exports.kind(&stored.kind).ok_or(Code::NotFound)?;
    may(&app, &caller, kind.needs).await?;
    let (run, format) = ready(&stored, now)?;
    let size = u64::try_from(stored.bytes).unwrap_or(0);
    // Each run writes another file, and a run that is ready is never written again.
    let tag = format!("\"{}\"", run.simple());
    let wanted = wanted(&headers, &tag, size);
    let key = app.ground.keyring.get(caller.user).await?;
    let (from, to) = match wanted {
        Wanted::Whole => (0, size),
        Wanted::Part(from, to) => (from, to),
        Wanted::Nothing => {
            let problem = Problem::new(Code::RangeNotSatisfiable).detail(format!("The file has {size} bytes."));
            let value = HeaderValue::try_from(format!("bytes */{size}")).map_err(Problem::internal)?;
            return Err(problem.header(CONTENT_RANGE, value));
        }
    };
    let event = audit::Event::new(&app.ground, audit::EXPORT_DOWNLOADED, now)
        .actor(Actor::User(caller.user))
        .target(Target::export(id))
        .detail("kind", kind.name)
        .detail("from", from)
        .detail("bytes", to - from)
        .origin(&app.ground, Some(&key), &origin);
    let place = app.exports.send_to(caller.user)?;
    if fetches {
        note(&app, id, &caller, now, event).await?;
    }
    let reading = Reading::new(app.ground.clone(), File { export: id, run, key }, from, to);
    let right = Right::new(app.clone(), caller.token(), Some(kind.needs));
    // A file that breaks off shows as such: there are fewer bytes than were promised.
    let mut response = Sending::new(&app.exports, right, LONGEST, vec![place]).body(None, reading).into_response();
    let mut put = |name, value: String| {
        // Numbers, ids and words of ours are visible ASCII.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    put(CONTENT_TYPE, format.media_type().to_owned());
    put(CONTENT_DISPOSITION, disposition(kind.name, format, stored.created_at));
    put(CONTENT_LENGTH, (to - from).to_string());
    put(ETAG, tag);
    put(ACCEPT_RANGES, "bytes".to_owned());
    // A range is one of the bytes as they stand; compressing would make others of them.
    put(CACHE_CONTROL, "private, no-store, no-transform".to_owned());
    if let Wanted::Part(from, to) = wanted {
        put(CONTENT_RANGE, format!("bytes {from}-{}/{size}", to - 1));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Records `event`, unless what `caller` came with has fetched the same file a short while ago: a download in many parts is one.
async fn note(app: &App, id: Uuid, caller: &Personal<ExportsWrite>, now: Timestamp, event: audit::Event) -> Result<(), Problem> {
    let by = match caller.subject {
        Subject::Person { session, .. } => session,
        Subject::Token { token, .. } => token,
        Subject::Service(client) => client,
    };
    let (user, since) = (caller.user, now.minus(ON_RECORD));
    let work = async move |tx: &mut Tx| {
        if store::fetch(tx, id, user, by, now, since).await? {
            audit::record(tx, &event).await?;
        }
        Ok::<_, Problem>(())
    };
    app.ground.db.write(work).await
}

/// The run whose file can be fetched.
fn ready(stored: &Stored, now: Timestamp) -> Result<(Uuid, Format), Problem> {
    let detail = match status(stored, now) {
        Status::Ready => {
            return stored.run.zip(Format::parse(&stored.format)).ok_or_else(|| Problem::internal("a ready export without a file"));
        }
        Status::Queued | Status::Running => {
            let problem = Problem::new(Code::Conflict).detail("The export is not ready yet. Ask again in a moment.");
            return Err(problem.retry_after(Duration::from_secs(1)));
        }
        Status::Failed => "The export failed; there is no file.",
        Status::Expired => "The file has expired and is deleted. Order it again.",
    };
    Err(Problem::new(Code::Gone).detail(detail))
}

/// `attachment; filename="transactions-2026-11-29.csv"`.
pub(super) fn disposition(kind: &str, format: Format, at: Timestamp) -> String {
    let date = at.to_rfc3339();
    format!("attachment; filename=\"{kind}-{}.{}\"", date.get(..10).unwrap_or(&date), format.as_str())
}

/// Which bytes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From the first up to behind the second.
    Part(u64, u64),
    /// Some that the file does not have.
    Nothing,
}

/// A range that is malformed, of another unit, or one of several is as good as none (RFC 9110 section 14.2), and so is one of a file that
/// is another than the caller has a part of.
fn wanted(headers: &HeaderMap, tag: &str, size: u64) -> Wanted {
    let one = |name| {
        let mut given = headers.get_all(name).iter();
        match (given.next().and_then(|value| value.to_str().ok()), given.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    };
    if headers.contains_key(IF_RANGE) && one(IF_RANGE) != Some(tag) {
        return Wanted::Whole;
    }
    let Some(spec) = one(RANGE).and_then(|range| range.strip_prefix("bytes=")) else { return Wanted::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(0)) => Wanted::Nothing,
        ("", _, _, Some(last)) if size > 0 => Wanted::Part(size.saturating_sub(last), size),
        ("", _, _, Some(_)) => Wanted::Nothing,
        (_, Some(first), "", _) if first < size => Wanted::Part(first, size),
        (_, Some(first), _, Some(last)) if first <= last && first < size => Wanted::Part(first, last.saturating_add(1).min(size)),
        (_, Some(_), "", _) => Wanted::Nothing,
        (_, Some(first), _, Some(last)) if first <= last => Wanted::Nothing,
        _ => Wanted::Whole,
    }
}
