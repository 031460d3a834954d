//! The master keys and what is derived from them (HKDF-SHA-256, RFC 5869).

use std::sync::Arc;

use aws_lc_rs::hkdf::{self, HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Random;
use super::seal::{Cipher, SealError, length_of};
use crate::config::MasterKey;

/// Separates these keys from whatever else an operator may derive from the same master key.
const SALT: &[u8] = b"keystead/master-key/v1";

/// What a key derived from the master key is for; each has its own HKDF label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Wraps person keys, installation keys and signing keys.
    WrapKeys,
    /// Authenticates refresh tokens.
    Refresh,
    /// Hashes one-time codes and links.
    Codes,
    /// Signs cross-site request tokens.
    Csrf,
    /// Signs page cursors.
    Cursor,
    /// Seals what belongs to no person, such as job payloads.
    System,
    /// Hashes the secrets of OAuth clients.
    ClientSecrets,
    /// Hashes personal access tokens.
    PersonalTokens,
    /// Authenticates messages between instances.
    Messages,
    /// Seals what instances tell each other about realtime connections, under a key for each start of an instance.
    Gossip,
}

impl Purpose {
    /// Every purpose, in the order of their keys.
    pub const ALL: [Self; 10] = [
        Self::WrapKeys,
        Self::Refresh,
        Self::Codes,
        Self::Csrf,
        Self::Cursor,
        Self::System,
        Self::ClientSecrets,
        Self::PersonalTokens,
        Self::Messages,
        Self::Gossip,
    ];

    /// Never change one: it would change the key.
    const fn label(self) -> &'static str {
        match self {
            Self::WrapKeys => "wrap-keys",
            Self::Refresh => "refresh",
            Self::Codes => "codes",
            Self::Csrf => "csrf",
            Self::Cursor => "cursor",
            Self::System => "system",
            Self::ClientSecrets => "client-secrets",
            Self::PersonalTokens => "personal-tokens",
            Self::Messages => "messages",
            Self::Gossip => "gossip",
        }
    }
}

/// Four bytes that name a master key without revealing it (derived by HKDF from the key itself).
pub type KeyId = [u8; 4];

/// The master keys (first = current) and the keys derived from them. Clones share them; they are
/// wiped from memory with the last clone.
#[derive(Clone)]
pub struct RootKeys(Arc<Inner>);

struct Inner {
    current: Derived,
    older: Vec<Derived>,
    // Nonces always come from the system: a seed that repeats would repeat them under a key that outlives it.
    random: Random,
}

/// The keys of one master key. A key for sealing is never also a key for authenticating.
struct Derived {
    id: KeyId,
    macs: [hmac::Key; Purpose::ALL.len()],
    ciphers: [Cipher; Purpose::ALL.len()],
}

impl RootKeys {
    /// Derives every key once. `keys`: current first.
    ///
    /// # Panics
    /// When `keys` is empty, which the configuration refuses before it comes here.
    pub fn new(keys: &[MasterKey]) -> Self {
        let mut derived = keys.iter().map(|key| Derived::new(&key.key));
        #[expect(clippy::expect_used, reason = "documented: the configuration refuses to load without a master key")]
        let current = derived.next().expect("there is a master key");
        Self(Arc::new(Inner { older: derived.filter(|older| older.id != current.id).collect(), current, random: Random::system() }))
    }

    /// The id of the key that seals and authenticates from now on.
    pub fn current(&self) -> KeyId {
        self.0.current.id
    }

    /// The ids of all configured keys, current first.
    pub fn ids(&self) -> Vec<KeyId> {
        std::iter::once(&self.0.current).chain(&self.0.older).map(|key| key.id).collect()
    }

    /// HMAC-SHA-256 over the length-prefixed parts with the current key.
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> (KeyId, [u8; 32]) {
        (self.0.current.id, self.0.current.mac(purpose, parts))
    }

    /// The same with the named key; `None` when that key is not (any more) configured.
    pub fn mac_with(&self, key: KeyId, purpose: Purpose, parts: &[&[u8]]) -> Option<[u8; 32]> {
        self.find(key).map(|key| key.mac(purpose, parts))
    }

    /// Constant-time verification with the named key; an unknown key verifies nothing.
    pub fn verify(&self, key: KeyId, purpose: Purpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.mac_with(key, purpose, parts).is_some_and(|expected| expected.ct_eq(tag).into())
    }

