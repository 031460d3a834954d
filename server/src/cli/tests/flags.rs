//! `keystead flags`, beside a server.

use serde_json::{Value, json};

use super::command::{keystead, run};
use crate::support::{Instance, Store, both_stores, eventually};

async fn flags_are_changed_while_a_server_runs(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let seen = async |wanted: Value| {
        eventually("the change", async || {
            let flags = ada.api.get("/api/v1/flags").await.expect(200).body["flags"].clone();
            (flags.get("x").cloned().unwrap_or_default() == wanted).then_some(())
        })
        .await;
    };
    let flag = json!({"type": "string", "enabled": true, "variants": {"a": "A", "b": "B"}, "defaultVariant": "a", "offVariant": "b"});
    let made = run(&instance.ground, &["flags", "set", "x", "-", "--json"], &flag.to_string(), &[]).await.good().json();
    assert_eq!((&made["flag"]["key"], &made["flag"]["version"]), (&json!("x"), &json!(1)));
    seen(json!("A")).await;
    let off = keystead(&instance.ground, &["flags", "disable", "x", "--json"]).await.good().json();
    assert_eq!((&off["flag"]["enabled"], &off["flag"]["version"]), (&json!(false), &json!(2)));
    seen(json!("B")).await;
    keystead(&instance.ground, &["flags", "enable", "x"]).await.good();
    seen(json!("A")).await;
    let listed = keystead(&instance.ground, &["flags", "list", "--json"]).await.good().json();
    let keys: Vec<_> = listed["items"].as_array().unwrap().iter().map(|flag| flag["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["realtime.presence", "x"]);
    assert!(keystead(&instance.ground, &["flags", "get", "x"]).await.good().stdout.contains("\"defaultVariant\": \"a\""));
    keystead(&instance.ground, &["flags", "delete", "x"]).await.good();
    seen(Value::Null).await;
    keystead(&instance.ground, &["flags", "delete", "x"]).await.refused(1, "There is no flag `x`");
    run(&instance.ground, &["flags", "set", "x", "-"], "{\"type\": \"boolean\"}", &[]).await.refused(2, "missing field");
    let wrong = json!({"type": "boolean", "enabled": true, "variants": {"on": 1}, "defaultVariant": "off"});
    let wrong = run(&instance.ground, &["flags", "set", "x", "-"], &wrong.to_string(), &[]).await;
    assert!(wrong.code == Some(2) && wrong.stderr.contains("defaultVariant") && wrong.stderr.contains("variants.on"), "{wrong:#?}");
    let acts = instance.events().await.into_iter().filter(|event| event.action.starts_with("flag.") && event.actor_type == "operator");
    assert_eq!(acts.count(), 4);
}

both_stores!(flags_are_changed_while_a_server_runs);
