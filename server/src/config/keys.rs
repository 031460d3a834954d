//! Master keys: 32 bytes in base64, several while rotating.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::fault::{Wrong, wrong};
use super::parse;

const MEND: &str = "generate one with `openssl rand -base64 32`";

/// How a single key without an id is called.
const UNNAMED: &str = "default";

/// One master key; does not print and is wiped from memory when dropped.
#[derive(Clone)]
pub struct MasterKey {
    /// The name the operator gave it.
    pub id: String,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, [hidden])", self.id)
    }
}

/// `key`, or `id:key,id:key` with the current one first.
pub(super) fn master_keys(text: &str) -> Result<Vec<MasterKey>, Wrong> {
    let parts: Vec<&str> = parse::list(text).collect();
    let mut keys: Vec<MasterKey> = Vec::with_capacity(parts.len());
    for part in &parts {
        let key = master_key(part, parts.len() > 1)?;
        if keys.iter().any(|other| other.id == key.id) {
            return wrong("uses one key id twice", "give each key an id of its own: `2026b:<new key>,2026a:<old key>`");
        }
        if keys.iter().any(|other| other.key == key.key) {
            return wrong("lists the same key twice", "list each key once, the current one first");
        }
        keys.push(key);
    }
    if keys.is_empty() { wrong("holds no key", MEND) } else { Ok(keys) }
}

fn master_key(text: &str, one_of_many: bool) -> Result<MasterKey, Wrong> {
    let (id, encoded) = match text.split_once(':') {
        Some((id, encoded)) => (id.trim(), encoded),
        None if one_of_many => {
            return wrong(
                "lists several keys without ids",
                "write `id:key,id:key`, the current one first, such as `2026b:<new>,2026a:<old>`",
            );
        }
        None => (UNNAMED, text),
    };
    let is_id = !id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_id {
        return wrong("has a key id that is not usable", "use 1 to 32 letters, digits, `-`, `_` or `.` before the colon");
    }
    Ok(MasterKey { id: id.to_owned(), key: decode(encoded)? })
}

/// Exactly 32 bytes from base64 in either alphabet, padded or not.
pub(super) fn decode(encoded: &str) -> Result<Zeroizing<[u8; 32]>, Wrong> {
    let encoded = encoded.trim();
    let alphabet = if encoded.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let Ok(bytes) = GeneralPurpose::new(alphabet, config).decode(encoded).map(Zeroizing::new) else {
        return wrong("is not base64", MEND);
    };
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) => wrong(format!("holds a key of {} bytes; it takes exactly 32", bytes.len()), MEND),
    }
}

/// Whether a key was visibly not drawn at random: few distinct bytes, or bytes in even steps.
pub(super) fn is_weak(key: &[u8; 32]) -> bool {
    // 32 random bytes hold about 30 distinct ones; fewer than 12 do not happen.
    const LEAST_DISTINCT: usize = 12;
    let mut seen = [false; 256];
    for byte in key {
        seen[usize::from(*byte)] = true;
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    let step = key[1].wrapping_sub(key[0]);
    distinct < LEAST_DISTINCT || key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step)
}
