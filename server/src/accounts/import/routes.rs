//! `POST /api/v1/admin/users/import`, its progress, and `GET /api/v1/admin/users/export`.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::lines::{Line, Lines};
use super::spool::Spool;
use super::store::{self, Order};
use super::view::ImportAnswer;
use super::{Export, Import, Report, exported};
use crate::access::scope;
use crate::accounts::By;
use crate::app::App;
use crate::audit::Actor;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::body::BodyTooLarge;
use crate::http::context::Origin;
use crate::http::extract::{Json, Path, Query};
use crate::http::gate::Allowance;
use crate::http::guard::{Scope, Scoped, Verified, lacks, take};
use crate::http::limits::Policy;
use crate::http::visit::Visit;
use crate::secret::PersonKey;

const PATH: &str = "/api/v1/admin/users/import";

/// A million people with their hashes, at the pace of a slow disk.
pub const ALLOWANCE: Allowance = Allowance { path: PATH, body_limit: 512 * 1024 * 1024, request_timeout: Duration::from_secs(1800) };

/// The longest body that is read only to be refused.
const DISCARDED_MAX: usize = 256 * 1024;
/// A stream is short up to so many lines and bytes: what a request carries out in a second or two.
const SHORT_LINES: usize = 5_000;
const SHORT_BYTES: usize = 1024 * 1024;
/// How long the stream may pause.
const PAUSE: Duration = Duration::from_secs(30);

/// The routes of imports and exports.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(progress)).routes(routes!(export))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// Check every line and write nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Import people from another system
///
/// One JSON object a line (NDJSON): see the schema `ImportLine`. Password hashes of other systems are taken as they are and
/// replaced at the next sign-in. Wrong lines are reported by number and harm no other; an address that has an account is
/// skipped. A short stream is carried out at once. One of more than 5,000 lines or 1 MiB is put by, sealed, and carried out in
/// the background (202); `Location` tells where its progress is. A stream that breaks off imports nobody.
#[utoipa::path(post, path = "/api/v1/admin/users/import", tag = "administration", operation_id = "importUsers",
    security(("bearer" = ["users:write"])), params(ImportQuery),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, description = "What became of each line", body = Report),
        (status = 202, description = "It is carried out in the background", body = ImportAnswer,
            headers(("Location" = String, description = "Where its progress is"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn import(
    State(app): State<App>,
    caller: Scoped<scope::UsersWrite>,
    visit: Visit,
    origin: Origin,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if !is_ndjson(&headers) {
        discard(body).await;
        let detail = "Send one JSON object a line as `Content-Type: application/x-ndjson`.";
        return Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
    }
    take(&app, &visit, Policy::ApiUser, caller.subject.id().as_bytes()).await?;
    let actor: Actor = caller.subject.into();
    let by = By { origin: Some(origin), key: key_of(&app, &caller).await?, ..By::of(actor) };
    let order = Order { actor, grantable: grantable(&app, &caller).await?, dry_run: query.dry_run };
    let mut stream = Stream { app: &app, order, short: Vec::new(), bytes: 0, lines: Lines::default(), spool: None };
    if let Err(problem) = stream.receive(body).await {
        if let Some(spool) = stream.spool {
            spool.discard().await;
        }
        return Err(problem);
    }
    let Stream { mut order, short, lines, spool, .. } = stream;
    // The stream may have taken half an hour: whoever was locked out meanwhile imports nobody.
    let still = async {
        app.still(&caller).await?;
        if !app.grants(&caller, scope::UsersWrite::NAME).await? {
            return Err(lacks::<scope::UsersWrite>(&caller));
        }
        grantable(&app, &caller).await
    };
    match still.await {
        Ok(now_grantable) => order.grantable.retain(|role| now_grantable.contains(role)),
        Err(problem) => {
            if let Some(spool) = spool {
                spool.discard().await;
            }
            return Err(problem);
        }
    }
    if let Some(spool) = spool {
        let id = spool.close(lines.seen(), &by, query.dry_run).await?;
        let location = format!("{PATH}/{id}");
        return Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(answer(&app, id).await?)).into_response());
    }
    let mut import = Import::new(app.ground.clone(), by, order.grantable, order.dry_run);
    for line in short {
        import.take(line).await?;
    }
    Ok(Json(import.finish().await?).into_response())
}

/// A stream as it arrives: kept in memory while it is short, put by once it is not.
struct Stream<'a> {
    app: &'a App,
    order: Order,
    short: Vec<Line>,
    bytes: usize,
    lines: Lines,
    spool: Option<Spool>,
}

