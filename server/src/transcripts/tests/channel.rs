//! The same over the WebSocket.

use serde_json::{Value, json};

use super::{Talk, numbers, said};
use crate::presence::client::Socket;
use crate::support::{Instance, Store, both_stores};

async fn the_channel_tells_what_is_said_on_every_instance(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let talk = Talk::begin(&instance, &ada).await;
    let channel = format!("transcript:{}", talk.id);
    talk.say(&ada.api, [1]).await;
    let (mut here, _) = Socket::joined(&instance, &ada, &channel, json!({})).await;
    let (mut far, _) = Socket::joined(&second, &ada, &channel, json!({})).await;
    // Until they have heard of each other.
    here.told("joins", far.id()).await;
    // More than fits into one frame, and a repetition that says nothing.
    let long = "x".repeat(3000);
    talk.say(&ada.api, [1]).await;
    talk.post(&ada.api, json!([said(2, "2"), said(3, &long), said(4, &long), said(5, "5")])).await.expect(202);
    for socket in [&mut here, &mut far] {
        let mut heard: Vec<Value> = Vec::new();
        while heard.len() < 4 {
            let frame = socket.expect("diff").await;
            assert_eq!(frame["channel"], channel);
            assert!(frame.to_string().len() < 8000, "{frame}");
            heard.extend(frame["payload"]["segments"].as_array().into_iter().flatten().cloned());
        }
        let pairs: Vec<(i64, String)> = heard.iter().map(super::pair).collect();
        assert_eq!(pairs, [(2, "2".to_owned()), (3, long.clone()), (4, long.clone()), (5, "5".to_owned())]);
        assert!(heard.is_sorted_by_key(|segment| segment["position"].as_i64()), "{heard:?}");
    }
    assert_eq!(talk.read(&ada.api).await[0], numbers([1])[0]);
}

async fn nobody_else_joins(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    let talk = Talk::begin(&instance, &ada).await;
    let mut socket = Socket::of(&instance, &eve).await;
    let odd = talk.id.to_string().to_uppercase();
    for name in [talk.id.to_string(), odd, "x".to_owned(), "00000000-0000-0000-0000-000000000000".to_owned()] {
        let answer = socket.ask(json!({"type": "join", "channel": format!("transcript:{name}")})).await;
        assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!("not_found")), "{answer}");
    }
}

both_stores!(nobody_else_joins, the_channel_tells_what_is_said_on_every_instance);
