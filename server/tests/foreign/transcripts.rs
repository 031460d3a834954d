//! A real browser's `EventSource` hears a transcript.

use serde_json::json;

use super::{reachable, run};
use crate::support::{Store, both_stores};

async fn a_browser_hears_a_transcript(store: Store) {
    let instance = reachable(store).start().await;
    let other = reachable(store).second(&instance).start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let guest = instance.signed_in("ada@example.com").await;
    let begun = ada.api.post("/api/v1/voice/sessions", json!({})).await.expect(201);
    let given = json!({
        "issuer": instance.base(), "other": other.base(), "session": begun.str("/voiceSession/id"),
        "person": ada.access_token, "guest": guest.access_token,
    });
    run("event_source.mjs", given).await;
}

both_stores!(a_browser_hears_a_transcript);
