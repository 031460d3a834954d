//! Lookup, approve, deny: what somebody is told, and that one decision counts.

use std::time::Duration;

use serde_json::json;

use super::super::{admin, expect_refusal};
use super::{APPROVE, CLI, DENY, Device, LOOKUP, television};
use crate::support::{Instance, Store, both_stores};

async fn whoever_decides_is_told_who_asks(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let television = television(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let there = instance.at_address("198.51.100.9").with("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0");
    let device = Device::of(&there, &television).await;
    let told = ada.api.at_address("203.0.113.7").post(LOOKUP, device.typed()).await.expect(200);
    assert_eq!(told.body["client"], json!({"clientId": television, "name": "Television", "firstParty": false, "fullAccess": false}));
    assert_eq!(told.body["scopes"], json!(["shows:watch"]));
    assert_eq!((told.str("/requestedFrom/ip"), told.str("/requestedFrom/place")), ("198.51.100.9", "elsewhere"));
    assert_eq!(told.str("/requestedFrom/device"), "Firefox on Linux");
    assert!(told.str("/expiresAt") > told.str("/requestedFrom/at"));
    // The command line acts as its person, so that is what it says.
    let root = instance.signed_in("root@example.com").await;
    let cli = Device::begun(&there).await;
    let told = root.api.post(LOOKUP, cli.typed()).await.expect(200);
    assert_eq!((told.str("/client/clientId"), &told.body["client"]["fullAccess"]), (CLI, &json!(true)));
    assert!(told.body["scopes"].as_array().unwrap().contains(&json!("users:write")));
    assert_eq!(ada.api.post(LOOKUP, cli.typed()).await.expect(200).body["scopes"], json!([]));
}

async fn how_near_the_device_is(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    for (there, here, place) in [
        ("203.0.113.7", "203.0.113.7", "same_address"),
        ("::ffff:203.0.113.7", "203.0.113.7", "same_address"),
        ("203.0.113.99", "203.0.113.7", "same_network"),
        ("2001:db8::1", "2001:db8::2:1", "same_network"),
        ("2001:db8:0:1::1", "2001:db8::1", "elsewhere"),
        ("203.0.114.7", "203.0.113.7", "elsewhere"),
        ("10.0.0.5", "203.0.113.7", "private_network"),
        ("fd00::5", "203.0.113.7", "private_network"),
        ("192.168.1.5", "192.168.1.6", "same_network"),
    ] {
        let device = Device::begun(&instance.at_address(there)).await;
        let told = ada.api.at_address(here).post(LOOKUP, device.typed()).await.expect(200);
        assert_eq!(told.str("/requestedFrom/place"), place, "from {there}, seen at {here}");
        device.decided(&ada, DENY).await.expect(204);
    }
}

async fn codes_are_read_as_people_type_them(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let code = Device::begun(&instance).await.user_code;
    let bare = code.replace('-', "");
    let spaced: String = bare.chars().flat_map(|letter| [letter, ' ']).collect();
    for typed in [code.to_lowercase(), bare.clone(), spaced, format!(" {code}\n"), code.replace('-', "\u{2013}"), code.replace('-', " - ")]
    {
        ada.api.post(LOOKUP, json!({"userCode": typed})).await.expect(200);
    }
    for typed in ["", "-", "WDJB", "AAAA-AAAA", "WDJB-MJH1", "WDJB_MJHT", "WDJB-MJHTX", "ＷＤＪＢ-ＭＪＨＴ", "WDJB-MJHT\0", "' OR 1=1 --"]
    {
        let refused = ada.api.post(LOOKUP, json!({"userCode": typed})).await.expect_problem(422, "validation_failed");
        assert_eq!(refused.field_errors(), ["userCode:invalid"], "{typed}");
    }
    for path in [LOOKUP, APPROVE, DENY] {
        ada.api.post(path, json!({"userCode": "BBBB-BBBB"})).await.expect_problem(404, "not_found");
        ada.api.post(path, json!({"userCode": code, "scope": "all"})).await.expect_problem(400, "invalid_request");
        ada.api.post(path, json!({})).await.expect_problem(400, "invalid_request");
    }
}

async fn a_decision_counts_once(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (let_in, kept_out, late) = (Device::begun(&instance).await, Device::begun(&instance).await, Device::begun(&instance).await);
    let_in.decided(&ada, APPROVE).await.expect(204);
    kept_out.decided(&ada, DENY).await.expect(204);
    for device in [&let_in, &kept_out] {
        for path in [LOOKUP, APPROVE, DENY] {
            device.decided(&ada, path).await.expect_problem(404, "not_found");
        }
    }
    expect_refusal(&kept_out.poll(&instance).await, 400, "access_denied");
    instance.advance(Duration::from_secs(600));
    let ada = instance.signed_in("ada@example.com").await;
    for path in [LOOKUP, APPROVE, DENY] {
        late.decided(&ada, path).await.expect_problem(404, "not_found");
    }
    let of_devices = instance.events().await.into_iter().filter(|event| event.action.starts_with("device."));
    let told: Vec<_> = of_devices.map(|event| (event.action, event.actor.unwrap().to_string(), event.outcome)).collect();
    let by_ada = |action: &str| (action.to_owned(), ada.id().to_owned(), "success".to_owned());
    assert_eq!(told, [by_ada("device.approved"), by_ada("device.denied")]);
}

async fn of_many_who_decide_one_does(store: Store) {
    let instance = Instance::start(store).await;
    let other = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    for _ in 0..4 {
        let device = Device::begun(&instance).await;
        let decisions = (0..16).map(|number| {
            let (path, body) = (if number % 2 == 0 { APPROVE } else { DENY }, device.typed());
            let api = if number % 4 < 2 { ada.api.clone() } else { other.with_token(&ada.access_token) };
            tokio::spawn(async move { (path, api.post(path, body).await.status) })
        });
        let mut winners = Vec::new();
        for decision in decisions.collect::<Vec<_>>() {
            let (path, status) = decision.await.unwrap();
            assert!(status == 204 || status == 404, "{path}: {status}");
            winners.extend((status == 204).then_some(path));
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let state = instance.rows("SELECT state FROM oauth_device_requests ORDER BY id DESC LIMIT 1", Vec::new()).await;
        let state: String = state[0].get(0).unwrap();
        assert_eq!(state, if winners == [APPROVE] { "approved" } else { "denied" });
    }
}

async fn nobody_decides_for_a_client_that_is_gone(store: Store) {
    let instance = Instance::start(store).await;
    let television = television(&instance).await;
    let root = instance.signed_in("root@example.com").await;
    let device = Device::of(&instance, &television).await;
    root.api.delete(&format!("/api/v1/admin/clients/{television}")).await.expect(204);
    for path in [LOOKUP, APPROVE, DENY] {
        device.decided(&root, path).await.expect_problem(404, "not_found");
    }
}

/// A client for itself is nobody who could let a device in.
async fn only_people_decide(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let service = super::super::service(&root.api, &["users:write"]).await.token(&instance).await;
    let device = Device::begun(&instance).await;
    for path in [LOOKUP, APPROVE, DENY] {
        instance.with_token(&service).post(path, device.typed()).await.expect_problem(403, "forbidden");
        instance.post(path, device.typed()).await.expect_problem(401, "unauthenticated");
    }
    expect_refusal(&device.poll(&instance).await, 400, "authorization_pending");
}

both_stores!(
    whoever_decides_is_told_who_asks,
    how_near_the_device_is,
    codes_are_read_as_people_type_them,
    a_decision_counts_once,
    of_many_who_decide_one_does,
    nobody_decides_for_a_client_that_is_gone,
    only_people_decide,
);
