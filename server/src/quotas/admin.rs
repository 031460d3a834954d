//! `/api/v1/admin/users/{id}/quotas`: what somebody has used, and a limit of their own.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ask::Ask;
use super::counter::OwnLimit;
use super::history::{self, History, HistoryQuery};
use super::routes::page;
use super::view::QuotaView;
use super::{own_limit, store};
use crate::access::scope::{QuotasRead, QuotasWrite};
use crate::accounts::By;
use crate::app::App;
use crate::config::UNITS_MAX;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::page::{List, PageQuery};
use crate::time::Timestamp;

/// The routes of administration.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete)).routes(routes!(days))
}

/// A limit of somebody's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLimit {
    /// Units per period; 0 for nothing.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    limit: u64,
    /// When everybody's limit holds again; left out or null for never.
    #[serde(default)]
    #[schema(format = DateTime)]
    until: Option<String>,
}

/// Somebody's quotas
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/quotas", tag = "administration", operation_id = "listQuotasOf", security(("bearer" = ["quotas:read"])),
    params(("id" = Uuid, Path, description = "The account's id"), PageQuery),
    responses((status = 200, body = List<QuotaView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    _caller: Scoped<QuotasRead>,
    Now(now): Now,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<QuotaView>>, Problem> {
    app.people.view(id).await?.ok_or(Code::NotFound)?;
    page(&app, &query, id, now).await.map(Json)
}

/// Give somebody a limit of their own
///
/// Instead of everybody's, for good or until an instant. Counts at once; what was used stays used.
#[utoipa::path(put, path = "/api/v1/admin/users/{id}/quotas/{name}", tag = "administration", operation_id = "putQuotaLimit", security(("bearer" = ["quotas:write"])),
    params(("id" = Uuid, Path, description = "The account's id"), ("name" = String, Path, description = "The quota's name")),
    request_body = NewLimit,
    responses((status = 200, body = QuotaView), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn put(
    State(app): State<App>,
    caller: Scoped<QuotasWrite>,
    Now(now): Now,
    origin: Origin,
    path: Path<(Uuid, String)>,
    Json(new): Json<NewLimit>,
) -> Result<Json<QuotaView>, Problem> {
    let ask = about(&app, path, now).await?;
    let own = check(&new, now)?;
    own_limit::set(&app, &ask, Some(own), &by(&app, &caller, origin).await?).await?;
    let counter = store::find(&app.ground.db, &ask).await?;
    Ok(Json(QuotaView::of(&ask, counter.as_ref())))
}

/// Take somebody's own limit away
///
/// Everybody's holds for them again.
#[utoipa::path(delete, path = "/api/v1/admin/users/{id}/quotas/{name}", tag = "administration", operation_id = "deleteQuotaLimit", security(("bearer" = ["quotas:write"])),
    params(("id" = Uuid, Path, description = "The account's id"), ("name" = String, Path, description = "The quota's name")),
    responses((status = 204, description = "Taken away"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Scoped<QuotasWrite>,
    Now(now): Now,
    origin: Origin,
    path: Path<(Uuid, String)>,
) -> Result<StatusCode, Problem> {
    let ask = about(&app, path, now).await?;
    own_limit::set(&app, &ask, None, &by(&app, &caller, origin).await?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What somebody has used, day by day
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/quotas/{name}/history", tag = "administration", operation_id = "quotaHistoryOf", security(("bearer" = ["quotas:read"])),
    params(("id" = Uuid, Path, description = "The account's id"), ("name" = String, Path, description = "The quota's name"), HistoryQuery),
    responses((status = 200, body = History), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn days(
    State(app): State<App>,
    _caller: Scoped<QuotasRead>,
    Now(now): Now,
    path: Path<(Uuid, String)>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let ask = about(&app, path, now).await?;
    history::read(&app, &ask, &query).await.map(Json)
}

async fn about(app: &App, path: Path<(Uuid, String)>, now: Timestamp) -> Result<Ask, Problem> {
    let Path((id, name)) = path;
    app.people.view(id).await?.ok_or(Code::NotFound)?;
    Ask::new(app, &name, id, now)
}

fn check(new: &NewLimit, now: Timestamp) -> Result<OwnLimit, Problem> {
    let mut problem = Problem::new(Code::ValidationFailed);
    let limit = i64::try_from(new.limit).ok().filter(|_| new.limit <= UNITS_MAX);
    if limit.is_none() {
        problem = problem.field("limit", "out_of_range", format!("Use a whole number from 0 to {UNITS_MAX}."));
    }
    let until = new.until.as_deref().map(Timestamp::parse_rfc3339);
    match until {
        Some(None) => problem = problem.field("until", "invalid", "Write a time such as 2026-12-31T00:00:00Z."),
        Some(Some(until)) if until <= now => problem = problem.field("until", "out_of_range", "This time is over."),
        _ => {}
    }
    match limit {
        Some(limit) if problem.errors.is_empty() => Ok(OwnLimit { limit, until: until.flatten() }),
        _ => Err(problem),
    }
}

async fn by(app: &App, caller: &Scoped<QuotasWrite>, origin: Origin) -> Result<By, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    Ok(By { origin: Some(origin), key, ..By::of(caller.subject.into()) })
}
