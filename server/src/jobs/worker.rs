//! The worker of a process: looks for due jobs, keeps up to `concurrency` of them running, stops in order.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::attempt::Attempt;
use super::metrics::Gauges;
use super::{Handler, Jobs, Kind, store};
use crate::db::DbError;
use crate::time::Timestamp;

/// The longest pause between two looks at the table: how late a job of another instance can start here.
pub(super) const POLL: Duration = Duration::from_secs(1);
const GAUGE_PERIOD: Duration = Duration::from_secs(5);
/// How long handing back may take after the grace, before the process goes anyway and the leases run out.
const HAND_BACK_LIMIT: Duration = Duration::from_secs(5);

/// Places that kinds with a number of their own never take, however many of them there are: for what is done in moments, such
/// as mail. Of very few places one is left to them all the same, or they would never run.
const RESERVED: usize = 2;

pub(super) struct Worker {
    jobs: Jobs,
    handlers: HashMap<&'static str, (Kind, Handler)>,
    concurrency: usize,
    /// Names this worker in the leases it holds.
    owner: Uuid,
    running: JoinSet<bool>,
    /// What each running task works at.
    kinds: HashMap<Id, Kind>,
    hand_back: CancellationToken,
    wake: watch::Receiver<u64>,
    /// There may be due jobs that nobody claimed yet: they are looked for at once, unless there is no room for any.
    pending: bool,
    next_look: Instant,
    /// The last look failed; said once in the log, not every second.
    blind: bool,
    gauges: Gauges,
}

impl Worker {
    pub(super) fn new(jobs: Jobs, handlers: HashMap<&'static str, (Kind, Handler)>, concurrency: usize) -> Self {
        let owner = jobs.0.random.uuid(jobs.0.clock.now());
        let wake = jobs.0.wake.subscribe();
        let gauges = Gauges::new(handlers.keys().copied());
        let next_look = Instant::now();
        let (running, kinds, hand_back) = (JoinSet::new(), HashMap::new(), CancellationToken::new());
        Self { jobs, handlers, concurrency, owner, running, kinds, hand_back, wake, pending: true, next_look, blind: false, gauges }
    }

    pub(super) async fn work(mut self, grace: Duration, stop: CancellationToken) {
        let mut gauges = tokio::time::interval(GAUGE_PERIOD);
        gauges.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            if self.pending && !self.is_full() {
                let looked = self.look().await;
                self.see(looked);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next_with_id() => self.settle(ended),
                // The sender lives in `self.jobs`, so this never fails.
                _ = self.wake.changed() => self.pending = true,
                () = tokio::time::sleep_until(self.next_look), if !self.pending => self.pending = true,
                _ = gauges.tick() => self.measure().await,
            }
        }
        self.wind_down(grace).await;
    }

    /// Looks what is due of the kinds that there is room for, and starts as much of it as there is room for, what waits longest
    /// first. The look is a read; only a kind that has something due costs a write.
    async fn look(&mut self) -> Result<(), DbError> {
        let now = self.jobs.0.clock.now();
        self.pending = false;
        self.next_look = Instant::now() + POLL;
        let open: Vec<&str> = self.handlers.values().filter(|(kind, _)| self.room(*kind) > 0).map(|(kind, _)| kind.name).collect();
        for (name, run_at) in store::next(&self.jobs.0.db, &open, now, self.owner).await? {
            let Some((kind, handler)) = self.handlers.get(name.as_str()).cloned() else { continue };
            if run_at > now {
                self.next_look = self.next_look.min(Instant::now() + run_at.since(now));
            } else {
                self.start(kind, &handler, now).await?;
            }
        }
        Ok(())
    }

    /// Starts as many due jobs of `kind` as there is room for.
    async fn start(&mut self, kind: Kind, handler: &Handler, now: Timestamp) -> Result<(), DbError> {
        let room = self.room(kind);
        if room == 0 {
            // What was started meanwhile has taken it; whoever ends makes room again.
            self.pending |= self.is_full();
            return Ok(());
        }
        let claimed = store::claim(&self.jobs.0.db, kind.name, now, self.owner, room).await;
        if claimed.is_err() {
            // It may have been carried out and only the answer lost; jobs that we hold without knowing it must not stay ours.
            self.rename();
        }
        let mut claimed = claimed?;
        while let Some(job) = claimed.pop() {
            let (jobs, owner, handler, hand_back) = (self.jobs.clone(), self.owner, handler.clone(), self.hand_back.clone());
            let task = self.running.spawn(Attempt { jobs, job, owner, kind, handler, hand_back }.run());
            self.kinds.insert(task.id(), kind);
        }
        self.pending |= self.is_full();
        Ok(())
    }

    /// Nothing can be started until something ends, and so nobody needs to look before. A kind that has filled its own room is no
    /// reason not to look for the others.
    fn is_full(&self) -> bool {
        self.running.len() >= self.concurrency
    }

    /// How many jobs of `kind` may be started.
    fn room(&self, kind: Kind) -> usize {
        let free = self.concurrency.saturating_sub(self.running.len());
        let Some(at_once) = kind.at_once else { return free };
        let (same, counted) = self.kinds.values().fold((0, 0), |(same, counted), running| {
            (same + usize::from(running.name == kind.name), counted + usize::from(running.at_once.is_some()))
        });
        let together = self.concurrency.saturating_sub(RESERVED).max(1);
        free.min(at_once.max(1).saturating_sub(same)).min(together.saturating_sub(counted))
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
    fn settle(&mut self, ended: Result<(Id, bool), JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        // More of its kind may have waited for its place.
        self.pending |= self.kinds.remove(&id).is_some_and(|kind| kind.at_once.is_some());
        if !matches!(ended, Ok((_, true))) {
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
