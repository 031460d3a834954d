//! `GET /api/v1/admin/audit`, `…/verify` and `…/export`.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event::{Event, Target};
use super::export::{Export, Format, Selection};
use super::listed::{self, EventView};
use super::search::{Filter, Typed};
use super::verify::Verification;
use super::{AUDIT_EXPORTED, verify};
use crate::access::scope;
use crate::app::App;
use crate::error::{Code, Problem, ProblemBody};
use crate::http::context::Origin;
use crate::http::extract::{Json, Query};
use crate::http::guard::{Scoped, take};
use crate::http::limits::Policy;
use crate::http::page::{List, PageQuery};
use crate::http::visit::Visit;

const LIST: &str = "audit";

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search)).routes(routes!(verify_chain)).routes(routes!(export))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Who acted.
    #[param(format = Uuid)]
    pub actor: Option<String>,
    /// The act, such as `session.started`.
    #[param(min_length = 1, max_length = 64)]
    pub action: Option<String>,
    /// What was acted on.
    #[param(format = Uuid)]
    pub target: Option<String>,
    /// `success` or `denied`.
    #[param(pattern = "^(success|denied)$")]
    pub outcome: Option<String>,
    /// From this instant on (RFC 3339).
    #[param(format = DateTime)]
    pub from: Option<String>,
    /// Before this instant (RFC 3339).
    #[param(format = DateTime)]
    pub to: Option<String>,
    /// Rows on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    cursor: Option<String>,
}

/// Search the audit trail, newest first
///
/// Narrowed by actor, target or act it is answered from an index, however long the trail is.
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "administration", operation_id = "searchAudit",
    security(("bearer" = ["audit:read"])), params(SearchQuery),
    responses((status = 200, body = List<EventView>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn search(
    State(app): State<App>,
    _caller: Scoped<scope::AuditRead>,
    Query(query): Query<SearchQuery>,
) -> Result<Json<List<EventView>>, Problem> {
    let SearchQuery { actor, action, target, outcome, from, to, limit, cursor } = query;
    let filter = Filter::check(&Typed { actor, action, target, outcome, from, to })?;
    let page = PageQuery { limit, cursor }.check(&app.ground.roots, LIST)?;
    let items = listed::page(&app.ground, &filter, page.after, page.rows()).await?;
    Ok(Json(page.answer(&app.ground.roots, LIST, items, |event: &EventView| event.id)))
}

/// Check that nobody edited the audit trail
///
/// Walks the whole chain and names the first event that is altered, missing or out of order.
#[utoipa::path(get, path = "/api/v1/admin/audit/verify", tag = "administration", operation_id = "verifyAudit",
    security(("bearer" = ["audit:read"])),
    responses((status = 200, body = Verification), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn verify_chain(State(app): State<App>, caller: Scoped<scope::AuditRead>, visit: Visit) -> Result<Json<Verification>, Problem> {
    // It reads everything there is.
    take(&app, &visit, Policy::ApiUser, caller.subject.id().as_bytes()).await?;
    Ok(Json(verify::verify(&app.ground).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `ndjson` can be verified offline; `csv` is for spreadsheets.
    #[serde(default)]
    #[param(inline, required = false)]
    format: Format,
    /// Only events behind this place in the chain: the `seq` of the last one you have.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Who acted.
    #[param(format = Uuid)]
    actor: Option<String>,
    /// The act, such as `session.started`.
    #[param(min_length = 1, max_length = 64)]
    action: Option<String>,
    /// What was acted on.
    #[param(format = Uuid)]
    target: Option<String>,
    /// `success` or `denied`.
    #[param(pattern = "^(success|denied)$")]
    outcome: Option<String>,
    /// From this instant on (RFC 3339).
    #[param(format = DateTime)]
    from: Option<String>,
    /// Before this instant (RFC 3339).
    #[param(format = DateTime)]
    to: Option<String>,
}

/// Export the audit trail, whole or in part
///
/// Streamed, oldest first. NDJSON holds everything that hashes and signatures cover, with the public key, for `keystead audit
/// verify --file`; addresses and user agents stay sealed in it. CSV holds them as far as they can be opened. `after` goes on behind an
/// export you have. Narrowed like a search, it is an extract: which events it holds, and that none is missing, is signed at its end.
#[utoipa::path(get, path = "/api/v1/admin/audit/export", tag = "administration", operation_id = "exportAudit",
    security(("bearer" = ["audit:read"])), params(ExportQuery),
    responses((status = 200, description = "The trail", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn export(
    State(app): State<App>,
    caller: Scoped<scope::AuditRead>,
    visit: Visit,
    origin: Origin,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    take(&app, &visit, Policy::ApiUser, caller.subject.id().as_bytes()).await?;
    let ExportQuery { format, after, actor, action, target, outcome, from, to } = query;
    let filter = Filter::check(&Typed { actor, action, target, outcome, from, to })?;
    if after.is_some_and(|after| after < 0) {
        return Err(Problem::new(Code::InvalidRequest).field("after", "unknown", "Write the place of an event, or 0."));
    }
    let ground = &app.ground;
    let key = match caller.subject.person() {
        Some(person) => Some(ground.keyring.get(person).await?),
        None => None,
    };
    let event = Event::new(ground, AUDIT_EXPORTED, visit.now()).actor(caller.subject.into()).target(Target::none("audit"));
    let event =
        event.detail("format", format.as_str()).detail("whole", after.is_none() && !filter.narrows()).origin(ground, key.as_ref(), &origin);
    let export = Export::open(ground, format, Selection { filter: Some(filter), after }, event).await?;
    // An answer that breaks off shows as such: the connection does, and the last line is missing.
    let pages = try_unfold(export, async |mut export| match export.next().await {
        Ok(bytes) => Ok(bytes.map(|bytes| (Bytes::from(bytes), export))),
        Err(problem) => Err(std::io::Error::other(problem.detail.into_owned())),
    });
    let name = format!("attachment; filename=\"audit.{}\"", format.as_str());
    Ok(([(CONTENT_TYPE, format.media_type().to_owned()), (CONTENT_DISPOSITION, name)], Body::from_stream(pages)).into_response())
}
