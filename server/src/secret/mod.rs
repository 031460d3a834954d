//! INTERFACE SKETCH of the secrets floor (bodies to be written by the owner of this folder).
#![allow(missing_docs, unused, clippy::todo)]

use crate::db::Db;
use crate::time::{Clock, Timestamp};
use secrecy::SecretString;
use std::time::Duration;
use uuid::Uuid;

/// Randomness as a value: the operating system's, or seeded in tests. Clones share the source.
#[derive(Clone)]
pub struct Random(());
impl Random {
    pub fn system() -> Self {
        todo!()
    }
    pub fn seeded(seed: u64) -> Self {
        todo!()
    }
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        todo!()
    }
    /// A UUIDv7 at `now`.
    pub fn uuid(&self, now: Timestamp) -> Uuid {
        todo!()
    }
    /// `digits` decimal digits without modulo bias, leading zeros kept.
    pub fn digits(&self, digits: usize) -> String {
        todo!()
    }
}

/// What a key derived from the master key is for; each has its own HKDF label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    WrapKeys,
    Refresh,
    Codes,
    Csrf,
    Cursor,
    System,
}

/// Four bytes that name a master key without revealing it (derived by HKDF from the key itself).
pub type KeyId = [u8; 4];

/// The master keys (first = current) and the keys derived from them.
#[derive(Clone)]
pub struct RootKeys(());
impl RootKeys {
    /// `keys`: current first.
    pub fn new(keys: &[crate::config::MasterKey]) -> Self {
        todo!()
    }
    pub fn current(&self) -> KeyId {
        todo!()
    }
    pub fn ids(&self) -> Vec<KeyId> {
        todo!()
    }
    /// HMAC-SHA-256 over the length-prefixed parts with the current key.
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> (KeyId, [u8; 32]) {
        todo!()
    }
    /// The same with the named key; `None` when that key is not (any more) configured.
    pub fn mac_with(&self, key: KeyId, purpose: Purpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        todo!()
    }
    /// Constant-time verification with the named key.
    pub fn verify(&self, key: KeyId, purpose: Purpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        todo!()
    }
    /// AES-256-GCM under the current `Purpose::System`/`WrapKeys` key: key id ‖ nonce ‖ ciphertext ‖ tag. For what belongs to no person yet (job payloads).
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        todo!()
    }
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        todo!()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the sealed value was altered or belongs elsewhere")]
    Altered,
    #[error("the master key that sealed this value is not configured")]
    UnknownKey,
    #[error("the key of this person was destroyed")]
    Erased,
    #[error(transparent)]
    Db(#[from] crate::db::DbError),
}

/// Where a sealed value stands; it opens nowhere else (associated data).
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub row: &'a [u8],
}

/// The data key of one person.
#[derive(Clone)]
pub struct PersonKey(());
impl PersonKey {
    pub fn person(&self) -> Uuid {
        todo!()
    }
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        todo!()
    }
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        todo!()
    }
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, SealError> {
        todo!()
    }
}

/// The keyring: a store of its own (own SQLite file / own PostgreSQL schema) of wrapped person keys and installation keys.
#[derive(Clone)]
pub struct Keyring(());
impl Keyring {
    /// Creates what is missing (installation keys), checks that the configured master key opens them.
    pub async fn open(store: Db, roots: RootKeys, random: Random, clock: Clock) -> Result<Self, SealError> {
        todo!()
    }
    pub async fn create(&self, person: Uuid) -> Result<PersonKey, SealError> {
        todo!()
    }
    /// From the cache, else from the store. `Erased` when there is none.
    pub async fn get(&self, person: Uuid) -> Result<PersonKey, SealError> {
        todo!()
    }
    /// Several at once in one query (lists never query in a loop); erased ones are missing from the answer.
    pub async fn get_many(&self, persons: &[Uuid]) -> Result<std::collections::HashMap<Uuid, PersonKey>, SealError> {
        todo!()
    }
    pub async fn destroy(&self, person: Uuid) -> Result<(), SealError> {
        todo!()
    }
    /// Drops a person from this process's cache (another instance destroyed the key).
    pub fn forget(&self, person: Uuid) {
        todo!()
    }
    /// HMAC blind index of a normalised value under the installation's index key (stable under master key rotation).
    pub fn blind_index(&self, field: &str, normalised: &str) -> [u8; 32] {
        todo!()
    }
    /// Rewraps up to `batch` keys that an older master key wrapped; returns how many are left.
    pub async fn rewrap(&self, batch: u32) -> Result<u64, SealError> {
        todo!()
    }
}

/// Cost parameters of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

/// The bounded pool of threads that hash passwords; memory is reused per thread.
#[derive(Clone)]
pub struct PasswordPool(());
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Right { rehash: bool },
    Wrong,
}
/// The queue would make people wait longer than the limit.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the password queue is full")]
pub struct Overloaded {
    pub retry_after: Duration,
}
impl PasswordPool {
    /// `threads` hashing threads; refuses work whose estimated wait exceeds `max_wait`.
    pub fn start(cost: Argon2Cost, threads: usize, max_wait: Duration, random: Random) -> Self {
        todo!()
    }
    pub async fn hash(&self, password: SecretString) -> Result<String, Overloaded> {
        todo!()
    }
    /// `stored = None` (nobody there) costs one verification of the configured parameters and is `Wrong`.
    pub async fn verify(&self, password: SecretString, stored: Option<String>) -> Result<Verdict, Overloaded> {
        todo!()
    }
}

/// Ed25519 signing keys of the installation: stored sealed in the database, rotated with overlap.
#[derive(Clone)]
pub struct Signer(());
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("not a token of this installation")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}
impl Signer {
    /// Loads the keys; creates the first one on an empty database.
    pub async fn open(db: Db, roots: RootKeys, random: Random, clock: Clock, access_ttl: Duration) -> Result<Self, SealError> {
        todo!()
    }
    /// A compact JWS over `claims`; `typ` as in RFC 9068 (`at+jwt`).
    pub fn sign(&self, typ: &'static str, claims: &impl serde::Serialize) -> Result<String, TokenError> {
        todo!()
    }
    /// Checks signature, `typ`, `alg`, `iss`, `exp`, `nbf` at `now` and returns the claims.
    pub fn verify<C: serde::de::DeserializeOwned>(&self, typ: &str, token: &str, issuer: &str, now: Timestamp) -> Result<C, TokenError> {
        todo!()
    }
    /// The published key set (RFC 7517), current and overlapping keys.
    pub fn jwks(&self) -> String {
        todo!()
    }
    /// Publishes a new key; it signs after `publish_ahead`, the old one stays published until its last token expired. Returns the new kid.
    pub async fn rotate(&self) -> Result<String, SealError> {
        todo!()
    }
    /// Reads the keys again (another instance or the command line rotated); cheap; called on a timer by app.rs.
    pub async fn reload(&self) -> Result<(), SealError> {
        todo!()
    }
}