impl Stream<'_> {
    async fn receive(&mut self, mut body: Body) -> Result<(), Problem> {
        loop {
            let frame = tokio::time::timeout(PAUSE, body.frame()).await.map_err(|_| broke_off(Code::RequestTimeout, &self.lines))?;
            match frame {
                None => break,
                Some(Ok(frame)) => {
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.bytes = self.bytes.saturating_add(bytes.len());
                    let lines = self.lines.push(&bytes);
                    self.keep(lines).await?;
                }
                Some(Err(error)) => {
                    let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                    let code = if causes.any(|cause| cause.is::<BodyTooLarge>()) { Code::PayloadTooLarge } else { Code::InvalidRequest };
                    return Err(broke_off(code, &self.lines).cause(error));
                }
            }
        }
        let last = self.lines.finish();
        self.keep(last.into_iter().collect()).await
    }

    async fn keep(&mut self, mut lines: Vec<Line>) -> Result<(), Problem> {
        if self.spool.is_none() {
            self.short.append(&mut lines);
            if self.short.len() <= SHORT_LINES && self.bytes <= SHORT_BYTES {
                return Ok(());
            }
            lines = std::mem::take(&mut self.short);
        }
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => none.insert(Spool::open(&self.app.ground, self.order.clone()).await?),
        };
        for line in &lines {
            spool.push(line).await?;
        }
        Ok(())
    }
}

async fn answer(app: &App, id: Uuid) -> Result<ImportAnswer, Problem> {
    store::find(&app.ground.db, id).await?.map(ImportAnswer::from).ok_or_else(|| Problem::new(Code::NotFound))
}

/// How a large import is getting on
///
/// Reports are kept for thirty days.
#[utoipa::path(get, path = "/api/v1/admin/users/import/{id}", tag = "administration", operation_id = "userImport",
    security(("bearer" = ["users:write"])), params(("id" = Uuid, Path, description = "The import")),
    responses((status = 200, body = ImportAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn progress(State(app): State<App>, _caller: Scoped<scope::UsersWrite>, Path(id): Path<Uuid>) -> Result<Json<ImportAnswer>, Problem> {
    answer(&app, id).await.map(Json)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// Leave the password hashes out with `false`; people then ask for a reset link.
    #[serde(default = "yes")]
    #[param(default = true, required = false)]
    passwords: bool,
}

const fn yes() -> bool {
    true
}

/// Export people
///
/// Every account that is not deleted, newest first, one JSON object a line as an import reads them (schema `ImportLine`), with the
/// password hash unless that is declined. Streamed.
#[utoipa::path(get, path = "/api/v1/admin/users/export", tag = "administration", operation_id = "exportUsers",
    security(("bearer" = ["users:export"])), params(ExportQuery),
    responses((status = 200, description = "The people", body = String, content_type = "application/x-ndjson"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn export(
    State(app): State<App>,
    caller: Scoped<scope::UsersExport>,
    visit: Visit,
    origin: Origin,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    take(&app, &visit, Policy::ApiUser, caller.subject.id().as_bytes()).await?;
    let key = key_of(&app, &caller).await?;
    let event = exported(&app.ground, query.passwords).actor(caller.subject.into()).origin(&app.ground, key.as_ref(), &origin);
    let export = Export::open(&app.ground, query.passwords, event).await?;
    // An answer that breaks off shows as such: the connection does.
    let pages = try_unfold(export, async |mut export| match export.next().await {
        Ok(lines) => Ok(lines.map(|lines| (Bytes::from(lines), export))),
        Err(problem) => Err(std::io::Error::other(problem.detail.into_owned())),
    });
    let name = "attachment; filename=\"users.ndjson\"";
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, Body::from_stream(pages)).into_response())
}

/// The key that seals where `caller` came from, if they are a person.
async fn key_of(app: &App, caller: &Verified) -> Result<Option<PersonKey>, Problem> {
    match caller.subject.person() {
        Some(person) => Ok(Some(app.ground.keyring.get(person).await?)),
        None => Ok(None),
    }
}

/// The roles that grant nothing beyond what `caller` was granted: nobody makes an administrator of somebody without being one.
async fn grantable(app: &App, caller: &Scoped<scope::UsersWrite>) -> Result<Vec<String>, Problem> {
    let (known, mut roles) = (app.roles.snapshot(), Vec::new());
    for role in known.names().map(str::to_owned) {
        let mut held = true;
        for scope in known.scopes_of(std::slice::from_ref(&role)) {
            held = held && app.grants(caller, scope).await?;
        }
        roles.extend(held.then_some(role));
    }
    Ok(roles)
}

/// Takes a short body off the wire: whoever is still writing when the connection closes does not see the answer.
async fn discard(body: Body) {
    let _ = tokio::time::timeout(PAUSE, Limited::new(body, DISCARDED_MAX).collect()).await;
}

fn broke_off(code: Code, lines: &Lines) -> Problem {
    let lines = lines.seen();
    Problem::new(code).detail(format!("The stream ended early, after {lines} lines, and nobody was imported. Send the whole stream again."))
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines")
}
