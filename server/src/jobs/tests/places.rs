//! Who gets a worker: what may hang has a number, and never takes the last places.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keystead::jobs::{Claimed, Depth, Handler, JobError, Kind, State, handler};
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, both_engines, eventually};
use super::{NOTE, Seen, enqueue, noting};

const NO_GRACE: Duration = Duration::ZERO;
const TWO: Kind = Kind { name: "test.two", at_once: Some(2), ..NOTE };
const ONE: Kind = Kind { name: "test.one", at_once: Some(1), ..NOTE };
const MANY: Kind = Kind { name: "test.many", at_once: Some(100), ..NOTE };

/// A handler of `kind` that notes what it is given and never ends.
fn stuck(kind: Kind, seen: &Seen) -> (Kind, Handler) {
    let seen = seen.clone();
    let run = handler(move |job: Claimed| {
        seen.note(&job);
        std::future::pending()
    });
    (kind, run)
}

async fn a_kind_that_hangs_leaves_room_for_the_others(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, hung, done, now) = (ground.jobs(), Seen::default(), Seen::default(), ground.clock.now());
    for _ in 0..20 {
        enqueue(&ground, &jobs, TWO, now).await;
    }
    let stop = CancellationToken::new();
    let handlers = [vec![stuck(TWO, &hung)], noting(&done, || Ok(()))].concat();
    let worker = jobs.run(handlers, 4, NO_GRACE, stop.clone());
    eventually("two of the kind", async || (hung.len() == 2).then_some(())).await;
    for round in 1..4 {
        enqueue(&ground, &jobs, NOTE, now).await;
        eventually("what is done in a moment", async || (done.len() == round).then_some(())).await;
    }
    let expected = Depth { queued: 18, running: 2, oldest_due: Some(now), ..Depth::default() };
    eventually("it to be recorded", async || (jobs.depth().await.unwrap() == expected).then_some(())).await;
    assert_eq!(hung.len(), 2);
    stop.cancel();
    worker.await.unwrap();
}

async fn all_kinds_that_hang_together_leave_the_last_places(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, hung, done, now) = (ground.jobs(), Seen::default(), Seen::default(), ground.clock.now());
    for kind in [MANY, TWO, ONE].into_iter().cycle().take(30) {
        enqueue(&ground, &jobs, kind, now).await;
    }
    let stop = CancellationToken::new();
    let handlers = [vec![stuck(ONE, &hung), stuck(TWO, &hung), stuck(MANY, &hung)], noting(&done, || Ok(()))].concat();
    let worker = jobs.run(handlers, 8, NO_GRACE, stop.clone());
    eventually("six of them", async || (hung.len() == 6).then_some(())).await;
    enqueue(&ground, &jobs, NOTE, now).await;
    eventually("what is done in a moment", async || (done.len() == 1).then_some(())).await;
    eventually("it to be recorded", async || (jobs.depth().await.unwrap().running == 6).then_some(())).await;
    assert_eq!(hung.len(), 6);
    stop.cancel();
    worker.await.unwrap();
}

async fn a_kind_is_never_run_more_often_than_it_says_and_all_of_it_is_run(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, now) = (ground.jobs(), ground.clock.now());
    let (running, most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Seen::default());
    let (counted, highest, seen) = (running.clone(), most.clone(), done.clone());
    let run = handler(move |job: Claimed| {
        let (counted, highest, seen) = (counted.clone(), highest.clone(), seen.clone());
        async move {
            highest.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            counted.fetch_sub(1, Ordering::SeqCst);
            seen.note(&job);
            Ok(())
        }
    });
    for _ in 0..30 {
        enqueue(&ground, &jobs, TWO, now).await;
    }
    let stop = CancellationToken::new();
    let worker = jobs.run(vec![(TWO, run)], 8, NO_GRACE, stop.clone());
    eventually("all of them", async || (jobs.depth().await.unwrap() == Depth::default()).then_some(())).await;
    assert!(done.len() == 30 && most.load(Ordering::SeqCst) <= 2, "{} at once", most.load(Ordering::SeqCst));
    stop.cancel();
    worker.await.unwrap();
}

