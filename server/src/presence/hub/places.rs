//! Places: how many connections there are, and what becomes of one that was lost.
//!
//! A lost connection that may be resumed keeps its place and counts like an open one. So that it does not keep its own person out, one
//! who comes when there is no room takes the oldest lost place of theirs on loan: it can still be resumed, and ends when the
//! newcomer joins something instead. A newcomer who goes without having joined gives it back.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Hub, Live};
use crate::error::{Code, Problem};
use crate::http::client_ip::LimitKey;
use crate::presence::close::Close;
use crate::presence::connection::Connection;
use crate::presence::gossip::{Change, Place};
use crate::presence::pace::Rate;
use crate::time::Timestamp;

/// A person who has connections here, or had a moment ago.
#[derive(Default)]
pub(super) struct Person {
    connections: u32,
    /// What all their connections send, together.
    rate: Arc<Rate>,
}

/// A connection that was lost and may come back.
pub(super) struct Parked {
    pub until: Timestamp,
    pub session: Uuid,
    user: Uuid,
    address: LimitKey,
    /// The connection that has this place on loan and counts instead.
    lent_to: Option<Uuid>,
}

impl Hub {
    /// Takes a connection in, unless there are too many; what its person may send.
    pub(in crate::presence) fn open(&mut self, id: Uuid, connection: Arc<Connection>) -> Result<Arc<Rate>, Problem> {
        let (user, address) = (connection.user, connection.address);
        let lent = match self.full(user, address) {
            None => None,
            Some(problem) => Some(self.borrow(id, user, address).ok_or(problem)?),
        };
        self.hold(user, address);
        let rate = self.people.entry(user).or_default().rate.clone();
        self.live.insert(id, Live { connection, epoch: 0, joined: 0, lent });
        self.count();
        Ok(rate)
    }

    /// Lets a connection go whose socket is gone; `parks` when it may come back.
    pub(in crate::presence) fn close(&mut self, id: Uuid, connection: &Arc<Connection>, parks: bool, now: Timestamp) {
        let (user, address) = (connection.user, connection.address);
        // Somebody else may have its place by now.
        if !self.live.get(&id).is_some_and(|live| Arc::ptr_eq(&live.connection, connection)) {
            return self.let_go(user, address);
        }
        let lent = self.live.remove(&id).and_then(|live| live.lent);
        self.count();
        if let Some(lost) = lent {
            self.give_back(id, lost);
        }
        let channels: Vec<Arc<str>> = self.roster.peer(id).map(|peer| peer.channels.clone()).unwrap_or_default();
        channels.iter().for_each(|channel| self.deafen(id, channel));
        if parks && !channels.is_empty() && !self.settings.resume_window.is_zero() {
            // What it showed last may not have been told yet, and it may be resumed elsewhere.
            channels.iter().for_each(|channel| self.gossip(id, channel));
            let until = now.plus(self.settings.resume_window);
            self.parked.insert(id, Parked { until, session: connection.session, user, address, lent_to: None });
        } else {
            self.let_go(user, address);
            self.gone(id);
        }
    }

    /// Has `fresh` take the place of the lost connection `lost` at `epoch`; its new epoch, or `None` when that place is not
    /// there (any more).
    pub(in crate::presence) fn resume(&mut self, fresh: Uuid, lost: Uuid, epoch: u32) -> Option<u32> {
        let live = self.live.get(&fresh).filter(|live| live.joined == 0)?;
        let peer = self.roster.peer(lost).filter(|peer| peer.user == live.connection.user && peer.epoch == epoch)?;
        let channels = peer.channels.clone();
        let mut live = self.live.remove(&fresh)?;
        if let Some(former) = self.live.remove(&lost) {
            former.connection.outbox.close(Close::Replaced);
        }
        self.settle(&mut live, lost);
        (live.epoch, live.joined) = (epoch + 1, u32::try_from(channels.len()).unwrap_or(u32::MAX));
        self.roster.take_over(lost, self.me, live.epoch);
        for channel in channels {
            if let Some(shown) = self.roster.shown(lost, &channel) {
                self.changes.push(Change::Here(Place::new(lost, live.epoch, &channel, shown)));
            }
            self.listeners.entry(channel.clone()).or_default().insert(lost, live.connection.clone());
            self.owed.entry(channel).or_default().entry(lost).or_default().missed = true;
        }
        let epoch = live.epoch;
        self.live.insert(lost, live);
        Some(epoch)
    }

    /// Whoever joins does not come for a lost place any more.
    pub(super) fn forgo(&mut self, id: Uuid) {
        if let Some(lost) = self.live.get_mut(&id).and_then(|live| live.lent.take())
            && self.parked.get(&lost).is_some_and(|parked| parked.lent_to == Some(id))
        {
            self.gone(lost);
        }
    }

