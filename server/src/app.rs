//! The table of contents: what an instance is made of, every slice with its routes and jobs, and how it
//! starts and stops.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::request::Parts as RequestParts;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::access::SCOPES;
use crate::access::scope::PERSONAL;
use crate::accounts::{self, AccessLost, Emptied, Lifecycle, People, Status};
use crate::config::Settings;
use crate::db::Db;
use crate::error::{Code, Problem};
use crate::exports::{self, Exports};
use crate::flags::{self, Flags};
use crate::ground::Ground;
use crate::http::challenge::{Fault, Scheme, challenged};
use crate::http::gate::{Gate, GateSettings, GateTools};
use crate::http::guard::{Presented, Subject, Verified};
use crate::http::known_query::KnownQuery;
use crate::http::{ServerSettings, docs, fallback, health, landing, ops::router as ops_router};
use crate::jobs::{Handler, Kind};
use crate::oauth::OAuth;
use crate::passwords::Attempts;
use crate::presence::{self, Authorizer, Presence};
use crate::roles::{self, Roles};
use crate::sessions::{Sessions, SessionsEnded};
use crate::telemetry::{RequestMetrics, Telemetry};
use crate::time::Timestamp;
use crate::tokens::{self, Tokens};
use crate::transcripts::{self, Transcripts};
use crate::voice::{self, Voice};
use crate::{admin, audit, dev, mail, oauth, passwords, privacy, quotas, sessions, transactions};

mod build;
mod declared;
mod health_checks;
mod housekeeping;
mod public_health;
mod reference;
mod scopes;

pub use build::{Seed, StartError, open_databases};
pub use declared::{export_kinds, holdings, statements};
pub use housekeeping::Unfinished;
pub use reference::openapi;

