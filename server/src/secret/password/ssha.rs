//! `{SSHA}` of LDAP directories: base64 of SHA-1 over password and salt, with the salt behind it.

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::{UnknownHash, encoding};

const OUTPUT_LEN: usize = 20;
const SALT_LENGTHS: std::ops::RangeInclusive<usize> = 1..=64;

/// A salted SHA-1 hash.
pub struct SshaHash {
    output: [u8; OUTPUT_LEN],
    salt: Vec<u8>,
}

impl SshaHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let bytes = encoding::bytes(text.strip_prefix("{SSHA}").ok_or(UnknownHash::Format)?)?;
        match bytes.split_first_chunk() {
            Some((output, salt)) if SALT_LENGTHS.contains(&salt.len()) => Ok(Self { output: *output, salt: salt.to_vec() }),
            _ => Err(UnknownHash::Malformed),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let output = Sha1::new().chain_update(password).chain_update(&self.salt).finalize();
        output.as_slice().ct_eq(&self.output).into()
    }
}
