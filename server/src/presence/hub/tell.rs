//! What those who listen to a channel are told.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Hub, Owed};
use crate::presence::frame::{self, Diff, Nothing, State};
use crate::presence::roster::Changed;
use crate::time::Timestamp;

impl Hub {
    /// Tells a channel, here and elsewhere, what has changed and may be told now; and those who are owed it who is there.
    pub(super) fn release(&mut self, channel: &Arc<str>, now: Timestamp) {
        let changes = self.roster.take_changes_of(channel, now);
        changes.touched.iter().for_each(|id| self.gossip(*id, channel));
        self.tell(channel, changes, now);
    }

    fn tell(&mut self, channel: &Arc<str>, changes: Changed, now: Timestamp) {
        let mut owed = self.owed.remove(channel).unwrap_or_default();
        let Some(listeners) = self.listeners.get(channel) else { return };
        if !changes.joins.is_empty() || !changes.leaves.is_empty() {
            let diff = Diff { joins: frame::members(changes.joins), leaves: frame::members(changes.leaves) };
            let diff = frame::write("diff", None, Some(channel), &diff);
            let others = listeners.iter().filter(|(id, _)| !owed.get(id).is_some_and(Owed::is_due));
            others.for_each(|(_, connection)| connection.outbox.push(diff.clone()));
        }
        // Who left meanwhile is owed nothing.
        owed.retain(|id, _| listeners.contains_key(id));
        for (id, owed) in &mut owed {
            if owed.late.is_some() && self.states.take((channel.clone(), *id), now) {
                owed.asked.extend(owed.late.take());
            }
        }
        if owed.values().any(Owed::is_due) {
            let state = State { members: frame::members(self.roster.members(channel)) };
            // Written once, however many come at the same moment.
            let Ok(state) = serde_json::value::to_raw_value(&state) else { return };
            for (id, owed) in &mut owed {
                let Some(connection) = listeners.get(id) else { continue };
                let unasked = std::mem::take(&mut owed.missed).then_some(None);
                for reference in unasked.into_iter().chain(std::mem::take(&mut owed.asked)) {
                    connection.outbox.push(frame::write("state", reference.as_deref(), Some(channel), &state));
                }
            }
            owed.retain(|_, owed| owed.late.is_some());
        }
        if !owed.is_empty() {
            self.owed.insert(channel.clone(), owed);
        }
    }

    /// Whoever listens here to the channels that `chosen` says begins anew: something may have been missed.
    pub(super) fn begin_anew(&mut self, chosen: impl Fn(&str) -> bool) {
        for (channel, listeners) in self.listeners.iter().filter(|(channel, _)| chosen(channel)) {
            let owed = self.owed.entry(channel.clone()).or_default();
            listeners.keys().for_each(|id| owed.entry(*id).or_default().missed = true);
        }
    }

    /// An instance that was killed may have stored something and not told it any more: whoever listens begins anew, after they
    /// were told who left. Not in rooms, where nothing is told but who is there, and where a state for each of a thousand
    /// people would be more than they can take at once.
    pub(super) fn begin_anew_after_a_death(&mut self, now: Timestamp) {
        self.tick(now);
        self.begin_anew(|channel| !channel.starts_with("room:"));
    }

    /// A published payload for those who listen here. Whoever waits for the first state of the channel gets that first.
    pub(super) fn deliver(&mut self, channel: &str, payload: &RawValue, now: Timestamp) {
        if let Some((name, owed)) = self.owed.get_key_value(channel)
            && owed.values().any(Owed::is_due)
        {
            let name = name.clone();
            self.release(&name, now);
        }
        let Some(listeners) = self.listeners.get(channel) else { return };
        let diff = frame::write("diff", None, Some(channel), &payload);
        listeners.values().for_each(|connection| connection.outbox.push(diff.clone()));
    }

    /// Takes everybody of this instance out of a channel, and tells them.
    pub(in crate::presence) fn empty(&mut self, channel: &str) {
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
