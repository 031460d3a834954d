//! Whoever waits for a job is told when it has failed for good, in the same breath.

use std::pin::Pin;
use std::time::Duration;

use keystead::args;
use keystead::db::{DbError, Sql, Tx};
use keystead::jobs::{Claimed, JobError, Kind, State};
use keystead::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, both_engines, eventually};
use super::{NOTE, Seen, enqueue, hanging, noting};

const TABLE: Sql = Sql { sqlite: "CREATE TABLE told (id uuid, payload bytea)", postgres: "CREATE TABLE told (id uuid, payload bytea)" };
const TELL: Sql = Sql { sqlite: "INSERT INTO told VALUES ($1, $2)", postgres: "INSERT INTO told VALUES ($1, $2)" };
const TOLD: Sql = Sql { sqlite: "SELECT id, payload FROM told", postgres: "SELECT id, payload FROM told" };
/// The kind of [`NOTE`], with somebody who waits.
const AWAITED: Kind = Kind { buried: Some(told), ..NOTE };

fn told<'t>(tx: &'t mut Tx, job: &'t Claimed, _: Timestamp) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + 't>> {
    Box::pin(async move { tx.execute(TELL, args![job.id, job.payload.clone()]).await.map(drop) })
}

async fn everybody_told(ground: &Ground) -> Vec<(uuid::Uuid, Vec<u8>)> {
    ground.db.query(TOLD, vec![]).await.unwrap().iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).collect()
}

/// Takes what is due and dies with it, until its attempts are used up.
async fn kill_all_its_workers(ground: &Ground) {
    for _ in 0..AWAITED.max_attempts {
        let seen = Seen::default();
        let worker = ground.jobs().run(awaited(hanging(&seen)), 8, Duration::ZERO, CancellationToken::new());
        eventually("a running job", async || (seen.len() == 1).then_some(())).await;
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
        ground.clock.advance(AWAITED.lease);
    }
}

fn awaited(handlers: Vec<(Kind, keystead::jobs::Handler)>) -> Vec<(Kind, keystead::jobs::Handler)> {
    handlers.into_iter().map(|(_, handler)| (AWAITED, handler)).collect()
}

async fn a_job_that_killed_its_workers_tells_its_slice(engine: Engine) {
    let ground = Ground::new(engine).await;
    ground.db.write_one(TABLE, vec![]).await.unwrap();
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &jobs, AWAITED, ground.clock.now()).await;
    kill_all_its_workers(&ground).await;
    assert_eq!(everybody_told(&ground).await, [], "not before it is over");
    jobs.run_due(&awaited(noting(&seen, || Ok(())))).await.unwrap();
    assert_eq!(seen.len(), 0, "its handler had no say");
    assert_eq!(everybody_told(&ground).await, [(id, br#""ada@example.org""#.to_vec())]);
    assert_eq!(jobs.list(Some(State::Dead), None, None, 10).await.unwrap().len(), 1);
}

async fn so_does_one_whose_handler_gives_up(engine: Engine) {
    let ground = Ground::new(engine).await;
    ground.db.write_one(TABLE, vec![]).await.unwrap();
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &jobs, AWAITED, ground.clock.now()).await;
    for _ in 0..AWAITED.max_attempts {
        assert_eq!(everybody_told(&ground).await, [], "it may still work");
        jobs.run_due(&awaited(noting(&seen, || Err(JobError::Retry("not now".into()))))).await.unwrap();
        ground.clock.advance(Duration::from_secs(24 * 60 * 60));
    }
    assert_eq!(everybody_told(&ground).await.len(), 1);
    // Tried again by a person, it may fail again.
    let again = jobs.clone();
    ground.db.write(async move |tx| again.retry(tx, id).await).await.unwrap();
    jobs.run_due(&awaited(noting(&seen, || Err(JobError::Dead("never".into()))))).await.unwrap();
    assert_eq!(everybody_told(&ground).await.len(), 2);
    // What works tells nobody.
    enqueue(&ground, &jobs, AWAITED, ground.clock.now()).await;
    jobs.run_due(&awaited(noting(&seen, || Ok(())))).await.unwrap();
    assert_eq!(everybody_told(&ground).await.len(), 2);
}

/// There is no table to write to.
async fn a_slice_that_cannot_be_told_keeps_no_job_from_its_end(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    enqueue(&ground, &jobs, AWAITED, ground.clock.now()).await;
    assert_eq!(jobs.run_due(&awaited(noting(&seen, || Err(JobError::Dead("never".into()))))).await.unwrap(), 1);
    let dead = jobs.list(Some(State::Dead), None, None, 10).await.unwrap().remove(0);
    assert_eq!(dead.last_error.as_deref(), Some("never"));
}

both_engines!(
    a_job_that_killed_its_workers_tells_its_slice,
    a_slice_that_cannot_be_told_keeps_no_job_from_its_end,
    so_does_one_whose_handler_gives_up,
);
