//! `/api/v1/admin/users/{id}/transactions`: a look at another person's money, with a reason and on record.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::listing::Typed;
use super::routes::page;
use super::view::TransactionView;
use crate::access::scope::TransactionsRead;
use crate::app::App;
use crate::audit::{self, Event, Target};
use crate::db::Tx;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::page::List;

/// The longest reason that is kept, in characters.
const REASON_MAX: usize = 500;

/// The routes of administration.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct LookQuery {
    /// Why; stands in the audit trail, sealed.
    #[param(min_length = 1, max_length = 500, required = true)]
    reason: Option<String>,
    /// That happened from this instant on (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// That happened before this instant (RFC 3339).
    #[param(format = DateTime)]
    to: Option<String>,
    /// `income` or `expense`.
    #[param(pattern = "^(income|expense)$")]
    kind: Option<String>,
    /// Of this category, in whatever case; empty: without one.
    #[param(max_length = 64)]
    category: Option<String>,
    /// ISO 4217 code.
    #[param(pattern = "^[A-Z]{3}$")]
    currency: Option<String>,
    /// Words of the description.
    #[param(max_length = 200)]
    query: Option<String>,
    /// Deleted ones as well.
    #[serde(default)]
    include_deleted: bool,
    /// `occurredAt`, `amount` or `createdAt`, with a minus in front for the other direction.
    #[param(pattern = "^-?(occurredAt|amount|createdAt)$", default = "-occurredAt")]
    sort: Option<String>,
    /// Rows on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before, in the same order.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{54}$")]
    cursor: Option<String>,
}

/// Somebody's transactions
///
/// As they see them. Every page is on record as `transactions.read`, with the reason that was given.
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/transactions", tag = "administration", operation_id = "listTransactionsOf",
    security(("bearer" = ["transactions:read"])), params(("id" = Uuid, Path, description = "The account"), LookQuery),
    responses((status = 200, body = List<TransactionView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Scoped<TransactionsRead>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
    Query(query): Query<LookQuery>,
) -> Result<Json<List<TransactionView>>, Problem> {
    let LookQuery { reason, from, to, kind, category, currency, query, include_deleted, sort, limit, cursor } = query;
    let reason = checked(reason.as_deref())?;
    let typed = Typed { from, to, kind, category, currency, query, include_deleted, sort };
    app.people.view(id).await?.ok_or(Code::NotFound)?;
    // What is wrong with the question, or with the store, is no look at anything.
    let found = page(&app, id, &typed, limit, cursor.as_deref()).await?;
    let ground = &app.ground;
    let key = match caller.subject.person() {
        Some(person) => Some(ground.keyring.get(person).await?),
        None => None,
    };
    let event = Event::new(ground, audit::TRANSACTIONS_READ, now)
        .actor(caller.subject.into())
        .target(Target::user(id))
        .detail("count", found.items.len())
        .because(ground, key.as_ref(), &origin, Some(&reason));
    let record = async move |tx: &mut Tx| audit::record(tx, &event).await;
    // On record before it is answered, or not answered.
    ground.db.write(record).await?;
    Ok(Json(found))
}

fn checked(reason: Option<&str>) -> Result<String, Problem> {
    let refuse = |code, message: &'static str| Err(Problem::new(Code::InvalidRequest).field("reason", code, message));
    let reason = reason.unwrap_or_default().trim();
    if reason.is_empty() {
        return refuse("required", "Say why; it stands in the audit trail.");
    }
    if reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        return refuse("too_long", "Use at most 500 visible characters.");
    }
    Ok(reason.to_owned())
}
