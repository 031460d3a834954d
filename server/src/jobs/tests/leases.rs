use std::collections::BTreeSet;
use std::time::Duration;

use keystead::config;
use keystead::db::{Db, Sql};
use keystead::jobs::{Claimed, Depth, JobError, Jobs, Kind, State, handler};
use keystead::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::ground::{Engine, Ground, both_engines, eventually};
use super::{NOTE, Seen, enqueue, hanging, noting};
use crate::db::proxy::Proxy;

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
    let dead = jobs.list(Some(State::Dead), None, None, 10).await.unwrap().remove(0);
    assert_eq!(dead.last_error.as_deref(), Some("its workers stopped before they could report an outcome"));
}

async fn a_lease_is_renewed_while_the_handler_runs(engine: Engine) {
    const UNTIL: Sql = same("SELECT leased_until FROM jobs");
    const SHORT: Kind = Kind { name: NOTE.name, max_attempts: 4, lease: Duration::from_millis(40), at_once: None, buried: None };
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
    let waiting = quick.list(Some(State::Queued), None, None, 10).await.unwrap().remove(0);
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

/// The queue on a database handle of its own, as another process has it.
fn elsewhere(ground: &Ground, url: String) -> Jobs {
    let settings = config::Database { url: url.into(), read_url: None, max_connections: 4, acquire_timeout: Duration::from_secs(5) };
    let db = Db::open(&settings, keystead::db::Store::Main).unwrap();
    Jobs::new(db, ground.roots.clone(), ground.random.clone(), ground.clock.clone())
}

/// Two processes, jobs that fail, hang, are handed back and outlive their lease: each has its effect, and has it once.
async fn two_processes_do_everything_once(engine: Engine) {
    const JOBS: i64 = 60;
    // A process may also be killed before the handler begins, which is an attempt, too.
    const EFFECT: Kind = Kind { max_attempts: 50, ..NOTE };
    let ground = Ground::new(engine).await;
    ground.db.write_one(same("CREATE TABLE effects (id uuid PRIMARY KEY)"), vec![]).await.unwrap();
    let (cause, now) = (ground.jobs(), ground.clock.now());
    for _ in 0..JOBS {
        enqueue(&ground, &cause, EFFECT, now).await;
    }
    // The first attempt of the odd ones has its effect and then does not say so: it hangs, until it is handed back or
    // loses its lease. The second fails after the effect, the third says that it is done.
    let begun = Seen::default();
    let handlers = || {
        let (db, begun) = (ground.db.clone(), begun.clone());
        let effect = handler(move |job: Claimed| {
            let (db, begun) = (db.clone(), begun.clone());
            async move {
                let once = same("INSERT INTO effects (id) VALUES ($1) ON CONFLICT DO NOTHING");
                db.write_one(once, keystead::args![job.id]).await?;
                let tries = begun.ids().iter().filter(|id| **id == job.id).count();
                begun.note(&job);
                match tries {
                    0 if job.id.as_u128() % 2 == 1 => std::future::pending().await,
                    1 => Err(JobError::Retry("say it again".into())),
                    _ => Ok(()),
                }
            }
        });
        vec![(EFFECT, effect)]
    };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    let mut rounds = 0;
    while cause.depth().await.unwrap() != Depth::default() {
        assert!(tokio::time::Instant::now() < deadline, "after {rounds} rounds: {:?}", cause.depth().await);
        rounds += 1;
        let (one, two) = (elsewhere(&ground, ground.url()), elsewhere(&ground, ground.url()));
        let stop = CancellationToken::new();
        let orderly = one.run(handlers(), 8, Duration::from_millis(20), stop.clone());
        let killed = two.run(handlers(), 8, NO_GRACE, CancellationToken::new());
        tokio::time::sleep(Duration::from_millis(40)).await;
        killed.abort();
        assert!(killed.await.unwrap_err().is_cancelled());
        stop.cancel();
        orderly.await.unwrap();
        ground.clock.advance(EFFECT.lease.max(keystead::jobs::backoff_ceiling(EFFECT.max_attempts)));
    }
    let effects: i64 = ground.db.query_opt(same("SELECT count(*) FROM effects"), vec![]).await.unwrap().unwrap().get(0).unwrap();
    assert_eq!(effects, JOBS);
    assert_eq!(begun.ids().into_iter().collect::<BTreeSet<_>>().len(), 60);
}

/// The claim is carried out and its answer lost. The worker holds a job that it does not know of, and must not go on
/// leaving it alone as its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_runs_when_its_lease_ends() {
    let ground = Ground::new(Engine::Postgres).await;
    let (cause, seen) = (ground.jobs(), Seen::default());
    let id = enqueue(&ground, &cause, NOTE, ground.clock.now()).await;
    let proxy = Proxy::to(&ground.url()).await;
    let worker = elsewhere(&ground, proxy.through(&ground.url()));
    proxy.lose_answer_to("SET leased_until = $1 + lease, lease_owner");
    let stop = CancellationToken::new();
    let running = worker.run(noting(&seen, || Ok(())), 2, NO_GRACE, stop.clone());
    eventually("a lost answer", async || proxy.has_lost().then_some(())).await;
    eventually("a lease", async || (cause.depth().await.unwrap().running == 1).then_some(())).await;
    ground.clock.advance(NOTE.lease);
    worker.wake();
    eventually("the job", async || (seen.ids() == [id]).then_some(())).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(seen.attempts(), [2]);
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
    two_processes_do_everything_once,
);
