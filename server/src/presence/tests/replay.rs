//! Somebody who can listen between instances, and say again what they heard or make something up.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use futures_util::StreamExt;
use keystead::args;
use keystead::sessions::SESSION_ENDED;
use serde_json::json;
use uuid::Uuid;

use super::client::Socket;
use super::instances::{Over, pair};
use crate::support::eventually;

/// What one instance told the other is told once, however often it comes; also when it comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_is_not_published_again() {
    let (one, two) = pair(Over::Redis).await;
    let ada = one.signed_up("ada@example.com").await;
    let (mut there, _) = Socket::joined(&two, &ada, "room:news", json!({})).await;
    let url = one.ground.redis_url().unwrap().to_owned();
    let database = url.rsplit('/').next().and_then(|number| number.parse::<u32>().ok()).unwrap_or_default();
    let channel = format!("ks:t:{database}:realtime");
    let client = redis::Client::open(url).unwrap();
    let mut spy = client.get_async_pubsub().await.unwrap();
    spy.subscribe(&channel).await.unwrap();
    one.running.app.presence.publish("room:news", &json!({"said": "once"}));
    assert_eq!(there.expect("diff").await["payload"]["said"], "once");
    // Until nothing is on its way any more: both beat by the clock.
    let mut heard: Vec<Vec<u8>> = Vec::new();
    let mut stream = spy.on_message();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(300), stream.next()).await {
        heard.push(message.get_payload_bytes().to_vec());
    }
    assert!(!heard.is_empty());
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut again = async || {
        for frame in &heard {
            redis::cmd("PUBLISH").arg(&channel).arg(frame).exec_async(&mut connection).await.unwrap();
        }
        // Whatever was heard of it was heard before this.
        one.running.app.presence.publish("room:news", &json!({"said": "after"}));
    };
    again().await;
    assert_eq!(there.expect("diff").await["payload"]["said"], "after");
    one.advance(Duration::from_secs(16));
    again().await;
    assert_eq!(there.expect("diff").await["payload"]["said"], "after");
}

/// Any role may notify the channel of the database; only instances are heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_notification_is_not_heard() {
    let (one, two) = pair(Over::Database).await;
    let ada = one.signed_up("ada@example.com").await;
    let session: Uuid = ada.session_id().parse().unwrap();
    let mut heard = two.running.app.ground.shared.subscribe();
    let ended = [session.as_bytes().as_slice(), &i64::MAX.to_be_bytes()].concat();
    let word = [&[u8::try_from(SESSION_ENDED.len()).unwrap()], SESSION_ENDED.as_bytes(), &ended].concat();
    for at in [1_u32, 2] {
        // As it was said before there were tags, and with one that is made up.
        let head = [[9; 16].as_slice(), &7_u64.to_be_bytes(), &1_u32.to_be_bytes(), &at.to_be_bytes()].concat();
        for frame in [[head.as_slice(), &word].concat(), [head.as_slice(), &[0; 36], &word].concat()] {
            let notify = "WITH said AS (SELECT pg_notify('keystead', $1)) SELECT count(*) FROM said WHERE said IS NOT NULL";
            one.count(notify, args![BASE64_STANDARD_NO_PAD.encode(frame)]).await;
        }
    }
    one.running.app.ground.shared.publish(keystead::flags::FLAGS_CHANGED, b"the end".to_vec());
    loop {
        let message = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
        assert_ne!(message.topic, SESSION_ENDED);
        if message.payload == b"the end" {
            break;
        }
    }
    two.with_token(&ada.access_token).get("/api/v1/auth/me").await.expect(200);
}

/// A session that seems to end in the future ends now, and is forgotten in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_ends_in_the_future() {
    let (one, two) = pair(Over::Redis).await;
    let ada = one.signed_up("ada@example.com").await;
    let session: Uuid = ada.session_id().parse().unwrap();
    let ended = [session.as_bytes().as_slice(), &i64::MAX.to_be_bytes()].concat();
    one.running.app.ground.shared.publish(SESSION_ENDED, ended);
    let revocations = two.running.app.sessions.revocations();
    eventually("it is heard", async || revocations.check(session).is_err().then_some(())).await;
    two.advance(Duration::from_secs(3 * 60 * 60));
    eventually("it is forgotten", async || revocations.check(session).is_ok().then_some(())).await;
}
