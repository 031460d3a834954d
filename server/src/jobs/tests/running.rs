use std::collections::BTreeSet;
use std::time::Duration;

use keystead::db::{DbError, Sql};
use keystead::jobs::{Claimed, Depth, Kind, State, handler};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, both_engines, eventually};
use super::{NOTE, Seen, enqueue, hanging, noting};

const GRACE: Duration = Duration::from_secs(5);

async fn a_cause_that_is_rolled_back_leaves_no_job(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let (cause, now) = (jobs.clone(), ground.clock.now());
    let rolled_back: Result<(), DbError> = ground
        .db
        .write(async move |tx| {
            cause.enqueue(tx, NOTE, &"never", now).await?;
            Err(DbError::Other("changed my mind".into()))
        })
        .await;
    assert!(rolled_back.is_err());
    assert_eq!(jobs.depth().await.unwrap(), Depth::default());
    assert_eq!(jobs.run_due(&noting(&seen, || Ok(()))).await.unwrap(), 0);
}

async fn a_committed_job_starts_at_once(engine: Engine) {
    let ground = Ground::new(engine).await;
    let jobs = ground.jobs();
    let (told, mut tell) = mpsc::unbounded_channel();
    let handlers =
        vec![(NOTE, handler(move |job: Claimed| std::future::ready(told.send(job.read::<String>()).map_err(|_| unreachable!()))))];
    let stop = CancellationToken::new();
    let worker = jobs.run(handlers, 2, GRACE, stop.clone());
    for _ in 0..3 {
        // The first round may meet the worker's first look; the others find it asleep for a second.
        enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
        let payload = tokio::time::timeout(Duration::from_millis(900), tell.recv()).await.expect("sooner than the next look");
        assert_eq!(payload.unwrap().unwrap(), "ada@example.org");
    }
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(jobs.depth().await.unwrap(), Depth::default(), "a finished job leaves nothing");
}

async fn a_job_of_another_process_is_found(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (here, elsewhere, seen) = (ground.jobs(), ground.jobs(), Seen::default());
    let stop = CancellationToken::new();
    let worker = here.run(noting(&seen, || Ok(())), 2, GRACE, stop.clone());
    enqueue(&ground, &elsewhere, NOTE, ground.clock.now()).await;
    eventually("the job of the other process", async || (seen.len() == 1).then_some(())).await;
    stop.cancel();
    worker.await.unwrap();
}

async fn two_workers_share_200_jobs_without_repeating_one(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (one, two, seen) = (ground.jobs(), ground.jobs(), Seen::default());
    let stop = CancellationToken::new();
    let workers = [&one, &two].map(|jobs| jobs.run(noting(&seen, || Ok(())), 8, GRACE, stop.clone()));
    let (cause, now) = (one.clone(), ground.clock.now());
    let enqueued: BTreeSet<_> = ground
        .db
        .write(async move |tx| {
            let mut ids = BTreeSet::new();
            for number in 0..200 {
                ids.insert(cause.enqueue(tx, NOTE, &number, now).await?);
            }
            Ok::<_, DbError>(ids)
        })
        .await
        .unwrap();
    two.wake();
    eventually("an empty queue", async || (one.depth().await.unwrap() == Depth::default()).then_some(())).await;
    stop.cancel();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(seen.len(), 200, "each exactly once");
    assert_eq!(seen.ids().into_iter().collect::<BTreeSet<_>>(), enqueued);
}

async fn jobs_wait_until_they_are_due_and_run_in_that_order(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    let mut ids = Vec::new();
    for seconds in [30, 10, 20] {
        ids.push(enqueue(&ground, &jobs, NOTE, now.plus(Duration::from_secs(seconds))).await);
    }
    let handlers = noting(&seen, || Ok(()));
    assert_eq!(jobs.run_due(&handlers).await.unwrap(), 0);
    assert_eq!(jobs.depth().await.unwrap(), Depth { queued: 3, ..Depth::default() });
    ground.clock.advance(Duration::from_secs(20));
    assert_eq!(jobs.depth().await.unwrap().oldest_due, Some(now.plus(Duration::from_secs(10))));
    assert_eq!(jobs.run_due(&handlers).await.unwrap(), 2);
    assert_eq!(seen.ids(), [ids[1], ids[2]]);
    ground.clock.advance(Duration::from_secs(10));
    assert_eq!(jobs.run_due(&handlers).await.unwrap(), 1);
}

async fn a_worker_follows_a_clock_that_is_moved(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    let stop = CancellationToken::new();
    let worker = jobs.run(noting(&seen, || Ok(())), 2, GRACE, stop.clone());
    enqueue(&ground, &jobs, NOTE, now.plus(Duration::from_secs(3600))).await;
    ground.clock.advance(Duration::from_secs(3600));
    jobs.wake();
    eventually("the job of in an hour", async || (seen.len() == 1).then_some(())).await;
    stop.cancel();
    worker.await.unwrap();
}

