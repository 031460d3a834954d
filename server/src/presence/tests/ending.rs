//! How connections end: with the token, with the session, with the flag, in silence, and when the instance stops.

use std::time::Duration;

use serde_json::json;

use super::client::{Opening, Socket};
use crate::support::{Instance, Store, both_stores, eventually};

/// A connection ends with its access token, unless it brings a fresh one of the same session.
async fn a_connection_lives_as_long_as_its_token(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut stays, mut goes) = (Socket::of(&instance, &ada).await, Socket::of(&instance, &ada).await);
    let first = stays.hello["payload"]["expiresAt"].clone();
    instance.advance(Duration::from_secs(600));

    let other = instance.signed_in("ada@example.com").await;
    let bob = instance.signed_up("bob@example.com").await;
    for (token, code) in
        [(other.access_token.as_str(), "forbidden"), (bob.access_token.as_str(), "forbidden"), ("nonsense", "unauthenticated")]
    {
        let answer = stays.ask(json!({"type": "hello", "payload": {"token": token}})).await;
        assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!(code)));
    }
    let fresh = instance.post("/api/v1/auth/refresh", json!({"refreshToken": ada.refresh_token})).await.expect(200);
    let hello = stays.ask(json!({"type": "hello", "payload": {"token": fresh.str("/accessToken")}})).await;
    assert!(hello["payload"]["expiresAt"].as_str() > first.as_str(), "{hello}");

    instance.advance(Duration::from_secs(400));
    assert_eq!(goes.closed().await, 4401);
    stays.expect("ping").await;
    stays.is_quiet().await;
}

/// Signing out closes what was opened in that session, at once and on record, and nothing of other sessions.
async fn a_connection_ends_with_its_session(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let (mut one, _) = Socket::joined(&instance, &ada, "room:lobby", json!({})).await;
    let mut two = Socket::of(&instance, &ada).await;
    let (mut stays, _) = Socket::joined(&instance, &other, "room:lobby", json!({})).await;
    let began = std::time::Instant::now();
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert_eq!(one.closed().await, 4403);
    assert_eq!(two.closed().await, 4403);
    assert!(began.elapsed() < Duration::from_secs(5), "within a second, and some for a busy machine");
    stays.told("leaves", one.id()).await;
    let event = eventually("the event", async || instance.events().await.into_iter().find(|event| event.action == "realtime.closed")).await;
    assert!(event.details.contains(&format!("\"cause\":\"{}\"", ada.session_id())), "{event:?}");
    stays.is_quiet().await;
}

/// A suspended person is out.
async fn a_suspended_person_is_out(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let mut socket = Socket::of(&instance, &ada).await;
    root.api.post(&format!("/api/v1/admin/users/{}/suspend", ada.id()), json!({"reason": "spam"})).await.expect(200);
    assert_eq!(socket.closed().await, 4403);
}

/// Switching the flag off closes everything.
async fn the_flag_closes_everything(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    let mut socket = Socket::of(&instance, &ada).await;
    let off = json!({"type": "boolean", "enabled": true, "variants": {"on": true, "off": false}, "defaultVariant": "off"});
    root.api.put("/api/v1/admin/flags/realtime.presence", off).await;
    assert_eq!(socket.closed().await, 4404);
}

/// Whoever is silent is asked, and is gone when there is no answer; a clock that jumps closes nobody who answers.
async fn silence_ends_a_connection(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut quick, mut slow) = (Socket::of(&instance, &ada).await, Socket::of(&instance, &ada).await);
    instance.advance(Duration::from_secs(500));
    for socket in [&mut quick, &mut slow] {
        assert_eq!(socket.next().await["type"], "ping");
    }
    quick.ask(json!({"type": "ping"})).await;
    instance.advance(Duration::from_secs(26));
    assert_eq!(slow.closed().await, 4410);
    quick.expect("ping").await;
}

