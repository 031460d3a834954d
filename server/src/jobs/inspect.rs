//! Looking at the queue and mending it: what health, the administration routes and retention ask.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Jobs, store};
use crate::db::{DbError, Row, Tx};
use crate::time::Timestamp;

/// How full the queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    /// Waiting, due or not.
    pub queued: u64,
    /// Held by a worker.
    pub running: u64,
    /// Failed for good.
    pub dead: u64,
    /// Since when the oldest due job waits; null when nothing waits that could run.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub oldest_due: Option<Timestamp>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = JobStatus)]
pub enum State {
    /// Waiting or running.
    Queued,
    /// Failed for good, kept for a person to look at.
    Dead,
}

/// What became of the wish to try a dead letter again.
#[derive(Debug, Clone)]
pub enum Retried {
    /// It is queued again.
    Queued(Box<JobInfo>),
    /// It is no dead letter: it waits or runs by itself.
    NotDead,
    /// There is none of this id, any more.
    Unknown,
}

/// One job as an administrator sees it; never its payload.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
pub struct JobInfo {
    /// The job's id.
    pub id: Uuid,
    /// The kind's name, such as `mail.send`.
    pub kind: String,
    /// Where it stands.
    #[serde(rename = "status")]
    pub state: State,
    /// A worker holds it at the moment.
    pub running: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// When it is or was due.
    #[schema(value_type = String, format = DateTime)]
    pub run_at: Timestamp,
    /// When its cause was committed.
    #[schema(value_type = String, format = DateTime)]
    pub enqueued_at: Timestamp,
    /// When it became a dead letter.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub finished_at: Option<Timestamp>,
    /// What the last failed attempt said; never anything personal.
    #[schema(required = true)]
    pub last_error: Option<String>,
}

impl Jobs {
    /// How full the queue is.
    pub async fn depth(&self) -> Result<Depth, DbError> {
        let lines = store::depth(&self.0.db, self.0.clock.now()).await?;
        Ok(lines.iter().fold(Depth::default(), |sum, line| Depth {
            queued: sum.queued + line.queued.unsigned_abs(),
            running: sum.running + line.running.unsigned_abs(),
            dead: sum.dead + line.dead.unsigned_abs(),
            oldest_due: sum.oldest_due.into_iter().chain(line.oldest_due).min(),
        }))
    }

    /// Up to `rows` jobs, newest first, in `state` and of `kind` where those are given; `before` is the last id of the page before.
    pub async fn list(&self, state: Option<State>, kind: Option<String>, before: Option<Uuid>, rows: i64) -> Result<Vec<JobInfo>, DbError> {
        let now = self.0.clock.now();
        let rows = store::list(&self.0.db, state, kind, before.unwrap_or(Uuid::max()), rows).await?;
        rows.iter().map(|row| info(row, now)).collect()
    }

    /// Puts a dead letter back into the queue with all its attempts, due now, in the caller's transaction. Of several callers at
    /// the same moment one does.
    pub async fn retry(&self, tx: &mut Tx, id: Uuid) -> Result<Retried, DbError> {
        let now = self.0.clock.now();
        match store::revive(tx, id, now).await? {
            Some(row) => {
                let jobs = self.clone();
                tx.on_commit(move || jobs.wake());
                Ok(Retried::Queued(Box::new(info(&row, now)?)))
            }
            None if store::exists(tx, id).await? => Ok(Retried::NotDead),
            None => Ok(Retried::Unknown),
        }
    }

    /// Deletes the dead letters that died before `before`, with what is sealed in them; returns how many. For retention.
    pub async fn purge_dead(&self, before: Timestamp) -> Result<u64, DbError> {
        store::purge(&self.0.db, before).await
    }
}

fn info(row: &Row, now: Timestamp) -> Result<JobInfo, DbError> {
    let finished_at = row.get::<Option<Timestamp>>(7)?;
    Ok(JobInfo {
        id: row.get(0)?,
        kind: row.get(1)?,
        // Only what failed for good is finished and still there.
        state: if finished_at.is_some() { State::Dead } else { State::Queued },
        attempts: row.get(2)?,
        max_attempts: row.get(3)?,
        run_at: row.get(4)?,
        running: row.get::<Option<Timestamp>>(5)?.is_some_and(|until| until > now),
        enqueued_at: row.get(6)?,
        finished_at,
        last_error: row.get(8)?,
    })
}
