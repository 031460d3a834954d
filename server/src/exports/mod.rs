//! Exports: files of one's data, ordered, written in the background, fetched for a while; or streamed at once when they are small.
//!
//! What can be exported is a [`Kind`], declared by the slice that has it; it reads itself page by page ([`source`]), and how it is
//! written is none of its business ([`rendering`], [`paper`]). An order is a row and a job ([`order`], [`produce`]). The file stands in
//! the database in parts that are sealed by the person's key ([`file`]), so that every instance serves any range of it, whichever has
//! written it and wherever that is now. Whoever is sent one ([`sending`]) may have it until the end ([`right`]). Files are deleted when
//! they expire, orders when their retention is over.
//!
//! Owns the tables `exports` and `export_chunks`.

mod account;
mod download;
mod erasure;
mod erasure_store;
mod file;
mod holding;
mod ledger;
mod looking;
mod order;
mod paper;
mod places;
mod produce;
mod progress;
mod rendering;
mod right;
mod routes;
mod sending;
pub mod source;
mod state;
mod store;
mod stream;
mod trail;
mod view;
mod wish;

use std::time::Duration;

use utoipa_axum::router::OpenApiRouter;

pub use account::{ACCOUNT, owner};
pub use erasure::Erasures;
pub use erasure_store::STATEMENTS as ERASURE_STATEMENTS;
pub use holding::HOLDING;
pub use ledger::TRANSACTIONS;
pub use order::{FILES_MAX, UNDER_WAY_MAX};
pub use paper::PAPER_ROWS_MAX;
pub use produce::{EXPORT, handlers};
pub use source::Kind;
pub use state::{Exports, LISTENERS_MAX, SENT_AT_ONCE};
use store::Never;
pub use store::STATEMENTS;
pub use stream::STREAMED_ROWS_MAX;
pub use trail::AUDIT;

use crate::app::App;
use crate::db::DbError;
use crate::ground::Ground;
use crate::time::Timestamp;

/// Counts exports by how they ended.
pub const EXPORTS: &str = "keystead_exports_total";

/// An export on which nothing has moved for so long has failed, whatever its job says.
const WAITING_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// Files and orders per sweep; the next sweep goes on.
const BATCH: i64 = 100;

fn count(outcome: &'static str) {
    metrics::counter!(EXPORTS, "outcome" => outcome).increment(1);
}

/// The routes of this slice.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(routes::routes()).merge(download::routes()).merge(progress::routes()).merge(stream::routes())
}

/// Deletes files that have expired, gives up what never went on, and forgets what ended `days` ago. Called each minute.
///
/// # Errors
/// The store does not answer.
pub async fn sweep(ground: Ground, days: u32, now: Timestamp) -> Result<(), DbError> {
    let db = &ground.db;
    for id in store::due(db, now, BATCH).await? {
        db.write(async move |tx| store::expire(tx, id, now).await).await?;
    }
    for id in store::outdated(db, BATCH).await? {
        db.write(async move |tx| store::drop_outdated(tx, id).await).await?;
    }
    for id in store::stuck(db, now.minus(WAITING_MAX), BATCH).await? {
        db.write(async move |tx| store::fail(tx, id, Never::Stuck, now).await.map(drop)).await?;
    }
    store::purge(db, now.minus(Duration::from_secs(24 * 60 * 60) * days)).await.map(drop)
}
