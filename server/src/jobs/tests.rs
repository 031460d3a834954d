//! The queue on both engines: nothing lost, nothing run twice without need, everything visible.

#[path = "tests/buried.rs"]
mod buried;
#[path = "tests/failing.rs"]
mod failing;
#[path = "tests/figures.rs"]
mod figures;
#[path = "tests/ground.rs"]
pub mod ground;
#[path = "tests/leases.rs"]
mod leases;
#[path = "tests/places.rs"]
mod places;
#[path = "tests/running.rs"]
mod running;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keystead::jobs::{Claimed, Handler, JobError, Jobs, Kind, handler};
use keystead::time::Timestamp;
use uuid::Uuid;

use ground::Ground;

/// A kind of work for these tests.
pub const NOTE: Kind = Kind { name: "test.note", max_attempts: 4, lease: Duration::from_secs(60), at_once: None, buried: None };

/// What a handler saw, in the order in which it saw it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(Uuid, u32)>>>);

impl Seen {
    fn note(&self, job: &Claimed) {
        self.0.lock().unwrap().push((job.id, job.attempt));
    }

    fn ids(&self) -> Vec<Uuid> {
        self.0.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }

    fn attempts(&self) -> Vec<u32> {
        self.0.lock().unwrap().iter().map(|(_, attempt)| *attempt).collect()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Handlers that note every attempt at a [`NOTE`] and end it as `end` says.
fn noting(seen: &Seen, end: fn() -> Result<(), JobError>) -> Vec<(Kind, Handler)> {
    let seen = seen.clone();
    vec![(
        NOTE,
        handler(move |job: Claimed| {
            seen.note(&job);
            async move { end() }
        }),
    )]
}

/// Handlers that note every attempt at a [`NOTE`] and then never end.
fn hanging(seen: &Seen) -> Vec<(Kind, Handler)> {
    let seen = seen.clone();
    vec![(
        NOTE,
        handler(move |job: Claimed| {
            seen.note(&job);
            std::future::pending()
        }),
    )]
}

async fn enqueue(ground: &Ground, jobs: &Jobs, kind: Kind, run_at: Timestamp) -> Uuid {
    let jobs = jobs.clone();
    ground.db.write(async move |tx| jobs.enqueue(tx, kind, &"ada@example.org", run_at).await).await.unwrap()
}
