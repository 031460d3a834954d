//! An Ed25519 key whose signatures are checked years later, by anyone who has its public half.
//!
//! Unlike the keys that sign tokens it is never withdrawn. Its private half stands sealed under the master key, which also
//! proves that a stored key is ours: nobody without the master key can put another in its place.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use super::Random;
use super::roots::{Purpose, RootKeys};
use super::seal::{SealError, framed};
use super::signing_key::thumbprint;

/// Bytes of a public key.
const PUBLIC_LEN: usize = 32;

/// The public half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_LEN]);

impl PublicKey {
    /// From its 32 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_LEN] {
        &self.0
    }

    /// Its RFC 7638 thumbprint.
    pub fn kid(&self) -> String {
        thumbprint(&self.0)
    }

    /// Whether the other half signed `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

/// Both halves.
pub struct LastingKey {
    public: PublicKey,
    pair: Ed25519KeyPair,
}

impl LastingKey {
    /// A new key, and its private half sealed for its place; the row is the public half.
    ///
    /// # Errors
    /// [`SealError::Altered`] when the random seed makes no key, which does not happen.
    pub fn make(random: &Random, roots: &RootKeys, place: (&str, &str)) -> Result<(Self, Vec<u8>), SealError> {
        let seed = Zeroizing::new(random.bytes::<32>());
        let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| SealError::Altered)?;
        let public = PublicKey::new(pair.public_key().as_ref()).ok_or(SealError::Altered)?;
        let sealed = roots.seal(Purpose::WrapKeys, &context(place, &public), &*seed);
        Ok((Self { public, pair }, sealed))
    }

    /// The key of a row. Its halves must belong together.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`], [`SealError::Altered`].
    pub fn open(roots: &RootKeys, place: (&str, &str), public: PublicKey, sealed: &[u8]) -> Result<Self, SealError> {
        let seed = Zeroizing::new(roots.open(Purpose::WrapKeys, &context(place, &public), sealed)?);
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public.0).map_err(|_| SealError::Altered)?;
        Ok(Self { public, pair })
    }

    /// Seals a private half anew under the current master key; nothing when that one sealed it.
    ///
    /// # Errors
    /// As [`LastingKey::open`].
    pub fn reseal(roots: &RootKeys, place: (&str, &str), public: PublicKey, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealError> {
        if roots.is_current(sealed) {
            return Ok(None);
        }
        let context = context(place, &public);
        let seed = Zeroizing::new(roots.open(Purpose::WrapKeys, &context, sealed)?);
        Ok(Some(roots.seal(Purpose::WrapKeys, &context, &seed)))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The Ed25519 signature.
    ///
    /// # Errors
    /// [`SealError::Altered`] when the library refuses, which it has no reason to.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        self.pair.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_| SealError::Altered)
    }
}

/// `place` is the table and the column.
fn context((table, column): (&str, &str), public: &PublicKey) -> Vec<u8> {
    framed(&[table.as_bytes(), column.as_bytes(), &public.0])
}
