//! The durable queue: work that happens after a commit, at least once, however often we crash.
//!
//! A job is a row of the table `jobs`, written in the transaction of its cause: a rolled-back cause
//! leaves no job, a committed one cannot lose it. Workers (one per process) claim due rows with one
//! guarded statement under a lease, run the handler, and delete the row. A handler that fails is
//! retried with back-off until its kind's limit, then the row stays as a dead letter for a person.
//!
//! - Handlers must be **idempotent**: a crash between the work and its record repeats the work.
//!   [`Claimed::id`] is the same in every repeat.
//! - A kind that may take long says how many of it run at a time ([`Kind::at_once`]): whatever hangs, others get their turn.
//! - Payloads are sealed at rest under the system key, bound to kind and id.
//! - Due-ness follows the injected clock; only the pause between looks is real time.
//!
//! This folder owns the table `jobs`; every statement is in `store.rs`. ADR 0004 says why it is ours.

mod attempt;
mod backoff;
mod inspect;
mod metrics;
mod store;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::db::{Db, DbError, Tx};
use crate::secret::{Purpose, Random, RootKeys, SealError};
use crate::time::{Clock, Timestamp};

pub use backoff::ceiling as backoff_ceiling;
pub use inspect::{Depth, JobInfo, Retried, State};
pub use store::STATEMENTS;

/// Called in the transaction that makes a dead letter of a job, for whoever waits for its outcome: see [`Kind::buried`].
pub type Buried = for<'t> fn(&'t mut Tx, &'t Claimed, Timestamp) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>>;

/// A kind of work: its name in the table and how it is retried. Declared as a constant by the slice that owns it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The stable name in the table and in the metrics, such as `mail.send`.
    pub name: &'static str,
    /// Attempts until the job becomes a dead letter.
    pub max_attempts: u32,
    /// How long a worker that stopped answering keeps the job. While a handler runs, its lease is renewed.
    pub lease: Duration,
    /// How many one process runs at a time; `None`: as many as there is room for, which is right for what is done in moments.
    /// What can take long (a stream, a server of somebody else) names a number, and so leaves room for everything else: all
    /// kinds with a number together never take the last places.
    pub at_once: Option<usize>,
    /// Told when a job of this kind has failed for good, however that came: also when its handler had no last word, because each
    /// worker that ran it was killed. What it writes is committed with the dead letter, or not at all. For slices that show people
    /// how far their work is; `None` where nobody waits.
    pub buried: Option<Buried>,
}

/// Why a handler did not finish. The sentence is stored and logged: it must hold no personal data and no secret.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Try again later with back-off.
    #[error("{0}")]
    Retry(String),
    /// Not tried, because it is known that it would not work before `at`. The attempt does not count.
    #[error("{why}")]
    Later {
        /// When to try; not before the next second.
        at: Timestamp,
        /// Why not now.
        why: String,
    },
    /// Never going to work: straight to the dead letters.
    #[error("{0}")]
    Dead(String),
}

impl From<DbError> for JobError {
    fn from(error: DbError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<SealError> for JobError {
    /// A missing master key may be configured again and an unreachable store may return; the rest stays as it is.
    fn from(error: SealError) -> Self {
        match error {
            SealError::Db(_) | SealError::UnknownKey => Self::Retry(error.to_string()),
            SealError::Altered | SealError::Erased => Self::Dead(error.to_string()),
        }
    }
}

/// A claimed job handed to its handler.
pub struct Claimed {
    /// The same in every attempt: what makes a handler idempotent.
    pub id: Uuid,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The opened payload, as it was enqueued (JSON).
    pub payload: Vec<u8>,
    /// When the cause enqueued it.
    pub enqueued_at: Timestamp,
}

impl Claimed {
    /// The payload as the type it was enqueued from. One that cannot be read is retried: while a new
    /// version is rolled out, another instance may know its shape.
    pub fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, JobError> {
        // The error of serde may quote the payload; it is left out.
        serde_json::from_slice(&self.payload).map_err(|_| JobError::Retry("the payload does not have the expected shape".into()))
    }
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed").field("id", &self.id).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// What a handler returns: boxed, so that handlers of many slices stand in one list.
pub type Running = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;

/// Runs one kind of job.
pub type Handler = Arc<dyn Fn(Claimed) -> Running + Send + Sync>;

/// Makes a [`Handler`] of an async closure.
pub fn handler<F, Fut>(run: F) -> Handler
where
    F: Fn(Claimed) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), JobError>> + Send + 'static,
{
    Arc::new(move |job| Box::pin(run(job)))
}

/// Enqueues; cloned into everything that causes work.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    db: Db,
    roots: RootKeys,
    random: Random,
    clock: Clock,
    /// Counts the reasons to look at the table; each worker of this process watches it.
    wake: watch::Sender<u64>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jobs")
    }
}

