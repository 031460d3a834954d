//! `/api/v1/quotas/{name}/reservations` and `/api/v1/quotas/reservations/{id}`: reserve, commit, release.

use std::time::Duration;

use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ask::Ask;
use super::consumer::Consumer;
use super::reservation_store::Stored;
use super::reserve::{End, LIFETIME, LIFETIME_MAX, made_by, reserve, settle, state_at};
use super::routes::{known, units};
use super::view::QuotaView;
use crate::app::App;
use crate::config::UNITS_MAX;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::{Json, Path};
use crate::idempotency::{self, Idempotent, Work};
use crate::time::Timestamp;

/// Among the routes that take an Idempotency-Key.
const ROUTE: &str = "quota_reserve";

/// The routes of reservations.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(make)).routes(routes!(commit)).routes(routes!(release))
}

/// What is held back.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reserve {
    /// How many units: the most that the work can cost.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    amount: u64,
    /// Whose quota, when not the caller's own; takes the scope `quotas:write`.
    #[serde(default)]
    subject: Option<Uuid>,
    /// When it expires unless it is settled, in seconds; five minutes when left out, a day at most.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 86_400)]
    ttl_seconds: Option<u64>,
}

/// What the work cost.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Commit {
    /// How many units: any number up to what was reserved, or more if that much is left.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    amount: u64,
}

/// A reservation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Reservation)]
struct ReservationView {
    /// The id.
    id: Uuid,
    /// Which quota.
    name: String,
    /// Units that were held back.
    amount: i64,
    /// `open`, `committed`, `released` or `expired`.
    #[schema(example = "open")]
    state: String,
    /// Units that the work cost, once committed.
    #[schema(required = true)]
    committed: Option<i64>,
    /// When it expires, or would have.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A reservation, and the quota as it is with it.
#[derive(Serialize, ToSchema)]
struct ReservationAnswer {
    /// The reservation.
    reservation: ReservationView,
    /// The quota.
    quota: QuotaView,
}

fn answer(stored: Stored, quota: QuotaView, now: Timestamp) -> Json<ReservationAnswer> {
    let state = state_at(&stored, now).to_owned();
    let committed = (state == "committed").then_some(stored.committed);
    let Stored { id, quota: name, amount, expires_at, .. } = stored;
    Json(ReservationAnswer { reservation: ReservationView { id, name, amount, state, committed, expires_at }, quota })
}

/// Reserve units of a quota
///
/// For work whose cost is known only afterwards. Reserved units count as used until the reservation is committed or released; left
/// alone, it expires. Whoever made it settles it, nobody else.
#[utoipa::path(post, path = "/api/v1/quotas/{name}/reservations", tag = "quotas", operation_id = "reserveQuota",
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    params(("name" = String, Path, description = "The quota's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    request_body = Reserve,
    responses((status = 201, body = ReservationAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn make(
    State(app): State<App>,
    caller: Consumer,
    Now(now): Now,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    // Read in any case: a client that still writes would not see the answer.
    let body = Idempotent::<Reserve>::from_request(request, &app).await;
    known(&app, &name)?;
    let Idempotent(body, key) = body?;
    let amount = units(body.amount, "amount")?;
    let lifetime = body.ttl_seconds.map_or(LIFETIME, Duration::from_secs);
    if lifetime.is_zero() || lifetime > LIFETIME_MAX {
        return Err(Problem::new(Code::ValidationFailed).field("ttlSeconds", "out_of_range", "Use 1 to 86400 seconds."));
    }
    let user = caller.of(&app, body.subject).await?;
    let ask = Ask::new(&app, &name, user, now)?;
    let (this, by, key) = (app.clone(), caller.subject, key.map(|key| key.at(&name)));
    let work = |receipt| -> Work {
        Box::pin(async move {
            let (stored, counter) = reserve(&this, &ask, (amount, lifetime), by, receipt).await?;
            Ok((StatusCode::CREATED, answer(stored, QuotaView::of(&ask, Some(&counter)), now)).into_response())
        })
    };
    idempotency::once_with_receipt(&app, key, ROUTE, by.id(), now, work).await
}

/// Commit a reservation
///
/// Counts what the work cost and gives the rest back. More than was reserved is taken if that much is left; else 429 `quota_exceeded`,
/// and the reservation stays open. The same commit again gets the same answer; 410 once it has expired.
#[utoipa::path(post, path = "/api/v1/quotas/reservations/{id}/commit", tag = "quotas", operation_id = "commitReservation",
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    params(("id" = Uuid, Path, description = "The reservation's id")), request_body = Commit,
    responses((status = 200, body = ReservationAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn commit(
    State(app): State<App>,
    caller: Consumer,
    Now(now): Now,
    Path(id): Path<Uuid>,
    request: Request,
) -> Result<Json<ReservationAnswer>, Problem> {
    // Read in any case: a client that still writes would not see the answer.
    let body = Json::<Commit>::from_request(request, &()).await;
    let found = made_by(&app, id, caller.subject).await?;
    caller.still_for(&app, found.user).await?;
    let Json(body) = body?;
    let amount = match i64::try_from(body.amount) {
        Ok(amount) if body.amount <= UNITS_MAX => amount,
        _ => units(body.amount, "amount")?,
    };
    end(&app, &caller, &found, End::Commit(amount), now).await
}

/// Release a reservation
///
/// Gives back what was held. Again, or after it expired: the same answer. 409 when it was committed.
#[utoipa::path(post, path = "/api/v1/quotas/reservations/{id}/release", tag = "quotas", operation_id = "releaseReservation",
    security(("bearer" = []), ("delegated" = ["quotas:use"])),
    params(("id" = Uuid, Path, description = "The reservation's id")),
    responses((status = 200, body = ReservationAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn release(
    State(app): State<App>,
    caller: Consumer,
    Now(now): Now,
    Path(id): Path<Uuid>,
) -> Result<Json<ReservationAnswer>, Problem> {
    let found = made_by(&app, id, caller.subject).await?;
    caller.still_for(&app, found.user).await?;
    end(&app, &caller, &found, End::Release, now).await
}

async fn end(app: &App, caller: &Consumer, found: &Stored, end: End, now: Timestamp) -> Result<Json<ReservationAnswer>, Problem> {
    // A quota that the settings do not have any more is not counted; what was reserved of it expires.
    let ask = Ask::new(app, &found.quota, found.user, now)?;
    let (stored, counter) = settle(app, &ask, found, end, caller.subject).await?;
    Ok(answer(stored, QuotaView::of(&ask, Some(&counter)), now))
}
