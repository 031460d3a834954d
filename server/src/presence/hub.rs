//! Everything an instance knows of connections and channels, behind one lock that is held for moments.
//!
//! Nothing here waits: frames go into outboxes, words for other instances into `words`. Joins and leaves are gathered and told
//! a few times a second ([`Hub::tick`]), so that a thousand people who come at once are a handful of frames to each and not a
//! thousand. What one connection changes in one channel is told about once a second, the last of it in the end: a thousand
//! people are not to be kept busy by one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::announce::Announcement;
use super::close::Close;
use super::connection::{Connection, Health};
use super::frame::{self, Nothing, Shown};
use super::gossip::{Change, Others, Place, Word};
use super::pace::Pace;
use super::roster::Roster;
use crate::config;
use crate::error::{Code, Problem};
use crate::http::client_ip::LimitKey;
use crate::time::Timestamp;

mod hear;
mod places;
mod tell;

use places::{Parked, Person};

struct Live {
    connection: Arc<Connection>,
    epoch: u32,
    joined: u32,
    /// The lost place that it counts instead of.
    lent: Option<Uuid>,
}

/// The `ref` of a frame that is answered by a state.
type Reference = Option<Box<str>>;

/// The states that a connection is owed in a channel.
#[derive(Default)]
struct Owed {
    /// In answer to these, at the next tick.
    asked: Vec<Reference>,
    /// In answer to this, when the connection may have another one.
    late: Option<Reference>,
    /// In answer to nothing: something may have been missed.
    missed: bool,
}

impl Owed {
    fn is_due(&self) -> bool {
        self.missed || !self.asked.is_empty()
    }
}

/// See the module.
pub(super) struct Hub {
    me: Uuid,
    settings: config::Presence,
    live: HashMap<Uuid, Live>,
    parked: HashMap<Uuid, Parked>,
    people: HashMap<Uuid, Person>,
    per_address: HashMap<LimitKey, u32>,
    roster: Roster,
    listeners: HashMap<Arc<str>, HashMap<Uuid, Arc<Connection>>>,
    /// Whom a state is owed.
    owed: HashMap<Arc<str>, HashMap<Uuid, Owed>>,
    /// How often a connection gets the state of a channel.
    states: Pace<(Arc<str>, Uuid)>,
    others: Others,
    seq: u64,
    changes: Vec<Change>,
    starting: bool,
    asked_for_all: bool,
    beat_at: Timestamp,
    /// For the other instances, in order.
    pub(super) words: Vec<Word>,
}

impl Hub {
    pub(super) fn new(me: Uuid, settings: config::Presence) -> Self {
        Self {
            me,
            settings,
            live: HashMap::new(),
            parked: HashMap::new(),
            people: HashMap::new(),
            per_address: HashMap::new(),
            roster: Roster::default(),
            listeners: HashMap::new(),
            owed: HashMap::new(),
            states: Pace::default(),
            others: Others::default(),
            seq: 0,
            changes: Vec::new(),
            starting: true,
            asked_for_all: false,
            beat_at: Timestamp::default(),
            words: Vec::new(),
        }
    }

