//! Joining, seeing who is there, leaving.

use keystead::presence::Authorizer;
use serde_json::json;

use super::client::Socket;
use crate::support::{Instance, Store, both_stores};

/// Members by person, with what each connection shows; changes reach everybody, and nobody twice.
async fn people_see_who_is_there(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut first, state) = Socket::joined(&instance, &ada, "room:lobby", json!({"name": "Ada", "tab": 1})).await;
    assert_eq!(state.as_array().map(Vec::len), Some(1), "oneself is there: {state}");
    assert_eq!(state[0]["userId"], ada.id());
    assert_eq!(state[0]["connections"][0]["id"], first.id());
    assert_eq!(state[0]["connections"][0]["metadata"], json!({"name": "Ada", "tab": 1}));

    let (second, state) = Socket::joined(&instance, &ada, "room:lobby", json!({"tab": 2})).await;
    assert_eq!(state[0]["connections"].as_array().map(Vec::len), Some(2), "one person with two connections: {state}");
    let (mut third, state) = Socket::joined(&instance, &bob, "room:lobby", json!({})).await;
    assert_eq!(state.as_array().map(Vec::len), Some(2));

    let joined = first.told("joins", second.id()).await;
    assert_eq!((&joined["userId"], &joined["connections"][0]["metadata"]["tab"]), (&json!(ada.id()), &json!(2)));
    first.told("joins", third.id()).await;

    // What is shown can be changed; since when one is there does not change.
    let state = third.join("room:lobby", json!({"typing": true})).await;
    let since = state.as_array().unwrap().iter().find(|member| member["userId"] == bob.id()).unwrap()["connections"][0]["since"].clone();
    let changed = first.told("joins", third.id()).await;
    assert_eq!((&changed["connections"][0]["metadata"], &changed["connections"][0]["since"]), (&json!({"typing": true}), &since));

    let left = third.ask(json!({"type": "leave", "channel": "room:lobby"})).await;
    assert_eq!((&left["type"], &left["channel"]), (&json!("leave"), &json!("room:lobby")));
    first.told("leaves", third.id()).await;
    let second_id = second.id().to_owned();
    second.close().await;
    first.told("leaves", &second_id).await;
    first.is_quiet().await;
    third.is_quiet().await;
}

/// One's own channel and rooms; nothing of others, and nothing that nobody brings.
async fn channels_are_authorised_by_kind(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let mut socket = Socket::of(&instance, &ada).await;
    socket.join(&format!("user:{}", ada.id()), json!({})).await;
    let refusals = [
        (format!("user:{}", bob.id()), "not_found"),
        (format!("user:{}", ada.id().to_uppercase()), "not_found"),
        ("voice:0192".to_owned(), "not_found"),
        ("unheard-of:x".to_owned(), "validation_failed"),
        ("room:".to_owned(), "validation_failed"),
        ("room".to_owned(), "validation_failed"),
        ("room:a b".to_owned(), "validation_failed"),
        ("room:../../etc".to_owned(), "validation_failed"),
        (format!("room:{}", "x".repeat(200)), "validation_failed"),
    ];
    for (channel, code) in refusals {
        let answer = socket.ask(json!({"type": "join", "channel": channel})).await;
        assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!(code)), "{channel}");
    }
    let answer = socket.ask(json!({"type": "leave", "channel": "room:never-joined"})).await;
    assert_eq!(answer["payload"]["code"], "not_found");
}

/// What a slice publishes reaches everybody who has joined, in order; and a channel that is over is left by all.
async fn slices_publish(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut first, _) = Socket::joined(&instance, &ada, "room:news", json!({})).await;
    let (mut second, _) = Socket::joined(&instance, &bob, "room:news", json!({})).await;
    let mut other = Socket::of(&instance, &bob).await;
    first.told("joins", second.id()).await;
    for n in 0..100 {
        instance.running.app.presence.publish("room:news", &json!({"n": n}));
    }
    for socket in [&mut first, &mut second] {
        for n in 0..100 {
            let frame = socket.expect("diff").await;
            assert_eq!((&frame["channel"], &frame["payload"]), (&json!("room:news"), &json!({"n": n})));
        }
    }
    instance.running.app.presence.shut("room:news");
    for socket in [&mut first, &mut second] {
        assert_eq!(socket.expect("leave").await["channel"], "room:news");
    }
    instance.running.app.presence.publish("room:news", &json!({"n": "too late"}));
    first.is_quiet().await;
    other.is_quiet().await;
}

/// Many who come at once are a handful of frames to each.
async fn a_rush_is_gathered(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__CONNECTIONS_PER_USER", 100).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut first, _) = Socket::joined(&instance, &ada, "room:rush", json!({})).await;
    let mut rush = Vec::new();
    for _ in 0..50 {
        rush.push(Socket::of(&instance, &ada).await);
    }
    for socket in &mut rush {
        socket.send(json!({"type": "join", "channel": "room:rush"})).await;
    }
    let (mut frames, mut seen) = (0, 0);
    while seen < rush.len() {
        let diff = first.expect("diff").await;
        frames += 1;
        seen += diff["payload"]["joins"][0]["connections"].as_array().map_or(0, Vec::len);
    }
    assert!(frames <= 25, "{frames} frames for fifty joins");
}

/// `Authorizer` is what other slices implement.
#[test]
fn authorizers_are_objects() {
    fn taken(_: Option<&dyn Authorizer>) {}
    taken(None);
}

both_stores!(people_see_who_is_there, channels_are_authorised_by_kind, slices_publish, a_rush_is_gathered);
