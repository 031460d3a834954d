//! Exports: files of one's data, ordered, written in the background, fetched for a while; or streamed at once when they are small.
//!
//! What can be exported is a [`Kind`], declared by the slice that has it; it reads itself page by page ([`source`]), and how it is
//! written is none of its business ([`rendering`], [`paper`]). An order is a row and a job ([`order`], [`produce`]). The file stands in
//! the database in parts that are sealed by the person's key ([`file`]), so that every instance serves any range of it, whichever has
//! written it and wherever that is now. Files are deleted when they expire, orders when their retention is over.
//!
//! Owns the tables `exports` and `export_chunks`.

mod account;
mod download;
mod erasure;
mod erasure_store;
mod file;
mod holding;
mod ledger;
mod order;
mod paper;
mod produce;
mod progress;
mod rendering;
mod routes;
pub mod source;
mod store;
mod stream;
mod trail;
mod view;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

pub use account::{ACCOUNT, owner};
pub use erasure::Erased;
pub use erasure_store::STATEMENTS as ERASURE_STATEMENTS;
pub use holding::HOLDING;
pub use ledger::TRANSACTIONS;
pub use order::{FILES_MAX, UNDER_WAY_MAX};
pub use paper::PAPER_ROWS_MAX;
pub use produce::{EXPORT, handlers};
pub use source::Kind;
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

/// PDFs that one instance lays out at a time: each takes a processor and some ten megabytes.
const DESKS: usize = 2;
/// An export on which nothing has moved for so long has failed, whatever its job says.
const WAITING_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// Files and orders per sweep; the next sweep goes on.
const BATCH: i64 = 100;

fn count(outcome: &'static str) {
    metrics::counter!(EXPORTS, "outcome" => outcome).increment(1);
}

/// The state of this slice in one instance; clones share it.
#[derive(Clone)]
pub struct Exports {
    kinds: Arc<[Kind]>,
    desks: Arc<Semaphore>,
}

impl Exports {
    /// `kinds` are what can be exported.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self { kinds: kinds.into(), desks: Arc::new(Semaphore::new(DESKS)) }
    }

    /// The kind of this name.
    fn kind(&self, name: &str) -> Option<Kind> {
        self.kinds.iter().find(|kind| kind.name == name).copied()
    }

    /// The names of all kinds.
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.kinds.iter().map(|kind| kind.name)
    }

    /// As many PDFs are laid out here at a time.
    fn desks(&self) -> Arc<Semaphore> {
        Arc::clone(&self.desks)
    }
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
    for id in store::stuck(db, now.minus(WAITING_MAX), BATCH).await? {
        db.write(async move |tx| store::fail(tx, id, Never::Stuck, now).await.map(drop)).await?;
    }
    store::purge(db, now.minus(Duration::from_secs(24 * 60 * 60) * days)).await.map(drop)
}
