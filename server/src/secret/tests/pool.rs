//! The hashing threads: results, fairness, refusal, memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use keystead::secret::password::{PoolOptions, PoolStats};
use keystead::secret::{Argon2Cost, PasswordPool, Random, Verdict};

use super::support::CHEAP;

/// Takes a thread some hundred milliseconds even in an optimised build, and is wrong for every password.
const SLOW: &str = "$argon2id$v=19$m=4096,t=160,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn pool(cost: Argon2Cost, max_wait: Duration) -> PasswordPool {
    PasswordPool::with(PoolOptions { cost, threads: 1, max_wait, release_after: Duration::from_millis(1) }, Random::seeded(1))
}

/// Polls a request once, which puts it into the line.
fn submit<F: Future>(request: F) -> Pin<Box<F>> {
    let mut request = Box::pin(request);
    assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    request
}

/// Waits, without sleeping, until the pool has come to a state.
async fn until(pool: &PasswordPool, reached: impl Fn(&PoolStats) -> bool) -> PoolStats {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let stats = pool.stats();
        if reached(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "the pool stays at {stats:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hash_is_argon2id_at_the_configured_cost_and_verifies() {
    let pool = pool(CHEAP, Duration::from_secs(60));
    let hash = pool.hash("Correct horse 7".into()).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    assert_eq!(hash.len(), "$argon2id$v=19$m=64,t=1,p=1$".len() + 22 + 1 + 43);
    assert_ne!(hash, pool.hash("Correct horse 7".into()).await.unwrap(), "salts differ");
    assert_eq!(pool.verify("Correct horse 7".into(), Some(hash.clone())).await.unwrap(), Verdict::Right { rehash: false });
    assert_eq!(pool.verify("correct horse 7".into(), Some(hash)).await.unwrap(), Verdict::Wrong);
}

/// Field 19 of `/proc/…/stat` (proc(5)), by the thread's name.
#[cfg(target_os = "linux")]
fn niceness(thread: &str) -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let named = tasks.filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread));
    let stats = named.filter_map(|task| std::fs::read_to_string(task.join("stat")).ok());
    // The name stands in parentheses and may hold spaces; the third field comes after it.
    stats.map(|stat| stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()).collect()
}

