//! Several instances: heard on another one than it was said on, and still there when that one is gone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{Talk, numbers, said};
use crate::support::{Ground, Instance, Process, Store, both_stores};

async fn a_listener_hears_what_is_said_on_another_instance(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&ada.access_token);
    let talk = Talk::begin(&instance, &ada).await;
    let (mut here, mut far) = (ada.api.listen(&talk.stream()).await, there.listen(&talk.stream()).await);
    talk.say(&ada.api, [1]).await;
    talk.say(&there, [2]).await;
    for events in [&mut here, &mut far] {
        assert_eq!(events.segments(2).await, numbers([1, 2]));
    }
    talk.end(&instance).await;
    here.expect("end").await;
    far.expect("end").await;
}

/// Whatever two instances write at once, listeners on both hear each change once, in one order.
async fn sixteen_writers_are_heard_in_one_order(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&ada.access_token);
    let talk = Talk::begin(&instance, &ada).await;
    let mut listeners = vec![ada.api.listen(&talk.stream()).await, there.listen(&talk.stream()).await];
    let posts = (0..16).map(|writer| {
        let (api, talk) = (if writer % 2 == 0 { &ada.api } else { &there }, &talk);
        async move {
            for round in 0..5 {
                talk.say(api, (0..4).map(|n| 100 * writer + 4 * round + n)).await;
            }
        }
    });
    let heard = async {
        let mut orders = Vec::new();
        for events in &mut listeners {
            let mut order = Vec::new();
            while order.len() < 320 {
                let sent = events.next().await.expect("the stream goes on");
                if sent.event == "segment" {
                    order.push((sent.data["position"].as_i64().unwrap(), sent.data["seq"].as_i64().unwrap()));
                }
            }
            orders.push(order);
        }
        orders
    };
    let (_, orders) = tokio::join!(join_all(posts), heard);
    assert!(orders[0].is_sorted_by(|one, next| one.0 < next.0), "{:?}", orders[0]);
    assert_eq!(orders[0], orders[1]);
    let mut seqs: Vec<i64> = orders[0].iter().map(|(_, seq)| *seq).collect();
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 320, "each once");
}

/// Who loses an instance goes on at another one with what they heard last.
async fn a_listener_goes_on_at_another_instance(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = second.with_token(&ada.access_token);
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, 0..3).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(3).await, numbers(0..3));
    let (stopped, told) = tokio::join!(tokio::time::timeout(Duration::from_secs(5), instance.stop()), events.next());
    stopped.expect("streams do not hold up the end");
    let told = told.expect("a word before the end");
    assert_eq!((told.event.as_str(), &told.data["reason"], told.id.as_str()), ("reconnect", &json!("draining"), "3"));
    talk.say(&there, 3..5).await;
    let mut again = there.with("last-event-id", &told.id).listen(&talk.stream()).await;
    assert_eq!(again.segments(2).await, numbers(3..5));
}

/// A message may be lost, or come late: the poll brings what it was about.
async fn what_nobody_told_is_heard_all_the_same(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    talk.say(&ada.api, [1]).await;
    let mut events = ada.api.listen(&talk.stream()).await;
    assert_eq!(events.segments(1).await, numbers([1]));
    // As an instance of which nothing is heard would have done it.
    instance.change("UPDATE transcripts SET position = position + 1", vec![]).await;
    instance.change("UPDATE transcript_segments SET position = position + 1", vec![]).await;
    assert_eq!(events.expect("segment").await.id, "2");
}

async fn process_killed_right_after_it_accepted_has_lost_nothing(store: Store) {
    let ground = Arc::new(Ground::migrated(store).await);
    let instance = Instance::builder(store).on(ground.clone()).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let mut events = (store == Store::Postgres).then_some(ada.api.listen(&talk.stream()).await);
    if store == Store::Sqlite {
        // One process has the file.
        instance.stop().await;
    }
    let process = Process::spawn(ground.clone(), &[]).await;
    let api = process.api.with_token(&ada.access_token);
    let mut accepted = Vec::new();
    for seq in 0..20 {
        talk.post(&api, json!([said(seq, &seq.to_string())])).await.expect(202);
        accepted.push(seq);
    }
    let ground = process.kill9().await;
    let process = Process::spawn(ground, &[]).await;
    assert_eq!(talk.read(&process.api.with_token(&ada.access_token)).await, numbers(accepted.clone()));
    if let Some(events) = &mut events {
        assert_eq!(events.segments(20).await, numbers(accepted));
    }
}

both_stores!(
    a_listener_goes_on_at_another_instance,
    a_listener_hears_what_is_said_on_another_instance,
    process_killed_right_after_it_accepted_has_lost_nothing,
    sixteen_writers_are_heard_in_one_order,
    what_nobody_told_is_heard_all_the_same
);