/// One instance, passed to every handler; its parts are reached through it.
///
/// One pointer, because the router and the extractors clone it some five times per request: cloning every part
/// each time was a seventh of what a token check cost, most of it on counters that all threads share.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an instance is made of: the floor and the state of the slices.
pub struct Parts {
    /// The floor.
    pub ground: Ground,
    /// People in memory.
    pub people: People,
    /// What roles grant, in memory.
    pub roles: Roles,
    /// Tokens, revocation, activity.
    pub sessions: Sessions,
    /// Personal access tokens.
    pub tokens: Tokens,
    /// Clients and their tokens.
    pub oauth: OAuth,
    /// Suspend, delete, restore, erase.
    pub lifecycle: Lifecycle,
    /// Guesses under way.
    pub attempts: Attempts,
    /// Files of their data that people order.
    pub exports: Exports,
    /// Feature flags in memory.
    pub flags: Flags,
    /// Listeners of transcripts.
    pub transcripts: Transcripts,
    /// Realtime connections.
    pub presence: Presence,
    /// Figures that were counted lately.
    pub stats: admin::Stats,
    /// Sends letters.
    pub mailer: mail::Mailer,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Who presents a token with the request `parts`; the guard asks this. A token that is bound to a key is good with a proof of it
    /// and in no other way; one that is not is no better for a proof.
    ///
    /// # Errors
    /// Why the token is not good, with its challenge; `unavailable` when this instance cannot know.
    pub async fn authenticate(&self, parts: &RequestParts, presented: Presented<'_>, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let refused = |problem: Problem| match problem.code.status() {
            401 => challenged(problem, presented.scheme, Fault::InvalidToken),
            _ => problem,
        };
        let verified = self.verified(presented.token, now).await.map_err(refused)?;
        match (presented.scheme, verified.jkt.as_deref()) {
            (Scheme::Bearer, None) => {}
            (Scheme::Dpop, Some(jkt)) => oauth::dpop::holds(self, parts, presented.token, jkt, now).await?,
            (Scheme::Bearer, Some(_)) => {
                let detail = "This access token is bound to a key: send it as `Authorization: DPoP …`, with a proof.";
                return Err(refused(Problem::new(Code::Unauthenticated).detail(detail)));
            }
            (Scheme::Dpop, None) => {
                let detail = "This access token is not bound to a key: send it as `Authorization: Bearer …`.";
                return Err(refused(Problem::new(Code::Unauthenticated).detail(detail)));
            }
        }
        // Only now: whoever stole a token that is bound to a key keeps no session alive with it.
        self.sessions.used(&verified, now);
        Ok(verified)
    }

    async fn verified(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        if tokens::is_personal(token) {
            return self.tokens.authenticate(token, now).await;
        }
        let verified = self.sessions.authenticate(token, now)?;
        self.check_still(&verified, now).await?;
        Ok(verified)
    }

    /// Whether what stands behind a token that is good by itself still stands: its client has not revoked it, and whoever acts as
    /// somebody else may still do so.
    ///
    /// # Errors
    /// `session_revoked` and the like; `unavailable` when this instance cannot know.
    pub async fn check_still(&self, verified: &Verified, now: Timestamp) -> Result<(), Problem> {
        if let Subject::Service(_) = verified.subject {
            self.oauth.revoked.check(verified.id)?;
        }
        match verified.impersonator {
            // Rare and large: the futures of everything else stay small.
            Some(_) => Box::pin(self.sessions.check_impersonator(verified, now)).await,
            None => Ok(()),
        }
    }

    /// Whether `caller` may use `scope` now. Roles and clients are looked up in memory, which follows a change within a
    /// second on every instance; a token of the first-party sign-in stands for all its person may do, any other for what it
    /// was issued with and its person still may.
    ///
    /// # Errors
    /// `unauthenticated` when the token is that of a client which was disabled or deleted since.
    pub async fn grants(&self, caller: &Verified, scope: &str) -> Result<bool, Problem> {
        let held = caller.scopes.iter().any(|granted| granted == scope);
        // Whoever acts as somebody else has none of Keystead's own scopes by it, and nothing that they do not hold themselves.
        if let Some(admin) = caller.impersonator {
            let both = held && !SCOPES.contains(&scope);
            let Some(admin) = self.people.view(admin).await?.filter(|_| both) else { return Ok(false) };
            if !PERSONAL.contains(&scope) && !self.roles.grants(&admin.roles, scope) {
                return Ok(false);
            }
        }
        match caller.subject {
            Subject::Service(_) => {
                let client = self.oauth.clients.live(&caller.client).await?;
                let gone = || Problem::new(Code::Unauthenticated).detail("The client that this access token was issued to is disabled.");
                Ok(client.ok_or_else(gone)?.has_scope(scope) && held)
            }
            Subject::Person { .. } | Subject::Token { .. } if !held && !caller.own => Ok(false),
            // What an application does for a person ends with its registration, too.
            Subject::Person { .. } if !caller.own && caller.impersonator.is_none() && !self.is_registered(caller, scope).await? => {
                Ok(false)
            }
            Subject::Person { user, .. } | Subject::Token { user, .. } => {
                let Some(person) = self.people.view(user).await? else { return Ok(false) };
                // Who lost access lost their tokens with it; nobody who somehow kept one gets in.
                let active = person.status == Status::Active;
                Ok(active && (PERSONAL.contains(&scope) || self.roles.grants(&person.roles, scope)))
            }
        }
    }

    /// Whether the client that a person's token was issued to is registered for `scope` now.
    async fn is_registered(&self, caller: &Verified, scope: &str) -> Result<bool, Problem> {
        let client = self.oauth.clients.live(&caller.client).await?;
        Ok(client.is_some_and(|client| client.has_scope(scope)))
    }

    /// The first scope that `roles` grant and `caller` does not hold; whoever acts on others must hold what they hold.
    ///
    /// # Errors
    /// As [`App::grants`].
    pub async fn beyond(&self, caller: &Verified, roles: &[String]) -> Result<Option<String>, Problem> {
        for scope in self.roles.snapshot().scopes_of(roles) {
            if !self.grants(caller, scope).await? {
                return Ok(Some(scope.to_owned()));
            }
        }
        Ok(None)
    }

    /// Whether the session or token that `caller` came with still goes on: for requests that take long, after which what was
    /// checked at their beginning may be over.
    ///
    /// # Errors
    /// `session_revoked`, or why it cannot be known.
    pub async fn still(&self, caller: &Verified) -> Result<(), Problem> {
        match caller.subject {
            Subject::Person { session, .. } => {
                let found = sessions::store::find(&self.ground.db, session).await?;
                if found.is_some_and(|found| found.ended_at.is_none()) { Ok(()) } else { Err(Code::SessionRevoked.into()) }
            }
            Subject::Token { token, .. } => self.tokens.check(token),
            Subject::Service(_) => self.oauth.revoked.check(caller.id),
        }
    }

    /// A link into the application's pages. The secret works once and for an hour; no `Referer` of ours and no log holds it.
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
        .merge(accounts::import::routes())
        .merge(admin::routes())
        .merge(privacy::routes())
        .merge(oauth::routes())
        .merge(audit::routes())
        .merge(exports::routes())
        .merge(flags::routes())
        .merge(quotas::routes())
        .merge(roles::routes())
        .merge(tokens::routes())
        .merge(transcripts::routes())
        .merge(presence::routes())
        .merge(voice::routes())
        .merge(transactions::routes())
}

