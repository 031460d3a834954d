//! What instances tell each other about who is where, in the way of Phoenix.Tracker.
//!
//! Each instance numbers what it tells ([`Word::Delta`], [`Word::Said`], [`Word::Closed`]) and beats with the last number. Whoever
//! misses a number asks, and the instance tells everything it has ([`Word::State`]). Nothing depends on a message to arrive: an
//! instance that was not heard for its lease is gone, and so are its connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::frame::Shown;
use crate::secret::{Purpose, RootKeys, Sealer};
use crate::time::Timestamp;

/// Fan-out topic of all of it.
pub const REALTIME: &str = "realtime";

/// Separates these messages from whatever else is sealed under the same key.
const CONTEXT: &[u8] = b"realtime gossip 2";
/// Places in one part of a state.
const PART: usize = 200;

/// A message of one instance to all others.
#[derive(Deserialize, Serialize)]
pub(super) struct Message {
    pub from: Uuid,
    /// When it was said, in microseconds since the Unix epoch.
    pub at: i64,
    pub word: Word,
}

#[derive(Deserialize, Serialize)]
pub(super) enum Word {
    /// I am here, and this is the number of the last thing I told.
    Beat(u64),
    /// Tell everything: all of you, or this one.
    Ask(Option<Uuid>),
    /// Everything I have, up to this number, in parts.
    State { seq: u64, first: bool, last: bool, places: Vec<Place> },
    /// What has changed.
    Delta { seq: u64, changes: Vec<Change> },
    /// Tell whoever listens to the channel.
    Said { seq: u64, channel: Arc<str>, payload: Arc<RawValue> },
    /// The channel is over.
    Closed { seq: u64, channel: Arc<str> },
    /// I stop; my connections may go on elsewhere for so many seconds.
    Parting(u64),
}

/// A connection in a channel.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Place {
    pub connection: Uuid,
    pub epoch: u32,
    pub user: Uuid,
    pub channel: Arc<str>,
    /// Microseconds since the Unix epoch.
    pub since: i64,
    pub metadata: Arc<RawValue>,
}

#[derive(Clone, Deserialize, Serialize)]
pub(super) enum Change {
    /// It is there, or shows something else.
    Here(Place),
    /// It left the channel.
    Left(Uuid, Arc<str>),
    /// It left all channels.
    Gone(Uuid),
}

impl Place {
    pub(super) fn new(connection: Uuid, epoch: u32, channel: &Arc<str>, shown: &Shown) -> Self {
        let (user, since, metadata) = (shown.user, shown.since.as_micros(), shown.metadata.clone());
        Self { connection, epoch, user, channel: channel.clone(), since, metadata }
    }

    pub(super) fn shown(&self) -> Shown {
        Shown { user: self.user, since: Timestamp::from_micros(self.since), metadata: self.metadata.clone() }
    }
}

/// Seals messages, because what people show of themselves passes through servers that others may look into; and so that two
/// installations on one Redis, with one master key even, do not hear each other. Each start of an instance has a key of its own:
/// there may be thousands of messages a second, for years.
pub(super) struct Envelope {
    roots: RootKeys,
    me: Uuid,
    sealer: Sealer,
    context: Vec<u8>,
}

impl Envelope {
    /// `installation`: what its instances have in common and nobody else has. `me`: this start of this instance.
    pub(super) fn new(roots: RootKeys, installation: &[u8], me: Uuid) -> Self {
        Self { sealer: roots.sealer(Purpose::Gossip, me.as_bytes()), roots, me, context: [CONTEXT, installation].concat() }
    }

    pub(super) fn seal(&self, word: Word, now: Timestamp) -> Vec<u8> {
        let message = Message { from: self.me, at: now.as_micros(), word };
        // Plain values and text keys always serialise.
        let sealed = self.sealer.seal(&self.context, &serde_json::to_vec(&message).unwrap_or_default());
        [self.me.as_bytes().as_slice(), &sealed].concat()
    }

    /// `None` for what no other instance of this installation has sent in this form.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Message> {
        let (from, sealed) = sealed.split_first_chunk::<16>()?;
        if from == self.me.as_bytes() {
            return None;
        }
        let plain = self.roots.open_of(Purpose::Gossip, from, &self.context, sealed).ok()?;
        serde_json::from_slice(&plain).ok().filter(|message: &Message| message.from.as_bytes() == from)
    }
}

/// A state in its parts.
pub(super) fn parts(seq: u64, places: &[Place]) -> Vec<Word> {
    let chunks: Vec<&[Place]> = if places.is_empty() { vec![&[]] } else { places.chunks(PART).collect() };
    let last = chunks.len() - 1;
    let part = |(at, chunk): (usize, &[Place])| Word::State { seq, first: at == 0, last: at == last, places: chunk.to_vec() };
    chunks.into_iter().enumerate().map(part).collect()
}

