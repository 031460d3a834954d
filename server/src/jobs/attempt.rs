//! One attempt at one job: open the payload, run the handler under a renewed lease, record how it ended.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::store::{self, ClaimedRow};
use super::{Buried, Claimed, Handler, JobError, Jobs, Kind, backoff, metrics};
use crate::db::{DbError, Tx};
use crate::secret::Purpose;
use crate::time::Timestamp;

/// The shortest time for which a job is put off: one that names a time which is past would be claimed over and over.
const POSTPONED_AT_LEAST: Duration = Duration::from_secs(1);
/// Pause between tries to record an outcome while the database is away.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_ERROR: usize = 500;

pub(super) struct Attempt {
    pub(super) jobs: Jobs,
    pub(super) job: ClaimedRow,
    pub(super) owner: Uuid,
    pub(super) kind: Kind,
    pub(super) handler: Handler,
    /// Cancelled when the process stops and the handler had its grace.
    pub(super) hand_back: CancellationToken,
}

/// How an attempt ended.
enum Outcome {
    Done,
    Retry(String),
    Dead(String),
    Postponed(Timestamp, String),
    HandedBack,
    /// Another instance took the job over; it will record the outcome.
    Lost,
}

impl Outcome {
    const fn label(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry(_) => "retry",
            Self::Dead(_) => "dead",
            Self::Postponed(..) => "postponed",
            Self::HandedBack => "handed_back",
            Self::Lost => "lost",
        }
    }
}

impl Attempt {
    /// Runs the job and records the outcome, trying until it is recorded or the process stops. `false`: the
    /// outcome could not be recorded, so the job will run again when its lease ends.
    pub(super) async fn run(self) -> bool {
        let outcome = self.outcome().await;
        loop {
            match self.record(&outcome).await {
                Ok(()) => return true,
                Err(error @ (DbError::Unavailable(_) | DbError::Serialization)) if !self.hand_back.is_cancelled() => {
                    tracing::warn!(job = %self.job.id, kind = self.job.kind, %error, "the outcome of a job cannot be recorded yet");
                    let _ = tokio::time::timeout(RECORD_PAUSE, self.hand_back.cancelled()).await;
                }
                Err(error) => {
                    tracing::error!(job = %self.job.id, kind = self.job.kind, %error, "the outcome of a job is lost; it will run again");
                    return false;
                }
            }
        }
    }

    /// Runs the job and records the outcome once.
    pub(super) async fn run_once(self) -> Result<(), DbError> {
        let outcome = self.outcome().await;
        self.record(&outcome).await
    }

    async fn outcome(&self) -> Outcome {
        // Attempts that never reported back count too: a job that kills its process must not do so for ever.
        if self.job.attempts > self.job.max_attempts {
            return Outcome::Dead("its workers stopped before they could report an outcome".into());
        }
        let started = Instant::now();
        let outcome = match self.open() {
            Ok(claimed) => self.supervise(claimed).await,
            Err(error) => self.judge(error),
        };
        metrics::ran(&self.job.kind, started.elapsed());
        outcome
    }

    fn open(&self) -> Result<Claimed, JobError> {
        let context = store::seal_context(&self.job.kind, self.job.id);
        let payload = self.jobs.0.roots.open(Purpose::System, &context, &self.job.sealed)?;
        Ok(Claimed { id: self.job.id, attempt: self.job.attempts, payload, enqueued_at: self.job.enqueued_at })
    }

