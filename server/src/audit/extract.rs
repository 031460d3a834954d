//! Extracts: events that pass a filter, of which no chain goes from one to the next.
//!
//! Each still has its place and the hash that the chain gave it. A digest goes on from event to event, begins with the filter, and is
//! signed at the end together with the place up to which everything was looked at: so it shows when an event was altered, moved, added
//! or left out.

use aws_lc_rs::digest::{Context, SHA256};

use super::chain::{Break, GENESIS, Hash, Link, Walk};
use super::checkpoint::Statement;
use super::inspect::Fault;
use crate::secret::PublicKey;

/// The form of the digest; a change is a new number.
const VERSION: &[u8] = b"keystead-audit-extract-1";

/// The digest of an extract up to some event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(Hash);

impl Digest {
    /// Of an extract by this filter, before its first event.
    pub fn of(filter: &[u8]) -> Self {
        Self(sha256(&[VERSION, filter]))
    }

    /// Goes on to the event with this hash, which covers its place and everything in it.
    pub fn step(&mut self, event: &Hash) {
        self.0 = sha256(&[&self.0, event]);
    }

    /// As it stands.
    pub fn hash(&self) -> &Hash {
        &self.0
    }
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = GENESIS;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Walks along an extract.
#[derive(Debug)]
pub struct ExtractWalk {
    keys: Vec<PublicKey>,
    digest: Digest,
    /// The last place that was right.
    pub seq: i64,
    /// Events that were right.
    pub checked: i64,
    ended: bool,
}

impl ExtractWalk {
    /// Before the first event behind `after`; the end must be signed by one of `keys`.
    pub fn new(keys: Vec<PublicKey>, digest: Digest, after: i64) -> Self {
        Self { keys, digest, seq: after, checked: 0, ended: false }
    }

    /// The next event, and the digest its line tells of.
    ///
    /// # Errors
    /// It is not what was extracted there.
    pub fn event(&mut self, link: &Link, told: Option<Hash>) -> Result<(), Fault> {
        if self.ended || link.seq <= self.seq {
            return Err((link.seq, Break::Unlinked));
        }
        let previous = link.previous.ok_or((link.seq, Break::Altered))?;
        // By itself: that its hash is that of its place.
        Walk::behind(link.seq - 1, previous).step(link)?;
        let mut digest = self.digest;
        digest.step(&link.hash.unwrap_or(GENESIS));
        if told != Some(*digest.hash()) {
            return Err((link.seq, Break::Unlinked));
        }
        (self.digest, self.seq) = (digest, link.seq);
        self.checked += 1;
        Ok(())
    }

    /// The last line.
    ///
    /// # Errors
    /// It is not ours, or tells of another extract.
    pub fn end(&mut self, statement: &Statement) -> Result<(), Fault> {
        if !statement.is_signed_by(&self.keys) {
            return Err((statement.seq, Break::Forged));
        }
        if self.ended || statement.hash != *self.digest.hash() || statement.seq < self.seq {
            return Err((self.seq + 1, Break::Rewritten));
        }
        (self.ended, self.seq) = (true, statement.seq);
        Ok(())
    }

    /// Whether the last line was read.
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}
