//! What an instance does besides answering: follow what other instances tell, run jobs, sweep.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::App;
use crate::accounts::{By, LifecycleError, PERSON_CHANGED};
use crate::audit::Actor;
use crate::db::purged;
use crate::error::Problem;
use crate::flags::FLAGS_CHANGED;
use crate::oauth::{CLIENT_CHANGED, TOKEN_REVOKED};
use crate::roles::ROLES_CHANGED;
use crate::secret::SealError;
use crate::sessions::SESSION_ENDED;
use crate::time::Timestamp;
use crate::tokens::PERSONAL_TOKEN_REVOKED;
use crate::transcripts::TRANSCRIPT_CHANGED;
use crate::{accounts, audit, codes, exports, idempotency, oauth, passwords, quotas, sessions, tokens, transactions, transcripts, voice};

const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The order of the audit trail is fixed within a second.
const SEAL_EVERY: Duration = Duration::from_millis(500);
const RELOAD_KEYS_EVERY: Duration = Duration::from_secs(30);
/// Keys younger than this may belong to a sign-up that is under way.
const ORPHAN_AGE: Duration = Duration::from_secs(60 * 60);
/// Older keys than this were looked at before.
const ORPHAN_WINDOW: Duration = Duration::from_secs(48 * 60 * 60);
/// People and keys per sweep; the next sweep goes on.
const BATCH: u32 = 200;
/// People's keys wrapped anew per sweep.
const REWRAP_BATCH: u32 = 5_000;
/// How long used-up codes and counted failures are kept, for whoever looks into an incident.
const KEEP_USED: Duration = Duration::from_secs(24 * 60 * 60);
/// How long personal access tokens that ended are still listed.
const KEEP_TOKENS: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Jobs of one instance that run at a time. Most of them wait for others: for a mail server, for a client.
const JOBS_AT_ONCE: usize = 8;

/// Starts the background of a serving instance. It ends when `stop` is cancelled; no more jobs are begun once
/// `stop_jobs` is.
pub(super) fn spawn(app: &App, tasks: &TaskTracker, stop: &CancellationToken, stop_jobs: &CancellationToken) {
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.sessions.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.people.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.flags.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.roles.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.tokens.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.oauth.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { transcripts::run(this, token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { this.presence.run(token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { follow(&this, token).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { every(SWEEP_EVERY, token, || this.housekeep(this.ground.clock.now())).await });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move {
        every(RELOAD_KEYS_EVERY, token, || async {
            if let Err(error) = this.ground.signer.reload().await {
                tracing::warn!(%error, "the signing keys could not be read again");
            }
        })
        .await;
    });
    let (this, token) = (app.clone(), stop.clone());
    tasks.spawn(async move { every(SEAL_EVERY, token, || seal(&this)).await });
    let grace = app.ground.settings.server.shutdown_grace;
    let jobs = app.ground.jobs.run(super::job_handlers(app), JOBS_AT_ONCE, grace, stop_jobs.clone());
    tasks.spawn(async move {
        let _ = jobs.await;
    });
}

/// Until nothing is left: a flood of events is sealed as fast as it came.
async fn seal(app: &App) {
    loop {
        match audit::seal(&app.ground).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "the audit trail could not be sealed; it is tried again at once");
                return;
            }
        }
    }
}

/// What of the housekeeping was not done.
#[derive(Debug, thiserror::Error)]
#[error("not done: {}", .0.join(", "))]
pub struct Unfinished(Vec<&'static str>);

/// The steps of a sweep that failed.
#[derive(Default)]
struct Steps(Vec<&'static str>);

impl Steps {
    /// Does a step; one that fails is noted, and the next has its turn.
    async fn run<T, E: Into<Problem>>(&mut self, what: &'static str, step: impl Future<Output = Result<T, E>>) {
        if let Err(error) = step.await {
            let problem: Problem = error.into();
            let cause = problem.cause.as_ref().map_or_else(|| problem.detail.to_string(), ToString::to_string);
            tracing::warn!(step = what, cause, "a step of housekeeping failed");
            self.0.push(what);
        }
    }

    fn ended(self) -> Result<(), Unfinished> {
        if self.0.is_empty() { Ok(()) } else { Err(Unfinished(self.0)) }
    }
}

const fn days(count: u32) -> Duration {
    Duration::from_secs(count as u64 * 24 * 60 * 60)
}

async fn every<F: Future<Output = ()>>(period: Duration, stop: CancellationToken, work: impl Fn() -> F) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick is at once, and everything was just done at the start.
    tick.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => work().await,
        }
    }
}

