//! What one instance has of exports under way: who lays out a PDF, who is sent a file, who listens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::looking::Looking;
use super::places::{Place, Places};
use super::source::Kind;
use crate::error::{Code, Problem};

/// PDFs that one instance lays out at a time: each takes a processor and some ten megabytes.
const DESKS: usize = 2;
/// When a desk may be free again.
const DESK_FREE: Duration = Duration::from_secs(5);
/// PDFs that one person has made at once, or is sent, on one instance.
const SHEETS: u32 = 1;
/// Files that one person is sent at a time by one instance; a program that fetches ranges side by side takes a few.
pub const SENT_AT_ONCE: u32 = 8;
/// Exports whose progress one person listens to on one instance.
pub const LISTENERS_MAX: u32 = 10;
/// What is being sent when an instance stops has so long to come to its end; a download goes on somewhere else.
const LAST_PARTS: Duration = Duration::from_secs(5);

/// The state of this slice in one instance; clones share it.
#[derive(Clone)]
pub struct Exports(Arc<State>);

struct State {
    kinds: Vec<Kind>,
    desks: Arc<Semaphore>,
    sheets: Places,
    sent: Places,
    listeners: Places,
    looking: Looking,
    draining: CancellationToken,
    cut: CancellationToken,
}

impl Exports {
    /// `kinds` are what can be exported.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self(Arc::new(State {
            kinds,
            desks: Arc::new(Semaphore::new(DESKS)),
            sheets: Places::new(SHEETS),
            sent: Places::new(SENT_AT_ONCE),
            listeners: Places::new(LISTENERS_MAX),
            looking: Looking::default(),
            draining: CancellationToken::new(),
            cut: CancellationToken::new(),
        }))
    }

    /// Ends every stream of progress, and each that is opened from now on, asking its client to connect again: to another instance. Files
    /// that are being sent have a moment more.
    pub fn drain(&self) {
        self.0.draining.cancel();
        let cut = self.0.cut.clone();
        tokio::spawn(async move {
            tokio::time::sleep(LAST_PARTS).await;
            cut.cancel();
        });
    }

    /// Cancelled when this instance stops.
    pub(super) fn draining(&self) -> CancellationToken {
        self.0.draining.clone()
    }

    /// Cancelled when nothing is sent any more.
    pub(super) fn cut(&self) -> CancellationToken {
        self.0.cut.clone()
    }

    /// The kind of this name.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.0.kinds.iter().find(|kind| kind.name == name).copied()
    }

    /// The names of all kinds.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.kinds.iter().map(|kind| kind.name)
    }

    /// What is looked at for those who listen here.
    pub(super) fn looking(&self) -> &Looking {
        &self.0.looking
    }

    /// A desk to lay out a PDF on, as soon as there is one: before anything is collected for it.
    pub(super) async fn desk(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.0.desks).acquire_owned().await.map_err(Problem::internal)
    }

    /// A desk for somebody who waits for their PDF, and their one place for it.
    ///
    /// # Errors
    /// `conflict` while they have another one made, or are sent it; `overloaded` when no desk is free.
    pub(super) fn desk_now(&self, person: Uuid) -> Result<(OwnedSemaphorePermit, Place), Problem> {
        let place = self.0.sheets.take(person).ok_or_else(|| {
            let detail = "A PDF is being made for you already, or sent to you. Wait for it, or order this one with POST /api/v1/exports.";
            Problem::new(Code::Conflict).detail(detail).retry_after(DESK_FREE)
        })?;
        let desk = Arc::clone(&self.0.desks).try_acquire_owned().map_err(|_| {
            let detail = "Other PDFs are being made. Try again in a moment, or order it with POST /api/v1/exports.";
            Problem::new(Code::Overloaded).detail(detail).retry_after(DESK_FREE)
        })?;
        Ok((desk, place))
    }

    /// A place for one more file that `person` is sent.
    ///
    /// # Errors
    /// `rate_limited` when they have all of theirs.
    pub(super) fn send_to(&self, person: Uuid) -> Result<Place, Problem> {
        let detail = || format!("You are sent {SENT_AT_ONCE} files already. Wait for one of them.");
        self.0.sent.take(person).ok_or_else(|| Problem::new(Code::RateLimited).detail(detail()).retry_after(DESK_FREE))
    }

    /// A place for one more stream of progress for `person`.
    ///
    /// # Errors
    /// `rate_limited` when they have all of theirs.
    pub(super) fn listen(&self, person: Uuid) -> Result<Place, Problem> {
        let detail = || format!("You listen to {LISTENERS_MAX} exports already. Close one of them.");
        self.0.listeners.take(person).ok_or_else(|| Problem::new(Code::RateLimited).detail(detail()).retry_after(DESK_FREE))
    }
}
