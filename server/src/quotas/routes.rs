//! `/api/v1/quotas`: see and consume.

use axum::extract::{FromRequest, Path, Request, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ask::Ask;
use super::consume::consume;
use super::consumer::Consumer;
use super::history::{self, History, HistoryQuery};
use super::store;
use super::view::QuotaView;
use crate::access::scope::QuotasUse;
use crate::app::App;
use crate::config::UNITS_MAX;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::{Json, Query};
use crate::http::guard::Personal;
use crate::http::page::{List, PageQuery, place_of};
use crate::idempotency::{self, Idempotent, Work};
use crate::time::Timestamp;

const LIST: &str = "quotas";
/// Among the routes that take an Idempotency-Key.
const ROUTE: &str = "quota_consume";

/// The routes of everybody.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(consume_units)).routes(routes!(days))
}

/// My quotas
///
/// By name: what may be used in the running period, and what was.
#[utoipa::path(get, path = "/api/v1/quotas", tag = "quotas", operation_id = "listQuotas", params(PageQuery),
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    responses((status = 200, body = List<QuotaView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Personal<QuotasUse>,
    Now(now): Now,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<QuotaView>>, Problem> {
    page(&app, &query, caller.user, now).await.map(Json)
}

/// A page of the quotas of `user`.
pub(super) async fn page(app: &App, query: &PageQuery, user: Uuid, now: Timestamp) -> Result<List<QuotaView>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let counters = store::all(&app.ground.db, user, now).await?;
    let counter = |name: &str| counters.iter().find(|(quota, _)| quota == name).map(|(_, counter)| counter);
    let views = Ask::all(app, user, now).iter().map(|ask| QuotaView::of(ask, counter(&ask.name))).collect();
    Ok(page.answer_from(&app.ground.roots, LIST, views, |view: &QuotaView| place_of(&view.name)))
}

/// What is consumed.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Consume {
    /// How many units.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    amount: u64,
    /// Whose quota, when not the caller's own; takes the scope `quotas:write`.
    #[serde(default)]
    subject: Option<Uuid>,
}

/// Consume units of a quota
///
/// All of `amount` or, with 429 `quota_exceeded`, nothing. `Retry-After` says when the period ends, or when the first reservation
/// expires that is in the way. A service names the person as `subject`.
#[utoipa::path(post, path = "/api/v1/quotas/{name}/consume", tag = "quotas", operation_id = "consumeQuota",
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    params(("name" = String, Path, description = "The quota's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = Consume,
    responses((status = 200, body = QuotaView), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn consume_units(
    State(app): State<App>,
    caller: Consumer,
    Now(now): Now,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    // Read in any case: a client that still writes would not see the answer.
    let body = Idempotent::<Consume>::from_request(request, &app).await;
    known(&app, &name)?;
    let Idempotent(body, key) = body?;
    let amount = units(body.amount, "amount")?;
    let user = caller.of(&app, body.subject).await?;
    let ask = Ask::new(&app, &name, user, now)?;
    let (this, by, key) = (app.clone(), caller.subject, key.map(|key| key.at(&name)));
    let work = |receipt| -> Work {
        Box::pin(async move {
            let counter = consume(&this, &ask, amount, by, receipt).await?;
            Ok(Json(QuotaView::of(&ask, Some(&counter))).into_response())
        })
    };
    idempotency::once_with_receipt(&app, key, ROUTE, by.id(), now, work).await
}

/// What I have used, day by day
///
/// From `from` to `to`, both included, a year at most; without them the last 30 days. Days are those of the installation's time zone.
#[utoipa::path(get, path = "/api/v1/quotas/{name}/history", tag = "quotas", operation_id = "quotaHistory", 
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    params(("name" = String, Path, description = "The quota's name"), HistoryQuery),
    responses((status = 200, body = History), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn days(
    State(app): State<App>,
    caller: Personal<QuotasUse>,
    Now(now): Now,
    Path(name): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let ask = Ask::new(&app, &name, caller.user, now)?;
    history::read(&app, &ask, &query).await.map(Json)
}

/// Refuses a name that no quota has, before the body is looked at.
pub(super) fn known(app: &App, name: &str) -> Result<(), Problem> {
    app.ground.settings.quotas.get(name).map(|_| ()).ok_or_else(super::ask::no_quota)
}

/// An amount that can be counted.
pub(super) fn units(amount: u64, field: &'static str) -> Result<i64, Problem> {
    match i64::try_from(amount) {
        Ok(units) if (1..=UNITS_MAX).contains(&amount) => Ok(units),
        _ => Err(Problem::new(Code::ValidationFailed).field(field, "out_of_range", format!("Use a whole number from 1 to {UNITS_MAX}."))),
    }
}