/// Hands what instances tell each other to the slice it concerns.
async fn follow(app: &App, stop: CancellationToken) {
    let mut messages = app.ground.shared.subscribe();
    loop {
        let message = tokio::select! {
            () = stop.cancelled() => return,
            message = messages.recv() => message,
        };
        match message {
            Ok(message) if message.topic == SESSION_ENDED => app.sessions.receive(&message.payload),
            Ok(message) if message.topic == PERSON_CHANGED => app.people.receive(&message.payload),
            Ok(message) if message.topic == FLAGS_CHANGED => {
                if let Err(error) = app.flags.reload().await {
                    tracing::debug!(%error, "the flags could not be read again; the next poll does");
                }
            }
            Ok(message) if message.topic == ROLES_CHANGED => {
                if let Err(error) = app.roles.reload().await {
                    tracing::debug!(%error, "the roles could not be read again; the next poll does");
                }
            }
            Ok(message) if message.topic == CLIENT_CHANGED => app.oauth.clients.receive(&message.payload),
            Ok(message) if message.topic == PERSONAL_TOKEN_REVOKED => app.tokens.receive(&message.payload),
            Ok(message) if message.topic == TOKEN_REVOKED => app.oauth.revoked.receive(&message.payload),
            Ok(message) if message.topic == TRANSCRIPT_CHANGED => app.transcripts.receive(&message.payload),
            Ok(_) => {}
            // The polls bring what was missed.
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "messages of other instances were missed"),
            Err(RecvError::Closed) => return,
        }
    }
}

impl App {
    /// Sweeps what time has settled: erases people whose grace has passed, forgets used-up codes and old
    /// failures, destroys keys that belong to nobody. Runs every minute; harmless on several instances.
    pub async fn housekeep(&self, now: Timestamp) {
        if let Err(error) = self.sweep(now).await {
            tracing::warn!(%error, "housekeeping failed in part; that is tried again in a minute");
        }
    }

