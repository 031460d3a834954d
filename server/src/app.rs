//! The table of contents: what an instance is made of, every slice with its routes and jobs, and how it
//! starts and stops.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::accounts::{self, AccessLost, Lifecycle, People};
use crate::config::Settings;
use crate::db::{Db, Sql};
use crate::error::Problem;
use crate::ground::Ground;
use crate::http::gate::{Gate, GateSettings, GateTools};
use crate::http::guard::Verified;
use crate::http::known_query::KnownQuery;
use crate::http::{ServerSettings, docs, fallback, health, landing, ops};
use crate::jobs::{Handler, Kind};
use crate::passwords::Attempts;
use crate::sessions::Sessions;
use crate::telemetry::{RequestMetrics, Telemetry};
use crate::time::Timestamp;
use crate::{audit, codes, dev, idempotency, mail, passwords, privacy, sessions};

mod build;
mod health_checks;
mod housekeeping;
mod reference;

pub use build::{Seed, StartError};
pub use reference::openapi;

/// One instance: the floor and the state of the slices. Cheap to clone; passed to every handler.
#[derive(Clone)]
pub struct App {
    /// The floor.
    pub ground: Ground,
    /// People in memory.
    pub people: People,
    /// Tokens, revocation, activity.
    pub sessions: Sessions,
    /// Suspend, delete, restore, erase.
    pub lifecycle: Lifecycle,
    /// Guesses under way.
    pub attempts: Attempts,
    /// Sends letters.
    pub mailer: mail::Mailer,
}

impl App {
    /// Who presents `token`; the guard asks this.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        self.sessions.authenticate(token, now)
    }

    /// A link into the hosted pages. The secret works once and for an hour, and neither our log nor the `Referer` we allow holds it.
    pub fn link(&self, page: &str, secret: Option<&str>) -> String {
        let base = self.ground.settings.public_url();
        secret.map_or_else(|| format!("{base}/{page}"), |secret| format!("{base}/{page}?token={secret}"))
    }
}

/// Every slice's routes.
fn slices() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(reference::Reference::openapi())
        .merge(passwords::routes())
        .merge(sessions::routes())
        .merge(accounts::routes())
        .merge(privacy::routes())
}

/// Every slice's jobs.
pub fn job_handlers(app: &App) -> Vec<(Kind, Handler)> {
    let mut all = passwords::handlers(app);
    all.extend(mail::handlers(app.mailer.clone()));
    all
}

/// Every slice's SQL, for the test that prepares each statement on both engines.
pub fn statements() -> Vec<(&'static str, &'static [(&'static str, Sql)])> {
    vec![
        ("accounts", accounts::STATEMENTS),
        ("audit", audit::STATEMENTS),
        ("codes", codes::STATEMENTS),
        ("idempotency", idempotency::STATEMENTS),
        ("passwords", passwords::STATEMENTS),
        ("privacy", privacy::STATEMENTS),
        ("sessions", sessions::store::STATEMENTS),
    ]
}

/// Who acts when a person loses access.
fn access_lost(sessions: &Sessions) -> Vec<Arc<dyn AccessLost>> {
    vec![Arc::new(sessions.clone())]
}

/// The public routes, without the gates.
fn router(app: &App, health: health::Health) -> Router {
    let settings = &app.ground.settings;
    let (api, document) = slices().split_for_parts();
    let known = KnownQuery::of(&document);
    let api = api.merge(crate::oauth::routes()).route_layer(known).with_state(app.clone());
    let mut router = api
        .merge(docs::router(reference::to_json(&document)))
        .merge(health::public_routes(health))
        .merge(landing::router(settings.is_development()));
    if let Some(mailbox) = app.mailer.mailbox() {
        router = router.merge(mail::routes().with_state(mailbox));
    }
    if settings.dev_clock {
        router = router.merge(dev::clock_routes(app));
    }
    router.fallback(fallback::not_found).method_not_allowed_fallback(fallback::method_not_allowed)
}

/// An instance that serves.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where metrics and health detail are.
    pub ops_addr: Option<SocketAddr>,
    /// The instance.
    pub app: App,
    telemetry: Telemetry,
    stop: CancellationToken,
    background: CancellationToken,
    tasks: TaskTracker,
    servers: TaskTracker,
}

/// Opens the stores, brings them to this version's schema, and serves.
///
/// # Errors
/// What could not be opened, bound or migrated, with what to do about it.
pub async fn start(settings: Settings, seed: Seed) -> Result<Running, StartError> {
    let telemetry = Telemetry::init(&settings.log, seed.clock.clone(), Box::new(std::io::stderr()))
        .map_err(|error| StartError::Log(error.to_string()))?;
    start_with(settings, seed, telemetry).await
}

/// The same with a log of one's own.
pub async fn start_with(settings: Settings, seed: Seed, telemetry: Telemetry) -> Result<Running, StartError> {
    let app = App::open(settings, seed).await?;
    app.sessions.revocations().poll().await.map_err(StartError::Database)?;
    let settings = &app.ground.settings;
    let readiness = health::Readiness::starting();
    let health = health_checks::of(&app, readiness.clone());
    let metrics = Arc::new(RequestMetrics::new());
    let tools = GateTools {
        clock: app.ground.clock.clone(),
        random: app.ground.random.clone(),
        metrics: metrics.clone(),
        log: telemetry.log().clone(),
    };
    let (stop, background, tasks, servers) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new(), TaskTracker::new());

    let listener = build::bind(&settings.server.host, settings.server.port).await?;
    let addr = listener.local_addr().map_err(StartError::Io)?;
    let gates = GateSettings { access_log: telemetry.access_log(), ..GateSettings::new(settings) };
    let gate = Gate::new(router(&app, health.clone()), gates, tools.clone());
    let serving = ServerSettings::new(&settings.server).drain_delay(settings.server.drain_delay);
    servers.spawn(crate::http::serve(listener, gate, serving, readiness.clone(), stop.clone()));

    let mut ops_addr = None;
    if let Some(wanted) = settings.server.ops_addr {
        let listener = build::bind(&wanted.ip().to_string(), wanted.port()).await?;
        ops_addr = Some(listener.local_addr().map_err(StartError::Io)?);
        let ground = app.ground.clone();
        let gauges = move || [&ground.db, &ground.vault].into_iter().for_each(Db::report);
        let gate =
            Gate::new(ops::router(metrics, health, gauges), GateSettings { access_log: false, ..GateSettings::new(settings) }, tools);
        // Metrics and health answer until the very end.
        servers.spawn(crate::http::serve(listener, gate, ServerSettings::new(&settings.server), readiness.clone(), background.clone()));
    }
    housekeeping::spawn(&app, &tasks, &background);
    readiness.ready();
    Ok(Running { addr, ops_addr, app, telemetry, stop, background, tasks, servers })
}

impl Running {
    /// Stops gracefully: readiness turns 503, requests in flight finish, jobs finish or are handed back,
    /// activity is written down, stores close.
    pub async fn stop(self) -> Result<(), StartError> {
        self.stop.cancel();
        self.servers.close();
        self.tasks.close();
        let grace = self.app.ground.settings.server.shutdown_grace;
        if self.ops_addr.is_none() {
            self.servers.wait().await;
        } else {
            // The ops listener is one of the servers and ends last.
            let draining = async {
                while self.servers.len() > 1 {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            let _ = tokio::time::timeout(grace + std::time::Duration::from_secs(1), draining).await;
        }
        self.background.cancel();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.servers.wait()).await;
        self.app.close().await;
        self.telemetry.flush();
        Ok(())
    }
}
