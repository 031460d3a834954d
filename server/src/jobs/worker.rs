//! The worker of a process: looks for due jobs, keeps up to `concurrency` of them running, stops in order.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::attempt::Attempt;
use super::metrics::Gauges;
use super::{Handler, Jobs, store};
use crate::db::DbError;

/// The longest pause between two looks at the table: how late a job of another instance can start here.
pub(super) const POLL: Duration = Duration::from_secs(1);
const GAUGE_PERIOD: Duration = Duration::from_secs(5);
/// How long handing back may take after the grace, before the process goes anyway and the leases run out.
const HAND_BACK_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Worker {
    jobs: Jobs,
    handlers: HashMap<&'static str, Handler>,
    concurrency: usize,
    /// Names this worker in the leases it holds.
    owner: Uuid,
    running: JoinSet<bool>,
    hand_back: CancellationToken,
    wake: watch::Receiver<u64>,
    /// There may be due jobs that nobody claimed yet.
    pending: bool,
    next_look: Instant,
    /// The last look failed; said once in the log, not every second.
    blind: bool,
    gauges: Gauges,
}

impl Worker {
    pub(super) fn new(jobs: Jobs, handlers: HashMap<&'static str, Handler>, concurrency: usize) -> Self {
        let owner = jobs.0.random.uuid(jobs.0.clock.now());
        let wake = jobs.0.wake.subscribe();
        let gauges = Gauges::new(handlers.keys().copied());
        let next_look = Instant::now();
        let (running, hand_back) = (JoinSet::new(), CancellationToken::new());
        Self { jobs, handlers, concurrency, owner, running, hand_back, wake, pending: true, next_look, blind: false, gauges }
    }

    pub(super) async fn work(mut self, grace: Duration, stop: CancellationToken) {
        let mut gauges = tokio::time::interval(GAUGE_PERIOD);
        gauges.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            if self.pending && self.running.len() < self.concurrency {
                let claimed = self.claim().await;
                self.see(claimed);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next() => self.settle(ended),
                // The sender lives in `self.jobs`, so this never fails.
                _ = self.wake.changed() => self.pending = true,
                () = tokio::time::sleep_until(self.next_look), if !self.pending => {
                    let peeked = self.peek().await;
                    self.see(peeked);
                }
                _ = gauges.tick() => self.measure().await,
            }
        }
        self.wind_down(grace).await;
    }

    /// Takes as many due jobs as there is room for and starts them.
    async fn claim(&mut self) -> Result<(), DbError> {
        let now = self.jobs.0.clock.now();
        let room = self.concurrency - self.running.len();
        self.pending = false;
        self.next_look = Instant::now() + POLL;
        let mut claimed = match store::claim(&self.jobs.0.db, now, self.owner, room).await {
            Ok(claimed) => claimed,
            Err(error) => {
                // It may have been carried out and only the answer lost; jobs that we hold without knowing it must
                // not stay ours.
                self.rename();
                return Err(error);
            }
        };
        self.pending = claimed.len() == room;
        while let Some(job) = claimed.pop() {
            let handler = self.handlers.get(job.kind.as_str()).cloned();
            let attempt = Attempt { jobs: self.jobs.clone(), job, owner: self.owner, handler, hand_back: self.hand_back.clone() };
            self.running.spawn(attempt.run());
        }
        if !self.pending
            && let Some(next) = store::next_after(&self.jobs.0.db, now).await?
        {
            self.next_look = Instant::now() + next.since(now).min(POLL);
        }
        Ok(())
    }

    /// A cheap read instead of an empty write each second.
    async fn peek(&mut self) -> Result<(), DbError> {
        self.next_look = Instant::now() + POLL;
        let now = self.jobs.0.clock.now();
        match store::oldest_free(&self.jobs.0.db, now).await? {
            Some(due) if due <= now => self.pending = true,
            Some(due) => self.next_look = Instant::now() + due.since(now).min(POLL),
            None => {}
        }
        Ok(())
    }

    fn see(&mut self, looked: Result<(), DbError>) {
        match looked {
            Ok(()) => self.blind = false,
            Err(error) if !self.blind => {
                self.blind = true;
                tracing::warn!(%error, "the job queue cannot be read; trying again each second");
            }
            Err(_) => {}
        }
    }

    /// A job whose outcome was not recorded must not stay ours: under a new name we may claim it again when its lease ends.
    fn settle(&mut self, ended: Result<bool, JoinError>) {
        if !matches!(ended, Ok(true)) {
            self.rename();
        }
    }

    fn rename(&mut self) {
        self.owner = self.jobs.0.random.uuid(self.jobs.0.clock.now());
    }

    async fn measure(&mut self) {
        let now = self.jobs.0.clock.now();
        // An unreadable queue is reported by the next look.
        if let Ok(lines) = store::depth(&self.jobs.0.db, now).await {
            self.gauges.set(&lines, now);
        }
    }

    async fn wind_down(mut self, grace: Duration) {
        if self.drain(grace).await {
            return;
        }
        tracing::info!(jobs = self.running.len(), "running jobs are handed back to the queue");
        self.hand_back.cancel();
        if !self.drain(HAND_BACK_LIMIT).await {
            tracing::warn!(jobs = self.running.len(), "some jobs could not be handed back; they run again when their leases end");
        }
    }

    async fn drain(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async { while self.running.join_next().await.is_some() {} }).await.is_ok()
    }
}
