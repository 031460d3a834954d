//! The line in front of the hashing threads: first come, first served, and no longer than the limit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::argon::SALT_LEN;
use super::{Overloaded, Stored, Verdict};

/// What a thread is asked to do, and whom it answers.
pub(super) enum Task {
    /// A new hash; `None` in the answer when the password cannot be hashed.
    Hash { password: SecretString, salt: [u8; SALT_LEN], answer: oneshot::Sender<Option<String>> },
    /// A comparison; `stored: None` when there is nothing to compare with.
    Verify { password: SecretString, stored: Option<Box<Stored>>, answer: oneshot::Sender<Verdict> },
}

/// A task in the line.
pub(super) struct Job {
    pub(super) task: Task,
    pub(super) since: Instant,
}

impl Job {
    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.task {
            Task::Hash { answer, .. } => answer.is_closed(),
            Task::Verify { answer, .. } => answer.is_closed(),
        }
    }
}

/// The line and what is known about its speed. Guarded by the pool's lock.
pub(super) struct Queue {
    waiting: VecDeque<Job>,
    average: Duration,
    threads: u32,
    max_wait: Duration,
    pub(super) skipped: u64,
    pub(super) refused: u64,
    pub(super) hashed: u64,
    pub(super) closed: bool,
}

impl Queue {
    /// `average`: the guess for one hash until some were measured.
    pub(super) fn new(threads: usize, max_wait: Duration, average: Duration) -> Self {
        let threads = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        Self { waiting: VecDeque::new(), average, threads, max_wait, skipped: 0, refused: 0, hashed: 0, closed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How long someone who comes now waits before a thread takes up the work.
    pub(super) fn estimate(&self) -> Duration {
        let ahead = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.average.saturating_mul(ahead) / self.threads
    }

    /// Lines a task up. An empty line never refuses.
    pub(super) fn push(&mut self, task: Task) -> Result<(), Overloaded> {
        if self.estimate() > self.max_wait {
            // Those who went away make nobody wait: count again without them before refusing.
            self.drop_abandoned();
            if self.estimate() > self.max_wait {
                self.refused += 1;
                return Err(Overloaded { retry_after: (self.estimate() - self.max_wait).max(Duration::from_secs(1)) });
            }
        }
        self.waiting.push_back(Job { task, since: Instant::now() });
        Ok(())
    }

    /// The next task that someone still waits for.
    pub(super) fn pop(&mut self) -> Option<Job> {
        loop {
            let job = self.waiting.pop_front()?;
            if !job.is_abandoned() {
                return Some(job);
            }
            self.skipped += 1;
        }
    }

    /// Learns from a finished hash (moving average, one eighth new).
    pub(super) fn learn(&mut self, took: Duration) {
        self.hashed += 1;
        self.average = self.average - self.average / 8 + took / 8;
    }

    fn drop_abandoned(&mut self) {
        let before = self.waiting.len();
        self.waiting.retain(|job| !job.is_abandoned());
        self.skipped += (before - self.waiting.len()) as u64;
    }
}