/// A lost connection is resumed before anybody has noticed; with its channels, and once.
async fn a_lost_connection_is_resumed(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&instance, &bob, "room:lobby", json!({})).await;
    let (lost, _) = Socket::joined(&instance, &ada, "room:lobby", json!({"cursor": 7})).await;
    let (id, token) = (lost.id().to_owned(), lost.resume_token().to_owned());
    watcher.told("joins", &id).await;
    lost.cut();

    // Of somebody else it is worth nothing.
    let mut eve = Socket::of(&instance, &bob).await;
    let hello = eve.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
    assert_eq!((&hello["payload"]["resumed"], &hello["payload"]["connectionId"]), (&json!(false), &json!(eve.id())));

    let mut back = Socket::of(&instance, &ada).await;
    let hello = back.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
    assert_eq!((&hello["payload"]["resumed"], &hello["payload"]["connectionId"]), (&json!(true), &json!(id)));
    let state = back.expect("state").await;
    assert_eq!(state["payload"]["members"].as_array().map(Vec::len), Some(2), "{state}");
    assert!(state.to_string().contains("\"cursor\":7"), "{state}");
    watcher.is_quiet().await;

    // The same token again: its time is over. The new one works, also while the former connection is still open.
    let mut again = Socket::of(&instance, &ada).await;
    let hello = again.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
    assert_eq!(hello["payload"]["resumed"], false);
    let hello = back.ask(json!({"type": "hello"})).await;
    let fresh = hello["payload"]["resumeToken"].as_str().unwrap().to_owned();
    let hello = again.ask(json!({"type": "hello", "payload": {"resume": fresh}})).await;
    assert_eq!(hello["payload"]["resumed"], true);
    assert_eq!(back.closed().await, 4409);
    again.expect("state").await;
    watcher.is_quiet().await;

    again.cut();
    let presence = &instance.running.app.presence;
    eventually("the loss is noticed", async || (presence.connections() == 2).then_some(())).await;
    watcher.is_quiet().await;
    instance.advance(Duration::from_secs(31));
    watcher.told("leaves", &id).await;
}

/// What a client closes by itself is over, and so is what lost its session meanwhile.
async fn a_connection_that_was_closed_is_not_resumed(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    let (mut watcher, _) = Socket::joined(&instance, &bob, "room:lobby", json!({})).await;
    let (closed, _) = Socket::joined(&instance, &ada, "room:lobby", json!({})).await;
    let (id, token) = (closed.id().to_owned(), closed.resume_token().to_owned());
    closed.close().await;
    watcher.told("leaves", &id).await;
    let mut back = Socket::of(&instance, &ada).await;
    assert_eq!(back.ask(json!({"type": "hello", "payload": {"resume": token}})).await["payload"]["resumed"], false);

    back.join("room:lobby", json!({})).await;
    let id = back.id().to_owned();
    watcher.told("joins", &id).await;
    back.cut();
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    watcher.told("leaves", &id).await;
}

/// A stop sends everybody away with a word about where to go, lets nobody in, and does not wait for those who say nothing.
async fn a_stop_sends_everybody_elsewhere(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_SERVER__SHUTDOWN_GRACE", "5s").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&instance, &ada).await;
    let mute = Socket::of(&instance, &ada).await;
    let presence = instance.running.app.presence.clone();
    let header = format!("Bearer {}", ada.access_token);
    let ((), code) = tokio::join!(presence.drain(), socket.closed());
    assert_eq!(code, 1012);
    let refused = Opening::new(&instance, "/api/v1/realtime").with("authorization", header).open().await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (503, "unavailable"));
    instance.stop().await;
    drop(mute);
}

both_stores!(
    a_connection_lives_as_long_as_its_token,
    a_connection_ends_with_its_session,
    a_suspended_person_is_out,
    the_flag_closes_everything,
    silence_ends_a_connection,
    a_lost_connection_is_resumed,
    a_connection_that_was_closed_is_not_resumed,
    a_stop_sends_everybody_elsewhere,
);
