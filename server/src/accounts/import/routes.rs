//! `POST /api/v1/admin/users/import`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Import, Report};
use crate::access::scope;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::body::BodyTooLarge;
use crate::http::context::Origin;
use crate::http::extract::{Json, Query};
use crate::http::gate::Allowance;
use crate::http::guard::{Scoped, take};
use crate::http::limits::Policy;
use crate::http::visit::Visit;

const PATH: &str = "/api/v1/admin/users/import";

/// A million people with their hashes, at the pace of a slow disk.
pub const ALLOWANCE: Allowance = Allowance { path: PATH, body_limit: 512 * 1024 * 1024, request_timeout: Duration::from_secs(1800) };

/// The longest body that is read only to be refused.
const DISCARDED_MAX: usize = 256 * 1024;
/// How long the stream may pause.
const PAUSE: Duration = Duration::from_secs(30);

/// The routes of imports.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import))
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
/// skipped, so a stream that broke off is sent again whole.
#[utoipa::path(post, path = "/api/v1/admin/users/import", tag = "administration", operation_id = "importUsers",
    security(("bearer" = ["users:write"])), params(ImportQuery),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = Report), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn import(
    State(app): State<App>,
    caller: Scoped<scope::UsersWrite>,
    visit: Visit,
    origin: Origin,
    Query(query): Query<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Report>, Problem> {
    if !is_ndjson(&headers) {
        discard(body).await;
        let detail = "Send one JSON object a line as `Content-Type: application/x-ndjson`.";
        return Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
    }
    take(&app, &visit, Policy::ApiUser, caller.subject.id().as_bytes()).await?;
    let grantable = grantable(&app, &caller).await?;
    let mut import = Import::new(app.ground.clone(), caller.subject.into(), Some(origin), grantable, query.dry_run);
    read(body, &mut import).await?;
    import.finish().await.map(Json)
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

async fn read(mut body: Body, import: &mut Import) -> Result<(), Problem> {
    loop {
        let frame = tokio::time::timeout(PAUSE, body.frame()).await.map_err(|_| broke_off(Code::RequestTimeout, import))?;
        match frame {
            None => return Ok(()),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    import.push(&bytes).await?;
                }
            }
            Some(Err(error)) => {
                let mut causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                let code = if causes.any(|cause| cause.is::<BodyTooLarge>()) { Code::PayloadTooLarge } else { Code::InvalidRequest };
                return Err(broke_off(code, import).cause(error));
            }
        }
    }
}

/// Takes a short body off the wire: whoever is still writing when the connection closes does not see the answer.
async fn discard(body: Body) {
    let _ = tokio::time::timeout(PAUSE, Limited::new(body, DISCARDED_MAX).collect()).await;
}

fn broke_off(code: Code, import: &Import) -> Problem {
    let lines = import.seen();
    Problem::new(code).detail(format!(
        "The stream ended early, after {lines} lines. What was good in them stays; send the whole stream again, and people who are there are skipped."
    ))
}

fn is_ndjson(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines")
}
