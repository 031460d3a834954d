//! Reads what is new, once for all listeners of a session on this instance, and fills the rings.
//!
//! One task and one statement for many sessions: the more is written, the more of it one read brings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Heard, Hub, Said, Transcripts, lock, rights};
use crate::app::App;
use crate::error::Problem;
use crate::secret::PersonKey;
use crate::transcripts::store::Stored;
use crate::transcripts::{segment, store};

/// How often every hub is read whether somebody said so or not: the net under lost messages.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Sessions and segments of one read.
const SESSIONS_AT_ONCE: usize = 64;
const SEGMENTS_AT_ONCE: i64 = 500;
/// Sessions of which one statement asks whether they go on.
const ENDS_AT_ONCE: usize = 1_000;

/// Serves the listeners of `app` until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    tokio::join!(fill(app.transcripts.clone(), stop.clone()), rights::watch(app, stop));
}

async fn fill(live: Transcripts, stop: CancellationToken) {
    let mut tick = every(POLL_EVERY);
    let mut failing = false;
    loop {
        let poll = tokio::select! {
            () = stop.cancelled() => return,
            () = live.0.wake.notified() => false,
            _ = tick.tick() => true,
        };
        match if poll { live.poll().await } else { live.deliver().await } {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(cause = ?error.cause, "transcripts cannot be read for their listeners; it is tried again every second");
            }
            Err(_) => {}
        }
    }
}

/// Ticks that do not bunch up after a delay.
pub(super) fn every(period: Duration) -> Interval {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

impl Transcripts {
    /// Reads every hub, and ends those whose session has.
    async fn poll(&self) -> Result<(), Problem> {
        let sessions: Vec<Uuid> = lock(&self.0.hubs).keys().copied().collect();
        if sessions.is_empty() {
            return Ok(());
        }
        let now = self.0.ground.clock.now();
        let mut ended = Vec::new();
        for chunk in sessions.chunks(ENDS_AT_ONCE) {
            let ends = store::ends(&self.0.ground.db, chunk).await?;
            // One that is not there any more was erased.
            let over = chunk.iter().map(|id| (*id, ends.get(id).copied().unwrap_or(now)));
            ended.extend(over.filter(|(_, ends_at)| *ends_at <= now));
        }
        lock(&self.0.dirty).extend(sessions);
        // After it was seen that they ended and before it is told: what was accepted until then comes first.
        self.deliver().await?;
        let hubs = lock(&self.0.hubs);
        for (session, ends_at) in ended {
            hubs.get(&session).inspect(|hub| hub.send(Heard::End(ends_at)));
        }
        Ok(())
    }

    /// Reads what is new of the sessions that are dirty, until none is.
    async fn deliver(&self) -> Result<(), Problem> {
        loop {
            let heads = self.take_dirty();
            if heads.is_empty() {
                return Ok(());
            }
            let asked: Vec<(Uuid, i64)> = heads.iter().map(|(session, (_, head))| (*session, *head)).collect();
            let rows = store::after_many(&self.0.ground.db, &asked, SEGMENTS_AT_ONCE).await?;
            if rows.len() as i64 == SEGMENTS_AT_ONCE {
                // There is more, of whichever of them.
                lock(&self.0.dirty).extend(heads.keys());
            }
            let owners: Vec<Uuid> = heads.values().map(|(owner, _)| *owner).collect();
            let keys = self.0.ground.keyring.get_many(&owners).await?;
            let mut hubs = lock(&self.0.hubs);
            for (session, row) in rows {
                let key = heads.get(&session).and_then(|(owner, _)| keys.get(owner));
                if let Some(hub) = hubs.get_mut(&session) {
                    hub.fill(session, &row, key);
                }
            }
        }
    }

    /// Some of the dirty sessions, which are not any more: their owners, and how far they were read.
    fn take_dirty(&self) -> HashMap<Uuid, (Uuid, i64)> {
        let hubs = lock(&self.0.hubs);
        let mut dirty = lock(&self.0.dirty);
        let taken: Vec<Uuid> = dirty.iter().take(SESSIONS_AT_ONCE).copied().collect();
        let mut heads = HashMap::with_capacity(taken.len());
        for session in taken {
            dirty.remove(&session);
            if let Some(hub) = hubs.get(&session) {
                heads.insert(session, (hub.owner, hub.head));
            }
        }
        heads
    }
}

impl Hub {
    /// Puts a segment that was read into the ring. One that cannot be opened is left out: the others are no worse for it.
    fn fill(&mut self, session: Uuid, row: &Stored, key: Option<&PersonKey>) {
        if row.position <= self.head {
            return;
        }
        self.head = row.position;
        match key.map(|key| said(session, row, key)) {
            Some(Ok(said)) => self.send(Heard::Segment(Arc::new(said))),
            Some(Err(problem)) => tracing::error!(cause = ?problem.cause, %session, seq = row.seq, "a segment cannot be opened"),
            // Its owner was erased in this moment.
            None => {}
        }
    }

    fn send(&self, heard: Heard) {
        // Nobody left is no error.
        let _ = self.ring.send(heard);
    }
}

/// A stored segment as listeners get it.
pub(super) fn said(session: Uuid, row: &Stored, key: &PersonKey) -> Result<Said, Problem> {
    let view = segment::open(row, key, session)?;
    let json = serde_json::to_string(&view).map_err(Problem::internal)?;
    Ok(Said { position: row.position, json })
}
