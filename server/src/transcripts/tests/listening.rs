//! Heard live on one instance: what was said, what is said, from where one left off, and to the end.

use std::time::Duration;

use keystead::args;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Talk, numbers, partial, said};
use crate::support::{Instance, Store, both_stores};

async fn a_listener_hears_what_was_and_what_is_said(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1, 2]).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(2).await, numbers([1, 2]));
    talk.post(&ada.api, json!([partial(3, "thr")])).await.expect(202);
    let heard = events.expect("segment").await;
    assert_eq!((&heard.data["text"], &heard.data["final"], &heard.data["position"]), (&json!("thr"), &json!(false), &json!(3)));
    assert_eq!(heard.id, "3");
    talk.post(&ada.api, json!([said(3, "three")])).await.expect(202);
    let heard = events.expect("segment").await;
    assert_eq!((&heard.data["text"], &heard.data["final"], heard.id.as_str()), (&json!("three"), &json!(true), "4"));
    // Late is late: in the order in which they came.
    talk.say(&ada.api, [9, 0]).await;
    assert_eq!(events.segments(2).await, numbers([9, 0]));
    // It is what the list shows.
    let listed = ada.api.get(&talk.path).await.expect(200);
    assert_eq!(listed.body["items"][3], heard.data);
}

async fn a_listener_goes_on_where_it_left_off(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, 0..5).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(3).await, numbers(0..3));
    let last = events.last_id.clone();
    drop(events);
    talk.say(&ada.api, 5..8).await;
    let mut again = ada.api.with("last-event-id", &last).listen(&talk.stream()).await;
    assert_eq!(again.segments(5).await, numbers(3..8));
    let mut after = ada.api.listen(&format!("{}?after=6", talk.stream())).await;
    assert_eq!(after.segments(2).await, numbers(6..8));
    // The header is newer than the address, which an `EventSource` does not change.
    let mut both = ada.api.with("last-event-id", "7").listen(&format!("{}?after=2", talk.stream())).await;
    assert_eq!(both.segments(1).await, numbers(7..8));
    // A position that this database never gave: everything is told again.
    let mut odd = ada.api.with("last-event-id", "9007199254740991").listen(&talk.stream()).await;
    assert_eq!(odd.segments(8).await, numbers(0..8));
    // Nobody hears a thing before it is said.
    let mut none = ada.api.listen(&format!("{}?after=8", talk.stream())).await;
    talk.say(&ada.api, [8]).await;
    for events in [&mut again, &mut after, &mut both, &mut odd, &mut none] {
        assert_eq!(events.segments(1).await, numbers([8]));
    }
}

async fn the_stream_ends_with_the_session(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    talk.say(&ada.api, [1]).await;
    talk.end(&instance).await;
    assert_eq!(events.segments(1).await, numbers([1]));
    let end = events.expect("end").await;
    assert_eq!((&end.data["position"], end.id.as_str()), (&json!(1), "1"));
    assert!(end.data["lateUntil"].as_str() > end.data["endedAt"].as_str(), "{end:?}");
    assert_eq!(events.next().await, None);

    // Whoever comes afterwards hears all of it; who has heard all of it is told to stop.
    let mut late = ada.api.listen(&talk.stream()).await;
    assert_eq!(late.segments(1).await, numbers([1]));
    late.expect("end").await;
    ada.api.with("last-event-id", "1").get(&talk.stream()).await.expect(204);
    talk.say(&ada.api, [2]).await;
    let mut later = ada.api.with("last-event-id", "1").listen(&talk.stream()).await;
    assert_eq!(later.segments(1).await, numbers([2]));
    later.expect("end").await;

    let silent = Talk::begin(&instance, &ada).await;
    let mut nothing = ada.api.listen(&silent.stream()).await;
    instance.advance(Duration::from_secs(601));
    nothing.expect("end").await;
    assert_eq!(nothing.next().await, None);
}

async fn many_listeners_hear_the_same(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__LISTENERS", 1000).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let mut all = Vec::new();
    for _ in 0..50 {
        all.push(ada.api.listen(&talk.stream()).await);
    }
    for first in (0..300).step_by(100) {
        talk.say(&ada.api, first..first + 100).await;
    }
    for events in &mut all {
        let mut heard = Vec::new();
        while heard.len() < 300 {
            let sent = events.next().await.expect("the stream goes on");
            // Who was too slow for the ring hears it all the same.
            if sent.event == "segment" {
                heard.push((sent.data["seq"].as_i64().unwrap(), sent.data["text"].as_str().unwrap().to_owned()));
            }
        }
        assert_eq!(heard, numbers(0..300));
    }
    assert!(instance.metric("keystead_transcript_listeners", &[]).await >= 50.0);
    assert!(instance.metric("keystead_transcript_segments_total", &["stored"]).await >= 300.0);
}

/// A connection that does not read fills up. Its listener falls out of the ring, is told so, and misses nothing.
async fn a_listener_that_falls_behind_is_told(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__BUFFER", 8).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    // Little room, so that it is full soon.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(instance.base().trim_start_matches("http://").parse().unwrap()).await.unwrap();
    let head = format!("GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", talk.stream(), ada.access_token);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 512];
    let read = stream.read(&mut start).await.unwrap();
    assert!(start[..read].starts_with(b"HTTP/1.1 200"));

    // More than the kernel keeps for a connection: 100 segments of 4,000 letters are 400 kB.
    let text = "x".repeat(4000);
    for batch in 0..30 {
        let segments: Vec<_> = (0..100).map(|n| said(batch * 100 + n, &text)).collect();
        talk.post(&ada.api, segments.into()).await.expect(202);
    }
    let mut all = start[..read].to_vec();
    let mut buffer = vec![0; 1 << 20];
    let is_last = |all: &[u8]| all[all.len().saturating_sub(5000)..].windows(9).any(|window| window == b"\nid: 3000");
    while !is_last(&all) {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.expect("events come").unwrap();
        assert!(read > 0, "the stream ended");
        all.extend_from_slice(&buffer[..read]);
    }
    let all = String::from_utf8(all).unwrap();
    assert!(all.contains("event: behind\n"), "nobody told the listener");
    let ids: Vec<i64> =
        all.split("event: segment\n").skip(1).filter_map(|event| event.split("id: ").nth(1)?.lines().next()?.parse().ok()).collect();
    assert_eq!(ids, (1..=3000).collect::<Vec<_>>(), "each change once, in order");
    assert!(instance.metric("keystead_transcript_listeners_behind_total", &[]).await >= 1.0);
}

async fn a_listener_is_gone_with_its_connection(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_TRANSCRIPTS__LISTENERS", 1).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    for round in 0..20 {
        let mut events = ada.api.listen(&talk.stream()).await;
        talk.say(&ada.api, [round]).await;
        events.segments(1).await;
        drop(events);
        crate::support::eventually("the place", async || (ada.api.probe(&talk.stream()).await == Some(200)).then_some(())).await;
        crate::support::eventually("the place", async || (instance.metric("keystead_transcript_listeners", &[]).await < 1.0).then_some(()))
            .await;
    }
    instance.change("DELETE FROM voice_sessions WHERE id = $1", args![talk.id]).await;
    ada.api.get(&talk.stream()).await.expect_problem(404, "not_found");
}

both_stores!(
    a_listener_goes_on_where_it_left_off,
    a_listener_hears_what_was_and_what_is_said,
    a_listener_is_gone_with_its_connection,
    a_listener_that_falls_behind_is_told,
    many_listeners_hear_the_same,
    the_stream_ends_with_the_session
);
