//! Inspection of a trail, wherever it comes from: events and signed statements in their order, one by one.

use super::chain::{Break, Hash, Link, Walk};
use super::checkpoint::{Kind, SPACING, Statement};
use crate::secret::PublicKey;

/// What is wrong: the place, and how.
pub type Fault = (i64, Break);

/// Where no checkpoint stands for so many events, somebody took it away: they are signed with the batch that fills a spacing.
const LONGEST_UNSIGNED: i64 = 2 * SPACING;

/// An inspection under way.
#[derive(Debug)]
pub struct Inspector {
    walk: Walk,
    keys: Vec<PublicKey>,
    signed: i64,
    ended: bool,
}

impl Inspector {
    /// Nothing seen yet; statements must be signed by one of `keys`. A trail that was cut says where it begins.
    ///
    /// # Errors
    /// What is said about the beginning is not signed.
    pub fn new(keys: Vec<PublicKey>, begins: Option<&Statement>) -> Result<Self, Fault> {
        let mut this = Self { walk: Walk::default(), keys, signed: 0, ended: false };
        if let Some(begins) = begins {
            this.signed(begins)?;
            this.walk = Walk::behind(begins.seq, begins.hash);
        }
        Ok(this)
    }

    /// The last place that was right.
    pub fn seq(&self) -> i64 {
        self.walk.seq
    }

    /// The hash of the last event that was right.
    pub fn hash(&self) -> Hash {
        *self.walk.hash()
    }

    /// The next event.
    ///
    /// # Errors
    /// It is not what was sealed there.
    pub fn event(&mut self, link: &Link) -> Result<(), Fault> {
        self.walk.step(link)?;
        if self.walk.seq - self.signed > LONGEST_UNSIGNED {
            return Err((self.walk.seq, Break::Unsigned));
        }
        Ok(())
    }

    /// A statement about the event before it.
    ///
    /// # Errors
    /// It is not ours, or tells of another chain.
    pub fn statement(&mut self, statement: &Statement) -> Result<(), Fault> {
        self.signed(statement)?;
        if statement.seq > self.walk.seq {
            return Err((self.walk.seq + 1, Break::Missing));
        }
        if statement.seq < self.walk.seq || statement.hash != *self.walk.hash() {
            return Err((statement.seq, Break::Rewritten));
        }
        self.ended = statement.kind == Kind::End;
        Ok(())
    }

    /// Whether the last thing said was that this is the end.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn signed(&mut self, statement: &Statement) -> Result<(), Fault> {
        if !statement.is_signed_by(&self.keys) {
            return Err((statement.seq, Break::Forged));
        }
        self.signed = statement.seq;
        Ok(())
    }
}
