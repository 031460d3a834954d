//! INTERFACE SKETCH of the durable queue (bodies to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::db::{Db, DbError, Tx};
use crate::secret::{Random, RootKeys};
use crate::time::{Clock, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A kind of work: its name in the table and how it is retried. Declared as a constant by the slice that owns it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub max_attempts: u32,
    /** lease; a handler that takes longer is run again elsewhere */
    pub lease: Duration,
}

/// Why a handler did not finish.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Try again later with back-off.
    #[error("{0}")]
    Retry(String),
    /// Never going to work: straight to the dead letters.
    #[error("{0}")]
    Dead(String),
}
impl From<DbError> for JobError {
    fn from(e: DbError) -> Self {
        JobError::Retry(e.to_string())
    }
}

/// A claimed job handed to its handler.
pub struct Claimed {
    pub id: Uuid,
    pub attempt: u32,
    pub payload: Vec<u8>,
    pub enqueued_at: Timestamp,
}
pub type Handler = Arc<dyn Fn(Claimed) -> Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>> + Send + Sync>;

/// Enqueues; cloned into everything that causes work.
#[derive(Clone)]
pub struct Jobs(());
impl Jobs {
    pub fn new(db: Db, roots: RootKeys, random: Random, clock: Clock) -> Self {
        todo!()
    }
    /// Writes the job into the caller's transaction; the worker wakes after the commit. The payload is sealed at rest. Returns the job's id.
    pub async fn enqueue(&self, tx: &mut Tx, kind: Kind, payload: &impl serde::Serialize, run_at: Timestamp) -> Result<Uuid, DbError> {
        todo!()
    }
    /// Starts the workers; they stop when `stop` is cancelled: running jobs finish within `grace` or are handed back.
    pub fn run(
        &self,
        handlers: Vec<(Kind, Handler)>,
        concurrency: usize,
        stop: tokio_util::sync::CancellationToken,
    ) -> tokio::task::JoinHandle<()> {
        todo!()
    }
    /// Tests and the command line: runs every due job now in this task; returns how many ran.
    pub async fn run_due(&self, handlers: &[(Kind, Handler)]) -> Result<usize, DbError> {
        todo!()
    }
    pub async fn depth(&self) -> Result<Depth, DbError> {
        todo!()
    }
}
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    pub queued: u64,
    pub running: u64,
    pub dead: u64,
    pub oldest_due: Option<Timestamp>,
}