    /// Whether a tick has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.roster.has_changed() || !self.owed.is_empty() || !self.changes.is_empty() || self.asked_for_all
    }

    pub(super) fn connections(&self) -> usize {
        self.live.len()
    }

    /// Puts a connection into a channel; who is there is told at the next tick.
    pub(super) fn join(
        &mut self,
        id: Uuid,
        channel: &str,
        metadata: Arc<RawValue>,
        reference: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let already = self.roster.shown(id, channel).map(|shown| shown.since);
        let Some(live) = self.live.get(&id) else { return Ok(()) };
        if already.is_none() {
            self.check_room(live, channel)?;
        }
        let (connection, epoch) = (live.connection.clone(), live.epoch);
        let name = self.listeners.get_key_value(channel).map_or_else(|| Arc::from(channel), |(name, _)| name.clone());
        let at_once = self.states.take((name.clone(), id), now);
        if already.is_none() && !at_once {
            let detail = "This connection has joined and left this channel again and again. Wait a second.";
            return Err(Problem::new(Code::RateLimited).detail(detail));
        }
        if already.is_none() {
            self.forgo(id);
            if let Some(live) = self.live.get_mut(&id) {
                live.joined += 1;
            }
        }
        let shown = Shown { user: connection.user, since: already.unwrap_or(now), metadata };
        self.roster.put(self.me, epoch, id, &name, shown);
        self.listeners.entry(name.clone()).or_default().insert(id, connection.clone());
        let owed = self.owed.entry(name).or_default().entry(id).or_default();
        let reference = reference.map(Into::into);
        if at_once {
            owed.asked.push(reference);
        } else if let Some(Some(overtaken)) = owed.late.replace(reference) {
            let detail = "A later change of what you show has overtaken this one; that one is answered, about once a second.";
            let problem = Problem::new(Code::RateLimited).detail(detail);
            connection.outbox.push(frame::refusal(&problem, Some(&overtaken), Some(channel)));
        }
        Ok(())
    }

    /// Whether one more connection may be in the channel, and one more channel in the connection.
    fn check_room(&self, live: &Live, channel: &str) -> Result<(), Problem> {
        if live.joined >= self.settings.channels_per_connection {
            let detail = format!("A connection joins at most {} channels. Leave one first.", self.settings.channels_per_connection);
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        if self.roster.count(channel) >= self.settings.members_per_channel {
            return Err(Problem::new(Code::Conflict).detail("This channel is full. Try again when somebody has left."));
        }
        Ok(())
    }

    /// Takes a connection out of a channel; false when it was not there.
    pub(super) fn leave(&mut self, id: Uuid, channel: &str) -> bool {
        if !self.roster.leave(self.me, id, channel) {
            return false;
        }
        if let Some(live) = self.live.get_mut(&id) {
            live.joined = live.joined.saturating_sub(1);
        }
        self.deafen(id, channel);
        if let Some(owed) = self.owed.get_mut(channel) {
            owed.remove(&id);
        }
        self.changes.push(Change::Left(id, channel.into()));
        true
    }

    /// Tells on all instances what a slice has to tell.
    pub(super) fn announce(&mut self, announcement: Announcement, now: Timestamp) {
        self.seq += 1;
        let seq = self.seq;
        let word = match announcement {
            Announcement::Said(channel, payload) => {
                self.deliver(&channel, &payload, now);
                Word::Said { seq, channel: (*channel).into(), payload }
            }
            Announcement::Closed(channel) => {
                self.empty(&channel);
                Word::Closed { seq, channel: (*channel).into() }
            }
        };
        self.words.push(word);
    }

    /// Tells what was gathered.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let mut channels = self.roster.take_changed();
        channels.extend(self.owed.keys().cloned());
        for channel in channels {
            self.release(&channel, now);
        }
        if !self.changes.is_empty() {
            self.seq += 1;
            let changes = std::mem::take(&mut self.changes);
            self.words.push(Word::Delta { seq: self.seq, changes });
        }
        if std::mem::take(&mut self.asked_for_all) {
            self.tell_all();
        }
    }

    /// The channels of other kinds than those that are open to everybody, with listeners here.
    pub(super) fn channels_of_slices(&self) -> Vec<Arc<str>> {
        let all = self.listeners.keys().filter(|channel| !channel.starts_with("room:") && !channel.starts_with("user:"));
        all.cloned().collect()
    }

    /// Looks at every connection and every instance: who is over, who is silent. Returns the sessions whose end closed
    /// connections just now, and whose they were.
    pub(super) fn sweep(&mut self, over: impl Fn(Uuid) -> Option<Close>, now: Timestamp) -> HashMap<Uuid, Uuid> {
        let ping = frame::write("ping", None, None, &Nothing {});
        let mut ended = HashMap::new();
        for Live { connection, .. } in self.live.values() {
            match over(connection.session).map_or_else(|| connection.look(self.settings.heartbeat, now), Health::Over) {
                Health::Well => {}
                Health::Ask => connection.outbox.push(ping.clone()),
                Health::Over(why) => {
                    if connection.outbox.close(why) && why == Close::SessionEnded {
                        ended.insert(connection.session, connection.user);
                    }
                }
            }
        }
        let late = self.parked.iter().filter(|(_, parked)| parked.until <= now || over(parked.session) == Some(Close::SessionEnded));
        let late: Vec<Uuid> = late.map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.gone(id));
        let mut died = false;
        for (instance, parted) in self.others.forget(self.settings.lease, now) {
            self.roster.keep_only(instance, &HashSet::new());
            died |= !parted;
        }
        if died {
            self.begin_anew_after_a_death(now);
        }
        self.roster.tidy(now);
        self.states.tidy(now);
        self.tidy_people(now);
        if now.since(self.beat_at) >= self.settings.lease / 5 {
            self.beat_at = now;
            self.words.push(Word::Beat(self.seq));
            if std::mem::take(&mut self.starting) {
                self.words.push(Word::Ask(None));
            }
        }
        ended
    }

    /// Closes every connection; what they had is kept by the other instances for a while.
    pub(super) fn part(&mut self) {
        for live in self.live.values() {
            live.connection.outbox.close(Close::Restart);
        }
        self.words.push(Word::Parting(self.settings.resume_window.as_secs()));
    }

    /// Has the other instances know what a connection of this one shows in a channel.
    fn gossip(&mut self, id: Uuid, channel: &Arc<str>) {
        let Some(peer) = self.roster.peer(id).filter(|peer| peer.origin == self.me) else { return };
        if let Some(shown) = self.roster.shown(id, channel) {
            self.changes.push(Change::Here(Place::new(id, peer.epoch, channel, shown)));
        }
    }

    fn deafen(&mut self, id: Uuid, channel: &str) {
        if let Some(listeners) = self.listeners.get_mut(channel) {
            listeners.remove(&id);
            if listeners.is_empty() {
                self.listeners.remove(channel);
            }
        }
    }
}
