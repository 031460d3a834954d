//! `keystead keys`, beside a server.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystead::db::Store as Which;
use keystead::secret::PUBLISH_AHEAD;
use serde_json::Value;

use super::command::{column, keystead};
use crate::support::{Instance, Store, both_stores};

async fn published(instance: &Instance) -> Vec<String> {
    let keys = instance.get("/.well-known/jwks.json").await.expect(200);
    keys.body["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn kid(token: &str) -> String {
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

fn states(listing: &Value) -> Vec<(String, String)> {
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    listing["items"].as_array().unwrap().iter().map(|key| (text(key, "kid"), text(key, "state"))).collect()
}

async fn keys_are_rotated_while_a_server_runs(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let old = kid(&ada.access_token);
    let listed = keystead(&instance.ground, &["keys", "list", "--json"]).await.good().json();
    assert_eq!((states(&listed), &listed["nextCursor"]), (vec![(old.clone(), "current".into())], &Value::Null));
    assert!(listed["items"][0]["publishedUntil"].is_null() && listed["items"][0]["alg"] == "EdDSA", "{listed}");

    let rotated = keystead(&instance.ground, &["keys", "rotate", "--json"]).await.good().json();
    let new = rotated["key"]["kid"].as_str().unwrap().to_owned();
    assert!(new != old && rotated["key"]["state"] == "next", "{rotated}");

    // The server reads its keys again twice a minute.
    instance.running.app.ground.signer.reload().await.unwrap();
    assert_eq!(published(&instance).await, [old.clone(), new.clone()]);
    assert_eq!(kid(&instance.signed_in("ada@example.com").await.access_token), old, "a new key is published before it signs");

    instance.advance(PUBLISH_AHEAD + Duration::from_secs(5));
    assert_eq!(kid(&instance.signed_in("ada@example.com").await.access_token), new);
    ada.api.get("/api/v1/auth/me").await.expect(200);

    instance.advance(Duration::from_secs(70 * 60));
    assert_eq!(published(&instance).await, std::slice::from_ref(&new), "its last token has expired");

    let listed = keystead(&instance.ground, &["keys", "list"]).await.good().stdout;
    let lines: Vec<_> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["KEY", "STATE", "SIGNS", "FROM", "PUBLISHED", "UNTIL"]);
    // The command lives at the real time, where nothing of this has happened yet.
    assert_eq!((&lines[1][..2], &lines[2][..2]), (&[old.as_str(), "current"][..], &[new.as_str(), "next"][..]));

    let sql = "SELECT actor_type || ' ' || details FROM audit_events WHERE action = 'signing_key.rotated'";
    assert_eq!(column(&instance.ground, Which::Main, sql).await, [format!("operator {{\"kid\":\"{new}\"}}")]);
}

async fn a_rotation_is_told_to_people(store: Store) {
    let instance = Instance::start(store).await;
    let said = keystead(&instance.ground, &["keys", "rotate"]).await.good().stdout;
    assert!(said.starts_with("Published ") && said.contains(". It signs from 2"), "{said}");
    let other = ("KEYSTEAD_MASTER_KEY", "b3RoZXItdGVzdC1tYXN0ZXIta2V5LTMyLWJ5dGVzISE=");
    super::command::run(&instance.ground, &["keys", "rotate"], "", &[other]).await.refused(1, "master key");
}

both_stores!(keys_are_rotated_while_a_server_runs, a_rotation_is_told_to_people);
