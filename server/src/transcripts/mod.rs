//! Transcripts: what is said in a voice session, relayed while it is said and kept for its owner.
//!
//! Whoever transcribes posts segments, numbered by `seq`; they may come late, twice or out of order ([`merge`] decides what they
//! change). A segment is partial until it is final, and then never changes. Each change gets a `position` in the transaction that
//! stores it, so positions become visible in their order, whichever instance wrote; that is where a listener goes on. Listeners
//! ([`live`]) are told by every instance: a message says that there is something, the database says what, once for all listeners of
//! a session. Who may post and listen stands in [`admission`].
//!
//! Owns the tables `transcripts` and `transcript_segments`. Speaker and text stand sealed under the key of the owner of the voice
//! session. Its store reads the tables of `voice`.

mod admission;
mod channel;
mod erasure;
mod erasure_store;
mod export;
mod holding;
mod live;
mod merge;
mod post;
mod routes;
mod segment;
mod store;
mod stream;
mod ticket;

pub use erasure::Erased;
pub use erasure_store::STATEMENTS as ERASURE_STATEMENTS;
pub use export::EXPORT;
pub use holding::HOLDING;
pub use live::{TRANSCRIPT_CHANGED, Transcripts, run};
pub use store::STATEMENTS;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::audit;
use crate::error::Problem;
use crate::ground::Ground;
use crate::time::Timestamp;

/// Segments that one transaction of the retention deletes.
const PURGE_BATCH: u32 = 1_000;
/// Such transactions per sweep; the next sweep goes on.
const PURGE_ROUNDS: usize = 20;

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(stream::routes())
}

/// Deletes what was said in sessions that ended before `before`, a bounded part of it, on record; whether nothing is left.
///
/// # Errors
/// The store does not answer.
pub async fn purge(ground: &Ground, before: Timestamp, now: Timestamp) -> Result<bool, Problem> {
    let mut deleted = 0;
    for round in 1..=PURGE_ROUNDS {
        let batch = ground.db.write(async move |tx| store::purge(tx, before, PURGE_BATCH).await).await?;
        deleted += batch;
        let done = batch < u64::from(PURGE_BATCH);
        if done || round == PURGE_ROUNDS {
            audit::forgotten(ground, "transcript_segments", deleted, now).await?;
            return Ok(done);
        }
    }
    Ok(false)
}
