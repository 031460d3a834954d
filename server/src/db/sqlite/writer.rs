//! The thread that writes: many callers, one durable commit.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rusqlite::Connection;

use super::super::error::DbError;
use super::super::tx::{Hook, Tx, run_hooks};
use super::{Answer, Done, Job, Load, batch, in_transaction, on_connection};

/// Callers that one commit serves at most.
const BATCH: usize = 256;
/// Commits between two looks at the size of the write-ahead log.
const LOOK_EVERY: u32 = 64;
/// A log of this size is emptied even if readers have to be waited for.
const LONG_LOG: u64 = 32 * 1024 * 1024;
/// How long to wait for them; writes wait as long.
const LOG_PATIENCE: Duration = Duration::from_millis(250);

/// Looks that are left out at most after waiting in vain.
const LONGEST_REST: u32 = 63;

const COMMITS: &str = "keystead_db_commits_total";
const CALLERS: &str = "keystead_db_commit_callers_total";

/// The writing connection and what waits for it.
pub(super) struct Writer {
    pub(super) tx: Tx,
    pub(super) jobs: Receiver<Job>,
    pub(super) load: Arc<Load>,
    pub(super) log: Log,
}

impl Writer {
    /// Until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let (commits, callers) = (metrics::counter!(COMMITS), metrics::counter!(CALLERS));
        while let Ok(first) = self.jobs.recv() {
            self.load.begin();
            let served = self.commit_for(first);
            self.log.tend(&self.tx, self.load.is_idle());
            self.load.end();
            commits.increment(1);
            callers.increment(served);
        }
        // Leaves one file behind, without a write-ahead log to replay.
        let _ = on_connection(&self.tx, |connection| Ok(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?));
    }

    /// One durable commit for `first` and whatever else waits; how many callers it served.
    fn commit_for(&mut self, first: Job) -> u64 {
        if let Err(error) = self.begin() {
            return self.refuse(first, &error);
        }
        let (mut answers, mut hooks): (Vec<Answer>, Vec<Hook>) = (Vec::new(), Vec::new());
        let mut whole = Ok(());
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let done = self.run_job(job, &mut whole);
            if done.keep {
                hooks.append(&mut self.tx.hooks);
            }
            self.tx.reset();
            answers.push(done.answer);
            if whole.is_ok() && answers.len() < BATCH {
                next = self.waiting();
            }
        }
        let committed = whole.and_then(|()| batch(&self.tx, "COMMIT"));
        let served = u64::try_from(answers.len()).unwrap_or(u64::MAX);
        match &committed {
            Ok(()) => run_hooks(hooks),
            Err(_) => drop(batch(&self.tx, "ROLLBACK")),
        }
        for answer in answers {
            answer(committed.clone());
        }
        served
    }

    fn begin(&self) -> Result<(), DbError> {
        if in_transaction(&self.tx) {
            // A ROLLBACK failed before; without another the writer would be stuck in it for good.
            batch(&self.tx, "ROLLBACK")?;
        }
        batch(&self.tx, "BEGIN IMMEDIATE")
    }

    /// Another process holds the lock, say. Everyone who waits has waited as long, so all are told; otherwise each
    /// would wait for those before him, too. Who comes later, because he was told, say, has not waited: not he.
    fn refuse(&self, first: Job, error: &DbError) -> u64 {
        let waited: Vec<Job> = std::iter::once(first).chain(std::iter::from_fn(|| self.waiting())).collect();
        let mut served = 0;
        for Job::Many(run) | Job::One(run) in waited {
            (run(Err(error.clone())).answer)(Ok(()));
            served += 1;
        }
        served
    }

    fn waiting(&self) -> Option<Job> {
        let job = self.jobs.try_recv().ok()?;
        self.load.take();
        Some(job)
    }

    /// `whole` is spoilt when what the job left behind cannot be told from what the others wrote.
    fn run_job(&mut self, job: Job, whole: &mut Result<(), DbError>) -> Done {
        match job {
            Job::One(run) => {
                let before = total_changes(&self.tx);
                let done = run(Ok(&mut self.tx));
                if !in_transaction(&self.tx) {
                    *whole = Err(rolled_back());
                } else if !done.keep && total_changes(&self.tx) != before {
                    // It wrote, and then its answer could not be read.
                    *whole = Err(DbError::Unavailable("a statement beside this one failed after it had written".to_owned()));
                }
                done
            }
            Job::Many(run) => {
                if let Err(error) = batch(&self.tx, "SAVEPOINT work") {
                    return run(Err(error));
                }
                let done = run(Ok(&mut self.tx));
                let undone = if done.keep { Ok(()) } else { batch(&self.tx, "ROLLBACK TO work") };
                let ended = undone.and_then(|()| batch(&self.tx, "RELEASE work"));
                if !in_transaction(&self.tx) {
                    // A full disk, say, makes the engine undo everything at once.
                    *whole = Err(rolled_back());
                } else if let Err(error) = ended {
                    *whole = Err(error);
                }
                done
            }
        }
    }
}

fn rolled_back() -> DbError {
    DbError::Unavailable("the engine rolled the transaction back".to_owned())
}

fn total_changes(tx: &Tx) -> u64 {
    on_connection(tx, |connection| Ok(connection.total_changes())).unwrap_or_default()
}

/// The write-ahead log, kept from growing without bound: SQLite copies it back by itself, but starts it anew only when it
/// meets a moment without a snapshot, which under constant load may not come for long, and never makes the file smaller.
pub(super) struct Log {
    path: PathBuf,
    /// Emptied whenever there is nothing else to do, because deleted bytes live on in it.
    shred: bool,
    commits: u32,
    /// A reader that takes its time is not waited for at every look: how many are left out, and are left to leave out.
    rest: u32,
    resting: u32,
    patience: Duration,
}

impl Log {
    /// `patience` is what the connection is set back to.
    pub(super) fn new(path: PathBuf, shred: bool, patience: Duration) -> Self {
        Self { path, shred, commits: 0, rest: 0, resting: 0, patience }
    }

    fn tend(&mut self, tx: &Tx, idle: bool) {
        if self.shred && idle {
            let _ = on_connection(tx, |connection| self.empty(connection));
            return;
        }
        self.commits += 1;
        if self.commits < LOOK_EVERY {
            return;
        }
        self.commits = 0;
        if self.resting > 0 {
            self.resting -= 1;
        } else if std::fs::metadata(&self.path).is_ok_and(|file| file.len() > LONG_LOG) {
            let emptied = on_connection(tx, |connection| self.empty(connection)).unwrap_or(false);
            self.rest = if emptied { 0 } else { (self.rest * 2 + 1).min(LONGEST_REST) };
            self.resting = self.rest;
        }
    }

    fn empty(&self, connection: &Connection) -> Result<bool, DbError> {
        connection.busy_timeout(LOG_PATIENCE)?;
        let blocked = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        connection.busy_timeout(self.patience)?;
        Ok(!blocked?)
    }
}
