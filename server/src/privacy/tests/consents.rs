//! P5: which version of which policy was accepted, when and from where.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Instance, Store, both_stores};

const CONSENTS: &str = "/api/v1/account/consents";

fn names(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| format!("{}={}", item["policy"].as_str().unwrap(), item["version"].as_str().unwrap())).collect()
}

async fn a_consent_is_given_once(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    let first = ada.api.at_address("203.0.113.5").post(CONSENTS, json!({ "policy": "privacy", "version": "2026-01" })).await.expect(201);
    assert_eq!((first.str("/consent/policy"), first.str("/consent/ip")), ("privacy", "203.0.113.5"));
    instance.advance(Duration::from_secs(60));
    let again = ada.api.at_address("203.0.113.6").post(CONSENTS, json!({ "policy": "privacy", "version": "2026-01" })).await.expect(201);
    assert_eq!(first.body, again.body, "the one on record stays, with its time and address");

    // Sixteen at once are one, too.
    let all = (0..16).map(|_| ada.api.post(CONSENTS, json!({ "policy": "terms", "version": "1" })));
    let mut ids: Vec<_> =
        futures_util::future::join_all(all).await.into_iter().map(|a| a.expect(201).str("/consent/id").to_owned()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(names(&ada.api.get(CONSENTS).await.expect(200).body), ["terms=1", "privacy=2026-01"]);
    let given = instance.count("SELECT count(*) FROM audit_events WHERE action = 'consent.given'", vec![]).await;
    assert_eq!(given, 2, "one event for each that was written");
}

/// Nobody sees or gives another person's.
async fn consents_are_their_givers(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    ada.api.post(CONSENTS, json!({ "policy": "privacy", "version": "1" })).await.expect(201);
    assert_eq!(names(&eve.api.get(CONSENTS).await.expect(200).body), Vec::<String>::new());
    eve.api.post(CONSENTS, json!({ "policy": "privacy", "version": "1", "userId": ada.id() })).await.expect_problem(400, "invalid_request");
    instance.get(CONSENTS).await.expect_problem(401, "unauthenticated");
    instance.post(CONSENTS, json!({ "policy": "privacy", "version": "1" })).await.expect_problem(401, "unauthenticated");
}

/// When policies are configured only their current version can be accepted; when one changes it is asked for anew.
async fn only_current_versions_are_accepted(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRIVACY__POLICIES", "privacy=2026-01").start().await;
    let ada = instance.signed_up("ada@example.com").await;
    for (policy, version, code) in [
        ("privacy", "2025-01", "policy:outdated_version"),
        ("cookies", "1", "policy:unknown_policy"),
        ("", "1", "policy:invalid_policy"),
        ("privacy", "ü", "policy:invalid_policy"),
        ("'; DROP TABLE consents; --", "1", "policy:invalid_policy"),
    ] {
        let refused = ada.api.post(CONSENTS, json!({ "policy": policy, "version": version })).await;
        assert_eq!(refused.expect_problem(422, "validation_failed").field_errors(), [code], "{policy:?}");
    }
    ada.api.post(CONSENTS, json!({ "policy": "privacy", "version": "2026-01" })).await.expect(201);
    let ground = std::sync::Arc::clone(&instance.ground);
    instance.stop().await;

    let instance = Instance::builder(store).on(ground).set("KEYSTEAD_PRIVACY__POLICIES", "privacy=2026-06").start().await;
    let ada = instance.signed_in("ada@example.com").await;
    ada.api.post(CONSENTS, json!({ "policy": "privacy", "version": "2026-01" })).await.expect_problem(422, "validation_failed");
    ada.api.post(CONSENTS, json!({ "policy": "privacy", "version": "2026-06" })).await.expect(201);
    assert_eq!(names(&ada.api.get(CONSENTS).await.expect(200).body), ["privacy=2026-06", "privacy=2026-01"]);
}

/// Pages neither repeat nor lose one, while more are given.
async fn pages_are_stable_under_inserts(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let give = async |n: usize| {
        instance.advance(Duration::from_millis(5));
        ada.api.post(CONSENTS, json!({ "policy": "terms", "version": n.to_string() })).await.expect(201);
    };
    for n in 0..7 {
        give(n).await;
    }
    let (mut seen, mut path, mut extra) = (Vec::new(), format!("{CONSENTS}?limit=2"), 7);
    loop {
        let page = ada.api.get(&path).await.expect(200);
        seen.extend(names(&page.body));
        give(extra).await;
        extra += 1;
        match page.body["nextCursor"].as_str() {
            Some(cursor) => path = format!("{CONSENTS}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).rev().map(|n| format!("terms={n}")).collect::<Vec<_>>());
    for query in ["limit=0", "limit=201", "limit=x", "cursor=x", "page=2"] {
        ada.api.get(&format!("{CONSENTS}?{query}")).await.expect_problem(400, "invalid_request");
    }
    // A cursor of another list is none of this one.
    for _ in 0..2 {
        instance.signed_in("ada@example.com").await;
    }
    let sessions = ada.api.get("/api/v1/sessions?limit=1").await.expect(200);
    let cursor = sessions.str("/nextCursor");
    ada.api.get(&format!("{CONSENTS}?cursor={cursor}")).await.expect_problem(400, "invalid_request");
}

both_stores!(a_consent_is_given_once, consents_are_their_givers, only_current_versions_are_accepted, pages_are_stable_under_inserts);
