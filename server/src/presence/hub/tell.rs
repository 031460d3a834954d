//! What those who listen to a channel are told.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::Hub;
use crate::presence::frame::{self, Diff, Nothing, State};
use crate::presence::roster::Changed;

impl Hub {
    /// Tells a channel what has changed, and those who are owed it who is there.
    pub(super) fn tell(&mut self, channel: &Arc<str>, changes: Changed) {
        let owed = self.owed.remove(channel).unwrap_or_default();
        let Some(listeners) = self.listeners.get(channel) else { return };
        if !changes.joins.is_empty() || !changes.leaves.is_empty() {
            let diff = Diff { joins: frame::members(changes.joins), leaves: frame::members(changes.leaves) };
            let diff = frame::write("diff", None, Some(channel), &diff);
            let newcomers: HashSet<Uuid> = owed.iter().map(|(id, _)| *id).collect();
            let others = listeners.iter().filter(|(id, _)| !newcomers.contains(id));
            others.for_each(|(_, connection)| connection.outbox.push(diff.clone()));
        }
        if owed.is_empty() {
            return;
        }
        let state = State { members: frame::members(self.roster.members(channel)) };
        // Written once, however many come at the same moment.
        let Ok(state) = serde_json::value::to_raw_value(&state) else { return };
        for (id, reference) in owed {
            if let Some(connection) = listeners.get(&id) {
                connection.outbox.push(frame::write("state", reference.as_deref(), Some(channel), &state));
            }
        }
    }

    /// An instance that was killed may have stored something and not told it any more: whoever listens begins anew, after they
    /// were told who left. Not in rooms, where nothing is told but who is there, and where a state for each of a thousand
    /// people would be more than they can take at once.
    pub(super) fn begin_anew_after_a_death(&mut self) {
        self.tick();
        for (channel, listeners) in self.listeners.iter().filter(|(channel, _)| !channel.starts_with("room:")) {
            self.owed.entry(channel.clone()).or_default().extend(listeners.keys().map(|id| (*id, None)));
        }
    }

    /// A published payload for those who listen here. Whoever waits for the state of the channel gets that first.
    pub(super) fn deliver(&mut self, channel: &str, payload: &RawValue) {
        if let Some((name, _)) = self.owed.get_key_value(channel) {
            let name = name.clone();
            let changes = self.roster.take_changes_of(&name);
            self.tell(&name, changes);
        }
        let Some(listeners) = self.listeners.get(channel) else { return };
        let diff = frame::write("diff", None, Some(channel), &payload);
        listeners.values().for_each(|connection| connection.outbox.push(diff.clone()));
    }

    /// Takes everybody of this instance out of a channel, and tells them.
    pub(super) fn empty(&mut self, channel: &str) {
        let left = frame::write("leave", None, Some(channel), &Nothing {});
        for (id, _) in self.roster.members(channel) {
            if self.roster.peer(id).is_none_or(|peer| peer.origin != self.me) {
                continue;
            }
            if let Some(live) = self.live.get(&id) {
                live.connection.outbox.push(left.clone());
            }
            self.leave(id, channel);
        }
    }
}
