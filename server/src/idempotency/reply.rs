//! A first answer as it is kept: its body and the headers that say something about it, sealed.
//!
//! What a person was answered is sealed by their key, so that no copy of it outlives an erasure; what a service or nobody in particular
//! was answered, under the key of the installation. The first byte says which.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Code, Problem};
use crate::http::extract::json_bytes;
use crate::secret::{PersonKey, Place, Purpose, RootKeys};

/// Headers that are kept. Those of the gates (limits, request id, security) belong to each answer by itself, and cookies to nobody but
/// the first.
const HEADERS: [HeaderName; 3] = [ETAG, CACHE_CONTROL, LOCATION];
const BY_INSTALLATION: u8 = 0;
const BY_PERSON: u8 = 1;
/// Between the headers, which are JSON on one line, and the body.
const END: u8 = b'\n';

fn place(scope: &[u8; 32]) -> Place<'_> {
    Place { table: "idempotency_keys", column: "reply", row: scope }
}

/// Seals an answer for whoever asked: a person with this key, or somebody who is none.
///
/// # Errors
/// The headers cannot be written.
pub(super) fn seal(
    roots: &RootKeys,
    key: Option<&PersonKey>,
    scope: &[u8; 32],
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Vec<u8>, Problem> {
    let text = |name: &HeaderName| Some((name.as_str().to_owned(), headers.get(name)?.to_str().ok()?.to_owned()));
    let kept: Vec<(String, String)> = HEADERS.iter().filter_map(text).collect();
    let mut plain = serde_json::to_vec(&kept).map_err(Problem::internal)?;
    plain.push(END);
    plain.extend_from_slice(body);
    let (by, sealed) = match key {
        Some(key) => (BY_PERSON, key.seal(place(scope), &plain)),
        None => (BY_INSTALLATION, roots.seal(Purpose::System, scope, &plain)),
    };
    Ok([&[by], &sealed[..]].concat())
}

/// Opens it, for the same one.
///
/// # Errors
/// `gone` when the person was erased; it was altered.
pub(super) fn open(roots: &RootKeys, key: Option<&PersonKey>, scope: &[u8; 32], sealed: &[u8]) -> Result<Response, Problem> {
    let altered = || Problem::internal("a kept answer is not as it was written");
    let plain = match (sealed.split_first().ok_or_else(altered)?, key) {
        ((&BY_PERSON, sealed), Some(key)) => key.open(place(scope), sealed)?,
        ((&BY_PERSON, _), None) => return Err(Code::Gone.into()),
        ((_, sealed), _) => roots.open(Purpose::System, scope, sealed)?,
    };
    let end = plain.iter().position(|byte| *byte == END).ok_or_else(altered)?;
    let headers: Vec<(String, String)> = serde_json::from_slice(&plain[..end]).map_err(Problem::internal)?;
    let mut response = json_bytes(plain[end + 1..].to_vec());
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(Problem::internal)?;
        response.headers_mut().insert(name, HeaderValue::try_from(value).map_err(Problem::internal)?);
    }
    Ok(response)
}
