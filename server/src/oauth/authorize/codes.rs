//! Authorization codes: how they are made, hashed, and bound to who asked (RFC 7636).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::secret::{Purpose, Random, RootKeys};

const LABEL: &[u8] = b"oauth.authorization_code";

/// A new code: 256 random bits.
pub(super) fn new(random: &Random) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// The keyed hash that is stored.
pub(super) fn hash(roots: &RootKeys, code: &str) -> [u8; 32] {
    roots.mac(Purpose::Codes, &[LABEL, code.as_bytes()]).1
}

/// The hashes that `code` may be stored under, of the current and of older master keys.
pub(super) fn hashes(roots: &RootKeys, code: &str) -> Vec<[u8; 32]> {
    roots.ids().into_iter().filter_map(|key| roots.mac_with(key, Purpose::Codes, &[LABEL, code.as_bytes()])).collect()
}

/// Whether `verifier` is what `challenge` was made of (RFC 7636 section 4.6).
pub(super) fn verifies(challenge: &str, verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
        return false;
    }
    let made = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    made.as_bytes().ct_eq(challenge.as_bytes()).into()
}