    /// The handler, until it ends, the lease is lost, or the process must go.
    async fn supervise(&self, claimed: Claimed) -> Outcome {
        // The call itself may panic before it returns a future, so it happens inside.
        let handler = self.handler.clone();
        let running = AssertUnwindSafe(async move { handler(claimed).await }).catch_unwind();
        tokio::select! {
            biased;
            ended = running => match ended {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(error)) => self.judge(error),
                // What was panicked with may quote anything; the panic hook has logged it.
                Err(_) => self.judge(JobError::Retry("the handler panicked".into())),
            },
            () = self.hand_back.cancelled() => Outcome::HandedBack,
            () = self.keep_lease() => Outcome::Lost,
        }
    }

    /// Renews the lease at half time; returns when it is lost.
    async fn keep_lease(&self) {
        let half = (self.job.lease / 2).max(Duration::from_millis(10));
        let mut ticks = interval_at(Instant::now() + half, half);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match store::renew(&self.jobs.0.db, self.job.id, self.owner, self.jobs.0.clock.now()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(job = %self.job.id, kind = self.job.kind, %error, "a lease could not be renewed"),
            }
        }
    }

    fn judge(&self, error: JobError) -> Outcome {
        match error {
            JobError::Retry(why) if self.job.attempts >= self.job.max_attempts => Outcome::Dead(clean(&why)),
            JobError::Retry(why) => Outcome::Retry(clean(&why)),
            JobError::Later { at, why } => Outcome::Postponed(at, clean(&why)),
            JobError::Dead(why) => Outcome::Dead(clean(&why)),
        }
    }

    async fn record(&self, outcome: &Outcome) -> Result<(), DbError> {
        let (db, now) = (&self.jobs.0.db, self.jobs.0.clock.now());
        let (id, owner) = (self.job.id, self.owner);
        let held = match outcome {
            Outcome::Done => store::finish(db, id, owner).await?,
            Outcome::Retry(why) => {
                let wait = backoff::draw(self.job.attempts, &self.jobs.0.random);
                store::retry(db, id, owner, now.plus(wait), why.clone()).await?
            }
            Outcome::Dead(why) => self.bury(why, now).await?,
            Outcome::Postponed(at, why) => store::postpone(db, id, owner, (*at).max(now.plus(POSTPONED_AT_LEAST)), why.clone()).await?,
            Outcome::HandedBack => store::hand_back(db, id, owner, self.job.run_at).await?,
            Outcome::Lost => false,
        };
        self.report(outcome, held);
        Ok(())
    }

    /// Makes a dead letter of the job and tells its slice, both or neither. A slice that cannot be told keeps no job from its end.
    async fn bury(&self, why: &str, now: Timestamp) -> Result<bool, DbError> {
        let told = self.kind.buried.zip(self.open().ok());
        match self.buried(told, why, now).await {
            Err(error @ (DbError::Unique(_) | DbError::Decode(_) | DbError::Other(_))) => {
                tracing::error!(job = %self.job.id, kind = self.job.kind, %error, "whose job it was could not be told that it failed for good");
                self.buried(None, why, now).await
            }
            buried => buried,
        }
    }

    async fn buried(&self, told: Option<(Buried, Claimed)>, why: &str, now: Timestamp) -> Result<bool, DbError> {
        let (id, owner, why) = (self.job.id, self.owner, why.to_owned());
        let work = async move |tx: &mut Tx| {
            if !store::bury(tx, id, owner, now, why.clone()).await? {
                return Ok(false);
            }
            if let Some((tell, job)) = &told {
                tell(tx, job, now).await?;
            }
            Ok(true)
        };
        self.jobs.0.db.write(work).await
    }

    fn report(&self, outcome: &Outcome, held: bool) {
        let (job, kind, attempt) = (self.job.id, self.job.kind.as_str(), self.job.attempts);
        let result = if held { outcome.label() } else { "lost" };
        metrics::finished(kind, result);
        match outcome {
            _ if !held => tracing::warn!(%job, kind, attempt, "a job was taken over by another worker"),
            Outcome::Retry(error) => tracing::warn!(%job, kind, attempt, error, "a job failed and will be retried"),
            Outcome::Dead(error) => tracing::error!(%job, kind, attempt, error, "a job failed for good and is a dead letter"),
            Outcome::Postponed(until, why) => tracing::debug!(%job, kind, %until, why, "a job was put off"),
            Outcome::Done | Outcome::HandedBack | Outcome::Lost => tracing::debug!(%job, kind, attempt, result, "a job ended"),
        }
    }
}

/// One line of bounded length. Control characters go: PostgreSQL refuses NUL in text, and a log line stays a line.
fn clean(why: &str) -> String {
    why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_ERROR).collect()
}
