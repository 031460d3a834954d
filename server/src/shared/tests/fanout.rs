//! Messages reach every instance once, the sender at once.

use std::time::{Duration, Instant};

use keystead::shared::{Health, Message, Shared};
use tokio::sync::broadcast::Receiver;

use super::server::Server;
use super::{clock, connected, news, patient, redis_url, unique, until};

/// The next message that is not another test's.
async fn next(from: &mut Receiver<Message>, mine: &str) -> Message {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), from.recv()).await.expect("a message in time").unwrap();
        if message.payload.starts_with(mine.as_bytes()) {
            return message;
        }
    }
}

fn payload(mine: &str, n: u32) -> Vec<u8> {
    format!("{mine} {n}").into_bytes()
}

#[tokio::test]
async fn in_process_everybody_hears_and_nobody_is_no_error() {
    let shared = Shared::in_process(clock());
    shared.publish("flags", b"unheard".to_vec());
    let (mut one, mut two) = (shared.subscribe(), shared.clone().subscribe());
    shared.publish("flags", b"heard".to_vec());
    for receiver in [&mut one, &mut two] {
        assert_eq!(receiver.try_recv().unwrap(), Message { topic: "flags", payload: b"heard".to_vec() });
        assert!(receiver.try_recv().is_err());
    }
    assert_eq!(shared.health(), Health::InProcess);
    assert_eq!(shared.heard_at(), clock().now());
}

#[tokio::test]
async fn the_sender_hears_itself_at_once_and_once_the_others_within_a_second() {
    let (one, two) = (connected(&redis_url()).await, connected(&redis_url()).await);
    until("both are subscribed", || one.heard_at().as_micros() > 0 && two.heard_at().as_micros() > 0).await;
    let mine = unique();
    let (mut here, mut there) = (one.subscribe(), two.subscribe());
    let began = Instant::now();
    for n in 0..300 {
        one.publish("sessions", payload(&mine, n));
        assert_eq!(next(&mut here, &mine).await.payload, payload(&mine, n));
    }
    for n in 0..300 {
        let message = next(&mut there, &mine).await;
        assert_eq!((message.topic, message.payload), ("sessions", payload(&mine, n)), "in order, each once");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // What comes back over Redis comes before this answer of the other.
    two.publish("flags", payload(&mine, 1000));
    let answer = next(&mut here, &mine).await;
    assert_eq!((answer.topic, answer.payload), ("flags", payload(&mine, 1000)), "its own did not come twice");
}

#[tokio::test]
async fn a_message_arrives_well_within_a_second() {
    let (one, two) = (connected(&redis_url()).await, connected(&redis_url()).await);
    until("the other is subscribed", || two.heard_at().as_micros() > 0).await;
    let (mine, mut there) = (unique(), two.subscribe());
    let began = Instant::now();
    one.publish("sessions", payload(&mine, 0));
    next(&mut there, &mine).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_come_back_and_waiting_messages_arrive() {
    let mut server = Server::start(&[]).await;
    let (one, two) = (connected(&server.url()).await, connected(&server.url()).await);
    until("the other is subscribed", || two.heard_at().as_micros() > 0).await;
    server.kill();
    until("the loss is noticed", || one.health() == Health::Lost && two.health() == Health::Lost).await;
    let lost_at = two.heard_at();

    let mine = unique();
    let mut here = one.subscribe();
    one.publish("sessions", payload(&mine, 0));
    assert_eq!(next(&mut here, &mine).await.payload, payload(&mine, 0), "the sender hears itself without Redis");

    server.again().await;
    until("the channel is proven again", || two.heard_at() > lost_at && two.health() == Health::Connected).await;
    let mut there = two.subscribe();
    one.publish("sessions", payload(&mine, 1));
    while next(&mut there, &mine).await.payload != payload(&mine, 1) {}
}

#[tokio::test]
async fn a_silent_channel_grows_old_and_a_moved_clock_does_not_age_it() {
    let server = Server::start(&[]).await;
    let clock = clock();
    let shared = Shared::redis_with(&server.url(), clock.clone(), news(), patient()).await.unwrap();
    until("the channel is proven", || clock.now().since(shared.heard_at()) < Duration::from_secs(1)).await;
    clock.advance(Duration::from_secs(3600));
    assert!(clock.now().since(shared.heard_at()) < Duration::from_secs(10));
    server.hang();
    until("the silence shows", || clock.now().since(shared.heard_at()) > Duration::from_millis(1500)).await;
    server.resume();
    until("it is heard again", || clock.now().since(shared.heard_at()) < Duration::from_millis(500)).await;
}

#[tokio::test]
async fn publishing_never_blocks_while_redis_is_lost() {
    let mut server = Server::start(&[]).await;
    let shared = connected(&server.url()).await;
    server.kill();
    let began = Instant::now();
    for n in 0..20_000 {
        shared.publish("flags", payload("flood", n));
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    shared.close().await;
}

#[tokio::test]
async fn close_sends_what_is_queued() {
    let (one, two) = (connected(&redis_url()).await, connected(&redis_url()).await);
    until("the other is subscribed", || two.heard_at().as_micros() > 0).await;
    let (mine, mut there) = (unique(), two.subscribe());
    for n in 0..50 {
        one.publish("sessions", payload(&mine, n));
    }
    one.close().await;
    for n in 0..50 {
        assert_eq!(next(&mut there, &mine).await.payload, payload(&mine, n));
    }
}
