//! The two codes of a request: how they are made, read back and hashed.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::secret::{Purpose, Random, RootKeys};

/// What a short code is made of (RFC 8628 section 6.1): no vowel, so that no word comes out; no digit and no letter that
/// looks like another one.
pub const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Letters of a short code: 34 bits, of which a guesser gets a few per minute.
const LETTERS: usize = 8;

/// A new short code, as it is hashed: without its dash.
pub(super) fn short(random: &Random) -> String {
    let mut code = String::with_capacity(LETTERS);
    while code.len() < LETTERS {
        for byte in random.bytes::<16>() {
            // 240 is the largest multiple of twenty in a byte: what lies above would favour the first letters.
            if byte < 240 && code.len() < LETTERS {
                code.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    code
}

/// A new long code: 256 random bits.
pub(super) fn long(random: &Random) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// A short code as people read it: `WDJB-MJHT`.
pub(super) fn shown(code: &str) -> String {
    let (first, last) = code.split_at_checked(LETTERS / 2).unwrap_or((code, ""));
    format!("{first}-{last}")
}

/// What somebody typed, as it is hashed: in whatever case, with or without spaces and dashes. `None` when it cannot be a code.
pub fn normalise(typed: &str) -> Option<String> {
    let dash = |c: char| matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
    let letters: String = typed.chars().filter(|c| !c.is_whitespace() && !dash(*c)).map(|c| c.to_ascii_uppercase()).collect();
    (letters.len() == LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter))).then_some(letters)
}

/// What is hashed; a code of one kind is worth nothing as the other.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Long,
    Short,
    /// Not a code: whose open requests are counted.
    Holder,
}

impl Kind {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Long => b"oauth.device_code",
            Self::Short => b"oauth.user_code",
            Self::Holder => b"oauth.device_holder",
        }
    }
}

/// The keyed hash that is stored.
pub(super) fn hash(roots: &RootKeys, kind: Kind, value: &[u8]) -> [u8; 32] {
    roots.mac(Purpose::Codes, &[kind.label(), value]).1
}

/// The hashes that `code` may be stored under: a request outlives the change of the master key.
pub(super) fn hashes(roots: &RootKeys, kind: Kind, code: &str) -> Vec<[u8; 32]> {
    roots.ids().into_iter().filter_map(|key| roots.mac_with(key, Purpose::Codes, &[kind.label(), code.as_bytes()])).collect()
}
