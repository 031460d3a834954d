use std::time::Duration;

use keystead::db::Sql;
use keystead::jobs::{Claimed, Depth, Kind, State, handler};
use keystead::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, both_engines, eventually};
use super::{NOTE, Seen, enqueue, hanging, noting};

const NO_GRACE: Duration = Duration::ZERO;

/// A worker that takes what is due and dies with it: its tasks are gone, its lease stands.
async fn die_with_the_job(ground: &Ground) {
    let seen = Seen::default();
    let worker = ground.jobs().run(hanging(&seen), 8, NO_GRACE, CancellationToken::new());
    eventually("a running job", async || (seen.len() == 1).then_some(())).await;
    worker.abort();
    assert!(worker.await.unwrap_err().is_cancelled());
}

async fn a_job_outlives_its_worker(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    die_with_the_job(&ground).await;
    let handlers = noting(&seen, || Ok(()));
    ground.clock.advance(NOTE.lease - Duration::from_micros(1));
    assert_eq!(jobs.run_due(&handlers).await.unwrap(), 0, "the lease still stands");
    ground.clock.advance(Duration::from_micros(1));
    assert_eq!(jobs.run_due(&handlers).await.unwrap(), 1);
    assert_eq!((seen.ids(), seen.attempts()), (vec![id], vec![2]));
    assert_eq!(jobs.depth().await.unwrap(), Depth::default());
}

async fn a_job_that_kills_its_workers_ends_as_a_dead_letter(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    for _ in 0..NOTE.max_attempts {
        die_with_the_job(&ground).await;
        ground.clock.advance(NOTE.lease);
    }
    jobs.run_due(&noting(&seen, || Ok(()))).await.unwrap();
    assert_eq!(seen.len(), 0, "it is not given another process to kill");
    let dead = jobs.list(State::Dead, None, 10).await.unwrap().remove(0);
    assert_eq!(dead.last_error.as_deref(), Some("its workers stopped before they could report an outcome"));
}

async fn a_lease_is_renewed_while_the_handler_runs(engine: Engine) {
    const UNTIL: Sql = same("SELECT leased_until FROM jobs");
    const SHORT: Kind = Kind { name: NOTE.name, max_attempts: 4, lease: Duration::from_millis(40) };
    let ground = Ground::new(engine).await;
    let (jobs, other, hung, seen) = (ground.jobs(), ground.jobs(), Seen::default(), Seen::default());
    let stop = CancellationToken::new();
    let worker = jobs.run(hanging(&hung), 2, NO_GRACE, stop.clone());
    enqueue(&ground, &jobs, SHORT, ground.clock.now()).await;
    eventually("a running job", async || (hung.len() == 1).then_some(())).await;
    for _ in 0..5 {
        let now = ground.clock.advance(SHORT.lease - Duration::from_millis(5));
        eventually("a renewed lease", async || {
            let until: Timestamp = ground.db.query_opt(UNTIL, vec![]).await.unwrap().unwrap().get(0).unwrap();
            (until == now.plus(SHORT.lease)).then_some(())
        })
        .await;
        assert_eq!(other.run_due(&noting(&seen, || Ok(()))).await.unwrap(), 0, "it is taken");
    }
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(hung.len(), 1);
}

async fn a_worker_that_lost_its_lease_changes_nothing(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (slow, quick, taken, seen) = (ground.jobs(), ground.jobs(), Seen::default(), Seen::default());
    let finish = CancellationToken::new();
    let (noted, may_finish) = (taken.clone(), finish.clone());
    let handlers = vec![(
        NOTE,
        handler(move |job: Claimed| {
            noted.note(&job);
            let may_finish = may_finish.clone();
            async move {
                may_finish.cancelled().await;
                Err(keystead::jobs::JobError::Dead("too late to say".into()))
            }
        }),
    )];
    let stop = CancellationToken::new();
    let worker = slow.run(handlers, 1, Duration::from_secs(5), stop.clone());
    enqueue(&ground, &slow, NOTE, ground.clock.now()).await;
    eventually("a running job", async || (taken.len() == 1).then_some(())).await;
    ground.clock.advance(NOTE.lease);
    assert_eq!(quick.run_due(&noting(&seen, || Err(keystead::jobs::JobError::Retry("once more".into())))).await.unwrap(), 1);
    finish.cancel();
    stop.cancel();
    worker.await.unwrap();
    let waiting = quick.list(State::Queued, None, 10).await.unwrap().remove(0);
    assert_eq!((waiting.attempts, waiting.last_error.as_deref()), (2, Some("once more")), "the later owner's word counts");
}

async fn a_moved_clock_does_not_make_a_worker_repeat_what_it_is_doing(engine: Engine) {
    const OTHER: Kind = Kind { name: "test.other", ..NOTE };
    let ground = Ground::new(engine).await;
    let (jobs, hung, seen) = (ground.jobs(), Seen::default(), Seen::default());
    let mut handlers = hanging(&hung);
    handlers.push((OTHER, noting(&seen, || Ok(())).remove(0).1));
    let stop = CancellationToken::new();
    let worker = jobs.run(handlers, 4, NO_GRACE, stop.clone());
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    eventually("a running job", async || (hung.len() == 1).then_some(())).await;
    for looks in 1..=3 {
        ground.clock.advance(Duration::from_secs(86_400));
        enqueue(&ground, &jobs, OTHER, ground.clock.now()).await;
        eventually("a look at the table", async || (seen.len() == looks).then_some(())).await;
    }
    assert_eq!(hung.len(), 1);
    stop.cancel();
    worker.await.unwrap();
}

const fn same(text: &'static str) -> Sql {
    Sql { sqlite: text, postgres: text }
}

both_engines!(
    a_job_outlives_its_worker,
    a_job_that_kills_its_workers_ends_as_a_dead_letter,
    a_lease_is_renewed_while_the_handler_runs,
    a_worker_that_lost_its_lease_changes_nothing,
    a_moved_clock_does_not_make_a_worker_repeat_what_it_is_doing,
);
