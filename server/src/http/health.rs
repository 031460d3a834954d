//! Whether this instance lives, may get traffic, and how the parts it leans on are doing.
//!
//! `/health/live` asks nothing of anyone. `/health/ready` is 503 while starting, draining, or without a
//! required part (the database). Results are kept for a second and each part is asked by one probe at a
//! time, so a flood of probes never becomes a flood of queries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// How long a result is believed.
const FRESH: Duration = Duration::from_secs(1);

/// A part that does not answer within this is down.
const PATIENCE: Duration = Duration::from_secs(2);

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

/// Where this instance is in its life. Clones are the same instance.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// An instance that is starting.
    pub fn starting() -> Self {
        Self::default()
    }

    /// It may get traffic; no effect once it drains.
    pub fn ready(&self) {
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// It stops; there is no way back.
    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Whether it may get traffic.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    /// `starting`, `ready` or `draining`.
    pub fn name(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            STARTING => "starting",
            READY => "ready",
            _ => "draining",
        }
    }
}

/// How a part, or the whole, is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
pub enum Status {
    /// As it should be.
    Up,
    /// Works, with less than its usual strength.
    Degraded,
    /// Does not work.
    Down,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The finding.
    pub status: Status,
    /// A word about it for operators; never a secret or an address with one.
    pub detail: Option<String>,
}

impl CheckResult {
    /// All is well.
    pub fn up() -> Self {
        Self { status: Status::Up, detail: None }
    }

    /// It works, but.
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self { status: Status::Degraded, detail: Some(detail.into()) }
    }

    /// It does not work.
    pub fn down(detail: impl Into<String>) -> Self {
        Self { status: Status::Down, detail: Some(detail.into()) }
    }

    /// Adds a word for operators.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// How one part is doing, with how long it took to say so.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthCheck)]
pub struct CheckReport {
    /// The finding.
    pub status: Status,
    /// Milliseconds the check took.
    pub latency_ms: f64,
    /// A word about it for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The whole picture, for operators.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = HealthReport)]
pub struct Report {
    /// The worst of the required parts; a failing part that is not required only degrades.
    pub status: Status,
    /// `starting`, `ready` or `draining`.
    pub state: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// Each part by name.
    pub checks: BTreeMap<&'static str, CheckReport>,
}

impl Report {
    /// Nothing but the status.
    pub fn summary(&self) -> Response {
        (self.http_status(), Json(Summary { status: self.status })).into_response()
    }

    /// Every part.
    pub fn detail(&self) -> Response {
        (self.http_status(), Json(self)).into_response()
    }

    /// 200 as long as the instance can serve, 503 when it cannot.
    pub fn http_status(&self) -> StatusCode {
        if self.status == Status::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }
}

type Probe = Arc<dyn Fn() -> BoxFuture<'static, CheckResult> + Send + Sync>;

struct Check {
    name: &'static str,
    required: bool,
    probe: Probe,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    report: Option<(Instant, CheckReport)>,
    asking: bool,
}

/// The registry of checks together with the state of the instance. Clones share both.
#[derive(Clone)]
pub struct Health {
    readiness: Readiness,
    checks: Arc<Vec<Check>>,
}

/// Collects the checks of a [`Health`].
pub struct HealthBuilder {
    readiness: Readiness,
    checks: Vec<Check>,
}

impl HealthBuilder {
    /// Adds a part. Without a `required` one the instance is not ready; the others only degrade it.
    #[must_use]
    pub fn check<F, R>(mut self, name: &'static str, required: bool, probe: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = CheckResult> + Send + 'static,
    {
        let probe: Probe = Arc::new(move || Box::pin(probe()));
        self.checks.push(Check { name, required, probe, last: Mutex::default() });
        self
    }

    /// The registry.
    pub fn build(self) -> Health {
        Health { readiness: self.readiness, checks: Arc::new(self.checks) }
    }
}

impl Health {
    /// A registry for the instance whose state is `readiness`.
    pub fn builder(readiness: Readiness) -> HealthBuilder {
        HealthBuilder { readiness, checks: Vec::new() }
    }

    /// The state of the instance.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Asks every part that was not asked within the last second.
    pub async fn report(&self) -> Report {
        let reports = join_all(self.checks.iter().map(Check::report)).await;
        let mut status = if self.readiness.is_ready() { Status::Up } else { Status::Down };
        for (check, report) in self.checks.iter().zip(&reports) {
            status = status.max(if check.required { report.status } else { report.status.min(Status::Degraded) });
        }
        let checks = self.checks.iter().map(|check| check.name).zip(reports).collect();
        Report { status, state: self.readiness.name(), version: env!("CARGO_PKG_VERSION"), checks }
    }

    /// Whether the instance may get traffic: it is ready and every required part works.
    pub async fn is_ready(&self) -> bool {
        if !self.readiness.is_ready() {
            return false;
        }
        let required = self.checks.iter().filter(|check| check.required);
        join_all(required.map(Check::report)).await.iter().all(|report| report.status != Status::Down)
    }
}

impl Check {
    async fn report(&self) -> CheckReport {
        if let Some(known) = self.known() {
            return known;
        }
        let started = Instant::now();
        let found = tokio::time::timeout(PATIENCE, (self.probe)()).await;
        let found = found.unwrap_or_else(|_| CheckResult::down("no answer within two seconds"));
        let latency_ms = started.elapsed().as_secs_f64() * 1000.0;
        let report = CheckReport { status: found.status, latency_ms: (latency_ms * 1000.0).round() / 1000.0, detail: found.detail };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Last { report: Some((Instant::now(), report.clone())), asking: false };
        report
    }

    /// The last result while it is fresh, or while somebody else is asking; `None` makes the caller ask.
    fn known(&self) -> Option<CheckReport> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, report) = last.report.as_ref()?;
        // A prober that went away while asking must not keep an old result alive for ever.
        let believed = if last.asking { FRESH + PATIENCE } else { FRESH };
        if at.elapsed() < believed {
            return Some(report.clone());
        }
        last.asking = true;
        None
    }
}

/// The public answer: nothing but the status.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = HealthSummary)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// How the instance is doing.
    pub status: Status,
}

/// `GET /health/live`, `GET /health/ready` and `GET /health` with nothing but the status.
pub fn public_routes(health: Health) -> Router {
    probes().route("/health", get(summary)).with_state(health)
}

/// The same with every part in `GET /health`, for the operations listener.
pub fn ops_routes(health: Health) -> Router {
    probes().route("/health", get(detail)).with_state(health)
}

/// `GET /health/live` and `GET /health/ready` alone, for a router with its own `GET /health`.
pub fn probes() -> Router<Health> {
    Router::new().route("/health/live", get(live)).route("/health/ready", get(ready))
}

/// Is the process alive
#[utoipa::path(get, path = "/health/live", tag = "operations", operation_id = "live", responses((status = 200, body = Summary)))]
pub(crate) async fn live() -> Json<Summary> {
    Json(Summary { status: Status::Up })
}

/// May this instance be sent requests
///
/// 503 while it starts, while it drains, and without its database.
#[utoipa::path(get, path = "/health/ready", tag = "operations", operation_id = "ready",
    responses((status = 200, body = Summary), (status = 503, body = Summary)))]
pub(crate) async fn ready(State(health): State<Health>) -> Response {
    if health.is_ready().await {
        Json(Summary { status: Status::Up }).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Summary { status: Status::Down })).into_response()
    }
}

async fn summary(State(health): State<Health>) -> Response {
    health.report().await.summary()
}

async fn detail(State(health): State<Health>) -> Response {
    health.report().await.detail()
}