async fn stopping_waits_for_what_ends_in_time(engine: Engine) {
    let ground = Ground::new(engine).await;
    let jobs = ground.jobs();
    let (started, mut starts) = mpsc::unbounded_channel();
    let finish = CancellationToken::new();
    let may_finish = finish.clone();
    let handlers = vec![(
        NOTE,
        handler(move |_| {
            started.send(()).ok();
            let may_finish = may_finish.clone();
            async move {
                may_finish.cancelled().await;
                Ok(())
            }
        }),
    )];
    let stop = CancellationToken::new();
    let worker = jobs.run(handlers, 1, GRACE, stop.clone());
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    starts.recv().await;
    stop.cancel();
    finish.cancel();
    worker.await.unwrap();
    assert_eq!(jobs.depth().await.unwrap().queued, 1, "the running job was finished, the waiting one not begun");
    assert!(starts.try_recv().is_err());
}

async fn stopping_hands_back_what_does_not_end(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, hung, done, now) = (ground.jobs(), Seen::default(), Seen::default(), ground.clock.now());
    let stop = CancellationToken::new();
    let worker = jobs.run(hanging(&hung), 4, Duration::from_millis(20), stop.clone());
    let ids = [enqueue(&ground, &jobs, NOTE, now).await, enqueue(&ground, &jobs, NOTE, now).await];
    eventually("both jobs running", async || (hung.len() == 2).then_some(())).await;
    assert_eq!(jobs.depth().await.unwrap(), Depth { running: 2, ..Depth::default() });
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(jobs.depth().await.unwrap(), Depth { queued: 2, oldest_due: Some(now), ..Depth::default() });
    assert_eq!(jobs.run_due(&noting(&done, || Ok(()))).await.unwrap(), 2, "at once, without waiting for a lease");
    assert_eq!(done.attempts(), [1, 1], "the attempt that was broken off does not count");
    assert_eq!(done.ids().into_iter().collect::<BTreeSet<_>>(), ids.into());
}

async fn a_kind_of_a_newer_version_is_left_to_it(engine: Engine) {
    const NEW: Kind = Kind { name: "test.new", max_attempts: 1, lease: Duration::from_secs(60), at_once: None, buried: None };
    let ground = Ground::new(engine).await;
    let (old, new, seen) = (ground.jobs(), ground.jobs(), Seen::default());
    enqueue(&ground, &new, NEW, ground.clock.now()).await;
    for _ in 0..5 {
        assert_eq!(old.run_due(&[]).await.unwrap(), 0);
        ground.clock.advance(Duration::from_secs(60));
    }
    let waiting = old.list(Some(State::Queued), None, None, 10).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].attempts, waiting[0].kind.as_str()), (1, 0, "test.new"));
    let handlers = [(NEW, noting(&seen, || Ok(())).remove(0).1)];
    assert_eq!(new.run_due(&handlers).await.unwrap(), 1);
}

async fn a_payload_is_unreadable_in_the_table(engine: Engine) {
    const PAYLOADS: Sql = same("SELECT payload FROM jobs ORDER BY id");
    const SWAP: Sql = same("UPDATE jobs SET payload = $1");
    let ground = Ground::new(engine).await;
    let (jobs, seen, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    for _ in 0..2 {
        enqueue(&ground, &jobs, NOTE, now).await;
    }
    let rows = ground.db.query(PAYLOADS, vec![]).await.unwrap();
    let payloads: Vec<Vec<u8>> = rows.iter().map(|row| row.get(0).unwrap()).collect();
    assert_ne!(payloads[0], payloads[1], "the same words twice do not look the same");
    assert!(payloads.iter().all(|sealed| !sealed.windows(3).any(|part| part == b"ada")));

    // One row's payload in the other row: it opens nowhere else.
    ground.db.write_one(SWAP, keystead::args![payloads[0].clone()]).await.unwrap();
    jobs.run_due(&noting(&seen, || Ok(()))).await.unwrap();
    assert_eq!(seen.len(), 1);
    let dead = jobs.list(Some(State::Dead), None, None, 10).await.unwrap();
    assert_eq!(dead[0].last_error.as_deref(), Some("the sealed value was altered or belongs elsewhere"));
}

const fn same(text: &'static str) -> Sql {
    Sql { sqlite: text, postgres: text }
}

both_engines!(
    a_cause_that_is_rolled_back_leaves_no_job,
    a_committed_job_starts_at_once,
    a_job_of_another_process_is_found,
    two_workers_share_200_jobs_without_repeating_one,
    jobs_wait_until_they_are_due_and_run_in_that_order,
    a_worker_follows_a_clock_that_is_moved,
    stopping_waits_for_what_ends_in_time,
    stopping_hands_back_what_does_not_end,
    a_kind_of_a_newer_version_is_left_to_it,
    a_payload_is_unreadable_in_the_table,
);
