//! `/api/v1/admin/jobs`: what waits in the queue, what failed for good, and another try. Payloads are sealed and shown to nobody.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::access::scope::{JobsRead, JobsWrite};
use crate::app::App;
use crate::audit::{self, Event, Target};
use crate::error::{Code, Problem, ProblemBody};
use crate::ground::Ground;
use crate::http::context::{Now, Origin};
use crate::http::extract::{Json, Path, Query};
use crate::http::guard::Scoped;
use crate::http::page::{List, PageQuery};
use crate::jobs::{JobInfo, Retried, State as Status};

const LIST: &str = "jobs";
/// The longest name of a kind, in bytes; ours are below 40.
const KIND_MAX: usize = 64;

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(retry))
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct JobsQuery {
    /// `queued` (waiting or running) or `dead` (failed for good).
    #[param(required = false)]
    status: Option<Status>,
    /// One kind of work, such as `mail.send`.
    #[param(required = false, min_length = 1, max_length = 64)]
    kind: Option<String>,
    /// Rows on the page.
    #[param(minimum = 1, maximum = 200, default = 50, required = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(required = false, pattern = "^[A-Za-z0-9_-]{43}$")]
    cursor: Option<String>,
}

/// `{job}`.
#[derive(Serialize, ToSchema)]
struct JobAnswer {
    job: JobInfo,
}

/// The queue, newest first
///
/// Jobs that are done are not kept. Dead letters wait for somebody to mend the cause and try again.
#[utoipa::path(get, path = "/api/v1/admin/jobs", tag = "administration", operation_id = "listJobs", security(("bearer" = ["jobs:read"])), params(JobsQuery),
    responses((status = 200, body = List<JobInfo>), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn list(State(app): State<App>, _caller: Scoped<JobsRead>, Query(query): Query<JobsQuery>) -> Result<Json<List<JobInfo>>, Problem> {
    let page = PageQuery { limit: query.limit, cursor: query.cursor }.check(&app.ground.roots, LIST)?;
    if query.kind.as_ref().is_some_and(|kind| kind.is_empty() || kind.len() > KIND_MAX || kind.contains('\0')) {
        return Err(Problem::new(Code::InvalidRequest).field("kind", "invalid", "Use the name of a kind, such as mail.send."));
    }
    let jobs = app.ground.jobs.list(query.status, query.kind, page.after, page.rows()).await?;
    Ok(Json(page.answer(&app.ground.roots, LIST, jobs, |job| job.id)))
}

/// Try a dead letter again
///
/// It is due at once and has all its attempts again. 409 for a job that waits or runs by itself.
#[utoipa::path(post, path = "/api/v1/admin/jobs/{id}/retry", tag = "administration", operation_id = "retryJob", security(("bearer" = ["jobs:write"])),
    params(("id" = Uuid, Path, description = "The job")),
    responses((status = 200, body = JobAnswer), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn retry(
    State(app): State<App>,
    caller: Scoped<JobsWrite>,
    Now(now): Now,
    origin: Origin,
    Path(id): Path<Uuid>,
) -> Result<Json<JobAnswer>, Problem> {
    let key = match caller.subject.person() {
        Some(person) => Some(app.ground.keyring.get(person).await?),
        None => None,
    };
    let event = Event::new(&app.ground, audit::JOB_RETRIED, now).actor(caller.subject.into()).target(Target::job(id)).origin(
        &app.ground,
        key.as_ref(),
        &origin,
    );
    let job = try_again(&app.ground, id, event).await?;
    Ok(Json(JobAnswer { job }))
}

/// Puts a dead letter back into the queue, on record.
///
/// # Errors
/// `not_found`; `conflict` for a job that is no dead letter.
pub async fn try_again(ground: &Ground, id: Uuid, event: Event) -> Result<JobInfo, Problem> {
    let jobs = ground.jobs.clone();
    ground
        .db
        .write(async move |tx| match jobs.retry(tx, id).await? {
            Retried::Queued(job) => {
                audit::record(tx, &event.clone().detail("kind", job.kind.clone())).await?;
                Ok(*job)
            }
            Retried::NotDead => Err(Problem::new(Code::Conflict).detail("This job is no dead letter; it waits or runs by itself.")),
            Retried::Unknown => Err(Code::NotFound.into()),
        })
        .await
}
