//! Several instances: one presence.

use std::sync::Arc;
use std::time::Duration;

use keystead::flags::FLAGS_CHANGED;
use serde_json::json;

use super::client::Socket;
use crate::support::{Ground, Instance, Proxy, Store, eventually};

/// What carries the messages between instances.
#[derive(Clone, Copy)]
pub enum Over {
    Redis,
    Database,
}

/// Two instances of an installation that hear each other.
pub async fn pair(over: Over) -> (Instance, Instance) {
    let builder = Instance::builder(Store::Postgres).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000);
    let one = match over {
        Over::Redis => builder.start().await,
        Over::Database => builder.set("REDIS_URL", "").start().await,
    };
    let two = one.second().await;
    hear_each_other(&one, &two).await;
    (one, two)
}

/// Until what one says is heard by the other, both ways: a line to the database is made in the background.
async fn hear_each_other(one: &Instance, two: &Instance) {
    for (from, to) in [(one, two), (two, one)] {
        let mut heard = to.running.app.ground.shared.subscribe();
        eventually("a message between the instances", async || {
            from.running.app.ground.shared.publish(FLAGS_CHANGED, Vec::new());
            tokio::time::timeout(Duration::from_millis(20), heard.recv()).await.ok()?.ok().filter(|message| message.topic == FLAGS_CHANGED)
        })
        .await;
    }
}

/// Who joins at one is seen at the other; what is published reaches both.
async fn two_instances_are_one(over: Over) {
    let (one, two) = pair(over).await;
    let (ada, bob) = (one.signed_up("ada@example.com").await, one.signed_up("bob@example.com").await);
    let (mut here, _) = Socket::joined(&one, &ada, "room:lobby", json!({"at": 1})).await;
    let (mut there, _) = Socket::joined(&two, &bob, "room:lobby", json!({"at": 2})).await;
    here.told("joins", there.id()).await;

    // A third instance that starts later learns who is there.
    let three = one.second().await;
    let mut late = Socket::of(&three, &ada).await;
    let state = eventually("the third instance knows all", async || {
        let state = late.join("room:lobby", json!({"at": 3})).await;
        (state.as_array().map(Vec::len) == Some(2) && state.to_string().matches("since").count() == 3).then_some(state)
    })
    .await;
    assert!(state.to_string().contains(here.id()) && state.to_string().contains(there.id()));

    here.told("joins", late.id()).await;
    there.told("joins", late.id()).await;
    two.running.app.presence.publish("room:lobby", &json!({"said": "hello"}));
    for socket in [&mut here, &mut there, &mut late] {
        loop {
            if socket.expect("diff").await["payload"]["said"] == "hello" {
                break;
            }
        }
    }
    let id = there.id().to_owned();
    there.close().await;
    here.told("leaves", &id).await;
    late.told("leaves", &id).await;
}

/// Signing out at one instance closes the connection at the other.
async fn a_session_ends_everywhere(over: Over) {
    let (one, two) = pair(over).await;
    let ada = one.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&two, &ada).await;
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(socket.closed().await, 4403);
}

/// An instance that stops sends its clients to the other, where they go on without anybody noticing.
async fn clients_of_a_stopped_instance_go_on_elsewhere(over: Over) {
    let (one, two) = pair(over).await;
    let (ada, bob) = (one.signed_up("ada@example.com").await, one.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&one, &bob, "room:lobby", json!({})).await;
    let (mut moving, _) = Socket::joined(&two, &ada, "room:lobby", json!({"cursor": 3})).await;
    let (id, token) = (moving.id().to_owned(), moving.resume_token().to_owned());
    watcher.told("joins", &id).await;
    let (code, _) = tokio::join!(moving.closed(), two.stop());
    assert_eq!(code, 1012);

    let mut back = Socket::of(&one, &ada).await;
    let hello = back.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
    assert_eq!((&hello["payload"]["resumed"], &hello["payload"]["connectionId"]), (&json!(true), &json!(id)));
    let state = back.expect("state").await;
    assert!(state.to_string().contains("\"cursor\":3"), "{state}");
    // The window of the stopped instance passes, and nobody leaves.
    one.advance(Duration::from_secs(24));
    watcher.ask(json!({"type": "ping"})).await;
    back.ask(json!({"type": "ping"})).await;
    one.advance(Duration::from_secs(24));
    let state = watcher.join("room:lobby", json!({})).await;
    assert_eq!(state.as_array().map(Vec::len), Some(2), "{state}");
}

