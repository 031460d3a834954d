//! `keystead audit`.

use serde_json::json;

use super::command::keystead;
use crate::support::{Instance, Store, both_stores};

async fn a_changed_event_is_named(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let whole = keystead(&instance.ground, &["audit", "verify", "--json"]).await.good().json();
    let events = instance.events().await.len();
    assert_eq!(whole, json!({"valid": true, "checked": events, "sealedUpTo": events, "firstBroken": null}));
    let told = keystead(&instance.ground, &["audit", "verify"]).await.good().stdout;
    assert_eq!(told, format!("The audit trail is whole: {events} events.\n"));

    assert_eq!(instance.change("UPDATE audit_events SET outcome = 'denied' WHERE seq = 2", vec![]).await, 1);
    keystead(&instance.ground, &["audit", "verify"]).await.refused(1, "broken at event 2: altered");
    let broken = keystead(&instance.ground, &["audit", "verify", "--json"]).await;
    assert_eq!((broken.code, &broken.json()["firstBroken"]), (Some(1), &json!({"seq": 2, "reason": "altered"})));
}

both_stores!(a_changed_event_is_named);