    /// The same, and what of it failed. Each step is done whatever becomes of those before it.
    ///
    /// # Errors
    /// The steps that failed; the log says of each why.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), Unfinished> {
        let (ground, db) = (&self.ground, &self.ground.db);
        let retention = &ground.settings.privacy.retention;
        let old = now.minus(KEEP_USED);
        // Failures count for as long as a lock holds.
        let uncounted = now.minus(KEEP_USED.max(ground.settings.lockout.duration));
        let mut steps = Steps::default();
        steps.run("erasures", self.erase_due(now)).await;
        steps.run("unconfirmed sign-ups", self.expire_unconfirmed(now)).await;
        steps.run("sessions that are over", sessions::purge(ground, now.minus(days(retention.sessions)), now)).await;
        steps.run("codes", purged(|rows| codes::purge_expired(db, old, rows))).await;
        steps.run("tickets", purged(|rows| codes::purge_tickets(db, now, rows))).await;
        steps.run("answers to repeated requests", purged(|rows| idempotency::purge(db, now, rows))).await;
        steps.run("personal tokens", purged(|rows| tokens::purge(db, now.minus(KEEP_TOKENS), rows))).await;
        steps.run("revoked tokens", purged(|rows| oauth::purge(db, old, rows))).await;
        steps.run("authorization codes", purged(|rows| oauth::authorize::purge(db, old, rows))).await;
        steps.run("device requests", purged(|rows| oauth::device::purge(db, now, rows))).await;
        steps.run("voice sessions", self.purge_spoken(now.minus(days(retention.transcripts)), old, now)).await;
        steps.run("failed sign-ins", db.write(async move |tx| passwords::purge_failures(tx, uncounted).await)).await;
        steps.run("quotas", quotas::purge(ground, now)).await;
        steps.run("imports", accounts::import::sweep(ground.clone(), now)).await;
        steps.run("exports", exports::sweep(ground.clone(), retention.exports, now)).await;
        steps.run("transactions", transactions::sweep(ground, now)).await;
        steps.run("keys of nobody", self.destroy_orphaned_keys(now)).await;
        steps.run("wrapped keys", self.rewrap_keys()).await;
        steps.run("signing keys", oauth::rotate_when_due(ground, now)).await;
        steps.run("impersonations", self.sessions.sweep_impersonations(now)).await;
        steps.run("audit checkpoint", audit::checkpoint(ground)).await;
        steps.run("audit retention", audit::cut(ground, retention.audit, now)).await;
        steps.ended()
    }

    /// Erases everybody whose time has come. Whoever cannot be erased keeps nobody else from it.
    async fn erase_due(&self, now: Timestamp) -> Result<(), Problem> {
        let mut failed = None;
        for person in accounts::store::due_for_erasure(&self.ground.db, now, BATCH.into()).await? {
            let by = By { reason: Some("grace period ended".to_owned()), ..By::of(Actor::System) };
            match self.lifecycle.erase(person, by, now).await {
                // Another instance was faster.
                Ok(()) | Err(LifecycleError::NotFound | LifecycleError::Conflict(_)) => {}
                Err(error) => {
                    tracing::warn!(%person, %error, "somebody could not be erased; it is tried again in a minute");
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// First what was said, a bounded part of it; voice sessions go when nothing hangs from them any more.
    async fn purge_spoken(&self, before: Timestamp, tokens: Timestamp, now: Timestamp) -> Result<(), Problem> {
        let said = transcripts::purge(&self.ground, before, now).await;
        let sessions = if matches!(said, Ok(true)) { before } else { Timestamp::from_micros(0) };
        self.ground.db.write(async move |tx| voice::purge(tx, sessions, tokens).await).await?;
        said.map(drop)
    }

    /// Sign-ups that nobody confirmed within what `retention.unverified_accounts` says.
    async fn expire_unconfirmed(&self, now: Timestamp) -> Result<(), Problem> {
        let before = now.minus(days(self.ground.settings.privacy.retention.unverified_accounts));
        let mut failed = None;
        for person in accounts::store::due_unconfirmed(&self.ground.db, before, BATCH.into()).await? {
            if let Err(error) = self.lifecycle.expire(person, now).await {
                tracing::warn!(%person, %error, "a sign-up that nobody confirmed could not be erased; it is tried again in a minute");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// After the master key was rotated: what the older ones wrap is wrapped anew, a batch each minute.
    async fn rewrap_keys(&self) -> Result<(), Problem> {
        self.ground.signer.reseal().await?;
        audit::reseal(&self.ground).await?;
        let left = self.ground.keyring.rewrap(REWRAP_BATCH).await?;
        if left > 0 {
            tracing::info!(left, "people's keys are being wrapped under the current master key; keep the older ones configured");
        }
        Ok(())
    }

    /// A sign-up that was cut off between its key and its row leaves a key that belongs to nobody.
    async fn destroy_orphaned_keys(&self, now: Timestamp) -> Result<(), Problem> {
        let mut after = Some(now.minus(ORPHAN_WINDOW).lowest_id());
        loop {
            let page = self.ground.keyring.orphans(now.minus(ORPHAN_AGE), after, BATCH).await?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            let existing = accounts::store::existing(&self.ground.db, &page).await?;
            for key in page.iter().filter(|key| !existing.contains(key)) {
                match self.ground.keyring.destroy(*key).await {
                    Ok(()) | Err(SealError::Erased) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            after = Some(last);
        }
    }
}
