//! The realtime channel `voice:{id}`.

use std::time::Duration;

use serde_json::json;

use super::{SESSIONS, opened, with_livekit};
use crate::presence::client::Socket;
use crate::support::{Store, both_stores};

/// Its person sees their own connections there, on every instance; nobody else finds it, and it is left when the session ends.
async fn who_is_in_a_voice_session(store: Store) {
    let instance = with_livekit(store).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let id = opened(&ada.api).await;
    let channel = format!("voice:{id}");
    let (mut phone, members) = Socket::joined(&instance, &ada, &channel, json!({"device": "phone"})).await;
    assert_eq!(members[0]["connections"][0]["metadata"], json!({"device": "phone"}));

    let mut hers = Socket::of(&instance, &eve).await;
    for name in [channel.clone(), channel.to_uppercase().replace("VOICE", "voice"), "voice:nothing".into()] {
        hers.send(json!({"type": "join", "channel": name, "payload": {}})).await;
        let refused = hers.next().await;
        assert_eq!((&refused["type"], &refused["payload"]["code"]), (&json!("error"), &json!("not_found")), "{refused}");
    }

    ada.api.post(&format!("{SESSIONS}/{id}/end"), json!({})).await.expect(200);
    let left = phone.next().await;
    assert_eq!((&left["type"], &left["channel"]), (&json!("leave"), &json!(channel)), "{left}");
    phone.send(json!({"type": "join", "channel": channel, "payload": {}})).await;
    assert_eq!(phone.next().await["payload"]["code"], "not_found");
}

/// It is left as well when the session ends by itself: with the sign-in it was opened in, whatever sign-in one joined with; by the loss
/// of access; and when nobody used it.
async fn it_is_left_however_the_session_ends(store: Store) {
    let instance = with_livekit(store).set("KEYSTEAD_VOICE__IDLE_TTL", "60s").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let (hers, others) = (opened(&ada.api).await, opened(&other.api).await);
    let (mut phone, _) = Socket::joined(&instance, &other, &format!("voice:{hers}"), json!({})).await;
    phone.join(&format!("voice:{others}"), json!({})).await;
    ada.api.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    assert_eq!(phone.expect("leave").await["channel"], format!("voice:{hers}"));
    instance.advance(Duration::from_secs(61));
    assert_eq!(phone.expect("leave").await["channel"], format!("voice:{others}"), "nobody used it for a minute");

    let made = json!({"name": "assistant", "scopes": ["voice:write"]});
    let program = instance.with_token(other.api.post("/api/v1/account/tokens", made).await.expect(201).str("/secret"));
    let its = opened(&program).await;
    phone.join(&format!("voice:{its}"), json!({})).await;
    let person = other.id().parse().unwrap();
    let by = keystead::accounts::By::of(keystead::audit::Actor::Operator);
    instance.running.app.lifecycle.suspend(person, by, instance.clock.now()).await.unwrap();
    assert_eq!(phone.expect("leave").await["channel"], format!("voice:{its}"));
    assert_eq!(phone.closed().await, 4403);
}

/// Also at an instance that did not end it.
async fn it_is_left_on_every_instance(store: Store) {
    let instance = with_livekit(store).start().await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let other = instance.signed_in("ada@example.com").await;
    let channel = format!("voice:{}", opened(&ada.api).await);
    let (mut phone, _) = Socket::joined(&second, &other, &channel, json!({})).await;
    ada.api.send(http::Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    // Told over Redis where there is one; else the instance asks twice a minute.
    instance.advance(Duration::from_secs(31));
    loop {
        let frame = phone.next().await;
        if frame["type"] == "leave" {
            assert_eq!(frame["channel"], channel);
            break;
        }
    }
}

both_stores!(it_is_left_however_the_session_ends, it_is_left_on_every_instance, who_is_in_a_voice_session);
