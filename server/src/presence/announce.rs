//! What slices have to tell those who are connected, on its way to the hub.
//!
//! It is said where nobody may wait, also on the thread that writes to SQLite, so it goes into a queue, which has no lock of the hub in
//! it. Whoever works on the hub next takes it out first, so it stands in one order with everything else: who has joined before
//! hears it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;

/// Something that a slice has to tell.
pub(super) enum Announcement {
    /// Tell whoever listens to the channel.
    Said(Box<str>, Arc<RawValue>),
    /// The channel is over.
    Closed(Box<str>),
}

/// Where slices say it; clones say it in the same place.
#[derive(Clone)]
pub struct Announcer {
    queue: Sender<Announcement>,
    wake: Arc<Notify>,
}

/// Where presence finds it.
pub struct Announcements {
    pub(super) announcer: Announcer,
    pub(super) queue: Receiver<Announcement>,
}

/// A place to say things, before there is a [`Presence`](super::Presence) that tells them: a slice that decides who may join its
/// channels is made first.
pub fn announcements() -> (Announcer, Announcements) {
    let (sender, queue) = channel();
    let announcer = Announcer { queue: sender, wake: Arc::default() };
    (announcer.clone(), Announcements { announcer, queue })
}

impl Announcer {
    /// Tells everybody who has joined `channel`, on every instance: a `diff` frame with `payload`, which is a JSON object of the
    /// slice's own. Never waits, for the hub neither. Each instance tells it in the order of these calls; one that missed something
    /// gives its listeners a fresh `state` instead, by which they know to read again what the slice has stored.
    pub fn publish(&self, channel: &str, payload: &impl Serialize) {
        match serde_json::value::to_raw_value(payload) {
            Ok(payload) => self.say(Announcement::Said(channel.into(), payload.into())),
            Err(error) => tracing::error!(%error, "a payload could not be written as JSON and was not published"),
        }
    }

    /// Has everybody leave `channel`, on every instance: it is over. They get a `leave` frame. Never waits.
    pub fn shut(&self, channel: &str) {
        self.say(Announcement::Closed(channel.into()));
    }

    /// Waits until something was said.
    pub(super) async fn said(&self) {
        self.wake.notified().await;
    }

    fn say(&self, announcement: Announcement) {
        // Nobody takes it when the instance is gone.
        let _ = self.queue.send(announcement);
        self.wake.notify_one();
    }
}
