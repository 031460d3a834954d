//! A large stream is put by while it arrives: in parts, sealed, in the database, so that any instance can go on with it and none
//! keeps personal data in the clear. One that breaks off is given up whole.

use uuid::Uuid;

use super::chunk::Chunk;
use super::lines::Line;
use super::store::{self, Order};
use super::work::{IMPORT, Ticket};
use crate::accounts::By;
use crate::audit::{self, Target};
use crate::error::{Code, Problem};
use crate::ground::Ground;

/// Imports that may wait at a time: each takes room in the database.
const WAITING_MAX: i64 = 10;

/// A stream that is being put by.
pub(super) struct Spool {
    ground: Ground,
    id: Uuid,
    chunk: Chunk,
    /// Parts that are kept.
    kept: i64,
}

impl Spool {
    /// Makes room for a stream.
    ///
    /// # Errors
    /// `conflict` when too many wait.
    pub(super) async fn open(ground: &Ground, order: Order) -> Result<Self, Problem> {
        let now = ground.clock.now();
        let id = ground.random.uuid(now);
        let opened = ground.db.write(async move |tx| store::open(tx, id, &order, WAITING_MAX, now).await).await?;
        if !opened {
            let detail = format!("{WAITING_MAX} large imports wait already. Send this one when one of them is done.");
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        Ok(Self { ground: ground.clone(), id, chunk: Chunk::default(), kept: 0 })
    }

    /// Puts a line by.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn push(&mut self, line: &Line) -> Result<(), Problem> {
        if self.chunk.push(line) {
            self.keep().await?;
        }
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), Problem> {
        let sealed = std::mem::take(&mut self.chunk).seal(&self.ground.roots, self.id, self.kept);
        store::put(&self.ground.db, self.id, self.kept, sealed).await?;
        self.kept += 1;
        Ok(())
    }

    /// All `lines` have come: the work begins, on record.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn close(mut self, lines: u64, by: &By, dry_run: bool) -> Result<Uuid, Problem> {
        if !self.chunk.is_empty() {
            self.keep().await?;
        }
        let (ground, id, kept) = (self.ground.clone(), self.id, self.kept);
        let now = ground.clock.now();
        let event = by.event(&ground, audit::USERS_IMPORT_QUEUED, Target::none("users"), now);
        let event = event.detail("dryRun", dry_run).detail("import", id.to_string()).detail("lines", lines);
        self.ground
            .db
            .write(async move |tx| {
                if !store::queue(tx, id, kept, lines, now).await? {
                    return Err(Problem::new(Code::Conflict).detail("The stream took too long and was given up. Send it again."));
                }
                ground.jobs.enqueue(tx, IMPORT, &Ticket { import: id }, now).await?;
                audit::record(tx, &event).await?;
                Ok::<_, Problem>(())
            })
            .await?;
        Ok(id)
    }

    /// The stream broke off: nothing of it stays.
    pub(super) async fn discard(self) {
        // The sweep does it later.
        if let Err(error) = store::discard(&self.ground.db, self.id).await {
            tracing::debug!(%error, "an import that broke off could not be given up yet");
        }
    }
}