/// A flood of sign-ins takes what is left of the cores, so that token checks keep their latency.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn hashing_steps_back_for_everything_else() {
    let own = std::thread::Builder::new().name("ordinary".into()).spawn(|| niceness("ordinary")).unwrap().join().unwrap();
    let pool = pool(CHEAP, Duration::from_secs(60));
    pool.hash("Correct horse 7".into()).await.unwrap();
    assert_eq!(niceness("hash-0"), own.iter().map(|nice| (nice + 5).min(19)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_seed_makes_the_same_salt() {
    let hash = pool(CHEAP, Duration::ZERO).hash("x".into()).await.unwrap();
    assert_eq!(hash, pool(CHEAP, Duration::ZERO).hash("x".into()).await.unwrap());
}

#[tokio::test]
async fn a_change_of_cost_asks_for_a_new_hash() {
    let hash = pool(CHEAP, Duration::ZERO).hash("x".into()).await.unwrap();
    for changed in [Argon2Cost { memory_kib: 128, ..CHEAP }, Argon2Cost { iterations: 2, ..CHEAP }, Argon2Cost { parallelism: 2, ..CHEAP }]
    {
        let verdict = pool(changed, Duration::ZERO).verify("x".into(), Some(hash.clone())).await.unwrap();
        assert_eq!(verdict, Verdict::Right { rehash: true }, "{changed:?}");
    }
}

#[tokio::test]
async fn costs_below_the_least_are_raised() {
    let pool = pool(Argon2Cost { memory_kib: 0, iterations: 0, parallelism: 0 }, Duration::ZERO);
    let hash = pool.hash("x".into()).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
    assert_eq!(pool.verify("x".into(), Some(hash)).await.unwrap(), Verdict::Right { rehash: false });
}

#[tokio::test]
async fn nobody_there_and_an_unreadable_hash_are_wrong_and_cost_a_hash() {
    let pool = pool(CHEAP, Duration::ZERO);
    assert_eq!(pool.verify("x".into(), None).await.unwrap(), Verdict::Wrong);
    assert_eq!(pool.verify("x".into(), Some("garbage".into())).await.unwrap(), Verdict::Wrong);
    assert_eq!(until(&pool, |stats| stats.hashed == 2).await.hashed, 2);
}

#[tokio::test]
async fn an_idle_pool_never_refuses() {
    let pool = pool(CHEAP, Duration::ZERO);
    for _ in 0..20 {
        pool.verify("x".into(), None).await.unwrap();
    }
    assert_eq!(pool.stats().refused, 0);
}

#[tokio::test]
async fn who_would_wait_too_long_is_refused_at_once() {
    let pool = pool(CHEAP, Duration::ZERO);
    let busy = submit(pool.verify("x".into(), Some(SLOW.into())));
    until(&pool, |stats| stats.waiting == 0).await;
    let second = submit(pool.verify("x".into(), None));
    let third = pool.verify("x".into(), None).await;
    assert!(third.unwrap_err().retry_after >= Duration::from_secs(1));
    assert!(pool.hash("x".into()).await.is_err());
    assert_eq!((busy.await.unwrap(), second.await.unwrap()), (Verdict::Wrong, Verdict::Wrong));
    assert_eq!(pool.stats().refused, 2);
    pool.verify("x".into(), None).await.expect("the line is empty again");
}

#[tokio::test]
async fn a_longer_limit_admits_more() {
    let pool = pool(CHEAP, Duration::from_secs(3600));
    let busy = submit(pool.verify("x".into(), Some(SLOW.into())));
    let all: Vec<_> = (0..100).map(|_| submit(pool.verify("x".into(), None))).collect();
    busy.await.unwrap();
    for request in all {
        request.await.unwrap();
    }
    assert_eq!(pool.stats().refused, 0);
}

#[tokio::test]
async fn first_come_first_served() {
    let pool = pool(CHEAP, Duration::from_secs(3600));
    let busy = submit(pool.verify("x".into(), Some(SLOW.into())));
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let request = submit({
                let pool = pool.clone();
                async move { pool.verify("x".into(), None).await }
            });
            let order = Arc::clone(&order);
            tokio::spawn(async move {
                request.await.unwrap();
                order.lock().unwrap().push(number);
            })
        })
        .collect();
    busy.await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn callers_who_went_away_are_not_hashed_for() {
    let pool = pool(CHEAP, Duration::from_secs(3600));
    let busy = submit(pool.verify("x".into(), Some(SLOW.into())));
    until(&pool, |stats| stats.waiting == 0).await;
    let gone: Vec<_> = (0..10).map(|_| submit(pool.verify("x".into(), None))).collect();
    let stays = submit(pool.verify("x".into(), None));
    drop(gone);
    busy.await.unwrap();
    stays.await.unwrap();
    let stats = until(&pool, |stats| stats.hashed == 2).await;
    assert_eq!((stats.hashed, stats.skipped, stats.waiting), (2, 10, 0));
}

#[tokio::test]
async fn callers_who_went_away_make_nobody_else_wait() {
    let pool = pool(CHEAP, Duration::ZERO);
    let busy = submit(pool.verify("x".into(), Some(SLOW.into())));
    until(&pool, |stats| stats.waiting == 0).await;
    drop(submit(pool.verify("x".into(), None)));
    submit(pool.verify("x".into(), None)).await.expect("the line holds only someone who went away");
    busy.await.unwrap();
    assert_eq!((pool.stats().refused, pool.stats().skipped), (0, 1));
}

#[tokio::test]
async fn memory_is_taken_by_the_first_hash_and_given_back_when_idle() {
    let idle = pool(CHEAP, Duration::ZERO);
    assert_eq!(idle.stats().memory, 0);
    idle.verify("x".into(), None).await.unwrap();
    until(&idle, |stats| stats.memory == 0).await;

    let options = PoolOptions { cost: CHEAP, threads: 2, max_wait: Duration::ZERO, release_after: Duration::from_secs(600) };
    let busy = PasswordPool::with(options, Random::seeded(1));
    for _ in 0..10 {
        busy.verify("x".into(), None).await.unwrap();
        // A foreign hash that needs more gives it back at once.
        busy.verify("x".into(), Some(SLOW.replace("t=160", "t=1"))).await.unwrap();
        assert!(busy.stats().memory <= 2 * 64 * 1024, "{:?}", busy.stats());
    }
}
