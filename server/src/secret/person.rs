//! The data key of one person, expanded and ready to seal and open columns.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Random;
use super::roots::{expand_from, mac};
use super::seal::{Cipher, Place, SealError, framed};

/// First byte of every sealed value: AES-256-GCM with a 96-bit random nonce and the frame of [`framed`].
const VERSION: u8 = 1;

/// The data key of one person. Cloning is cheap; the key schedule is computed once.
#[derive(Clone)]
pub struct PersonKey(Arc<Inner>);

struct Inner {
    person: Uuid,
    key: Zeroizing<[u8; 32]>,
    cipher: Cipher,
    /// Made when it is first asked for: most people's key only opens their account.
    index: OnceLock<hmac::Key>,
    random: Random,
}

impl PersonKey {
    pub(super) fn new(person: Uuid, key: &[u8; 32], random: Random) -> Self {
        Self(Arc::new(Inner { person, key: Zeroizing::new(*key), cipher: Cipher::new(key), index: OnceLock::new(), random }))
    }

    /// Whose key this is.
    pub fn person(&self) -> Uuid {
        self.0.person
    }

    /// Seals `plain` for one place: version ‖ nonce ‖ ciphertext ‖ tag, 29 bytes longer than `plain`.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Vec<u8> {
        self.0.cipher.seal(&self.0.random, &[VERSION], &self.associated(place), plain)
    }

    /// Opens what this key sealed for the same place.
    ///
    /// # Errors
    /// [`SealError::Altered`] when the value was changed, moved from another place or belongs to
    /// another person.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        match sealed.split_first() {
            Some((&VERSION, rest)) => self.0.cipher.open(&self.associated(place), rest),
            _ => Err(SealError::Altered),
        }
    }

    /// The same for text.
    ///
    /// # Errors
    /// As [`PersonKey::open`]; also [`SealError::Altered`] when what was sealed is not UTF-8.
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, SealError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| SealError::Altered)
    }

    /// HMAC-SHA-256 blind index of a normalised value under a key that is derived from this person's (HKDF-SHA-256, RFC 5869):
    /// equal for equal values of one field of one person, and guessed by nobody once the key is destroyed.
    pub fn blind_index(&self, field: &str, normalised: &str) -> [u8; 32] {
        let key = self.0.index.get_or_init(|| hmac::Key::new(HMAC_SHA256, &*expand_from(&self.0.key, "person-index")));
        mac(key, &[field.as_bytes(), normalised.as_bytes()])
    }

    fn associated(&self, place: Place<'_>) -> Vec<u8> {
        framed(&[&[VERSION], place.table.as_bytes(), place.column.as_bytes(), place.row, self.0.person.as_bytes()])
    }
}