/// What another instance enqueues wakes nobody here: it is found by the look of each second, whatever fills its own places meanwhile.
async fn a_kind_that_fills_its_own_places_keeps_nobody_from_looking(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, elsewhere, hung, done) = (ground.jobs(), ground.jobs(), Seen::default(), Seen::default());
    let stop = CancellationToken::new();
    let handlers = [vec![stuck(ONE, &hung)], noting(&done, || Ok(()))].concat();
    let worker = jobs.run(handlers, 8, NO_GRACE, stop.clone());
    // What happens at the start of a worker is over.
    enqueue(&ground, &jobs, NOTE, ground.clock.now()).await;
    eventually("the first one", async || (jobs.depth().await.unwrap() == Depth::default()).then_some(())).await;
    // It fills the only place of its kind, and nobody is woken after that.
    enqueue(&ground, &jobs, ONE, ground.clock.now()).await;
    eventually("the one that hangs", async || (hung.len() == 1).then_some(())).await;
    let enqueued = tokio::time::Instant::now();
    enqueue(&ground, &elsewhere, NOTE, ground.clock.now()).await;
    eventually("what another instance enqueued", async || (done.len() == 2).then_some(())).await;
    // The next thing that would make the worker look by chance is the measuring, five seconds after its start.
    assert!(enqueued.elapsed() < Duration::from_secs(3), "{:?}", enqueued.elapsed());
    assert_eq!(hung.len(), 1);
    stop.cancel();
    worker.await.unwrap();
}

async fn one_place_is_enough_for_a_kind_with_a_number(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, done, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    enqueue(&ground, &jobs, TWO, now).await;
    let stop = CancellationToken::new();
    let worker = jobs.run(vec![(TWO, noting(&done, || Ok(())).remove(0).1)], 1, NO_GRACE, stop.clone());
    eventually("the job", async || (done.len() == 1).then_some(())).await;
    stop.cancel();
    worker.await.unwrap();
}

async fn what_is_put_off_waits_without_costing_an_attempt(engine: Engine) {
    let ground = Ground::new(engine).await;
    let (jobs, done, now) = (ground.jobs(), Seen::default(), ground.clock.now());
    enqueue(&ground, &jobs, NOTE, now).await;
    let until = now.plus(Duration::from_secs(30));
    let later = [(NOTE, handler(move |_| async move { Err(JobError::Later { at: until, why: "it is asleep".into() }) }))];
    assert_eq!(jobs.run_due(&later).await.unwrap(), 1);
    let waiting = jobs.list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
    assert_eq!((waiting.attempts, waiting.run_at, waiting.last_error.as_deref()), (0, until, Some("it is asleep")));
    assert_eq!(jobs.run_due(&later).await.unwrap(), 0);
    // A time that is past would be claimed without end.
    ground.clock.advance(Duration::from_secs(60));
    assert_eq!(jobs.run_due(&later).await.unwrap(), 1);
    let waiting = jobs.list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
    assert_eq!(waiting.run_at, ground.clock.now().plus(Duration::from_secs(1)));
    ground.clock.advance(Duration::from_secs(1));
    assert_eq!(jobs.run_due(&noting(&done, || Ok(()))).await.unwrap(), 1);
    assert_eq!(done.attempts(), [1]);
}

both_engines!(
    a_kind_that_fills_its_own_places_keeps_nobody_from_looking,
    a_kind_that_hangs_leaves_room_for_the_others,
    all_kinds_that_hang_together_leave_the_last_places,
    a_kind_is_never_run_more_often_than_it_says_and_all_of_it_is_run,
    one_place_is_enough_for_a_kind_with_a_number,
    what_is_put_off_waits_without_costing_an_attempt,
);
