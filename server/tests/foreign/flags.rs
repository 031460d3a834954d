//! The stock providers of OpenFeature read every type of flag from one instance and follow a change on another.

use serde_json::{Value, json};

use super::{reachable, run};
use crate::oauth::{admin, service};
use crate::support::{Instance, Store, both_stores};

/// What the scripts expect to find.
fn definitions() -> Value {
    let targeted = json!([{"if": {"==": [{"var": "plan"}, "pro"]}, "variant": "on"}]);
    let half = json!([{"rollout": [{"variant": "on", "percent": 50}, {"variant": "off", "percent": 50}]}]);
    let switch = json!({"on": true, "off": false});
    json!({
        "checkout": {"type": "boolean", "enabled": true, "variants": switch, "defaultVariant": "off", "rules": targeted},
        "half": {"type": "boolean", "enabled": true, "variants": switch, "defaultVariant": "off", "rules": half},
        "colour": {"type": "string", "enabled": true, "variants": {"green": "green", "red": "crimson"}, "defaultVariant": "green"},
        "retries": {"type": "number", "enabled": true, "variants": {"few": 3, "many": 10}, "defaultVariant": "few"},
        "layout": {"type": "object", "enabled": true, "variants": {"wide": {"columns": 2, "names": ["a", "b"]}}, "defaultVariant": "wide"},
    })
}

async fn follows(store: Store, script: &'static str) {
    let instance = reachable(store).set("KEYSTEAD_LIMITS__SIGNED_IN", "10000/1m").start().await;
    let other = match store {
        Store::Sqlite => None,
        Store::Postgres => Some(Instance::builder(store).second(&instance).set("KEYSTEAD_PUBLIC_URL", instance.base()).start().await),
    };
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let flags = definitions();
    for (key, definition) in flags.as_object().unwrap() {
        root.api.put(&format!("/api/v1/admin/flags/{key}"), definition.clone()).await.expect(200);
    }
    let reader = service(&root.api, &["flags:read"]).await.token(&instance).await;
    let other = other.as_ref().map_or(instance.base(), |other| other.base());
    let given = json!({"issuer": instance.base(), "other": other, "service": reader, "admin": root.access_token,
        "person": ada.access_token, "flags": flags});
    run(script, given).await;
}

async fn server_sdk_of_javascript(store: Store) {
    follows(store, "ofrep_server.mjs").await;
}

async fn web_sdk_of_javascript(store: Store) {
    follows(store, "ofrep_web.mjs").await;
}

async fn sdk_of_python(store: Store) {
    follows(store, "ofrep.py").await;
}

both_stores!(sdk_of_python, server_sdk_of_javascript, web_sdk_of_javascript);
