//! What an instance does besides answering: follow what other instances tell, run jobs, sweep.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::App;
use crate::accounts::{By, LifecycleError, PERSON_CHANGED};
use crate::audit::Actor;
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
            tracing::warn!(cause = error.cause.as_deref().unwrap_or(&error.detail), "housekeeping failed; it is tried again in a minute");
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), Problem> {
        for person in accounts::store::due_for_erasure(&self.ground.db, now, BATCH.into()).await? {
            let by = By { reason: Some("grace period ended".to_owned()), ..By::of(Actor::System) };
            match self.lifecycle.erase(person, by, now).await {
                // Another instance was faster.
                Ok(()) | Err(LifecycleError::NotFound | LifecycleError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.expire_unconfirmed(now).await?;
        sessions::purge(&self.ground, now.minus(days(self.ground.settings.privacy.retention.sessions))).await?;
        let old = now.minus(KEEP_USED);
        // First what was said, a bounded part of it; voice sessions go when nothing hangs from them any more.
        let spoken = now.minus(days(self.ground.settings.privacy.retention.transcripts));
        let spoken = if transcripts::purge(&self.ground, spoken).await? { spoken } else { Timestamp::from_micros(0) };
        // Failures count for as long as a lock holds.
        let uncounted = now.minus(KEEP_USED.max(self.ground.settings.lockout.duration));
        self.ground
            .db
            .write(async move |tx| {
                codes::purge_expired(tx, old).await?;
                codes::purge_tickets(tx, now).await?;
                idempotency::purge(tx, now).await?;
                tokens::purge(tx, now.minus(KEEP_TOKENS)).await?;
                oauth::purge(tx, old).await?;
                oauth::authorize::purge(tx, old).await?;
                oauth::device::purge(tx, now).await?;
                voice::purge(tx, spoken, old).await?;
                passwords::purge_failures(tx, uncounted).await
            })
            .await?;
        quotas::purge(&self.ground, now).await?;
        accounts::import::sweep(self.ground.clone(), now).await?;
        exports::sweep(self.ground.clone(), self.ground.settings.privacy.retention.exports, now).await?;
        transactions::sweep(&self.ground, now).await?;
        self.destroy_orphaned_keys(now).await?;
        self.rewrap_keys().await?;
        oauth::rotate_when_due(&self.ground, now).await?;
        self.sessions.sweep_impersonations(now).await?;
        audit::checkpoint(&self.ground).await?;
        let days = self.ground.settings.privacy.retention.audit;
        Ok(audit::cut(&self.ground, days, now).await?)
    }

    /// Sign-ups that nobody confirmed within what `retention.unverified_accounts` says.
    async fn expire_unconfirmed(&self, now: Timestamp) -> Result<(), Problem> {
        let before = now.minus(days(self.ground.settings.privacy.retention.unverified_accounts));
        for person in accounts::store::due_unconfirmed(&self.ground.db, before, BATCH.into()).await? {
            self.lifecycle.expire(person, now).await?;
        }
        Ok(())
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
