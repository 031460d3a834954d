//! What a request must be like before any code of a feature sees it.

use http::request::Parts;
use http::{HeaderMap, Uri, header};

use crate::error::{Code, Problem};

/// The longest request target, in bytes.
const LONGEST_URI: usize = 8 * 1024;

/// All header names and values together, in bytes. hyper itself stops reading well above.
const LARGEST_HEADERS: usize = 16 * 1024;

/// Refuses heads that are too large and targets that are not text.
pub fn check_head(parts: &Parts) -> Result<(), Problem> {
    check_uri(&parts.uri)?;
    if header_bytes(&parts.headers) > LARGEST_HEADERS {
        return Err(Problem::new(Code::HeadersTooLarge));
    }
    Ok(())
}

/// Refuses a body whose announced length is beyond `limit` before a byte of it is read.
pub fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Problem::new(Code::PayloadTooLarge).detail(format!("The request body is larger than the {limit} bytes accepted here.")));
    }
    Ok(())
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

fn check_uri(uri: &Uri) -> Result<(), Problem> {
    let path = uri.path();
    let length = path.len() + uri.query().map_or(0, str::len);
    if length > LONGEST_URI {
        return Err(Problem::new(Code::InvalidRequest).detail("The address is too long. Keep it below 8 KiB."));
    }
    if path.contains('%') && !is_text(path) {
        return Err(Problem::new(Code::InvalidRequest).detail("The path is not valid UTF-8 text."));
    }
    Ok(())
}

/// Whether the percent-encoded path is UTF-8 without NUL.
fn is_text(path: &str) -> bool {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next().and_then(hex), bytes.next().and_then(hex)) else { return false };
        decoded.push(high << 4 | low);
    }
    !decoded.contains(&0) && std::str::from_utf8(&decoded).is_ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
