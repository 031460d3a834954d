//! The background of presence: tells what was gathered, listens to the other instances, ends what is over.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::close::Close;
use super::{Presence, REALTIME};
use crate::audit::{self, Target};
use crate::db::DbError;
use crate::error::Code;
use crate::flags::declared::REALTIME_PRESENCE;

/// How long joins and leaves are gathered before they are told.
const GATHER: Duration = Duration::from_millis(50);
/// How often connections are looked at. With the half second in which an instance learns by itself that a session was ended,
/// that is within a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often slices are asked which of their channels are over.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How long connections may take to close when the instance stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

impl Presence {
    /// Works until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::join!(self.tell(stop.clone()), self.announce(stop.clone()), self.listen(stop.clone()), self.watch(stop));
    }

    /// Closes every connection, asking clients to connect elsewhere, and lets nobody in any more.
    pub async fn drain(&self) {
        self.0.stopping.cancel();
        self.act(super::hub::Hub::part);
        self.0.sockets.close();
        if tokio::time::timeout(LAST_WORDS, self.0.sockets.wait()).await.is_err() {
            tracing::warn!(connections = self.connections(), "some realtime connections did not close in time");
        }
    }

    async fn tell(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.work.notified() => tokio::time::sleep(GATHER).await,
            }
            let now = self.0.ground.clock.now();
            self.act(|hub| hub.tick(now));
        }
    }

    /// Tells what slices had to tell, unless somebody else came to the hub before.
    async fn announce(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.announcer.said() => self.act(|_| ()),
            }
        }
    }

    async fn listen(&self, stop: CancellationToken) {
        let mut messages = self.0.ground.shared.subscribe_bulk();
        loop {
            let message = tokio::select! {
                () = stop.cancelled() => return,
                message = messages.recv() => message,
            };
            match message {
                Ok(message) if message.topic == REALTIME => {
                    let Some(message) = self.0.envelope.open(&message.payload) else { continue };
                    let now = self.0.ground.clock.now();
                    self.act(|hub| hub.hear(message, now));
                }
                // What was missed is noticed by its number, and asked for.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn watch(&self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked_at = self.0.ground.clock.now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let disabled = !self.0.flags.is_on(REALTIME_PRESENCE);
            let revocations = self.0.sessions.revocations();
            let over = |session: Uuid| match revocations.check(session) {
                _ if disabled => Some(Close::Disabled),
                Ok(()) => None,
                Err(problem) if problem.code == Code::SessionRevoked => Some(Close::SessionEnded),
                Err(_) => Some(Close::Unavailable),
            };
            let now = self.0.ground.clock.now();
            let ended = self.act(|hub| hub.sweep(over, now));
            if now.since(asked_at) >= ASK_EVERY {
                asked_at = now;
                let this = self.clone();
                self.0.sockets.spawn(async move { this.leave_what_is_over().await });
            }
            if !ended.is_empty() {
                // Beside the watch, which must not wait for a database.
                let this = self.clone();
                self.0.sockets.spawn(async move {
                    if let Err(error) = this.record(ended).await {
                        tracing::warn!(%error, "that connections ended with their session could not be recorded");
                    }
                });
            }
        }
    }

    /// Has everybody here leave the channels of slices that have ended by themselves.
    async fn leave_what_is_over(&self) {
        let channels = self.act(|hub| hub.channels_of_slices());
        match self.0.kinds.over(&channels).await {
            Ok(over) => over.iter().for_each(|channel| self.act(|hub| hub.empty(channel))),
            Err(problem) => tracing::debug!(detail = &*problem.detail, "cannot tell which channels are over; it is asked again"),
        }
    }

    /// Puts on record that the end of sessions has closed connections: once for each session on each instance.
    async fn record(&self, ended: HashMap<Uuid, Uuid>) -> Result<(), DbError> {
        let ground = &self.0.ground;
        let now = ground.clock.now();
        let event = |(session, user): (Uuid, Uuid)| {
            let event = audit::Event::new(ground, audit::REALTIME_CLOSED, now).target(Target::user(user));
            event.detail("cause", session.to_string())
        };
        let events: Vec<audit::Event> = ended.into_iter().map(event).collect();
        let write = async move |tx: &mut crate::db::Tx| {
            for event in &events {
                audit::record(tx, event).await?;
            }
            Ok::<_, DbError>(())
        };
        ground.db.write(write).await
    }
}
