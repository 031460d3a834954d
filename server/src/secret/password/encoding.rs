//! How foreign formats write bytes and parameters.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode::Indifferent;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::UnknownHash;

/// Shorter hashes would match by chance; longer ones are no password hashes.
pub(super) const OUTPUT_LENGTHS: std::ops::RangeInclusive<usize> = 10..=128;

const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(Indifferent));

/// Base64 in the dialects at large: standard, URL-safe, passlib's (`.` for `+`), padded or not.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, UnknownHash> {
    let standard: String = text
        .chars()
        .map(|c| match c {
            '-' | '.' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    LENIENT.decode(standard).map_err(|_| UnknownHash::Malformed)
}

/// The bytes of a hash, of a length that makes sense for one.
pub(super) fn output(text: &str) -> Result<Vec<u8>, UnknownHash> {
    let output = bytes(text)?;
    if OUTPUT_LENGTHS.contains(&output.len()) { Ok(output) } else { Err(UnknownHash::Malformed) }
}

/// The value of `name` in `name=value,name=value`.
pub(super) fn parameter(list: &str, name: &str) -> Result<u32, UnknownHash> {
    let value = list.split(',').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    number(value.ok_or(UnknownHash::Malformed)?.1)
}

/// Decimal digits alone.
pub(super) fn number(text: &str) -> Result<u32, UnknownHash> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UnknownHash::Malformed);
    }
    text.parse().map_err(|_| UnknownHash::TooCostly)
}
