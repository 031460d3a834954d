//! Tests of the shared state, over its public interface. Those that break Redis start their own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use keystead::config::MasterKey;
use keystead::secret::RootKeys;
use keystead::shared::{Budget, News, Patience, Shared};
use keystead::time::{Clock, Timestamp};
use zeroize::Zeroizing;

#[path = "tests/fanout.rs"]
mod fanout;
#[path = "tests/faults.rs"]
mod faults;
#[path = "tests/limiter.rs"]
mod limiter;
#[path = "tests/pieces.rs"]
mod pieces;
#[path = "tests/queue.rs"]
mod queue;
#[path = "tests/server.rs"]
mod server;
#[path = "tests/topology.rs"]
mod topology;
#[path = "tests/values.rs"]
mod values;
#[path = "tests/window.rs"]
mod window;

/// What all instances of these tests know of each other.
fn news() -> News {
    News { topics: &["sessions", "flags"], bulk: &["bulk"], roots: roots() }
}

fn roots() -> RootKeys {
    RootKeys::new(&[MasterKey { id: "test".to_owned(), key: Zeroizing::new([7; 32]) }])
}

/// A frozen clock somewhere in 2026, so that only what a test moves moves.
fn clock() -> Clock {
    Clock::frozen(Timestamp::from_secs(1_790_000_000))
}

fn budget(limit: u32, window: Duration) -> Budget {
    Budget { limit, window }
}

/// The Redis that the test command provides.
fn redis_url() -> String {
    std::env::var("KEYSTEAD_TEST_REDIS")
        .expect("KEYSTEAD_TEST_REDIS is not set: run the tests with the test command, or set it to redis://127.0.0.1:PORT")
}

/// For tests that are about decisions and not about time: a busy machine must not look like a lost Redis.
fn patient() -> Patience {
    Patience { answer: Duration::from_secs(10), ..Patience::default() }
}

async fn connected(url: &str) -> Shared {
    let shared = Shared::redis_with(url, clock(), news(), patient()).await.expect("a URL that is understood");
    until("Redis answers", || shared.health() == keystead::shared::Health::Connected).await;
    shared
}

/// A name no other test uses, on a Redis that all share.
fn unique() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

/// Looks every few milliseconds, until it is so or a deadline far beyond patience has passed.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
