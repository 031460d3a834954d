//! Who is in which channel, on all instances: data and rules, without sockets and without messages.
//!
//! A connection stands under the instance that holds its socket, its origin. Only the origin may take it away, and whoever
//! resumes a connection becomes its origin with a higher epoch, so that late news of the former one count for nothing.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::frame::Shown;
use super::pace::Pace;
use crate::time::Timestamp;

/// A connection that is in at least one channel.
pub(super) struct Peer {
    pub user: Uuid,
    pub origin: Uuid,
    pub epoch: u32,
    pub channels: Vec<Arc<str>>,
}

#[derive(Default)]
struct Channel {
    members: HashMap<Uuid, Shown>,
    /// What was told last of each connection that has changed since.
    told: HashMap<Uuid, Option<Shown>>,
}

/// What has changed in a channel.
#[derive(Default)]
pub(super) struct Changed {
    pub joins: Vec<(Uuid, Shown)>,
    pub leaves: Vec<(Uuid, Shown)>,
    /// All connections that did something, also when in the end nothing is different.
    pub touched: Vec<Uuid>,
}

/// The roster.
#[derive(Default)]
pub(super) struct Roster {
    peers: HashMap<Uuid, Peer>,
    channels: HashMap<Arc<str>, Channel>,
    changed: HashSet<Arc<str>>,
    /// How often what a connection changes in a channel is told.
    pace: Pace<(Arc<str>, Uuid)>,
}

impl Roster {
    pub(super) fn peer(&self, connection: Uuid) -> Option<&Peer> {
        self.peers.get(&connection)
    }

    /// How many connections an instance has in channels.
    pub(super) fn of(&self, origin: Uuid) -> impl Iterator<Item = (Uuid, &Peer)> {
        self.peers.iter().filter(move |(_, peer)| peer.origin == origin).map(|(id, peer)| (*id, peer))
    }

    /// What `connection` shows in `channel`.
    pub(super) fn shown(&self, connection: Uuid, channel: &str) -> Option<&Shown> {
        self.channels.get(channel)?.members.get(&connection)
    }

    pub(super) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Puts a connection into a channel, or changes what it shows. False when somebody with a higher epoch has it, or the
    /// same epoch and another origin.
    pub(super) fn put(&mut self, origin: Uuid, epoch: u32, connection: Uuid, channel: &Arc<str>, shown: Shown) -> bool {
        let peer = match self.peers.entry(connection) {
            Entry::Vacant(free) => free.insert(Peer { user: shown.user, origin, epoch, channels: Vec::new() }),
            Entry::Occupied(taken) => taken.into_mut(),
        };
        if peer.epoch > epoch || (peer.epoch == epoch && peer.origin != origin) || peer.user != shown.user {
            return false;
        }
        (peer.origin, peer.epoch) = (origin, epoch);
        if !peer.channels.contains(channel) {
            peer.channels.push(channel.clone());
        }
        let state = self.channels.entry(channel.clone()).or_default();
        let before = state.members.insert(connection, shown);
        state.told.entry(connection).or_insert(before);
        self.changed.insert(channel.clone());
        true
    }

    /// Gives a connection to another origin; what it shows stays.
    pub(super) fn take_over(&mut self, connection: Uuid, origin: Uuid, epoch: u32) {
        if let Some(peer) = self.peers.get_mut(&connection) {
            (peer.origin, peer.epoch) = (origin, epoch);
        }
    }

    /// Takes a connection of `origin` out of one channel; false when it was not there.
    pub(super) fn leave(&mut self, origin: Uuid, connection: Uuid, channel: &str) -> bool {
        let Some(peer) = self.peers.get_mut(&connection).filter(|peer| peer.origin == origin) else { return false };
        let Some(at) = peer.channels.iter().position(|joined| &**joined == channel) else { return false };
        let channel = peer.channels.swap_remove(at);
        if peer.channels.is_empty() {
            self.peers.remove(&connection);
        }
        self.forget(connection, &channel);
        true
    }

    /// Takes a connection of `origin` out of all channels; false when it was in none.
    pub(super) fn remove(&mut self, origin: Uuid, connection: Uuid) -> bool {
        let Entry::Occupied(peer) = self.peers.entry(connection) else { return false };
        if peer.get().origin != origin {
            return false;
        }
        for channel in peer.remove().channels {
            self.forget(connection, &channel);
        }
        true
    }

    /// Takes everything of an instance away, but for what it says it has.
    pub(super) fn keep_only(&mut self, origin: Uuid, kept: &HashSet<(Uuid, Arc<str>)>) {
        let of = self.peers.iter().filter(|(_, peer)| peer.origin == origin);
        let gone: Vec<(Uuid, Arc<str>)> = of
            .flat_map(|(id, peer)| peer.channels.iter().map(|channel| (*id, channel.clone())))
            .filter(|place| !kept.contains(place))
            .collect();
        for (connection, channel) in gone {
            self.leave(origin, connection, &channel);
        }
    }

    /// Everybody in a channel.
    pub(super) fn members(&self, channel: &str) -> Vec<(Uuid, Shown)> {
        let members = self.channels.get(channel).map(|channel| channel.members.iter());
        members.into_iter().flatten().map(|(id, shown)| (*id, shown.clone())).collect()
    }

    /// The channels that have changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.changed)
    }

    /// How many connections are in a channel.
    pub(super) fn count(&self, channel: &str) -> usize {
        self.channels.get(channel).map_or(0, |channel| channel.members.len())
    }

    /// How a channel has changed since this was last asked. Who came and went in between is not told, and what a connection
    /// changes again and again is left for later: the channel then has still changed.
    pub(super) fn take_changes_of(&mut self, name: &Arc<str>, now: Timestamp) -> Changed {
        self.changed.remove(name);
        let mut changed = Changed::default();
        let Some(channel) = self.channels.get_mut(name) else { return changed };
        let pace = &mut self.pace;
        channel.told.retain(|connection, before| {
            if !pace.take((name.clone(), *connection), now) {
                return true;
            }
            changed.touched.push(*connection);
            match (before.take(), channel.members.get(connection)) {
                (before, Some(now)) if before.as_ref() != Some(now) => changed.joins.push((*connection, now.clone())),
                (Some(before), None) => changed.leaves.push((*connection, before)),
                _ => {}
            }
            false
        });
        if !channel.told.is_empty() {
            self.changed.insert(name.clone());
        } else if channel.members.is_empty() {
            self.channels.remove(name);
        }
        changed
    }

    /// Forgets what needs to be known no longer.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        self.pace.tidy(now);
    }

    fn forget(&mut self, connection: Uuid, channel: &Arc<str>) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        if let Some(before) = state.members.remove(&connection) {
            state.told.entry(connection).or_insert(Some(before));
            self.changed.insert(channel.clone());
        }
    }
}
