//! The id under which a request stands in the answer, the log and every error report.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::secret::Random;
use crate::time::Timestamp;

/// The name of the header that carries the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Random bytes in a UUIDv7, version and variant bits included.
const TAIL: usize = 10;

/// So many ids' worth of randomness is drawn at once.
const POOL: usize = 64 * TAIL;

/// The id of a request: the caller's own when it is well formed, else a UUIDv7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Keeps an incoming `X-Request-Id` of 8–128 characters of `[A-Za-z0-9._-]`, else takes a new one from `make`.
    pub fn of(headers: &HeaderMap, make: impl FnOnce() -> Uuid) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(given) if well_formed(given.as_bytes()) => Self(given.clone()),
            _ => Self::new(make()),
        }
    }

    /// The id `id`.
    pub fn new(id: Uuid) -> Self {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text);
        // Hexadecimal digits and hyphens are always a valid header value.
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("00000000")))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Both constructors admit ASCII alone.
        self.0.to_str().unwrap_or_default()
    }

    /// The id as the value of a header.
    pub fn to_header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn well_formed(id: &[u8]) -> bool {
    (8..=128).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Makes request ids. They are no secrets, and drawing ten bytes costs as much as drawing hundreds (half a
/// microsecond), so randomness is drawn for many at once.
pub struct IdPool {
    random: Random,
    pool: Mutex<(usize, [u8; POOL])>,
}

impl IdPool {
    /// Draws from `random`.
    pub fn new(random: Random) -> Self {
        Self { random, pool: Mutex::new((POOL, [0; POOL])) }
    }

    /// A UUIDv7 (RFC 9562 section 5.7) at `now`.
    pub fn next(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_micros().div_euclid(1000)).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.tail()).into_uuid()
    }

    fn tail(&self) -> [u8; TAIL] {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.0 >= POOL {
            *pool = (0, self.random.bytes());
        }
        let start = pool.0;
        pool.0 += TAIL;
        let mut tail = [0; TAIL];
        tail.copy_from_slice(&pool.1[start..start + TAIL]);
        tail
    }
}
