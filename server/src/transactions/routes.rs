//! `/api/v1/transactions`: for the owner, and for what acts for them with a scope.

use axum::body::Body;
use axum::extract::{FromRequest, State};
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::{NewTransaction, TransactionChange};
use super::listing::{self, Selection, Typed};
use super::summary::{self, Asked, Summary};
use super::view::{self, TransactionView};
use super::{change as changing, create as creating, remove, store};
use crate::access::scope::{OwnTransactionsRead, OwnTransactionsWrite};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Personal;
use crate::http::if_match::{IfMatch, etag};
use crate::http::keyset::{self, KeysetPage};
use crate::http::page::List;
use crate::idempotency::{self, Idempotent, Work};

/// The routes of the owner.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(summarise))
        .routes(routes!(show, change, delete))
        .routes(routes!(restore))
}

/// `{transaction}`.
#[derive(Serialize, ToSchema)]
struct TransactionAnswer {
    transaction: TransactionView,
}

fn answer(status: StatusCode, transaction: TransactionView) -> Response {
    (status, [(header::ETAG, etag(transaction.version))], Json(TransactionAnswer { transaction })).into_response()
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct TransactionsQuery {
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
    /// Words of the description, all of them, in any order, without regard to case and accents; six at most.
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

impl TransactionsQuery {
    /// What of it narrows, and what of it pages.
    fn parts(self) -> (Typed, Option<u32>, Option<String>) {
        let Self { from, to, kind, category, currency, query, include_deleted, sort, limit, cursor } = self;
        (Typed { from, to, kind, category, currency, query, include_deleted, sort }, limit, cursor)
    }
}

/// A page of the transactions of `owner`.
pub(super) async fn page(
    app: &App,
    owner: Uuid,
    typed: &Typed,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<List<TransactionView>, Problem> {
    let ground = &app.ground;
    let selection = Selection::check(typed)?;
    let list: [&[u8]; 3] = [b"transactions", owner.as_bytes(), selection.order().as_str().as_bytes()];
    let page = KeysetPage::check(limit, cursor, &ground.roots, &list)?;
    let key = ground.keyring.get(owner).await?;
    let found = listing::find(&ground.db, owner, &selection.keyed(&key), page.after, page.limit).await?;
    let items = found.rows.into_iter().map(|row| view::open(row, &key)).collect::<Result<Vec<_>, _>>()?;
    Ok(keyset::answer(&ground.roots, &list, items, found.next))
}

/// My transactions
///
/// Newest first unless `sort` says otherwise; what happened at the same time, or is the same amount, stands in one order all the same.
/// Filters narrow together. A page looks at a bounded number of transactions: with filters that few pass it may be short or empty and
/// not the last, and `nextCursor` goes on from there.
#[utoipa::path(get, path = "/api/v1/transactions", tag = "transactions", operation_id = "listTransactions",
    security(("bearer" = []), ("delegated" = ["transactions:own:read"])), params(TransactionsQuery),
    responses((status = 200, body = List<TransactionView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Personal<OwnTransactionsRead>,
    Query(query): Query<TransactionsQuery>,
) -> Result<Json<List<TransactionView>>, Problem> {
    let (typed, limit, cursor) = query.parts();
    page(&app, caller.user, &typed, limit, cursor.as_deref()).await.map(Json)
}

/// Write a transaction down
#[utoipa::path(post, path = "/api/v1/transactions", tag = "transactions", operation_id = "createTransaction",
    security(("bearer" = []), ("delegated" = ["transactions:own:write"])), request_body = NewTransaction,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, body = TransactionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    caller: Personal<OwnTransactionsWrite>,
    Now(now): Now,
    Idempotent(request, key): Idempotent<NewTransaction>,
) -> Result<Response, Problem> {
    let (this, owner) = (app.clone(), caller.user);
    let work = |receipt| -> Work {
        Box::pin(async move {
            let made = creating::create(&this.ground, owner, request, receipt, now).await?;
            Ok(answer(StatusCode::CREATED, made))
        })
    };
    idempotency::once_with_receipt(&app, key, "transactions", owner, now, work).await
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct DeletedQuery {
    /// Also when it is deleted.
    #[serde(default)]
    include_deleted: bool,
}

/// One of my transactions
#[utoipa::path(get, path = "/api/v1/transactions/{id}", tag = "transactions", operation_id = "getTransaction",
    security(("bearer" = []), ("delegated" = ["transactions:own:read"])),
    params(("id" = Uuid, Path, description = "The transaction"), DeletedQuery),
    responses((status = 200, body = TransactionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(
    State(app): State<App>,
    caller: Personal<OwnTransactionsRead>,
    Path(id): Path<Uuid>,
    Query(query): Query<DeletedQuery>,
) -> Result<Response, Problem> {
    let found = store::find(&app.ground.db, caller.user, id).await?;
    let found = found.filter(|found| found.deleted_at.is_none() || query.include_deleted).ok_or(Code::NotFound)?;
    let key = app.ground.keyring.get(caller.user).await?;
    Ok(answer(StatusCode::OK, view::open(found, &key)?))
}

/// Change a transaction
///
/// With `If-Match` only the version that you have seen is changed; without it, whichever there is.
#[utoipa::path(patch, path = "/api/v1/transactions/{id}", tag = "transactions", operation_id = "updateTransaction",
    security(("bearer" = []), ("delegated" = ["transactions:own:write"])), request_body = TransactionChange,
    params(("id" = Uuid, Path, description = "The transaction"), ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen", pattern = "^(\\*|\"[0-9]{1,18}\")$")),
    responses((status = 200, body = TransactionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn change(
    State(app): State<App>,
    caller: Personal<OwnTransactionsWrite>,
    Now(now): Now,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    // Whether there is anything to change comes first: a stranger learns nothing from what is said about the body. It is read before
    // that, because a client that still writes would not see the answer.
    let wanted = Json::<TransactionChange>::from_request(request, &app).await;
    store::find(&app.ground.db, caller.user, id).await?.filter(|found| found.deleted_at.is_none()).ok_or(Code::NotFound)?;
    let Json(wanted) = wanted?;
    let changed = changing::change(&app.ground, caller.user, id, wanted, if_match, now).await?;
    Ok(answer(StatusCode::OK, changed))
}

/// Delete a transaction
///
/// It can be restored until retention takes it (90 days unless configured otherwise). With `If-Match` only the version that you have
/// seen is deleted.
#[utoipa::path(delete, path = "/api/v1/transactions/{id}", tag = "transactions", operation_id = "deleteTransaction",
    security(("bearer" = []), ("delegated" = ["transactions:own:write"])),
    params(("id" = Uuid, Path, description = "The transaction"), ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen", pattern = "^(\\*|\"[0-9]{1,18}\")$")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Personal<OwnTransactionsWrite>,
    Now(now): Now,
    if_match: IfMatch,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    remove::delete(&app.ground, caller.user, id, if_match, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Restore a deleted transaction
#[utoipa::path(post, path = "/api/v1/transactions/{id}/restore", tag = "transactions", operation_id = "restoreTransaction",
    security(("bearer" = []), ("delegated" = ["transactions:own:write"])),
    params(("id" = Uuid, Path, description = "The transaction")),
    responses((status = 200, body = TransactionAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn restore(
    State(app): State<App>,
    caller: Personal<OwnTransactionsWrite>,
    Now(now): Now,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    let restored = remove::restore(&app.ground, caller.user, id, now).await?;
    Ok(answer(StatusCode::OK, restored))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
struct SummaryQuery {
    /// From this instant on (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant (RFC 3339).
    #[param(format = DateTime)]
    to: Option<String>,
    /// `month` or `category`.
    #[param(pattern = "^(month|category)$", default = "month", required = false)]
    group_by: Option<String>,
}

/// What my transactions sum up to
///
/// Per currency: nothing is converted. Months are those of UTC. Deleted transactions do not count.
#[utoipa::path(get, path = "/api/v1/transactions/summary", tag = "transactions", operation_id = "summariseTransactions",
    security(("bearer" = []), ("delegated" = ["transactions:own:read"])), params(SummaryQuery),
    responses((status = 200, body = Summary), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn summarise(
    State(app): State<App>,
    caller: Personal<OwnTransactionsRead>,
    Query(query): Query<SummaryQuery>,
) -> Result<Json<Summary>, Problem> {
    let asked = Asked::check(query.from.as_deref(), query.to.as_deref(), query.group_by.as_deref())?;
    summary::summary(&app.ground, caller.user, &asked).await.map(Json)
}
