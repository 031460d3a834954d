//! bcrypt: `$2a$`, `$2b$`, `$2x$` and `$2y$`, two digits of cost, 22 characters of salt, 31 of hash.
//!
//! The variants mean the same for us. `$2x$` marks hashes of an implementation that was wrong for
//! bytes above 127; those made from ASCII passwords verify, others do not and need a reset.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::NO_PAD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{UnknownHash, encoding};

/// Implementations differ in the spare bits of the last character, so they are ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, ignore_spare_bits(NO_PAD));
/// bcrypt reads no more of a password.
const MAX_PASSWORD: usize = 72;
/// Cost 15 takes about two seconds.
const MAX_COST: u32 = 15;

/// A bcrypt hash.
pub struct BcryptHash {
    cost: u32,
    salt: [u8; 16],
    output: [u8; 23],
}

impl BcryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["", "2a" | "2b" | "2x" | "2y", cost, rest] = fields[..] else { return Err(UnknownHash::Malformed) };
        if cost.len() != 2 || rest.len() != 53 || !rest.is_ascii() {
            return Err(UnknownHash::Malformed);
        }
        let (salt, output) = rest.split_at(22);
        match encoding::number(cost)? {
            cost @ 4..=MAX_COST => Ok(Self { cost, salt: decode(salt)?, output: decode(output)? }),
            16..=31 => Err(UnknownHash::TooCostly),
            _ => Err(UnknownHash::Malformed),
        }
    }

    /// As every implementation does it: a NUL is appended and what exceeds 72 bytes is left out.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new([0; MAX_PASSWORD]);
        let length = password.len().min(MAX_PASSWORD);
        key[..length].copy_from_slice(&password[..length]);
        let output = bcrypt::bcrypt(self.cost, self.salt, &key[..(length + 1).min(MAX_PASSWORD)]);
        output[..self.output.len()].ct_eq(&self.output).into()
    }
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], UnknownHash> {
    BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(UnknownHash::Malformed)
}

const fn ignore_spare_bits(config: GeneralPurposeConfig) -> GeneralPurposeConfig {
    config.with_decode_allow_trailing_bits(true)
}
