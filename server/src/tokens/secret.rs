//! The token itself: `ksp_`, then in base64url the id of the master key (4 bytes), 256 random bits, and a keyed check (4 bytes).
//!
//! The check lets everything made up be refused without a look into the store. What is stored is another keyed hash of the random
//! bits, and it is looked up by that: nothing secret is compared byte by byte, so no timing tells how near a guess came.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::{KeyId, Purpose, Random, RootKeys};

const PREFIX: &str = "ksp_";
const KEY: usize = 4;
const SECRET: usize = 32;
const CHECK: usize = 4;

/// What is stored of a token.
pub(super) type Hash = [u8; 32];

/// Whether `token` claims to be a personal one; no other token of ours looks like that.
pub fn is_personal(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// A new token, and what is stored of it.
pub(super) fn generate(roots: &RootKeys, random: &Random) -> (SecretString, Hash) {
    let secret = Zeroizing::new(random.bytes::<SECRET>());
    let (key, hash) = roots.mac(Purpose::PersonalTokens, &[b"stored", &*secret]);
    let (_, check) = roots.mac(Purpose::PersonalTokens, &[b"check", &*secret]);
    let bytes = Zeroizing::new([&key[..], &secret[..], &check[..CHECK]].concat());
    (format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&*bytes)).into(), hash)
}

/// What is stored of `token`, if it was ever made here (one made-up token in four thousand million passes, and is not found).
pub(super) fn read(roots: &RootKeys, token: &str) -> Option<Hash> {
    let encoded = token.strip_prefix(PREFIX)?;
    // Decoding is not worth beginning for any other length: 40 bytes are 54 letters.
    let bytes = Zeroizing::new((encoded.len() == 54).then(|| URL_SAFE_NO_PAD.decode(encoded).ok()).flatten()?);
    if bytes.len() != KEY + SECRET + CHECK {
        return None;
    }
    let (key, rest) = bytes.split_first_chunk::<KEY>()?;
    let (secret, check) = rest.split_at(SECRET);
    let key: KeyId = *key;
    let expected = roots.mac_with(key, Purpose::PersonalTokens, &[b"check", secret])?;
    if !bool::from(expected[..CHECK].ct_eq(check)) {
        return None;
    }
    roots.mac_with(key, Purpose::PersonalTokens, &[b"stored", secret])
}