/// Every slice's jobs.
pub fn job_handlers(app: &App) -> Vec<(Kind, Handler)> {
    let mut all = passwords::handlers(app);
    all.extend(accounts::import::handlers(app));
    all.extend(exports::handlers(app));
    all.extend(mail::handlers(app.mailer.clone()));
    all.extend(oauth::handlers(app));
    all
}

/// Fan-out topics of the whole house: what one instance tells the others.
const TOPICS: &[&str] = &[
    sessions::SESSION_ENDED,
    accounts::PERSON_CHANGED,
    flags::FLAGS_CHANGED,
    roles::ROLES_CHANGED,
    tokens::PERSONAL_TOKEN_REVOKED,
    oauth::CLIENT_CHANGED,
    oauth::TOKEN_REVOKED,
    transcripts::TRANSCRIPT_CHANGED,
];

/// Topics of which much may come: it is never in the way of the others, and does not wait for a line that is lost.
const BULK_TOPICS: &[&str] = &[presence::REALTIME];

/// Who acts when sessions are ended.
fn sessions_ended(oauth: &OAuth, voice: &Voice) -> Vec<Arc<dyn SessionsEnded>> {
    vec![Arc::new(oauth.clone()), Arc::new(voice.clone())]
}

/// Who acts when a person loses access.
fn access_lost(sessions: &Sessions, tokens: &Tokens, voice: &Voice) -> Vec<Arc<dyn AccessLost>> {
    vec![
        Arc::new(sessions.clone()),
        Arc::new(tokens.clone()),
        Arc::new(passwords::Links),
        Arc::new(transactions::Ledgers),
        Arc::new(exports::Erasures),
        Arc::new(voice.clone()),
    ]
}

/// Of which slices one person may have so much that it is taken in batches before the person's row goes.
fn emptied() -> Vec<Arc<dyn Emptied>> {
    vec![Arc::new(transcripts::Erased), Arc::new(exports::Erasures), Arc::new(quotas::Erased), Arc::new(sessions::Erased)]
}

/// Who decides about realtime channels, by their kind; `user` and `room` need nobody.
fn realtime_channels(voice: &Voice, transcripts: &Transcripts) -> Vec<(&'static str, Arc<dyn Authorizer>)> {
    vec![("voice", Arc::new(voice.clone())), ("transcript", Arc::new(transcripts.clone()))]
}

