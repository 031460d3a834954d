//! `/api/v1/exports` and `/api/v1/account/export`: ordered, looked at, taken back.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ACCOUNT;
use super::order::{self, Order};
use super::source::Format;
use super::store;
use super::view::{ExportAnswer, ExportView};
use crate::access::scope::ExportsWrite;
use crate::app::App;
use crate::audit::{self, Actor, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::{Caller, Personal, take};
use crate::http::limits::Policy;
use crate::http::page::{List, PageQuery};
use crate::http::visit::Visit;
use crate::idempotency::{self, Idempotent};

const LIST: &str = "exports";

/// The routes of orders.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, order)).routes(routes!(show, delete)).routes(routes!(account))
}

/// My exports, newest first
#[utoipa::path(get, path = "/api/v1/exports", tag = "exports", operation_id = "listExports", security(("bearer" = []), ("delegated" = ["exports:write"])), params(PageQuery),
    responses((status = 200, body = List<ExportView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    Now(now): Now,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<ExportView>>, Problem> {
    let page = query.check(&app.ground.roots, LIST)?;
    let rows = store::list(&app.ground.db, caller.user, page.after, page.rows()).await?;
    let items = rows.into_iter().map(|stored| ExportView::of(stored, now)).collect();
    Ok(Json(page.answer(&app.ground.roots, LIST, items, |item: &ExportView| item.id)))
}

/// Order an export
///
/// It is written in the background. Ask for it again, or listen to its events, until it is `ready`; then fetch it from `downloadUrl`
/// before `expiresAt`. Small ones can be had at once: see `POST /api/v1/exports/stream`.
#[utoipa::path(post, path = "/api/v1/exports", tag = "exports", operation_id = "orderExport", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = []), ("delegated" = ["exports:write"])), request_body = Order,
    responses((status = 202, body = ExportAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn order(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    visit: Visit,
    origin: Origin,
    Idempotent(request, key): Idempotent<Order>,
) -> Result<Response, Problem> {
    take(&app, &visit, Policy::ApiUser, caller.user.as_bytes()).await?;
    let checked = order::check(&app, &caller, request).await?;
    let (this, user, now) = (app.clone(), caller.user, visit.now());
    let work = Box::pin(async move {
        let answer = order::order(&this, user, checked, &origin, now).await?;
        Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
    });
    idempotency::once(&app, key, "exports", Some(user), now, work).await
}

/// One of my exports
#[utoipa::path(get, path = "/api/v1/exports/{id}", tag = "exports", operation_id = "getExport", security(("bearer" = []), ("delegated" = ["exports:write"])),
    params(("id" = Uuid, Path, description = "The export's id")),
    responses((status = 200, body = ExportAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn show(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    Now(now): Now,
    Path(id): Path<Uuid>,
) -> Result<Json<ExportAnswer>, Problem> {
    let stored = store::find(&app.ground.db, id, caller.user).await?.ok_or(Code::NotFound)?;
    Ok(Json(ExportAnswer { export: ExportView::of(stored, now) }))
}

/// Take an export back
///
/// The file is deleted with it; one that is being written is not written any further.
#[utoipa::path(delete, path = "/api/v1/exports/{id}", tag = "exports", operation_id = "deleteExport", security(("bearer" = []), ("delegated" = ["exports:write"])),
    params(("id" = Uuid, Path, description = "The export's id")),
    responses((status = 204, description = "Deleted"), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn delete(
    State(app): State<App>,
    caller: Personal<ExportsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let (ground, user) = (&app.ground, caller.user);
    let key = ground.keyring.get(user).await?;
    let event = audit::Event::new(ground, audit::EXPORT_DELETED, now).actor(Actor::User(user)).target(Target::export(id));
    let event = event.origin(ground, Some(&key), &origin);
    let work = async move |tx: &mut crate::db::Tx| {
        let deleted = store::delete(tx, id, user).await?;
        if deleted {
            audit::record(tx, &event).await?;
        }
        Ok::<_, Problem>(deleted)
    };
    match ground.db.write(work).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Code::NotFound.into()),
    }
}

/// An export of everything that is held about oneself.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AccountOrder {
    // What is said of a member stands beside the values and hides them.
    #[schema(inline)]
    format: AccountFormat,
}

/// `json` for programs, `pdf` for people.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum AccountFormat {
    Json,
    Pdf,
}

/// Export everything that is held about me
///
/// As `POST /api/v1/exports` with the kind `account`: what every part of Keystead holds, what for and how long, and what is not in it
/// with the reason.
#[utoipa::path(post, path = "/api/v1/account/export", tag = "account", operation_id = "exportAccount", params(("Idempotency-Key" = Option<String>, Header, description = "Repeat safely: the same key and body get the first answer again", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), security(("bearer" = [])), request_body = AccountOrder,
    responses((status = 202, body = ExportAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn account(
    State(app): State<App>,
    caller: Caller,
    visit: Visit,
    origin: Origin,
    Idempotent(request, key): Idempotent<AccountOrder>,
) -> Result<Response, Problem> {
    take(&app, &visit, Policy::ApiUser, caller.user.as_bytes()).await?;
    let format = match request.format {
        AccountFormat::Json => Format::Json,
        AccountFormat::Pdf => Format::Pdf,
    };
    let wanted = Order { kind: ACCOUNT.name.to_owned(), format, filter: None, csv: None };
    let checked = order::check(&app, &caller, wanted).await?;
    let (this, user, now) = (app.clone(), caller.user, visit.now());
    let work = Box::pin(async move {
        let answer = order::order(&this, user, checked, &origin, now).await?;
        Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
    });
    idempotency::once(&app, key, "account_export", Some(user), now, work).await
}
