//! Frames that nobody should send, clients that do not listen, and floods.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

use super::client::Socket;
use crate::support::{Instance, Store, both_stores};

/// What can be read and is wrong is refused by name, and the connection goes on.
async fn odd_frames_are_refused(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&instance, &ada).await;
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let unreadable = [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"join\"".to_owned(),
        "{}".to_owned(),
        r#"{"type": 1}"#.to_owned(),
        r#"{"type": "ping", "extra": 1}"#.to_owned(),
        r#"{"type": "ping", "ref": 7}"#.to_owned(),
        r#"{"type": "ping", "type": "ping"}"#.to_owned(),
        format!(r#"{{"type": "ping", "ref": "{}"}}"#, "r".repeat(65)),
        format!(r#"{{"type": "join", "channel": "room:a", "payload": {{"metadata": {{"a": {deep}}}}}}}"#),
        "\0".repeat(100),
    ];
    for text in unreadable {
        socket.raw(Message::text(text.clone())).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!("invalid_request")), "{text}");
    }
    let odd = [
        (json!({"type": "sing"}), "invalid_request"),
        (json!({"type": "state", "channel": "room:a"}), "invalid_request"),
        (json!({"type": "join"}), "invalid_request"),
        (json!({"type": "ping", "channel": "room:a"}), "invalid_request"),
        (json!({"type": "ping", "payload": {"extra": 1}}), "invalid_request"),
        (json!({"type": "ping", "payload": []}), "invalid_request"),
        (json!({"type": "join", "channel": "room:a", "payload": {"metadata": []}}), "invalid_request"),
        (json!({"type": "join", "channel": "room:a", "payload": {"metadata": {}, "user": "x"}}), "invalid_request"),
        (json!({"type": "join", "channel": "room:a", "payload": {"metadata": {"a": "x".repeat(1100)}}}), "validation_failed"),
        (json!({"type": "hello", "payload": {"token": 7}}), "invalid_request"),
        (json!({"type": "leave", "channel": "room:a"}), "not_found"),
    ];
    for (frame, code) in odd {
        let answer = socket.ask(frame.clone()).await;
        assert_eq!((&answer["type"], &answer["payload"]["code"]), (&json!("error"), &json!(code)), "{frame}");
    }
    let answer = socket.ask(json!({"type": "hello", "payload": {"resume": "AAAA"}})).await;
    assert_eq!(answer["payload"]["resumed"], false, "a resume token that is none resumes nothing");
    socket.is_quiet().await;
}

/// Messages that are no text, or too long, end the connection with the code that RFC 6455 has for them.
async fn what_is_no_message_ends_the_connection(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let not_text = Frame::message(vec![0x22, 0xff, 0xfe, 0x22], OpCode::Data(Data::Text), true);
    let reserved = Frame::from_payload(FrameHeader { rsv1: true, ..FrameHeader::default() }, "{}".into());
    for (message, code) in [
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text("x".repeat(9000)), 1009),
        (Message::Frame(not_text), 1007),
        (Message::Frame(reserved), 1002),
    ] {
        let mut socket = Socket::of(&instance, &ada).await;
        socket.raw(message).await;
        assert_eq!(socket.closed().await, code);
    }
}

/// Too many messages are refused; far too many, or nothing but nonsense, end the connection.
async fn floods_are_dammed(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 5).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&instance, &ada).await;
    for n in 0..200 {
        socket.send(json!({"type": "ping", "ref": n.to_string()})).await;
    }
    let mut answers = Vec::new();
    while answers.last().is_none_or(|frame: &serde_json::Value| frame["type"] == "pong") {
        answers.push(socket.next().await);
    }
    assert!((10..30).contains(&answers.len()), "twice the rate at once: {}", answers.len());
    assert_eq!(answers.last().unwrap()["payload"]["code"], "rate_limited");
    assert_eq!(socket.closed().await, 4429);

    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__MESSAGES_PER_SECOND", 1000).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&instance, &ada).await;
    for _ in 0..100 {
        socket.raw(Message::text("nonsense")).await;
    }
    assert_eq!(socket.closed().await, 4400);
}

/// So many channels, and not one more; after leaving one there is room.
async fn channels_are_counted(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__CHANNELS_PER_CONNECTION", 3).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut socket = Socket::of(&instance, &ada).await;
    for n in 0..3 {
        socket.join(&format!("room:{n}"), json!({})).await;
    }
    let answer = socket.ask(json!({"type": "join", "channel": "room:3"})).await;
    assert_eq!(answer["payload"]["code"], "conflict");
    socket.join("room:2", json!({"again": true})).await;
    socket.ask(json!({"type": "leave", "channel": "room:0"})).await;
    socket.join("room:3", json!({})).await;
}

/// A client that takes nothing costs a bounded buffer and then its connection; the others go on.
async fn a_client_that_does_not_listen_is_let_go(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRESENCE__SEND_BUFFER", "64KiB").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mut deaf, _) = Socket::joined(&instance, &ada, "room:loud", json!({})).await;
    let (mut keen, _) = Socket::joined(&instance, &ada, "room:loud", json!({})).await;
    let presence = instance.running.app.presence.clone();
    let filler = "x".repeat(32 * 1024);
    let mut sent = 0;
    while presence.connections() > 1 {
        presence.publish("room:loud", &json!({"n": sent, "filler": filler}));
        sent += 1;
        while keen.expect("diff").await["payload"]["n"] != sent - 1 {}
        assert!(sent < 2000, "64 MiB wait for a client that does not listen");
    }
    // Whoever begins to listen after all is told why.
    assert_eq!(deaf.closed().await, 4408);
    keen.send(json!({"type": "ping"})).await;
    keen.expect("pong").await;
}

both_stores!(
    odd_frames_are_refused,
    what_is_no_message_ends_the_connection,
    floods_are_dammed,
    channels_are_counted,
    a_client_that_does_not_listen_is_let_go,
);
