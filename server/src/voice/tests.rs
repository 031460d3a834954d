//! Voice sessions and the tokens for their rooms: who may, how often, and until when.

#[path = "tests/channel.rs"]
mod channel;
#[path = "tests/ends.rs"]
mod ends;
#[path = "tests/redeem.rs"]
mod redeem;
#[path = "tests/sessions.rs"]
mod sessions;
#[path = "tests/tokens.rs"]
mod tokens;

use serde_json::{Value, json};

use crate::oauth::{admin, service};
use crate::support::{Builder, Client, Event, Instance, Store};

pub const SESSIONS: &str = "/api/v1/voice/sessions";
pub const REDEEM: &str = "/api/v1/voice/token/redeem";
pub const API_KEY: &str = "APIkeystead";
pub const API_SECRET: &str = "a secret of LiveKit, 32 bytes or more";
pub const TURN_SECRET: &str = "a secret of coturn, 32 bytes or more";

/// An instance with a media server.
pub fn with_livekit(store: Store) -> Builder {
    Instance::builder(store)
        .set("KEYSTEAD_VOICE__LIVEKIT_URL", "wss://livekit.example.com")
        .set("KEYSTEAD_VOICE__LIVEKIT_API_KEY", API_KEY)
        .set("KEYSTEAD_VOICE__LIVEKIT_API_SECRET", API_SECRET)
}

/// Opens a voice session; its id.
pub async fn opened(api: &Client) -> String {
    api.post(SESSIONS, json!({})).await.expect(201).str("/voiceSession/id").to_owned()
}

/// A token for the room of a voice session.
async fn token(api: &Client, session: &str) -> String {
    api.post(&format!("{SESSIONS}/{session}/token"), json!({})).await.expect(201).str("/token").to_owned()
}

/// A service that lets people into rooms.
async fn gatekeeper(instance: &Instance) -> Client {
    let root = admin(instance).await;
    let token = service(&root.api, &["voice:redeem"]).await.token(instance).await;
    instance.with_token(&token)
}

/// The events of one kind, with their details read.
async fn events(instance: &Instance, action: &str) -> Vec<(Event, Value)> {
    let all = instance.events().await.into_iter().filter(|event| event.action == action);
    all.map(|event| (event.clone(), serde_json::from_str(&event.details).unwrap())).collect()
}