/// What is known of another instance.
struct Known {
    /// The last thing it told that was followed without a gap; `None` while its state is awaited.
    seq: Option<u64>,
    /// The highest number of what it had published.
    published: u64,
    heard: Timestamp,
    /// When it first seemed to be gone.
    suspected: Option<Timestamp>,
    /// It said that it stops.
    parts_at: Option<Timestamp>,
    gathering: Option<Vec<Place>>,
    asked: Option<Timestamp>,
}

/// The other instances.
#[derive(Default)]
pub(super) struct Others(HashMap<Uuid, Known>);

/// How a numbered message stands to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It is the next one.
    Next,
    /// It is known, or a state that is on its way holds it.
    Old,
    /// Something is missing and is to be asked for; `missed` when it is not only that the instance is new to us.
    Ask {
        /// Something that was told before is lost.
        missed: bool,
    },
}

/// A gap is not asked about again before.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Others {
    /// Notes that an instance was heard; whether for the first time.
    pub(super) fn hear(&mut self, from: Uuid, now: Timestamp) -> bool {
        let new = !self.0.contains_key(&from);
        let fresh = || Known { seq: None, published: 0, heard: now, suspected: None, parts_at: None, gathering: None, asked: None };
        let known = self.0.entry(from).or_insert_with(fresh);
        (known.heard, known.suspected) = (now, None);
        new
    }

    /// Whether `seq` continues what is known of `from`. A beat repeats the number of the last message.
    pub(super) fn follow(&mut self, from: Uuid, seq: u64, is_message: bool, now: Timestamp) -> Follows {
        let Some(known) = self.0.get_mut(&from) else { return Follows::Old };
        let wanted = known.seq.map(|last| if is_message { last + 1 } else { last });
        match wanted {
            Some(wanted) if wanted == seq => {
                known.seq = Some(seq);
                Follows::Next
            }
            Some(wanted) if seq < wanted => Follows::Old,
            _ => {
                let missed = known.seq.take().is_some();
                if !missed && known.asked.is_some_and(|asked| now.since(asked) < ASK_AGAIN) {
                    return Follows::Old;
                }
                known.asked = Some(now);
                Follows::Ask { missed }
            }
        }
    }

    /// Whether what `from` publishes with the number `seq` was not heard before.
    pub(super) fn is_news(&mut self, from: Uuid, seq: u64) -> bool {
        let Some(known) = self.0.get_mut(&from).filter(|known| seq > known.published) else { return false };
        known.published = seq;
        true
    }

    /// Takes a part of a state; everything once it is whole, unless nothing was missing.
    pub(super) fn gather(&mut self, from: Uuid, seq: u64, (first, last): (bool, bool), places: Vec<Place>) -> Option<Vec<Place>> {
        let known = self.0.get_mut(&from)?;
        if known.seq.is_some() {
            return None;
        }
        if first {
            known.gathering = Some(Vec::new());
        }
        // Its beginning was missed: the next beat asks again.
        known.gathering.as_mut()?.extend(places);
        if !last {
            return None;
        }
        (known.seq, known.asked) = (Some(seq), None);
        known.gathering.take()
    }

    /// Notes that an instance stops, and when what it had is over.
    pub(super) fn part(&mut self, from: Uuid, at: Timestamp) {
        if let Some(known) = self.0.get_mut(&from) {
            known.parts_at = Some(at);
        }
    }

    /// Forgets instances that are gone and returns them, and whether they said before that they stop. One that is silent for two
    /// thirds of the lease is suspected, and gone when it stays silent for the last third: so a clock that jumps makes nobody
    /// disappear.
    pub(super) fn forget(&mut self, lease: Duration, now: Timestamp) -> Vec<(Uuid, bool)> {
        let mut gone = Vec::new();
        self.0.retain(|id, known| {
            if known.suspected.is_none() && now.since(known.heard) >= lease * 2 / 3 {
                known.suspected = Some(now);
            }
            let silent = known.suspected.is_some_and(|since| now.since(since) >= lease / 3);
            // Who has said that it stops is silent for a reason.
            let keep = known.parts_at.map_or(!silent, |at| at > now);
            if !keep {
                gone.push((*id, known.parts_at.is_some()));
            }
            keep
        });
        gone
    }
}

/// The places of a state, for comparing.
pub(super) fn set(places: &[Place]) -> HashSet<(Uuid, Arc<str>)> {
    places.iter().map(|place| (place.connection, place.channel.clone())).collect()
}
