//! The realtime channel `voice:{id}`.

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
    let (mut phone, state) = Socket::joined(&instance, &ada, &channel, json!({"device": "phone"})).await;
    assert_eq!(state["payload"]["members"][0]["connections"][0]["metadata"], json!({"device": "phone"}));

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

both_stores!(who_is_in_a_voice_session);
