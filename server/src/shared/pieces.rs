//! Messages in pieces, as PostgreSQL carries them: cut, authenticated, put together again. Pure, no line, no clock.
//!
//! Whoever may log in to the database may notify any channel, so each piece carries a tag under a key that only this installation
//! has, and the number of its message: a piece that is forged, or was heard before, counts for nothing. What an instance began and did
//! not end is given up after a while, and all of it together is bounded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use crate::db::LONGEST;
use crate::secret::{Purpose, RootKeys};

/// The random name of an instance.
pub type Instance = [u8; 16];

/// Separates these tags from others under the same key.
const CONTEXT: &[u8] = b"notify 1";
/// Instance, number of the message, which piece of how many; id of the key and the tag over all of it.
const HEAD: usize = 16 + 8 + 4 + 4 + 4 + 32;
/// Bytes of a message in one piece: base64 makes four of three.
const PIECE: usize = LONGEST / 4 * 3 - HEAD;
/// The longest message that is put together.
const WHOLE_MAX: usize = 16 * 1024 * 1024;
/// Bytes of all messages that are not whole yet.
const UNFINISHED_MAX: usize = 32 * 1024 * 1024;
/// A message of which nothing came for so long is given up.
const UNFINISHED_FOR: Duration = Duration::from_secs(10);
/// Instances that are remembered; beyond them the one that was silent longest is forgotten.
const INSTANCES_MAX: usize = 1024;

/// Numbers messages and cuts them into pieces.
pub struct Cutter {
    instance: Instance,
    roots: RootKeys,
    number: u64,
}

impl Cutter {
    /// For the messages of `instance`.
    pub fn new(instance: Instance, roots: RootKeys) -> Self {
        Self { instance, roots, number: 0 }
    }

    /// A message in pieces, in the order in which they are to be sent.
    pub fn cut(&mut self, topic: &str, payload: &[u8]) -> Vec<String> {
        self.number += 1;
        // Topics are short words of ours.
        let length = u8::try_from(topic.len()).unwrap_or(u8::MAX);
        let whole = [&[length], topic.as_bytes(), payload].concat();
        let chunks: Vec<&[u8]> = whole.chunks(PIECE).collect();
        let of = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        (1..).zip(chunks).map(|(at, chunk)| self.piece(at, of, chunk)).collect()
    }

    /// A piece of nothing, which proves the line.
    pub fn beat(&mut self) -> String {
        self.number += 1;
        self.piece(0, 0, &[])
    }

    fn piece(&self, at: u32, of: u32, chunk: &[u8]) -> String {
        let (number, at, of) = (self.number.to_be_bytes(), at.to_be_bytes(), of.to_be_bytes());
        let (key, tag) = self.roots.mac(Purpose::Messages, &[CONTEXT, &self.instance, &number, &at, &of, chunk]);
        BASE64_STANDARD_NO_PAD.encode([self.instance.as_slice(), &number, &at, &of, &key, &tag, chunk].concat())
    }
}

/// A piece as it came, authenticated.
struct Piece<'a> {
    instance: Instance,
    number: u64,
    at: u32,
    of: u32,
    chunk: &'a [u8],
}

/// What is known of another instance.
struct Sender {
    /// The highest number that was heard of it.
    number: u64,
    heard: Instant,
    unfinished: Option<Unfinished>,
}

struct Unfinished {
    /// The last piece that came.
    last: u32,
    whole: Vec<u8>,
}

/// Puts messages together again.
pub struct Gatherer {
    instance: Instance,
    roots: RootKeys,
    senders: HashMap<Instance, Sender>,
}

impl Gatherer {
    /// For everything but what `instance` sends itself.
    pub fn new(instance: Instance, roots: RootKeys) -> Self {
        Self { instance, roots, senders: HashMap::new() }
    }

    /// Takes a piece; topic and payload once a message is whole.
    pub fn hear(&mut self, said: &str, now: Instant) -> Option<(String, Vec<u8>)> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(said).ok()?;
        let piece = self.authentic(&bytes)?;
        if piece.instance == self.instance {
            return None;
        }
        let unfinished: usize = self.unfinished_bytes();
        let sender = self.sender(piece.instance, now);
        sender.heard = now;
        if piece.number > sender.number {
            // Whatever was not ended before is not ended any more.
            (sender.number, sender.unfinished) = (piece.number, (piece.at == 1).then(|| Unfinished { last: 0, whole: Vec::new() }));
        } else if piece.number < sender.number {
            return None;
        }
        // Heard before: said again by somebody who listens.
        sender.unfinished.as_ref().filter(|held| piece.at > held.last)?;
        // A piece that is missing makes the rest worthless; whoever needs the message notices by itself.
        let mut held = sender.unfinished.take()?;
        let size = held.whole.len() + piece.chunk.len();
        if held.last + 1 != piece.at || size > WHOLE_MAX || unfinished + piece.chunk.len() > UNFINISHED_MAX {
            return None;
        }
        held.last = piece.at;
        held.whole.extend_from_slice(piece.chunk);
        if piece.at < piece.of {
            sender.unfinished = Some(held);
            return None;
        }
        let (length, rest) = held.whole.split_first()?;
        let (topic, payload) = rest.split_at_checked(usize::from(*length))?;
        Some((String::from_utf8(topic.to_vec()).ok()?, payload.to_vec()))
    }

    /// Gives up what nobody ends.
    pub fn tidy(&mut self, now: Instant) {
        for sender in self.senders.values_mut() {
            if now.saturating_duration_since(sender.heard) > UNFINISHED_FOR {
                sender.unfinished = None;
            }
        }
    }

    /// Bytes of messages that are not whole yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.senders.values().filter_map(|sender| sender.unfinished.as_ref()).map(|held| held.whole.len()).sum()
    }

    /// Instances that are remembered.
    pub fn instances(&self) -> usize {
        self.senders.len()
    }

    fn authentic<'a>(&self, bytes: &'a [u8]) -> Option<Piece<'a>> {
        let (instance, rest) = bytes.split_first_chunk::<16>()?;
        let (number, rest) = rest.split_first_chunk::<8>()?;
        let (at, rest) = rest.split_first_chunk::<4>()?;
        let (of, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_first_chunk::<4>()?;
        let (tag, chunk) = rest.split_first_chunk::<32>()?;
        if !self.roots.verify(*key, Purpose::Messages, &[CONTEXT, instance, number, at, of, chunk], tag) {
            return None;
        }
        let (number, at, of) = (u64::from_be_bytes(*number), u32::from_be_bytes(*at), u32::from_be_bytes(*of));
        Some(Piece { instance: *instance, number, at, of, chunk })
    }

    fn sender(&mut self, instance: Instance, now: Instant) -> &mut Sender {
        if !self.senders.contains_key(&instance)
            && self.senders.len() >= INSTANCES_MAX
            && let Some(silent) = self.senders.iter().min_by_key(|(_, sender)| sender.heard).map(|(name, _)| *name)
        {
            self.senders.remove(&silent);
        }
        self.senders.entry(instance).or_insert(Sender { number: 0, heard: now, unfinished: None })
    }
}