/// An instance that dies takes its connections with it when its lease is over, and not before.
async fn a_dead_instance_is_forgotten(over: Over) {
    let (one, two) = pair(over).await;
    let (ada, bob) = (one.signed_up("ada@example.com").await, one.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&one, &bob, "room:lobby", json!({})).await;
    let (there, _) = Socket::joined(&two, &ada, "room:lobby", json!({})).await;
    let id = there.id().to_owned();
    watcher.told("joins", &id).await;
    let channel = format!("user:{}", bob.id());
    let (mut listener, _) = Socket::joined(&one, &bob, &channel, json!({})).await;
    two.running.app.ground.shared.close().await;
    // Told to nobody but those who are connected there.
    two.running.app.presence.publish(&channel, &json!({"said": "last words"}));
    one.advance(Duration::from_secs(9));
    watcher.is_quiet().await;
    listener.is_quiet().await;
    one.advance(Duration::from_secs(2));
    // The suspicion is noted at the next look; then the last third passes.
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            one.advance(Duration::from_secs(1));
            if watcher.join("room:lobby", json!({})).await.as_array().map(Vec::len) == Some(1) {
                break;
            }
        }
    })
    .await
    .unwrap();
    // Whoever may have missed something that was published reads again what is stored.
    let state = listener.expect("state").await;
    assert_eq!((&state["channel"], &state["ref"]), (&json!(channel), &json!(null)), "{state}");
}

/// While Redis is lost each instance goes on with its own people; when it is back they find each other again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_redis_is_made_up_for() {
    let ground = Arc::new(Ground::migrated(Store::Postgres).await);
    let url = ground.redis_url().expect("PostgreSQL comes with Redis").to_owned();
    let line = Proxy::to(&url).await;
    let one = Instance::builder(Store::Postgres).set("REDIS_URL", line.url(&url)).on(ground).start().await;
    let two = Instance::builder(Store::Postgres).second(&one).start().await;
    hear_each_other(&one, &two).await;
    let (ada, bob) = (one.signed_up("ada@example.com").await, one.signed_up("bob@example.com").await);
    let (mut here, _) = Socket::joined(&one, &ada, "room:lobby", json!({})).await;
    let (there, _) = Socket::joined(&two, &bob, "room:lobby", json!({})).await;
    here.told("joins", there.id()).await;

    line.cut();
    let (beside, _) = Socket::joined(&one, &ada, "room:lobby", json!({"while": "lost"})).await;
    here.told("joins", beside.id()).await;
    let mut gone = there;
    gone.ask(json!({"type": "leave", "channel": "room:lobby"})).await;
    line.mend();
    // Found out by the next beats, which go by the clock.
    eventually("both know again who is there", async || {
        one.advance(Duration::from_secs(1));
        gone.ask(json!({"type": "ping"})).await;
        let state = here.join("room:lobby", json!({})).await.to_string();
        (!state.contains(gone.id()) && state.contains(beside.id())).then_some(())
    })
    .await;
    let mut there = Socket::of(&two, &bob).await;
    eventually("the other one, too", async || {
        one.advance(Duration::from_secs(1));
        there.join("room:lobby", json!({})).await.to_string().contains(beside.id()).then_some(())
    })
    .await;
}

/// A message of any length arrives whole over the database, and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_messages_go_in_pieces() {
    let (one, two) = pair(Over::Database).await;
    let mut heard = two.running.app.ground.shared.subscribe();
    let long = |n: u8| vec![n; 40_000 * usize::from(n)];
    for n in 1..20 {
        one.running.app.ground.shared.publish(FLAGS_CHANGED, long(n));
    }
    for n in 1..20 {
        let message = loop {
            let message = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("a message in time").unwrap();
            // The short ones are from the beginning.
            if message.topic == FLAGS_CHANGED && !message.payload.is_empty() {
                break message;
            }
        };
        assert!(message.payload == long(n), "message {n} has {} bytes", message.payload.len());
    }
}

macro_rules! over_both {
    ($($test:ident),+ $(,)?) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Over::Redis).await;
            })+
        }
        mod database {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Over::Database).await;
            })+
        }
    };
}

over_both!(two_instances_are_one, a_session_ends_everywhere, clients_of_a_stopped_instance_go_on_elsewhere, a_dead_instance_is_forgotten,);
