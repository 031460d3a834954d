//! Who there is.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::body::{AdminUser, AdminUserAnswer, answer};
use super::reach::account;
use crate::access::scope::UsersRead;
use crate::accounts::Status;
use crate::accounts::directory::{self, Filter};
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Now;
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::page::{List, PageQuery};
use crate::sessions::{self, SessionItem};

const LIST: &str = "users";
/// More than any address or name has, in characters.
const QUERY_MAX: usize = 320;

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct UsersQuery {
    /// Exactly this e-mail address, or a part of the name in whatever case.
    #[param(max_length = 320)]
    query: Option<String>,
    /// Only accounts in this state.
    #[param(pattern = "^(pending|active|suspended|deleted)$")]
    status: Option<String>,
    /// Deleted accounts as well.
    #[serde(default)]
    include_deleted: bool,
    /// Rows on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    cursor: Option<String>,
}

/// Accounts, newest first
///
/// An address is looked up in an index. Names stand sealed, so no index finds them: a search by name opens at most 10,000 accounts
/// for one page, and goes on from there with `nextCursor`; such a page may be empty and not the last.
#[utoipa::path(get, path = "/api/v1/admin/users", tag = "administration", operation_id = "searchUsers",
    security(("bearer" = ["users:read"])), params(UsersQuery),
    responses((status = 200, body = List<AdminUser>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn search(
    State(app): State<App>,
    _caller: Scoped<UsersRead>,
    Query(typed): Query<UsersQuery>,
) -> Result<Json<List<AdminUser>>, Problem> {
    let refuse = |field: &'static str, message: &'static str| Problem::new(Code::InvalidRequest).field(field, "unknown", message);
    let status = typed.status.as_deref().map(Status::parse).transpose();
    let status = status.map_err(|_| refuse("status", "Use pending, active, suspended or deleted."))?;
    if typed.query.as_ref().is_some_and(|query| query.chars().count() > QUERY_MAX || query.chars().any(char::is_control)) {
        return Err(refuse("query", "Use an e-mail address or a part of a name, at most 320 visible characters."));
    }
    let page = PageQuery { limit: typed.limit, cursor: typed.cursor }.check(&app.ground.roots, LIST)?;
    let filter = Filter { query: typed.query, status, deleted: typed.include_deleted };
    let found = directory::list(&app.ground, &filter, page.after, page.limit as usize).await?;
    let items = found.people.iter().map(AdminUser::from).collect();
    Ok(Json(page.answer_until(&app.ground.roots, LIST, items, found.next)))
}

/// One account
#[utoipa::path(get, path = "/api/v1/admin/users/{id}", tag = "administration", operation_id = "getUser",
    security(("bearer" = ["users:read"])), params(("id" = Uuid, Path, description = "The account")),
    responses((status = 200, body = AdminUserAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<App>,
    _caller: Scoped<UsersRead>,
    Now(now): Now,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    answer(&app, &account(&app, id).await?, now).await
}

/// Somebody's open sessions, newest first
#[utoipa::path(get, path = "/api/v1/admin/users/{id}/sessions", tag = "administration", operation_id = "listUserSessions",
    security(("bearer" = ["users:read"])), params(("id" = Uuid, Path, description = "The account"), PageQuery),
    responses((status = 200, body = List<SessionItem>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn sessions(
    State(app): State<App>,
    _caller: Scoped<UsersRead>,
    Now(now): Now,
    Path(id): Path<Uuid>,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<SessionItem>>, Problem> {
    account(&app, id).await?;
    sessions::page_of(&app, id, None, &query, now).await.map(Json)
}
