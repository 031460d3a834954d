//! Redis is killed, restarted empty, hangs, is not there at all: requests go on.

use std::time::{Duration, Instant};

use keystead::shared::{Decision, Health, Patience, Shared};

use super::server::Server;
use super::{budget, clock, connected, news, patient, unique, until};

/// Short in production; a take must never last a multiple of it, even on a busy machine.
const QUICK: Duration = Duration::from_millis(500);

async fn start(url: &str) -> Shared {
    let shared = Shared::redis(url, clock(), news()).await.unwrap();
    until("Redis answers", || shared.health() == Health::Connected).await;
    shared
}

async fn take(shared: &Shared, key: &str) -> Decision {
    let began = Instant::now();
    let decision = shared.take("fault", key.as_bytes(), budget(3, Duration::from_secs(600)), 1, clock().now()).await;
    assert!(began.elapsed() < QUICK, "a take lasted {:?}", began.elapsed());
    decision
}

async fn admitted(shared: &Shared, key: &str) -> usize {
    let mut admitted = 0;
    for _ in 0..10 {
        admitted += usize::from(take(shared, key).await.allowed);
    }
    admitted
}

/// Counts over both instances until they count together, which they do once both are back.
async fn count_together(one: &Shared, two: &Shared) {
    until("both answer", || one.health() == Health::Connected && two.health() == Health::Connected).await;
    let began = Instant::now();
    loop {
        let key = unique();
        let both = admitted(one, &key).await + admitted(two, &key).await;
        if both == 3 {
            return;
        }
        // A busy machine may lose Redis for a moment; it must not stay so.
        assert!(began.elapsed() < Duration::from_secs(20), "{both} of 3 were admitted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_is_replaced_by_local_budgets_and_found_again_empty() {
    let mut server = Server::start(&[]).await;
    let (one, two) = (start(&server.url()).await, start(&server.url()).await);
    count_together(&one, &two).await;

    server.kill();
    let key = unique();
    assert_eq!(admitted(&one, &key).await, 3);
    assert_eq!(admitted(&two, &key).await, 3, "every instance has a whole budget of its own");
    assert_eq!((one.health(), two.health()), (Health::Lost, Health::Lost));

    server.again().await;
    count_together(&one, &two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_redis_costs_one_short_wait() {
    let server = Server::start(&[]).await;
    let (one, two) = (start(&server.url()).await, start(&server.url()).await);

    server.hang();
    let key = unique();
    assert_eq!(admitted(&one, &key).await, 3);
    assert_eq!(one.health(), Health::Lost);
    let began = Instant::now();
    for n in 0..1000 {
        take(&one, &format!("{key}{n}")).await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "nobody else waits: {:?}", began.elapsed());

    server.resume();
    count_together(&one, &two).await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_yet_is_found_when_it_comes() {
    let mut server = Server::start(&[]).await;
    server.kill();
    let began = Instant::now();
    let shared = Shared::redis(&server.url(), clock(), news()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(shared.health(), Health::Lost);
    assert_eq!(shared.heard_at().as_micros(), 0, "never heard");
    assert_eq!(admitted(&shared, "somebody").await, 3);

    server.again().await;
    until("it is found", || shared.health() == Health::Connected).await;
    until("messages are heard", || shared.heard_at().as_micros() > 0).await;
}

#[tokio::test]
async fn forgotten_scripts_are_taught_again() {
    let server = Server::start(&[]).await;
    let shared = connected(&server.url()).await;
    let key = unique();
    assert!(take(&shared, &key).await.allowed);
    server.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(take(&shared, &key).await.remaining, 1);
    assert_eq!(shared.counted_here(), 0);
}

#[tokio::test]
async fn a_redis_that_refuses_writes_is_lost_until_it_takes_them() {
    let server = Server::start(&[]).await;
    let shared = connected(&server.url()).await;
    // It answers every ping and counts nothing.
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]).await;
    assert_eq!(admitted(&shared, "somebody").await, 3);
    until("it is lost", || shared.health() == Health::Lost).await;
    server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    until("it is back", || shared.health() == Health::Connected).await;
}

#[tokio::test]
async fn an_unreadable_entry_counts_as_nothing_used() {
    let server = Server::start(&[]).await;
    let shared = connected(&server.url()).await;
    assert!(take(&shared, "somebody").await.allowed);
    let redis::Value::Array(keys) = server.ask(&["KEYS", "ks:l:*"]).await else { panic!("a list of keys") };
    let redis::Value::BulkString(key) = &keys[0] else { panic!("a key") };
    let key = String::from_utf8(key.clone()).unwrap();
    assert!(!key.contains("somebody"));
    for garbage in ["", "garbage", "\u{93}"] {
        server.ask(&["SET", &key, garbage]).await;
        assert_eq!(take(&shared, "somebody").await.remaining, 2);
    }
    assert_eq!(shared.health(), Health::Connected);
}

#[tokio::test]
async fn nothing_waits_after_close_and_drop() {
    let server = Server::start(&[]).await;
    let patience = Patience { probe_every: Duration::from_millis(20), ..patient() };
    let shared = Shared::redis_with(&server.url(), clock(), news(), patience).await.unwrap();
    shared.close().await;
    drop(shared);
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let began = Instant::now();
    loop {
        let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.unwrap();
        if clients.lines().count() == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "connections stay open:\n{clients}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
