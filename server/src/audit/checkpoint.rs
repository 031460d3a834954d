//! Signed statements: up to here, the chain is this one.
//!
//! A chain can be computed anew by whoever can write the table; a signature cannot. So at least every [`SPACING`] events, and
//! each minute in which something happened, the last hash is signed. Whoever rewrites or cuts the trail before a checkpoint
//! is found out by it, also offline, with the public key alone.

use super::chain::Hash;
use super::{checkpoint_store as store, store as events};
use crate::db::{DbError, Tx};
use crate::ground::Ground;
use crate::secret::{LastingKey, PublicKey, SealError};
use crate::time::Timestamp;

/// Events between two checkpoints that nobody had to wait for: often enough that little can be rewritten, seldom enough that
/// signing and checking are lost in the cost of the events.
pub const SPACING: i64 = 1_000;

/// Where the private half is sealed for.
const PLACE: (&str, &str) = ("audit_keys", "private_key");

/// The form of what is signed.
const VERSION: &[u8] = b"keystead-audit-statement-1";

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chain goes through this event.
    Checkpoint,
    /// The trail begins behind this event: what came up to it was old enough to delete.
    Begins,
    /// An export ends with this event.
    End,
    /// An export begins behind this event, because that was asked for. It is never stored: whoever puts it into the table does not
    /// make the trail begin there.
    From,
    /// An extract is complete up to this event; signed is the digest of what passed its filter.
    Extract,
}

impl Kind {
    /// Its word in the table and in exports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Begins => "begins",
            Self::End => "end",
            Self::From => "from",
            Self::Extract => "extracted",
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Checkpoint => 1,
            Self::Begins => 2,
            Self::End => 3,
            Self::From => 4,
            Self::Extract => 5,
        }
    }
}

/// A signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it says.
    pub kind: Kind,
    /// The event's place.
    pub seq: i64,
    /// The event's hash.
    pub hash: Hash,
    /// When it was signed.
    pub at: Timestamp,
    /// Which key signed it.
    pub kid: String,
    /// Ed25519.
    pub signature: Vec<u8>,
}

impl Statement {
    /// Signs.
    ///
    /// # Errors
    /// As [`LastingKey::sign`].
    pub fn sign(key: &LastingKey, kind: Kind, (seq, hash): (i64, Hash), at: Timestamp) -> Result<Self, SealError> {
        let signature = key.sign(&message(kind, seq, &hash, at))?;
        Ok(Self { kind, seq, hash, at, kid: key.public().kid(), signature })
    }

    /// Whether one of `keys` signed it.
    pub fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        let message = message(self.kind, self.seq, &self.hash, self.at);
        keys.iter().any(|key| key.kid() == self.kid && key.verifies(&message, &self.signature))
    }
}

/// Every part has a fixed length, so no two statements have the same message.
fn message(kind: Kind, seq: i64, hash: &Hash, at: Timestamp) -> Vec<u8> {
    [VERSION, &[kind.byte()], &seq.to_be_bytes(), &at.as_micros().to_be_bytes(), hash].concat()
}

/// The key that signs, in `tx`; made when there is none.
///
/// # Errors
/// It cannot be opened; [`DbError::Unique`] when another instance makes the first one at this moment.
pub(super) async fn signing_key(tx: &mut Tx, ground: &Ground) -> Result<LastingKey, SealError> {
    if let Some((public, sealed)) = store::newest_key(tx).await? {
        return LastingKey::open(&ground.roots, PLACE, public, &sealed);
    }
    let (key, sealed) = LastingKey::make(&ground.random, &ground.roots, PLACE)?;
    if !store::add_key(tx, key.public(), sealed, ground.clock.now()).await? {
        return Err(DbError::Unique("audit_keys.number".to_owned()).into());
    }
    Ok(key)
}

/// Which of the stored keys are ours: their sealed half opens and belongs to the public one.
pub(super) fn ours(ground: &Ground, keys: &[(PublicKey, Vec<u8>)]) -> Vec<PublicKey> {
    let opens = |(public, sealed): &&(PublicKey, Vec<u8>)| LastingKey::open(&ground.roots, PLACE, *public, sealed).is_ok();
    keys.iter().filter(opens).map(|(public, _)| *public).collect()
}

/// Signs the chain as it ends now, in `tx`. The log is told, so that it stands outside of the database, too.
pub(super) async fn sign(tx: &mut Tx, ground: &Ground, end: (i64, Hash)) -> Result<(), SealError> {
    let key = signing_key(tx, ground).await?;
    let statement = Statement::sign(&key, Kind::Checkpoint, end, ground.clock.now())?;
    if store::add(tx, &statement).await? {
        let (seq, hash) = (statement.seq, crate::db::hex(&statement.hash));
        tx.on_commit(move || tracing::info!(seq, hash, "the audit trail was signed up to this event"));
    }
    Ok(())
}

/// Signs the chain as it ends now, unless that is done; whether it was this call that did. Called each minute.
///
/// # Errors
/// The key cannot be opened, or the store does not answer.
pub async fn checkpoint(ground: &Ground) -> Result<bool, SealError> {
    if !store::is_due(&ground.db).await? {
        return Ok(false);
    }
    let this = ground.clone();
    let signed = ground
        .db
        .write(async move |tx| {
            let Some(end) = events::head(tx).await? else { return Ok(false) };
            sign(tx, &this, end).await?;
            Ok(true)
        })
        .await;
    match signed {
        // Another instance was faster.
        Err(SealError::Db(DbError::Unique(_))) => Ok(false),
        signed => signed,
    }
}

/// Seals the private half anew after the master key was rotated.
///
/// # Errors
/// Its master key is not configured, or the store does not answer.
pub async fn reseal(ground: &Ground) -> Result<(), SealError> {
    for (public, sealed) in store::keys(&ground.db).await? {
        if let Some(fresh) = LastingKey::reseal(&ground.roots, PLACE, public, &sealed)? {
            store::reseal(&ground.db, public, fresh, sealed).await?;
        }
    }
    Ok(())
}

/// Opens the newest of `keys`, the one that signs.
pub(super) fn open_newest(ground: &Ground, keys: &[(PublicKey, Vec<u8>)]) -> Result<LastingKey, SealError> {
    let (public, sealed) = keys.last().ok_or(SealError::Altered)?;
    LastingKey::open(&ground.roots, PLACE, *public, sealed)
}
