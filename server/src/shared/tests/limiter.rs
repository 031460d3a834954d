//! Both makes decide alike, and together they admit exactly the limit.

use std::collections::HashSet;
use std::time::Duration;

use keystead::shared::window::Window;
use keystead::shared::{Budget, Health, Shared};
use keystead::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{budget, clock, connected, redis_url, unique};

#[tokio::test]
async fn keys_scopes_and_windows_are_counted_apart() {
    for shared in [Shared::in_process(clock()), connected(&redis_url()).await] {
        let now = clock().now();
        let one = budget(1, Duration::from_secs(60));
        let (key, other) = (unique(), unique());
        assert!(shared.take("login", key.as_bytes(), one, 1, now).await.allowed);
        assert!(!shared.take("login", key.as_bytes(), one, 1, now).await.allowed);
        assert!(shared.take("login", other.as_bytes(), one, 1, now).await.allowed);
        assert!(shared.take("signup", key.as_bytes(), one, 1, now).await.allowed);
        assert!(shared.take("login", key.as_bytes(), budget(1, Duration::from_secs(3600)), 1, now).await.allowed);
    }
}

#[tokio::test]
async fn a_look_takes_nothing_and_keeps_nothing() {
    let shared = Shared::in_process(clock());
    for _ in 0..3 {
        let look = shared.take("login", b"somebody", budget(2, Duration::from_secs(1)), 0, clock().now()).await;
        assert_eq!((look.allowed, look.remaining, look.reset_after), (true, 2, Duration::ZERO));
    }
    assert_eq!(shared.counted_here(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_takes_in_one_process_admit_exactly_the_limit() {
    let shared = Shared::in_process(clock());
    assert_eq!(parallel_takes(&[shared]).await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_takes_over_two_instances_admit_exactly_the_limit() {
    let (one, two) = (connected(&redis_url()).await, connected(&redis_url()).await);
    assert_eq!(parallel_takes(&[one.clone(), two.clone()]).await, 50);
    assert_eq!((one.counted_here(), two.counted_here()), (0, 0));
    one.close().await;
    two.close().await;
}

/// Two hundred at once, of which fifty may.
async fn parallel_takes(instances: &[Shared]) -> usize {
    let key = unique();
    let takes: Vec<_> = (0..200)
        .map(|n| {
            let (shared, key) = (instances[n % instances.len()].clone(), key.clone());
            tokio::spawn(async move { shared.take("login", key.as_bytes(), budget(50, Duration::from_secs(60)), 1, clock().now()).await })
        })
        .collect();
    let mut admitted = HashSet::new();
    for take in takes {
        let decision = take.await.unwrap();
        if decision.allowed {
            assert!(admitted.insert(decision.remaining), "two were told the same remainder");
        }
    }
    admitted.len()
}

#[test]
fn redis_decides_as_the_algorithm_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = runtime.block_on(connected(&redis_url()));
    let step = prop_oneof![3 => Just(0_i64), 4 => 0_i64..100, 2 => -50_i64..1500, 1 => -5000_i64..5000];
    let cost = prop_oneof![5 => Just(1_u32), 1 => 0_u32..5, 1 => 0_u32..30];
    let arrivals = prop::collection::vec((step, cost), 1..120);
    let width = prop_oneof![1_u64..200, 1_000_u64..100_000_000, Just(86_400_000_000)];
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    runner
        .run(&(1_u32..25, width, arrivals), |(limit, width, arrivals)| {
            runtime.block_on(same_decisions(&shared, budget(limit, Duration::from_micros(width)), arrivals));
            Ok(())
        })
        .unwrap();
    assert_eq!(shared.health(), Health::Connected);
    assert_eq!(shared.counted_here(), 0, "Redis answered every time");
}

async fn same_decisions(shared: &Shared, budget: Budget, arrivals: Vec<(i64, u32)>) {
    let (mut window, mut now, key) = (Window::default(), clock().now().as_micros(), unique());
    for (step, cost) in arrivals {
        now += step * budget.window.as_micros() as i64 / 1000;
        let at = Timestamp::from_micros(now);
        let decided = shared.take("same", key.as_bytes(), budget, cost, at).await;
        assert_eq!(decided, window.take(budget, cost, at), "cost {cost} at {now}");
    }
}

#[tokio::test]
async fn a_flood_of_keys_is_bounded_and_forgets_those_nearest_to_a_free_budget() {
    let shared = Shared::in_process(clock());
    let now = clock().now();
    let hour = budget(1, Duration::from_secs(3600));
    assert!(shared.take("keep", b"the one that matters", hour, 1, now).await.allowed);
    for n in 0_u32..230_000 {
        shared.take("flood", &n.to_be_bytes(), budget(5, Duration::from_secs(60)), 1, now).await;
    }
    assert!((150_000..=200_032).contains(&shared.counted_here()), "{} keys", shared.counted_here());
    assert!(!shared.take("keep", b"the one that matters", hour, 1, now).await.allowed);
}

#[tokio::test]
async fn what_is_free_again_is_swept() {
    let shared = Shared::in_process(clock());
    let (mut now, minute) = (clock().now(), budget(5, Duration::from_secs(60)));
    for round in 0_u32..20 {
        for n in 0_u32..5_000 {
            shared
                .take("sweep", &(round, n).0.to_be_bytes().iter().chain(&n.to_be_bytes()).copied().collect::<Vec<_>>(), minute, 1, now)
                .await;
        }
        now = now.plus(Duration::from_secs(61));
    }
    assert!(shared.counted_here() < 11_000, "{} keys", shared.counted_here());
}