    /// The connection is nowhere any more.
    pub(super) fn gone(&mut self, id: Uuid) {
        self.unpark(id);
        if self.roster.remove(self.me, id) {
            self.changes.push(Change::Gone(id));
        }
    }

    /// The connection is not lost any more, or for good.
    pub(super) fn unpark(&mut self, id: Uuid) {
        if let Some(parked) = self.parked.remove(&id).filter(|parked| parked.lent_to.is_none()) {
            self.let_go(parked.user, parked.address);
        }
    }

    /// Forgets people who have nothing here and owe nothing.
    pub(super) fn tidy_people(&mut self, now: Timestamp) {
        self.people.retain(|_, person| person.connections > 0 || !person.rate.rests(now));
    }

    /// Why one more connection of `user` from `address` is one too many.
    fn full(&self, user: Uuid, address: LimitKey) -> Option<Problem> {
        let max = self.settings.max_connections;
        // Looked at one by one only where it is close.
        let counted = || self.parked.values().filter(|parked| parked.lent_to.is_none()).count();
        if self.live.len() + self.parked.len() >= max && self.live.len() + counted() >= max {
            return Some(Problem::new(Code::Overloaded).retry_after(Duration::from_secs(5)));
        }
        let of_user = self.people.get(&user).map_or(0, |person| person.connections);
        let of_address = self.per_address.get(&address).copied().unwrap_or_default();
        let full = of_user >= self.settings.connections_per_user || of_address >= self.settings.connections_per_address;
        let detail = "Too many connections are open. Close one, or wait until one that was lost is noticed.";
        full.then(|| Problem::new(Code::RateLimited).detail(detail).retry_after(self.settings.heartbeat * 2))
    }

    /// Lends the oldest lost place of `user` to `id`, if that makes room.
    fn borrow(&mut self, id: Uuid, user: Uuid, address: LimitKey) -> Option<Uuid> {
        let of_address = self.per_address.get(&address).copied().unwrap_or_default();
        let crowded = of_address >= self.settings.connections_per_address;
        let theirs = self.parked.iter().filter(|(_, parked)| parked.user == user && parked.lent_to.is_none());
        let theirs = theirs.filter(|(_, parked)| !crowded || parked.address == address);
        let lost = theirs.min_by_key(|(_, parked)| parked.until).map(|(lost, _)| *lost)?;
        let parked = self.parked.get_mut(&lost)?;
        parked.lent_to = Some(id);
        let (user, address) = (parked.user, parked.address);
        self.let_go(user, address);
        Some(lost)
    }

    /// The connection `id`, which had the place `lost` on loan, goes without it.
    fn give_back(&mut self, id: Uuid, lost: Uuid) {
        let Some(parked) = self.parked.get_mut(&lost).filter(|parked| parked.lent_to == Some(id)) else { return };
        parked.lent_to = None;
        let (user, address) = (parked.user, parked.address);
        self.hold(user, address);
    }

    /// `live` resumes `lost`; what it has on loan is settled.
    fn settle(&mut self, live: &mut Live, lost: Uuid) {
        let lent = live.lent.take();
        let Some(resumed) = self.parked.remove(&lost) else {
            // It was not lost here: the newcomer is one more.
            return lent.into_iter().for_each(|lent| self.gone(lent));
        };
        match (lent.filter(|lent| *lent != lost), resumed.lent_to) {
            // Another place was on loan: whoever has the resumed one on loan has that one now, or it counts again itself.
            (Some(lent), borrower) => {
                if let Some(parked) = self.parked.get_mut(&lent) {
                    parked.lent_to = borrower;
                    let (user, address) = (parked.user, parked.address);
                    match borrower.and_then(|borrower| self.live.get_mut(&borrower)) {
                        Some(other) => other.lent = Some(lent),
                        None => {
                            self.let_go(resumed.user, resumed.address);
                            self.hold(user, address);
                        }
                    }
                }
            }
            (None, None) => self.let_go(resumed.user, resumed.address),
            (None, Some(_)) => {}
        }
    }

    fn hold(&mut self, user: Uuid, address: LimitKey) {
        self.people.entry(user).or_default().connections += 1;
        *self.per_address.entry(address).or_default() += 1;
    }

    fn let_go(&mut self, user: Uuid, address: LimitKey) {
        if let Some(person) = self.people.get_mut(&user) {
            person.connections = person.connections.saturating_sub(1);
        }
        if let Some(count) = self.per_address.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }

    fn count(&self) {
        metrics::gauge!("keystead_realtime_connections").set(self.live.len() as f64);
    }
}
