//! The secrets themselves: how they are made, read back and hashed.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{CODE_DIGITS, Purpose};
use crate::secret::{Purpose as KeyPurpose, Random, RootKeys};

/// The secret of a link: 256 random bits in base64url.
pub struct LinkSecret(String);

impl LinkSecret {
    /// A new one.
    pub fn new(random: &Random) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>()))
    }

    /// As it stands in the link.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A typed code without the spaces and dashes that people put between digits; `None` when it cannot be one.
pub fn normalise_code(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == CODE_DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// The hashes that `secret` may be stored under, one per configured master key, the current one first.
/// A short code is bound to its own row, so equal codes never have equal hashes; a link is found by its hash.
pub(super) fn hashes(roots: &RootKeys, purpose: Purpose, row: Option<Uuid>, secret: &str) -> Vec<[u8; 32]> {
    let row = row.map(Uuid::into_bytes).unwrap_or_default();
    let parts: [&[u8]; 3] = [purpose.as_str().as_bytes(), &row, secret.as_bytes()];
    let mut ids = roots.ids();
    ids.sort_by_key(|id| *id != roots.current());
    ids.into_iter().filter_map(|id| roots.mac_with(id, KeyPurpose::Codes, &parts)).collect()
}
