//! Places of connections that were lost: they count, and keep nobody out who comes back for one.

use std::time::Duration;

use serde_json::json;

use super::client::{Opening, Refused, Socket};
use crate::support::{Builder, Instance, SignedIn, Store, both_stores, eventually};

fn two_for_each(store: Store) -> Builder {
    Instance::builder(store).set("KEYSTEAD_PRESENCE__CONNECTIONS_PER_USER", 2).set("KEYSTEAD_PRESENCE__MAX_CONNECTIONS", 3)
}

async fn open(instance: &Instance, person: &SignedIn) -> Result<Socket, Refused> {
    let header = format!("Bearer {}", person.access_token);
    Opening::new(instance, "/api/v1/realtime").with("authorization", header).open().await
}

async fn joined(instance: &Instance, person: &SignedIn) -> Socket {
    let mut socket = open(instance, person).await.unwrap();
    socket.join("room:lobby", json!({})).await;
    socket
}

async fn cut(instance: &Instance, sockets: Vec<Socket>) {
    let left = instance.running.app.presence.connections() - sockets.len();
    sockets.into_iter().for_each(Socket::cut);
    eventually("the loss is noticed", async || (instance.running.app.presence.connections() == left).then_some(())).await;
}

fn members(state: &serde_json::Value) -> usize {
    state[0]["connections"].as_array().map_or(0, Vec::len)
}

/// However often somebody opens, joins and breaks off, they are there as often as they may be.
async fn lost_places_count(store: Store) {
    let instance = two_for_each(store).start().await;
    let (ada, bob) = (instance.signed_up("ada@example.com").await, instance.signed_up("bob@example.com").await);
    for _ in 0..4 {
        let both = vec![joined(&instance, &ada).await, joined(&instance, &ada).await];
        cut(&instance, both).await;
    }
    let mut socket = open(&instance, &bob).await.unwrap();
    let state = socket.join("room:lobby", json!({})).await;
    let hers = state.as_array().unwrap().iter().find(|member| member["userId"] == ada.id()).unwrap();
    assert_eq!(hers["connections"].as_array().map(Vec::len), Some(2), "{state}");
    // The instance is full of lost ones: somebody else waits until their time is over.
    let eve = instance.signed_up("eve@example.com").await;
    assert_eq!(open(&instance, &eve).await.unwrap_err(), Refused { status: 503, code: "overloaded".to_owned() });
    instance.advance(Duration::from_secs(31));
    eventually("there is room again", async || open(&instance, &eve).await.ok()).await;
}

/// Who lost all their connections comes back for each of them.
async fn lost_places_keep_nobody_out_who_resumes(store: Store) {
    let instance = two_for_each(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (one, two) = (joined(&instance, &ada).await, joined(&instance, &ada).await);
    // The later one comes back first: it has the place of the other on loan, and gives it back.
    let tokens = [two.resume_token().to_owned(), one.resume_token().to_owned()];
    cut(&instance, vec![one, two]).await;
    let (mut first, mut second) = (open(&instance, &ada).await.unwrap(), open(&instance, &ada).await.unwrap());
    for (socket, token) in [(&mut first, &tokens[0]), (&mut second, &tokens[1])] {
        let hello = socket.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
        assert_eq!(hello["payload"]["resumed"], true, "{hello}");
        socket.expect("state").await;
    }
    let full = Refused { status: 429, code: "rate_limited".to_owned() };
    assert_eq!(open(&instance, &ada).await.unwrap_err(), full);
    assert_eq!(members(&first.join("room:lobby", json!({})).await), 2);

    // One that goes without having joined leaves everything as it was.
    let token = second.ask(json!({"type": "hello"})).await["payload"]["resumeToken"].as_str().unwrap().to_owned();
    cut(&instance, vec![second]).await;
    open(&instance, &ada).await.unwrap().close().await;
    eventually("it is gone", async || (instance.running.app.presence.connections() == 1).then_some(())).await;
    let mut back = open(&instance, &ada).await.unwrap();
    assert_eq!(open(&instance, &ada).await.unwrap_err(), full, "one place is not lent twice");
    let hello = back.ask(json!({"type": "hello", "payload": {"resume": token}})).await;
    assert_eq!(hello["payload"]["resumed"], true, "{hello}");
    assert_eq!(open(&instance, &ada).await.unwrap_err(), full);
}

both_stores!(lost_places_count, lost_places_keep_nobody_out_who_resumes);