/// The public routes, without the gates.
fn router(app: &App, health: health::Health) -> Router {
    let settings = &app.ground.settings;
    let (api, document) = slices().split_for_parts();
    let document = reference::described(document);
    let known = KnownQuery::of(&document);
    let api = api.route_layer(known).with_state(app.clone());
    let mut router = api
        .merge(docs::router(reference::to_json(&document)))
        .merge(docs::document("/api/asyncapi.json", presence::asyncapi()))
        .merge(public_health::routes(app, health))
        .merge(landing::router(app.mailer.mailbox().is_some()))
        .merge(oauth::authorize::page())
        .merge(oauth::device::page())
        .merge(oauth::logout_files());
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
    stop_jobs: CancellationToken,
    background: CancellationToken,
    tasks: TaskTracker,
    public: JoinHandle<usize>,
    ops: Option<JoinHandle<usize>>,
}

/// How long handing jobs back and writing down what is in memory may take after the grace.
const LAST_WORDS: Duration = Duration::from_secs(5);

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
    app.tokens.poll().await.map_err(StartError::Database)?;
    app.flags.reload().await.map_err(StartError::Database)?;
    app.oauth.revoked.poll().await.map_err(StartError::Database)?;
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
    let (stop, stop_jobs, background, tasks) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new(), TaskTracker::new());

    let listener = build::bind(&settings.server.host, settings.server.port, "HOST and PORT").await?;
    let addr = listener.local_addr().map_err(StartError::Io)?;
    let allowances = vec![accounts::import::ALLOWANCE];
    let gates = GateSettings { access_log: telemetry.access_log(), allowances, ..GateSettings::new(settings) };
    let gate = Gate::new(router(&app, health.clone()), gates, tools.clone());
    let serving = ServerSettings::new(&settings.server).drain_delay(settings.server.drain_delay);
    let public = tokio::spawn(crate::http::serve(listener, gate, serving, readiness.clone(), stop.clone()));

    let (mut ops_addr, mut ops) = (None, None);
    if let Some(wanted) = settings.server.ops_addr {
        let listener = build::bind(&wanted.ip().to_string(), wanted.port(), "KEYSTEAD_OPS_ADDR").await?;
        ops_addr = Some(listener.local_addr().map_err(StartError::Io)?);
        // Scrapes and probes are no requests of anybody: they would thin out the figures.
        let tools = GateTools { metrics: Arc::default(), ..tools };
        let ground = app.ground.clone();
        let gauges = move || [&ground.db, &ground.vault].into_iter().for_each(Db::report);
        let gate = Gate::new(ops_router(metrics, health, gauges), GateSettings { access_log: false, ..GateSettings::new(settings) }, tools);
        let serving = ServerSettings::new(&settings.server);
        // Metrics and health answer until the very end.
        ops = Some(tokio::spawn(crate::http::serve(listener, gate, serving, readiness.clone(), background.clone())));
    }
    housekeeping::spawn(&app, &tasks, &background, &stop_jobs);
    readiness.ready();
    Ok(Running { addr, ops_addr, app, telemetry, stop, stop_jobs, background, tasks, public, ops })
}

impl Running {
    /// Stops gracefully: readiness turns 503, requests in flight finish, jobs finish or are handed back,
    /// activity is written down, stores close. Requests and jobs share one grace, which begins when the
    /// drain delay is over.
    pub async fn stop(self) -> Result<(), StartError> {
        let (grace, delay) = (self.app.ground.settings.server.shutdown_grace, self.app.ground.settings.server.drain_delay);
        self.stop.cancel();
        let jobs = async {
            tokio::time::sleep(delay).await;
            // Streams would go on for as long as they may.
            self.app.transcripts.drain();
            self.app.exports.drain();
            self.stop_jobs.cancel();
            self.app.presence.drain().await;
        };
        // The listener ends by itself, at the end of the grace at the latest.
        let _ = tokio::join!(self.public, jobs);
        self.background.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace + LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!("the background did not end in time");
        }
        if let Some(ops) = self.ops {
            let _ = tokio::time::timeout(LAST_WORDS, ops).await;
        }
        self.app.close().await;
        self.telemetry.flush();
        Ok(())
    }
}
