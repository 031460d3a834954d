//! Verification: the whole chain is walked again, page by page.

use serde::Serialize;
use utoipa::ToSchema;

use super::chain::Walk;
use super::store;
use crate::db::{Db, DbError};

/// Events in memory at a time.
const PAGE: i64 = 2_000;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// Whether every event is what was sealed, and where.
    pub valid: bool,
    /// Events that were found right.
    pub checked: i64,
    /// The last place that has an event, 0 when nothing is sealed.
    pub sealed_up_to: i64,
    /// The first place where the chain is broken.
    #[schema(required = true)]
    pub first_broken: Option<Broken>,
}

/// Where and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Broken {
    /// The place.
    pub seq: i64,
    /// `altered` (the event is not what was sealed), `missing` (it is gone, or one stands where none belongs), `unlinked`
    /// (it does not follow the one before).
    #[schema(value_type = String)]
    pub reason: &'static str,
}

/// Walks the chain from its beginning, in bounded memory.
///
/// # Errors
/// The store does not answer.
pub async fn verify(db: &Db) -> Result<Verification, DbError> {
    let sealed_up_to = store::last_place(db).await?;
    let mut walk = Walk::default();
    // Places begin at 1; one below would be an event added by hand.
    let mut after = i64::MIN;
    loop {
        let page = store::links_after(db, after, PAGE).await?;
        for link in &page {
            if let Err((seq, reason)) = walk.step(link) {
                let broken = Broken { seq, reason: reason.as_str() };
                return Ok(Verification { valid: false, checked: walk.seq, sealed_up_to, first_broken: Some(broken) });
            }
        }
        match page.last() {
            Some(last) => after = last.seq,
            None => return Ok(Verification { valid: true, checked: walk.seq, sealed_up_to: walk.seq, first_broken: None }),
        }
    }
}