impl Jobs {
    /// The queue in `db`. Nothing runs until [`Jobs::run`] or [`Jobs::run_due`].
    pub fn new(db: Db, roots: RootKeys, random: Random, clock: Clock) -> Self {
        Self(Arc::new(Inner { db, roots, random, clock, wake: watch::Sender::new(0) }))
    }

    /// Writes the job into the caller's transaction; the workers of this process wake after its commit,
    /// those of others see it within a second. The payload is sealed at rest. Returns the job's id.
    pub async fn enqueue(&self, tx: &mut Tx, kind: Kind, payload: &impl serde::Serialize, run_at: Timestamp) -> Result<Uuid, DbError> {
        let now = self.0.clock.now();
        let id = self.0.random.uuid(now);
        let plain = serde_json::to_vec(payload).map_err(|_| DbError::Other(format!("the payload of a {} job is not JSON", kind.name)))?;
        let sealed = self.0.roots.seal(Purpose::System, &store::seal_context(kind.name, id), &plain);
        store::insert(tx, id, kind, run_at, now, sealed).await?;
        // A job for later is found by the next look, which is never further away than this.
        if run_at < now.plus(worker::POLL) {
            let jobs = self.clone();
            tx.on_commit(move || jobs.wake());
        }
        Ok(id)
    }

    /// Makes the workers of this process look at the table now (a clock was moved, say).
    pub fn wake(&self) {
        self.0.wake.send_modify(|reasons| *reasons = reasons.wrapping_add(1));
    }

    /// Starts a worker that runs up to `concurrency` jobs at a time. When `stop` is cancelled it claims no
    /// more; jobs still running after `grace` are broken off and handed back unharmed for another
    /// instance. The handle ends when all that is done. Must be called inside the async runtime.
    pub fn run(
        &self,
        handlers: Vec<(Kind, Handler)>,
        concurrency: usize,
        grace: Duration,
        stop: CancellationToken,
    ) -> tokio::task::JoinHandle<()> {
        tokio::spawn(worker::Worker::new(self.clone(), by_name(&handlers), concurrency.max(1)).work(grace, stop))
    }

    /// Tests and the command line: runs every due job now, one after the other in this task, also those
    /// that they enqueue; returns how many attempts ran.
    pub async fn run_due(&self, handlers: &[(Kind, Handler)]) -> Result<usize, DbError> {
        let handlers = by_name(handlers);
        let kinds: Vec<&str> = handlers.keys().copied().collect();
        let owner = self.0.random.uuid(self.0.clock.now());
        let mut ran = 0;
        loop {
            let now = self.0.clock.now();
            let first = store::next(&self.0.db, &kinds, now, owner).await?.into_iter().next();
            let due = first.filter(|(_, run_at)| *run_at <= now).and_then(|(name, _)| handlers.get(name.as_str()));
            let Some((kind, handler)) = due else { return Ok(ran) };
            // Somebody else may have been faster.
            let Some(job) = store::claim(&self.0.db, kind.name, now, owner, 1).await?.pop() else { continue };
            ran += 1;
            let (jobs, handler, hand_back) = (self.clone(), handler.clone(), CancellationToken::new());
            attempt::Attempt { jobs, job, owner, kind: *kind, handler, hand_back }.run_once().await?;
        }
    }
}

fn by_name(handlers: &[(Kind, Handler)]) -> HashMap<&'static str, (Kind, Handler)> {
    handlers.iter().map(|(kind, handler)| (kind.name, (*kind, Arc::clone(handler)))).collect()
}
