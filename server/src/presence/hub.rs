//! Everything an instance knows of connections and channels, behind one lock that is held for moments.
//!
//! Nothing here waits: frames go into outboxes, words for other instances into `words`. Joins and leaves are gathered and told
//! a few times a second ([`Hub::tick`]), so that a thousand people who come at once are a handful of frames to each and not a
//! thousand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::close::Close;
use super::connection::{Connection, Health};
use super::frame::{self, Nothing, Shown};
use super::gossip::{Change, Others, Place, Word};
use super::roster::Roster;
use crate::config;
use crate::error::{Code, Problem};
use crate::http::client_ip::LimitKey;
use crate::time::Timestamp;

mod hear;
mod tell;

struct Live {
    connection: Arc<Connection>,
    epoch: u32,
    joined: u32,
}

/// A connection that was lost and may come back.
struct Parked {
    until: Timestamp,
    session: Uuid,
}

/// A connection that asked for a state, and the `ref` of its frame.
type Asked = (Uuid, Option<Box<str>>);

/// See the module.
pub(super) struct Hub {
    me: Uuid,
    settings: config::Presence,
    live: HashMap<Uuid, Live>,
    parked: HashMap<Uuid, Parked>,
    per_user: HashMap<Uuid, u32>,
    per_address: HashMap<LimitKey, u32>,
    roster: Roster,
    listeners: HashMap<Arc<str>, HashMap<Uuid, Arc<Connection>>>,
    /// Whom a state is owed, and the `ref` of the frame that asked for it.
    owed: HashMap<Arc<str>, Vec<Asked>>,
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
            per_user: HashMap::new(),
            per_address: HashMap::new(),
            roster: Roster::default(),
            listeners: HashMap::new(),
            owed: HashMap::new(),
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

    /// Takes a connection in, unless there are too many.
    pub(super) fn open(&mut self, id: Uuid, connection: Arc<Connection>) -> Result<(), Problem> {
        if self.live.len() >= self.settings.max_connections {
            return Err(Problem::new(Code::Overloaded).retry_after(Duration::from_secs(5)));
        }
        let of_user = self.per_user.entry(connection.user).or_default();
        let of_address = self.per_address.entry(connection.address).or_default();
        if *of_user >= self.settings.connections_per_user || *of_address >= self.settings.connections_per_address {
            let detail = "Too many connections are open. Close one, or wait until one that was lost is noticed.";
            let problem = Problem::new(Code::RateLimited).detail(detail).retry_after(self.settings.heartbeat * 2);
            self.let_go(connection.user, connection.address);
            return Err(problem);
        }
        *of_user += 1;
        *of_address += 1;
        self.live.insert(id, Live { connection, epoch: 0, joined: 0 });
        self.count();
        Ok(())
    }

    /// Lets a connection go whose socket is gone; `parks` when it may come back.
    pub(super) fn close(&mut self, id: Uuid, connection: &Arc<Connection>, parks: bool, now: Timestamp) {
        let (user, address) = (connection.user, connection.address);
        for count in [self.per_user.get_mut(&user), self.per_address.get_mut(&address)].into_iter().flatten() {
            *count = count.saturating_sub(1);
        }
        self.let_go(user, address);
        // Somebody else may have its place by now.
        if !self.live.get(&id).is_some_and(|live| Arc::ptr_eq(&live.connection, connection)) {
            return;
        }
        self.live.remove(&id);
        self.count();
        let channels: Vec<Arc<str>> = self.roster.peer(id).map(|peer| peer.channels.clone()).unwrap_or_default();
        channels.iter().for_each(|channel| self.deafen(id, channel));
        if channels.is_empty() {
            return;
        }
        if parks && !self.settings.resume_window.is_zero() {
            self.parked.insert(id, Parked { until: now.plus(self.settings.resume_window), session: connection.session });
        } else {
            self.gone(id);
        }
    }

    /// Has `fresh` take the place of the lost connection `lost` at `epoch`; its new epoch, or `None` when that place is not
    /// there (any more).
    pub(super) fn resume(&mut self, fresh: Uuid, lost: Uuid, epoch: u32) -> Option<u32> {
        let live = self.live.get(&fresh).filter(|live| live.joined == 0)?;
        let peer = self.roster.peer(lost).filter(|peer| peer.user == live.connection.user && peer.epoch == epoch)?;
        let channels = peer.channels.clone();
        let mut live = self.live.remove(&fresh)?;
        if let Some(former) = self.live.remove(&lost) {
            former.connection.outbox.close(Close::Replaced);
        }
        self.parked.remove(&lost);
        (live.epoch, live.joined) = (epoch + 1, u32::try_from(channels.len()).unwrap_or(u32::MAX));
        self.roster.take_over(lost, self.me, live.epoch);
        for channel in channels {
            if let Some(shown) = self.roster.shown(lost, &channel) {
                self.changes.push(Change::Here(Place::new(lost, live.epoch, &channel, shown)));
            }
            self.listeners.entry(channel.clone()).or_default().insert(lost, live.connection.clone());
            self.owed.entry(channel).or_default().push((lost, None));
        }
        let epoch = live.epoch;
        self.live.insert(lost, live);
        Some(epoch)
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
        let Some(live) = self.live.get_mut(&id) else { return Ok(()) };
        let already = self.roster.shown(id, channel).map(|shown| shown.since);
        if already.is_none() && live.joined >= self.settings.channels_per_connection {
            let detail = format!("A connection joins at most {} channels. Leave one first.", self.settings.channels_per_connection);
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        live.joined += u32::from(already.is_none());
        let (connection, epoch) = (live.connection.clone(), live.epoch);
        let name = self.listeners.get_key_value(channel).map_or_else(|| Arc::from(channel), |(name, _)| name.clone());
        let shown = Shown { user: connection.user, since: already.unwrap_or(now), metadata };
        self.changes.push(Change::Here(Place::new(id, epoch, &name, &shown)));
        self.roster.put(self.me, epoch, id, &name, shown);
        self.listeners.entry(name.clone()).or_default().insert(id, connection);
        self.owed.entry(name).or_default().push((id, reference.map(Into::into)));
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
        self.changes.push(Change::Left(id, channel.into()));
        true
    }

    /// Tells whoever listens to `channel`, on all instances.
    pub(super) fn publish(&mut self, channel: &str, payload: Arc<RawValue>) {
        self.deliver(channel, &payload);
        self.seq += 1;
        self.words.push(Word::Said { seq: self.seq, channel: channel.into(), payload });
    }

    /// Has everybody leave `channel`, on all instances.
    pub(super) fn shut(&mut self, channel: &str) {
        self.empty(channel);
        self.seq += 1;
        self.words.push(Word::Closed { seq: self.seq, channel: channel.into() });
    }

    /// Tells what was gathered.
    pub(super) fn tick(&mut self) {
        let mut channels = self.roster.take_changed();
        channels.extend(self.owed.keys().cloned());
        for channel in channels {
            let changes = self.roster.take_changes_of(&channel);
            self.tell(&channel, changes);
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
            self.begin_anew_after_a_death();
        }
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

    fn gone(&mut self, id: Uuid) {
        self.parked.remove(&id);
        if self.roster.remove(self.me, id) {
            self.changes.push(Change::Gone(id));
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

    fn let_go(&mut self, user: Uuid, address: LimitKey) {
        if self.per_user.get(&user) == Some(&0) {
            self.per_user.remove(&user);
        }
        if self.per_address.get(&address) == Some(&0) {
            self.per_address.remove(&address);
        }
    }

    fn count(&self) {
        metrics::gauge!("keystead_realtime_connections").set(self.live.len() as f64);
    }
}
