//! Authenticated encryption: AES-256-GCM with a random nonce, and the frame around associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::Random;

/// Bytes of the GCM tag behind the ciphertext.
const TAG_LEN: usize = 16;

/// Why a sealed value cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not what was sealed, or sealed for another place, person or purpose.
    #[error("the sealed value was altered or belongs elsewhere")]
    Altered,
    /// None of the configured master keys is the one that sealed this.
    #[error("the master key that sealed this value is not configured")]
    UnknownKey,
    /// The person's key is gone, and with it what it sealed.
    #[error("the key of this person was destroyed")]
    Erased,
    /// The store did not answer.
    #[error(transparent)]
    Db(#[from] crate::db::DbError),
}

/// Where a sealed value stands; it opens nowhere else (associated data).
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The column's name.
    pub column: &'a str,
    /// The row's key as bytes.
    pub row: &'a [u8],
}

/// An expanded AES-256-GCM key. aws-lc wipes the key schedule when it is freed.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "32 bytes are the length of an AES-256 key")]
        let key = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key");
        Self(LessSafeKey::new(key))
    }

    /// `prefix ‖ nonce ‖ ciphertext ‖ tag`. The prefix is not authenticated; put it into `aad` when it matters.
    pub(super) fn seal(&self, random: &Random, prefix: &[u8], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random.bytes::<NONCE_LEN>();
        let start = prefix.len() + NONCE_LEN;
        let mut sealed = Vec::with_capacity(start + plain.len() + TAG_LEN);
        sealed.extend_from_slice(prefix);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        #[expect(clippy::expect_used, reason = "sealing fails only above 64 GiB, and such a value is not in memory")]
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[start..]).expect("the value is below 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens `nonce ‖ ciphertext ‖ tag`.
    pub(super) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Altered)?;
        let mut plain = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(aad), &mut plain).map_err(|_| SealError::Altered)?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// The parts one after the other, each behind its length: no two lists of parts give the same bytes.
pub(super) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        frame.extend_from_slice(&length_of(part));
        frame.extend_from_slice(part);
    }
    frame
}

/// The length that stands before a part.
pub(super) fn length_of(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}
