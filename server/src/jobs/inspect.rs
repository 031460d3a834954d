//! Looking at the queue and mending it: what health, the administration routes and retention ask.

use serde::Serialize;
use uuid::Uuid;

use super::{Jobs, store};
use crate::db::{DbError, Row};
use crate::time::Timestamp;

/// How full the queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Depth {
    /// Waiting, due or not.
    pub queued: u64,
    /// Held by a worker.
    pub running: u64,
    /// Failed for good.
    pub dead: u64,
    /// Since when the oldest due job waits; `None` when nothing waits that could run.
    pub oldest_due: Option<Timestamp>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting or running.
    Queued,
    /// Failed for good, kept for a person to look at.
    Dead,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Dead => "dead",
        }
    }
}

/// One job as an administrator sees it; never its payload.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobInfo {
    /// The job's id, also the cursor for the next page.
    pub id: Uuid,
    /// The kind's name.
    pub kind: String,
    /// Queued or dead.
    pub state: State,
    /// A worker holds it at the moment.
    pub running: bool,
    /// Attempts begun.
    pub attempts: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// When it is or was due.
    pub run_at: Timestamp,
    /// When its cause was committed.
    pub enqueued_at: Timestamp,
    /// When it became a dead letter.
    pub finished_at: Option<Timestamp>,
    /// What the last failed attempt said.
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

    /// A page of jobs in `state`, newest first; `before` is the last id of the page before.
    pub async fn list(&self, state: State, before: Option<Uuid>, limit: u32) -> Result<Vec<JobInfo>, DbError> {
        let now = self.0.clock.now();
        let rows = store::list(&self.0.db, state.as_str(), before.unwrap_or(Uuid::max()), limit).await?;
        rows.iter().map(|row| info(row, state, now)).collect()
    }

    /// Puts a dead letter back into the queue with all its attempts, due now. `false`: there is no such dead letter.
    pub async fn retry(&self, id: Uuid) -> Result<bool, DbError> {
        let revived = store::revive(&self.0.db, id, self.0.clock.now()).await?;
        if revived {
            self.wake();
        }
        Ok(revived)
    }

    /// Deletes the dead letters that died before `before`, with what is sealed in them; returns how many. For retention.
    pub async fn purge_dead(&self, before: Timestamp) -> Result<u64, DbError> {
        store::purge(&self.0.db, before).await
    }
}

fn info(row: &Row, state: State, now: Timestamp) -> Result<JobInfo, DbError> {
    Ok(JobInfo {
        id: row.get(0)?,
        kind: row.get(1)?,
        state,
        attempts: row.get(2)?,
        max_attempts: row.get(3)?,
        run_at: row.get(4)?,
        running: row.get::<Option<Timestamp>>(5)?.is_some_and(|until| until > now),
        enqueued_at: row.get(6)?,
        finished_at: row.get(7)?,
        last_error: row.get(8)?,
    })
}
