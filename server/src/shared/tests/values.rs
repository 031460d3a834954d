//! Ephemeral values and leases.

use std::time::Duration;

use keystead::shared::{Health, Shared};

use super::server::Server;
use super::{clock, connected, news, patient, redis_url, unique, until};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_value_is_got_often_and_taken_once() {
    for shared in [Shared::in_process(clock()), connected(&redis_url()).await] {
        let key = unique();
        assert_eq!(shared.get(&key).await, None);
        shared.put(&key, b"first".to_vec(), MINUTE).await;
        shared.put(&key, b"second".to_vec(), MINUTE).await;
        assert_eq!(shared.get(&key).await.as_deref(), Some(b"second".as_slice()));
        assert_eq!(shared.take_value(&key).await.as_deref(), Some(b"second".as_slice()));
        assert_eq!((shared.take_value(&key).await, shared.get(&key).await), (None, None));
    }
}

#[tokio::test]
async fn a_value_expires_by_the_clock_that_is_moved() {
    let (local, remote) = (clock(), clock());
    let over_redis = Shared::redis_with(&redis_url(), remote.clone(), news(), patient()).await.unwrap();
    for (clock, shared) in [(local.clone(), Shared::in_process(local)), (remote, over_redis)] {
        let key = unique();
        shared.put(&key, Vec::new(), MINUTE).await;
        clock.advance(Duration::from_secs(59));
        assert_eq!(shared.get(&key).await, Some(Vec::new()));
        clock.advance(Duration::from_secs(1));
        assert_eq!(shared.get(&key).await, None);
        assert_eq!(shared.take_value(&key).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_takers_one_gets_it() {
    let over_redis = [connected(&redis_url()).await, connected(&redis_url()).await];
    let alone = Shared::in_process(clock());
    for instances in [over_redis, [alone.clone(), alone]] {
        for _ in 0..10 {
            let key = unique();
            instances[0].put(&key, b"ticket".to_vec(), MINUTE).await;
            let takers: Vec<_> = (0..16)
                .map(|n| {
                    let (shared, key) = (instances[n % 2].clone(), key.clone());
                    tokio::spawn(async move { shared.take_value(&key).await })
                })
                .collect();
            let mut winners = 0;
            for taker in takers {
                winners += usize::from(taker.await.unwrap().is_some());
            }
            assert_eq!(winners, 1);
        }
    }
}

#[tokio::test]
async fn values_live_here_while_redis_is_lost_and_are_still_single_use_when_it_is_back() {
    let mut server = Server::start(&[]).await;
    let shared = connected(&server.url()).await;
    server.kill();
    until("the loss is noticed", || shared.health() == Health::Lost).await;
    let (key, other) = (unique(), unique());
    shared.put(&key, b"here".to_vec(), MINUTE).await;
    shared.put(&other, b"here".to_vec(), MINUTE).await;
    assert_eq!(shared.get(&key).await.as_deref(), Some(b"here".as_slice()));
    assert!(shared.take_value(&key).await.is_some());
    assert!(shared.take_value(&key).await.is_none());

    server.again().await;
    until("it is back", || shared.health() == Health::Connected).await;
    assert!(shared.take_value(&other).await.is_some());
    assert!(shared.take_value(&other).await.is_none());
}

#[tokio::test]
async fn a_value_whose_storing_was_interrupted_is_not_single_use() {
    let server = Server::start(&[]).await;
    let shared = Shared::redis(&server.url(), clock(), news()).await.unwrap();
    let key = unique();
    until("Redis answers", || shared.health() == Health::Connected).await;
    server.hang();
    shared.put(&key, b"perhaps twice".to_vec(), MINUTE).await;
    assert!(shared.get(&key).await.is_some() || shared.take_value(&key).await.is_none());
    let early = shared.take_value(&key).await;
    server.resume();
    until("it is back", || shared.health() == Health::Connected).await;
    let late = [shared.take_value(&key).await, shared.take_value(&key).await];
    let taken = [early].into_iter().chain(late).flatten().count();
    assert!(taken <= 1, "taken {taken} times");
}

#[tokio::test]
async fn a_lease_is_held_by_one_instance_renewed_and_given_back() {
    let (one, two) = (connected(&redis_url()).await, connected(&redis_url()).await);
    let name = unique();
    assert!(one.lease(&name, MINUTE).await);
    assert!(one.lease(&name, MINUTE).await, "renewed");
    assert!(!two.lease(&name, MINUTE).await);
    two.release(&name).await;
    assert!(!two.lease(&name, MINUTE).await, "only the owner gives it back");
    one.release(&name).await;
    assert!(two.lease(&name, Duration::from_millis(20)).await);
    let mut again = false;
    for _ in 0..1000 {
        again = one.lease(&name, MINUTE).await;
        if again {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(again, "it runs out by itself");
}

#[tokio::test]
async fn no_lease_while_redis_is_lost_always_one_in_process() {
    assert!(Shared::in_process(clock()).lease("sealer", MINUTE).await);
    let mut server = Server::start(&[]).await;
    server.kill();
    let shared = Shared::redis(&server.url(), clock(), news()).await.unwrap();
    assert!(!shared.lease("sealer", MINUTE).await);
    shared.release("sealer").await;
}
