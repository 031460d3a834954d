use std::time::Duration;

use keystead::jobs::{Depth, Handler, JobError, Jobs, Kind, Retried, State, backoff_ceiling, handler};
use uuid::Uuid;

use super::ground::{Engine, Ground, both_engines};
use super::{NOTE, Seen, enqueue, noting};

#[test]
fn waits_double_from_two_seconds_to_an_hour() {
    let waits: Vec<u64> = (1..=14).map(|attempt| backoff_ceiling(attempt).as_secs()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]);
    assert_eq!(backoff_ceiling(0).as_secs(), 2);
    assert_eq!(backoff_ceiling(u32::MAX).as_secs(), 3600);
}

async fn a_failing_job_waits_longer_each_time_and_ends_as_a_dead_letter(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    let failing = noting(&seen, || Err(JobError::Retry("the moon is full".into())));
    for attempt in 1..NOTE.max_attempts {
        assert_eq!(jobs.run_due(&failing).await.unwrap(), 1);
        let waiting = jobs.list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
        let wait = waiting.run_at.since(ground.clock.now());
        assert!(wait <= backoff_ceiling(attempt), "attempt {attempt} waits {wait:?}");
        assert_eq!((waiting.attempts, waiting.last_error.as_deref(), waiting.running), (attempt, Some("the moon is full"), false));
        ground.clock.advance(backoff_ceiling(attempt));
    }
    assert_eq!(jobs.run_due(&failing).await.unwrap(), 1);
    assert_eq!(seen.attempts(), [1, 2, 3, 4]);
    assert_eq!(jobs.depth().await.unwrap(), Depth { dead: 1, ..Depth::default() });
    ground.clock.advance(Duration::from_secs(86_400));
    assert_eq!(jobs.run_due(&failing).await.unwrap(), 0, "nothing runs a dead letter by itself");

    // A person mends the cause and sends it again.
    assert!(matches!(retry(&ground, &jobs, id).await, Retried::Queued(job) if (job.attempts, job.state) == (0, State::Queued)));
    assert!(matches!(retry(&ground, &jobs, id).await, Retried::NotDead));
    assert!(matches!(retry(&ground, &jobs, Uuid::nil()).await, Retried::Unknown));
    assert_eq!(jobs.run_due(&noting(&seen, || Ok(()))).await.unwrap(), 1);
    assert_eq!(seen.attempts(), [1, 2, 3, 4, 1]);
    assert_eq!(jobs.depth().await.unwrap(), Depth::default());
}

async fn retry(ground: &Ground, jobs: &Jobs, id: Uuid) -> Retried {
    let jobs = jobs.clone();
    ground.db.write(async move |tx| jobs.retry(tx, id).await).await.unwrap()
}

async fn jobs_that_failed_together_do_not_come_back_together(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    for _ in 0..20 {
        enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    }
    jobs.run_due(&noting(&seen, || Err(JobError::Retry("no".into())))).await.unwrap();
    let mut times: Vec<_> = jobs.list(Some(State::Queued), None, None, 100).await.unwrap().iter().map(|job| job.run_at).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), 20);
}

async fn what_can_never_work_dies_at_once(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    // Control characters would be refused by PostgreSQL (NUL) or break a log line.
    jobs.run_due(&noting(&seen, || Err(JobError::Dead(format!("no\0way\n{}", "é".repeat(1000)))))).await.unwrap();
    let dead = jobs.list(Some(State::Dead), None, None, 10).await.unwrap().remove(0);
    assert_eq!((dead.id, dead.finished_at, dead.attempts), (id, Some(ground.clock.now()), 1));
    assert_eq!(dead.last_error.unwrap(), format!("no way {}", "é".repeat(493)));
}

async fn a_panic_is_a_failed_attempt_and_harms_nobody_else(engine: Engine) {
    const BAD: Kind = Kind { name: "test.bad", ..NOTE };
    let ground = Ground::new(engine).await;
    let (jobs, seen, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    let early: Handler = handler(|_| -> std::future::Ready<_> { panic!("the secret is 42") });
    for (name, bad) in [("before the first await", early), ("later", handler(async |_| panic!("the secret is 42")))] {
        enqueue(&ground, &jobs, BAD, now).await;
        enqueue(&ground, &jobs, NOTE, now).await;
        let handlers = [(BAD, bad), noting(&seen, || Ok(())).remove(0)];
        assert_eq!(jobs.run_due(&handlers).await.unwrap(), 2, "{name}");
    }
    assert_eq!(seen.len(), 2);
    let waiting = jobs.list(Some(State::Queued), None, None, 10).await.unwrap();
    assert!(waiting.iter().all(|job| job.last_error.as_deref() == Some("the handler panicked")), "{waiting:?}");
}

async fn a_payload_of_another_shape_is_retried(engine: Engine) {
    let ground = Ground::new(engine).await;
    let jobs = ground.jobs();
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    let handlers = [(NOTE, handler(async |job: keystead::jobs::Claimed| job.read::<u64>().map(drop)))];
    jobs.run_due(&handlers).await.unwrap();
    let waiting = jobs.list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
    assert_eq!(waiting.last_error.as_deref(), Some("the payload does not have the expected shape"), "and nothing of it is quoted");
}

async fn dead_letters_are_paged_and_purged_by_age(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, seen) = (ground.jobs(), Seen::default());
    let dying = noting(&seen, || Err(JobError::Dead("no".into())));
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, enqueue(&ground, &jobs, NOTE, ground.clock.now()).await);
        jobs.run_due(&dying).await.unwrap();
        ground.clock.advance(Duration::from_secs(60));
    }
    let first = jobs.list(Some(State::Dead), None, None, 3).await.unwrap();
    let second = jobs.list(Some(State::Dead), None, Some(first[2].id), 3).await.unwrap();
    let listed: Vec<_> = first.iter().chain(&second).map(|job| job.id).collect();
    assert_eq!(listed, ids, "newest first");
    assert_eq!(jobs.purge_dead(ground.clock.now().minus(Duration::from_secs(150))).await.unwrap(), 3);
    assert_eq!(jobs.depth().await.unwrap().dead, 2);
}

both_engines!(
    a_failing_job_waits_longer_each_time_and_ends_as_a_dead_letter,
    jobs_that_failed_together_do_not_come_back_together,
    what_can_never_work_dies_at_once,
    a_panic_is_a_failed_attempt_and_harms_nobody_else,
    a_payload_of_another_shape_is_retried,
    dead_letters_are_paged_and_purged_by_age,
);