    /// AES-256-GCM under the current key of `purpose`: key id ‖ nonce ‖ ciphertext ‖ tag. For what
    /// belongs to no person yet (job payloads) and for other keys.
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let key = &self.0.current;
        key.ciphers[purpose as usize].seal(&self.0.random, &key.id, aad, plain)
    }

    /// Opens what [`RootKeys::seal`] made under any configured key.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] when its master key is not configured, [`SealError::Altered`] when it
    /// was changed or sealed with other associated data.
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, rest) = sealed.split_first_chunk::<4>().ok_or(SealError::Altered)?;
        let key = self.find(*id).ok_or(SealError::UnknownKey)?;
        key.ciphers[purpose as usize].open(aad, rest)
    }

    /// Seals under a key of its own, which follows from the current key of `purpose` and `of`. For what is sealed so often that one
    /// key would not last: a random nonce is good for 2^32 messages of a key (NIST SP 800-38D section 8.3).
    pub fn sealer(&self, purpose: Purpose, of: &[u8]) -> Sealer {
        let key = &self.0.current;
        Sealer { id: key.id, cipher: key.cipher_of(purpose, of), random: self.0.random.clone() }
    }

    /// Opens what a [`Sealer`] for `of` made under any configured key.
    ///
    /// # Errors
    /// As [`RootKeys::open`].
    pub fn open_of(&self, purpose: Purpose, of: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, rest) = sealed.split_first_chunk::<4>().ok_or(SealError::Altered)?;
        self.find(*id).ok_or(SealError::UnknownKey)?.cipher_of(purpose, of).open(aad, rest)
    }

    /// Whether the current key sealed this (nothing is opened).
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.0.current.id)
    }

    fn find(&self, id: KeyId) -> Option<&Derived> {
        std::iter::once(&self.0.current).chain(&self.0.older).find(|key| key.id == id)
    }
}

/// Seals as [`RootKeys::seal`] does, under a key that follows from it.
pub struct Sealer {
    id: KeyId,
    cipher: Cipher,
    random: Random,
}

impl Sealer {
    /// AES-256-GCM: id of the master key ‖ nonce ‖ ciphertext ‖ tag.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Vec<u8> {
        self.cipher.seal(&self.random, &self.id, aad, plain)
    }
}

impl Derived {
    fn new(master: &[u8; 32]) -> Self {
        let root = Salt::new(HKDF_SHA256, SALT).extract(master);
        let id: Zeroizing<[u8; 4]> = expand(&root, "id", "");
        Self {
            id: *id,
            macs: Purpose::ALL.map(|purpose| hmac::Key::new(HMAC_SHA256, &*expand::<32>(&root, purpose.label(), "mac"))),
            ciphers: Purpose::ALL.map(|purpose| Cipher::new(&expand(&root, purpose.label(), "seal"))),
        }
    }

    /// One block of HKDF-Expand: HMAC-SHA-256 under a key that authenticates nothing else of this form.
    fn cipher_of(&self, purpose: Purpose, of: &[u8]) -> Cipher {
        Cipher::new(&Zeroizing::new(self.mac(purpose, &[b"seal of", of])))
    }

    fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.macs[purpose as usize], parts)
    }
}

/// HMAC-SHA-256 over the parts, each behind its length.
pub(super) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&length_of(part));
        context.update(part);
    }
    let mut tag = [0; 32];
    tag.copy_from_slice(context.sign().as_ref());
    tag
}

/// A key for authenticating that follows from another key, which seals (HKDF-SHA-256).
pub(super) fn expand_from(key: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    expand(&Salt::new(HKDF_SHA256, SALT).extract(key), label, "mac")
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(root: &Prk, label: &str, usage: &str) -> Zeroizing<[u8; N]> {
    let mut key = Zeroizing::new([0; N]);
    let info = [label.as_bytes(), b"/", usage.as_bytes()];
    #[expect(clippy::expect_used, reason = "HKDF-SHA-256 fails only above 8160 bytes, or when the length differs from the buffer's")]
    root.expand(&info, Length(N)).and_then(|okm| okm.fill(&mut *key)).expect("the length is that of the buffer and small");
    key
}
