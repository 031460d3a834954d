//! Answers of the bulk route that were given lately: programs ask again and again with the same context.
//!
//! They stand in the snapshot they were computed from, so that whatever changes a flag leaves all of them behind.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use http::HeaderValue;
use moka::sync::Cache;
use serde_json::Value;

use crate::accounts::CACHE;

/// Memory of one instance for answers, in bytes.
const ROOM: u64 = 8 * 1024 * 1024;
/// What an entry takes besides its text.
const ENTRY: usize = 256;

/// What was asked: a digest of every attribute.
type Asked = [u8; 32];

/// The answer for one context.
#[derive(Clone)]
pub(super) struct Answer {
    pub body: Bytes,
    /// Its entity tag, in quotes.
    pub tag: HeaderValue,
}

/// The answers of one snapshot.
pub(super) struct Answers {
    known: Cache<Asked, Answer>,
    hits: metrics::Counter,
    misses: metrics::Counter,
}

impl Default for Answers {
    fn default() -> Self {
        let weight = |_: &Asked, answer: &Answer| u32::try_from(answer.body.len() + ENTRY).unwrap_or(u32::MAX);
        Self {
            known: Cache::builder().max_capacity(ROOM).weigher(weight).build(),
            hits: metrics::counter!(CACHE, "cache" => "flags", "result" => "hit"),
            misses: metrics::counter!(CACHE, "cache" => "flags", "result" => "miss"),
        }
    }
}

impl Answers {
    /// The answer for `attributes`; computed when nobody asked for the same lately.
    ///
    /// # Errors
    /// What `compute` says; that is not kept.
    pub(super) fn of<E>(&self, attributes: &Value, compute: impl FnOnce() -> Result<Answer, E>) -> Result<Answer, E> {
        let mut asked = Asked::default();
        asked.copy_from_slice(digest(&SHA256, attributes.to_string().as_bytes()).as_ref());
        if let Some(answer) = self.known.get(&asked) {
            self.hits.increment(1);
            return Ok(answer);
        }
        self.misses.increment(1);
        let answer = compute()?;
        self.known.insert(asked, answer.clone());
        Ok(answer)
    }
}
