//! What other instances say.

use std::time::Duration;

use uuid::Uuid;

use super::Hub;
use crate::presence::close::Close;
use crate::presence::gossip::{self, Change, Follows, Message, Place, Word};
use crate::time::Timestamp;

impl Hub {
    /// Takes a word of another instance.
    pub(in crate::presence) fn hear(&mut self, Message { from, at, word }: Message, now: Timestamp) {
        // What is older than an instance may be silent is no news, but said again by somebody who listened.
        if from == self.me || now.since(Timestamp::from_micros(at)) > self.settings.lease {
            return;
        }
        if self.others.hear(from, now) {
            // It knows as little of us as we of it.
            self.asked_for_all = true;
        }
        match word {
            Word::Beat(seq) => drop(self.follows(from, seq, false, now)),
            Word::Ask(of) => self.asked_for_all |= of.is_none_or(|of| of == self.me),
            Word::State { seq, first, last, places } => {
                if let Some(places) = self.others.gather(from, seq, (first, last), places) {
                    self.roster.keep_only(from, &gossip::set(&places));
                    places.into_iter().for_each(|place| self.place(from, place));
                }
            }
            Word::Delta { seq, changes } => {
                // What is not the next one is part of the state that was asked for.
                if self.follows(from, seq, true, now) {
                    changes.into_iter().for_each(|change| self.change(from, change));
                }
            }
            // These are part of no state, so they count also behind a gap; once.
            Word::Said { seq, channel, payload } => {
                let is_news = self.others.is_news(from, seq);
                self.follows(from, seq, true, now);
                if is_news {
                    self.deliver(&channel, &payload, now);
                }
            }
            Word::Closed { seq, channel } => {
                let is_news = self.others.is_news(from, seq);
                self.follows(from, seq, true, now);
                if is_news {
                    self.empty(&channel);
                }
            }
            Word::Parting(seconds) => self.others.part(from, now.plus(Duration::from_secs(seconds))),
        }
    }

    fn follows(&mut self, from: Uuid, seq: u64, is_message: bool, now: Timestamp) -> bool {
        let follows = self.others.follow(from, seq, is_message, now);
        if let Follows::Ask { missed } = follows {
            self.words.push(Word::Ask(Some(from)));
            if !missed {
                return false;
            }
            // What was missed may have been something that was published: whoever listens begins anew.
            self.begin_anew(|_| true);
        }
        follows == Follows::Next
    }

    fn change(&mut self, from: Uuid, change: Change) {
        match change {
            Change::Here(place) => self.place(from, place),
            Change::Left(connection, channel) => drop(self.roster.leave(from, connection, &channel)),
            Change::Gone(connection) => drop(self.roster.remove(from, connection)),
        }
    }

    fn place(&mut self, from: Uuid, place: Place) {
        let was_mine = self.roster.peer(place.connection).is_some_and(|peer| peer.origin == self.me);
        if self.roster.put(from, place.epoch, place.connection, &place.channel, place.shown()) && was_mine {
            // It was resumed there.
            self.unpark(place.connection);
            if let Some(live) = self.live.remove(&place.connection) {
                live.connection.outbox.close(Close::Replaced);
            }
            let channels = self.roster.peer(place.connection).map(|peer| peer.channels.clone()).unwrap_or_default();
            channels.iter().for_each(|channel| self.deafen(place.connection, channel));
        }
    }

    pub(super) fn tell_all(&mut self) {
        let mut places = Vec::new();
        for (id, peer) in self.roster.of(self.me) {
            let shown = peer.channels.iter().filter_map(|channel| Some((channel, self.roster.shown(id, channel)?)));
            places.extend(shown.map(|(channel, shown)| Place::new(id, peer.epoch, channel, shown)));
        }
        self.words.extend(gossip::parts(self.seq, &places));
    }
}
