//! phpass portable hashes (`$P$`, `$H$`): salted and iterated MD5, as older WordPress and phpBB made them.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::UnknownHash;

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Exponents of the rounds; WordPress used 13, and 2²⁰ rounds take a fraction of a second.
const ROUNDS: std::ops::RangeInclusive<usize> = 7..=20;

/// A phpass hash: exponent of the rounds, eight characters of salt, 22 of hash.
pub struct PhpassHash {
    log_rounds: usize,
    salt: [u8; 8],
    output: [u8; 22],
}

impl PhpassHash {
    pub(super) fn parse(text: &str) -> Result<Self, UnknownHash> {
        let rest = text.strip_prefix("$P$").or_else(|| text.strip_prefix("$H$")).ok_or(UnknownHash::Format)?.as_bytes();
        if !rest.iter().all(|letter| ALPHABET.contains(letter)) {
            return Err(UnknownHash::Malformed);
        }
        let ([rounds], rest) = rest.split_first_chunk().ok_or(UnknownHash::Malformed)?;
        let (salt, output) = rest.split_first_chunk().ok_or(UnknownHash::Malformed)?;
        let log_rounds = ALPHABET.iter().position(|letter| letter == rounds).ok_or(UnknownHash::Malformed)?;
        if !ROUNDS.contains(&log_rounds) {
            return Err(if log_rounds < *ROUNDS.start() { UnknownHash::Malformed } else { UnknownHash::TooCostly });
        }
        Ok(Self { log_rounds, salt: *salt, output: output.try_into().map_err(|_| UnknownHash::Malformed)? })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut hash = Md5::new().chain_update(self.salt).chain_update(password).finalize();
        for _ in 0..1_u32 << self.log_rounds {
            hash = Md5::new().chain_update(hash).chain_update(password).finalize();
        }
        encode(&hash).ct_eq(&self.output).into()
    }
}

/// Little-endian base64 of crypt(3): the low six bits come first.
fn encode(hash: &[u8]) -> [u8; 22] {
    let mut text = [0; 22];
    for (bytes, letters) in hash.chunks(3).zip(text.chunks_mut(4)) {
        let group = bytes.iter().rev().fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        for (place, letter) in letters.iter_mut().enumerate() {
            *letter = ALPHABET[group >> (6 * place) & 63];
        }
    }
    text
}
