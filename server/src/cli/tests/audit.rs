//! `keystead audit`.

use serde_json::json;

use super::command::{keystead, run};
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

async fn an_export_is_checked_on_any_machine(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let file = instance.ground.data_dir().join("audit.ndjson");
    let path = file.to_str().unwrap();
    keystead(&instance.ground, &["audit", "export", "--output", path]).await.good();
    let events = instance.events().await.len();
    let found = keystead(&instance.ground, &["audit", "verify", "--file", path, "--json"]).await.good().json();
    assert_eq!((&found["valid"], &found["checked"], &found["firstBroken"]), (&json!(true), &json!(events), &json!(null)));
    let kid = found["keys"][0].as_str().unwrap();
    let told = keystead(&instance.ground, &["audit", "verify", "--file", path, "--key", kid]).await.good().stdout;
    assert_eq!(told, format!("The audit trail is whole: {events} events, up to event {events}, signed by {kid}.\n"));
    keystead(&instance.ground, &["audit", "verify", "--file", path, "--key", "other"]).await.refused(2, "is the one you named");

    let changed = std::fs::read_to_string(&file).unwrap().replacen("user.registered", "user.forgotten", 1);
    let broken = run(&instance.ground, &["audit", "verify", "--file", "-"], &changed, &[]).await;
    broken.refused(1, "broken at event 1: altered");
    keystead(&instance.ground, &["audit", "verify", "--file", "nowhere"]).await.refused(2, "nowhere cannot be checked");
    let csv = keystead(&instance.ground, &["audit", "export", "--format", "csv"]).await.good().stdout;
    assert_eq!(csv.matches("\r\n").count(), events + 2, "a head, and the second export");
}

both_stores!(a_changed_event_is_named, an_export_is_checked_on_any_machine);
