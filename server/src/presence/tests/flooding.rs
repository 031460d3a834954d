//! What one person can do to a room full of others.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Socket;
use crate::support::{Instance, Store, both_stores};

fn update(n: usize) -> Value {
    json!({"type": "join", "channel": "room:lobby", "ref": n.to_string(), "payload": {"metadata": {"n": n}}})
}

/// Whoever changes what they show again and again is told of about once a second, with the last of it in the end; and gets the
/// state as often.
async fn changes_are_told_about_once_a_second(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&instance, &ada, "room:lobby", json!({})).await;
    let mut restless = Socket::of(&instance, &bob).await;
    for n in 0..100 {
        restless.send(update(n)).await;
    }
    let (mut told, mut last) = (0, Value::Null);
    while last != 99 {
        let diff = watcher.expect("diff").await;
        told += 1;
        last = diff["payload"]["joins"][0]["connections"][0]["metadata"]["n"].clone();
    }
    assert!(told <= 6, "told {told} times");
    // Each is answered: a few by the state, the last of all of them in any case, the others as overtaken.
    let (mut states, mut overtaken) = (Vec::new(), 0);
    while states.last().is_none_or(|reference: &Value| reference != "99") {
        let answer = restless.next().await;
        match answer["type"].as_str() {
            Some("state") => states.push(answer["ref"].clone()),
            Some("error") => {
                assert_eq!(answer["payload"]["code"], "rate_limited", "{answer}");
                overtaken += 1;
            }
            _ => {}
        }
    }
    assert!(states.len() <= 6, "{states:?}");
    assert_eq!(states.len() + overtaken, 100);
}

/// Coming and going again and again is refused, and nobody is told each time.
async fn coming_and_going_is_dammed(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&instance, &ada, "room:lobby", json!({})).await;
    let mut restless = Socket::of(&instance, &bob).await;
    let mut refused = 0;
    for n in 0..50 {
        restless.send(update(n)).await;
        restless.send(json!({"type": "leave", "channel": "room:lobby", "ref": "left"})).await;
    }
    let answer = restless.ask(json!({"type": "ping"})).await;
    assert_eq!(answer["type"], "pong");
    restless.send(update(50)).await;
    loop {
        let answer = restless.next().await;
        refused += usize::from(answer["payload"]["code"] == "rate_limited");
        if answer["ref"] == "50" {
            break;
        }
    }
    assert!(refused > 0, "{refused}");
    instance.advance(Duration::from_secs(5));
    restless.ask(json!({"type": "join", "channel": "room:lobby", "payload": {"metadata": {"n": "at last"}}})).await;
    let mut told = 0;
    while watcher.expect("diff").await["payload"]["joins"][0]["connections"][0]["metadata"]["n"] != "at last" {
        told += 1;
    }
    assert!(told <= 8, "told {told} times");
}

/// The connections of a person have one budget together, and another person has another one.
async fn a_person_has_one_budget(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 2).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(Socket::of(&instance, &ada).await);
    }
    let mut taken = 0;
    for socket in &mut sockets {
        for _ in 0..10 {
            socket.send(json!({"type": "ping"})).await;
        }
    }
    for socket in &mut sockets {
        for _ in 0..10 {
            taken += usize::from(socket.next().await["type"] == "pong");
        }
    }
    assert!((8..25).contains(&taken), "twice what one may send, twice at once; each alone would be 32: {taken}");
    let mut other = Socket::of(&instance, &bob).await;
    assert_eq!(other.ask(json!({"type": "ping"})).await["type"], "pong");
}

/// A channel has so many members, on all instances, and not one more.
async fn a_channel_is_full_one_day(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MEMBERS_PER_CHANNEL", 2).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut one, _) = Socket::joined(&instance, &ada, "room:small", json!({})).await;
    let (_two, _) = Socket::joined(&instance, &ada, "room:small", json!({})).await;
    let mut three = Socket::of(&instance, &ada).await;
    let refused = three.ask(json!({"type": "join", "channel": "room:small"})).await;
    assert_eq!(refused["payload"]["code"], "conflict", "{refused}");
    one.join("room:small", json!({"changed": true})).await;
    three.join("room:other", json!({})).await;
    one.ask(json!({"type": "leave", "channel": "room:small"})).await;
    three.join("room:small", json!({})).await;
}

/// A join that somebody has to look up costs what a request costs.
async fn joins_that_are_looked_up_cost_a_request(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__SIGNED_IN", "8/1m").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    // The ticket and the connection itself have cost two.
    let mut socket = Socket::of(&instance, &ada).await;
    let mut codes = Vec::new();
    for n in 0..12 {
        let channel = format!("{}:0192{n:04}-0000-7000-8000-000000000000", if n % 2 == 0 { "voice" } else { "transcript" });
        codes.push(socket.ask(json!({"type": "join", "channel": channel})).await["payload"]["code"].clone());
    }
    let refused = codes.iter().filter(|code| **code == "rate_limited").count();
    assert_eq!((refused, &codes[0], &codes[11]), (6, &json!("not_found"), &json!("rate_limited")), "{codes:?}");
    socket.join("room:free", json!({})).await;
}

/// Publishing waits for nobody: it is heard by who had joined before, in order.
async fn publishing_right_after_a_join_reaches_it(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    for round in 0..20 {
        let channel = format!("room:{round}");
        let (mut socket, _) = Socket::joined(&instance, &ada, &channel, json!({})).await;
        for n in 0..5 {
            instance.running.app.presence.publish(&channel, &json!({"n": n}));
        }
        for n in 0..5 {
            assert_eq!(socket.expect("diff").await["payload"]["n"], n);
        }
        socket.close().await;
    }
}

both_stores!(
    a_channel_is_full_one_day,
    a_person_has_one_budget,
    changes_are_told_about_once_a_second,
    coming_and_going_is_dammed,
    joins_that_are_looked_up_cost_a_request,
    publishing_right_after_a_join_reaches_it,
);
