//! The chain: each sealed event carries the hash of the one before, so that nobody edits, drops, adds or reorders one
//! without every later hash telling.
//!
//! `hash = SHA-256(previous ‖ canonical event)`. The canonical form is every column in a fixed order, each with its length
//! before it, so that no two events have the same. Personal parts are covered as ciphertext: erasing a person destroys the
//! key that opens them and leaves the chain as it is.

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use crate::time::Timestamp;

/// A link of the chain.
pub type Hash = [u8; 32];

/// What the first event follows.
pub const GENESIS: Hash = [0; 32];

/// The form of what is hashed; a change of the columns is a new number.
const VERSION: &[u8] = b"keystead-audit-1";

/// An event as it stands in the table; what the hash covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Kind of actor.
    pub actor_type: String,
    /// Who.
    pub actor: Option<Uuid>,
    /// The act.
    pub action: String,
    /// Kind of target.
    pub target_type: String,
    /// On what.
    pub target: Option<Uuid>,
    /// How it ended.
    pub outcome: String,
    /// Whose key sealed the origin.
    pub sealed_for: Option<Uuid>,
    /// Where it came from, sealed.
    pub origin: Option<Vec<u8>>,
    /// In which request.
    pub request_id: Option<String>,
    /// Details, the JSON text to the byte.
    pub details: String,
}

impl Recorded {
    /// The hash of this event at place `seq`, after `previous`.
    pub fn hash(&self, seq: i64, previous: &Hash) -> Hash {
        let mut digest = Context::new(&SHA256);
        digest.update(previous);
        let fields: [Option<&[u8]>; 14] = [
            Some(VERSION),
            Some(&seq.to_be_bytes()),
            Some(self.id.as_bytes()),
            Some(&self.at.as_micros().to_be_bytes()),
            Some(self.actor_type.as_bytes()),
            self.actor.as_ref().map(|id| id.as_bytes().as_slice()),
            Some(self.action.as_bytes()),
            Some(self.target_type.as_bytes()),
            self.target.as_ref().map(|id| id.as_bytes().as_slice()),
            Some(self.outcome.as_bytes()),
            self.sealed_for.as_ref().map(|id| id.as_bytes().as_slice()),
            self.origin.as_deref(),
            self.request_id.as_deref().map(str::as_bytes),
            Some(self.details.as_bytes()),
        ];
        for field in fields {
            // Nothing and an empty text are two things.
            let length = field.map_or(u64::MAX, |bytes| bytes.len() as u64);
            digest.update(&length.to_be_bytes());
            digest.update(field.unwrap_or_default());
        }
        let mut hash = GENESIS;
        hash.copy_from_slice(digest.finish().as_ref());
        hash
    }
}

/// A sealed event: its place and its links as they stand in the table.
#[derive(Clone, Debug)]
pub struct Link {
    /// The event.
    pub event: Recorded,
    /// Its place, from 1.
    pub seq: i64,
    /// The hash it says the one before has.
    pub previous: Option<Hash>,
    /// The hash it says it has.
    pub hash: Option<Hash>,
}

/// Walks along a chain, event by event.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Place of the last event that was right.
    pub seq: i64,
    hash: Hash,
}

/// How a chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// An event is not there, or one stands where none belongs.
    Missing,
    /// An event does not follow the one before: it was moved, or the one before was exchanged.
    Unlinked,
    /// An event is not what was sealed.
    Altered,
    /// The chain up to here is whole and not the one that was signed.
    Rewritten,
    /// A checkpoint was not signed by this installation.
    Forged,
    /// No checkpoint stands where there must be one.
    Unsigned,
    /// An export ends before its end.
    Unfinished,
}

impl Break {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unlinked => "unlinked",
            Self::Altered => "altered",
            Self::Rewritten => "rewritten",
            Self::Forged => "forged",
            Self::Unsigned => "unsigned",
            Self::Unfinished => "unfinished",
        }
    }
}

impl Default for Walk {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS }
    }
}

impl Walk {
    /// Behind the place `seq`, whose event has this hash.
    pub fn behind(seq: i64, hash: Hash) -> Self {
        Self { seq, hash }
    }

    /// The hash of the last event that was right.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Goes on to `link`.
    ///
    /// # Errors
    /// The place where the chain is broken, and how.
    pub fn step(&mut self, link: &Link) -> Result<(), (i64, Break)> {
        let expected = self.seq + 1;
        if link.seq != expected {
            return Err((expected.min(link.seq), Break::Missing));
        }
        if link.previous != Some(self.hash) {
            return Err((expected, Break::Unlinked));
        }
        let hash = link.event.hash(link.seq, &self.hash);
        if link.hash != Some(hash) {
            return Err((expected, Break::Altered));
        }
        (self.seq, self.hash) = (expected, hash);
        Ok(())
    }
}
