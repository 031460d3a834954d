//! `GET /api/v1/admin/stats`: the installation in figures.
//!
//! They are counted at most every few seconds on each instance, by one request while the others wait for its result: however many
//! dashboards ask, the database is asked no more often. The read replica is asked where there is one.

mod store;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::scope::OpsRead;
use crate::accounts::Status;
use crate::app::App;
use crate::audit;
use crate::db::DbError;
use crate::error::{Problem, ProblemBody};
use crate::ground::Ground;
use crate::http::context::Now;
use crate::http::extract::Json;
use crate::http::guard::Scoped;
use crate::jobs::Depth;
use crate::time::Timestamp;

pub use store::STATEMENTS;

/// How old figures may be.
pub const FRESH: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stats))
}

/// The figures that one instance counted last.
#[derive(Clone, Default)]
pub struct Stats(Arc<Mutex<Option<Figures>>>);

/// The installation in figures.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// When they were counted.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Accounts.
    pub users: People,
    /// Sessions of all people and applications that go on.
    pub open_sessions: u64,
    /// What happened lately.
    pub last_day: LastDay,
    /// The queue.
    pub jobs: Depth,
}

/// Accounts by their state.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct People {
    /// Waiting for the address to be confirmed.
    pub pending: u64,
    /// They sign in.
    pub active: u64,
    /// Closed.
    pub suspended: u64,
    /// Restorable still.
    pub deleted: u64,
}

/// What happened in the last 24 hours, as far as the audit trail reaches back.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastDay {
    /// Accounts that were signed up.
    pub sign_ups: u64,
    /// Sessions that were opened, those of applications included.
    pub sign_ins: u64,
    /// Passwords that were wrong, for addresses with an account or without.
    pub failed_sign_ins: u64,
    /// Addresses that were locked because of it.
    pub lockouts: u64,
}

impl Stats {
    /// The figures, counted again when they are not fresh any more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn figures(&self, ground: &Ground, now: Timestamp) -> Result<Figures, DbError> {
        let mut last = self.0.lock().await;
        // Of requests that wait here the one that counted may have arrived after this one. A clock that was set back further
        // than that makes the figures stale, too.
        if let Some(known) = last.as_ref().filter(|known| now.since(known.at) < FRESH && known.at.since(now) < FRESH) {
            return Ok(known.clone());
        }
        let counted = count(ground, now).await?;
        *last = Some(counted.clone());
        Ok(counted)
    }
}

async fn count(ground: &Ground, now: Timestamp) -> Result<Figures, DbError> {
    let db = ground.db.replica();
    let mut users = People::default();
    for (status, people) in store::people(&db).await? {
        let people = people.unsigned_abs();
        match Status::parse(&status) {
            Ok(Status::Pending) => users.pending = people,
            Ok(Status::Active) => users.active = people,
            Ok(Status::Suspended) => users.suspended = people,
            Ok(Status::Deleted) => users.deleted = people,
            Err(error) => return Err(error),
        }
    }
    let since = now.minus(DAY);
    let acts = async |action| store::acts(&db, action, since).await.map(i64::unsigned_abs);
    Ok(Figures {
        at: now,
        users,
        open_sessions: store::open_sessions(&db, now).await?.unsigned_abs(),
        last_day: LastDay {
            sign_ups: acts(audit::USER_REGISTERED).await?,
            sign_ins: acts(audit::SESSION_STARTED).await?,
            failed_sign_ins: acts(audit::LOGIN_FAILED).await?,
            lockouts: acts(audit::LOGIN_LOCKED).await?,
        },
        jobs: ground.jobs.depth().await?,
    })
}

/// The installation in figures
///
/// Counted at most every five seconds by each instance; `at` says when.
#[utoipa::path(get, path = "/api/v1/admin/stats", tag = "administration", operation_id = "stats", security(("bearer" = ["ops:read"])),
    responses((status = 200, body = Figures), (status = "default", body = ProblemBody, content_type = "application/problem+json")))]
async fn stats(State(app): State<App>, _caller: Scoped<OpsRead>, Now(now): Now) -> Result<Json<Figures>, Problem> {
    Ok(Json(app.stats.figures(&app.ground, now).await?))
}
