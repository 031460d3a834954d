//! P9: the trail is searched by actor, act, target, time and outcome, page by page.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Client, Instance, Store, both_stores, eventually};

const AUDIT: &str = "/api/v1/admin/audit";

async fn items(api: &Client, query: &str) -> Vec<Value> {
    api.get(&format!("{AUDIT}?{query}")).await.expect(200).body["items"].as_array().unwrap().clone()
}

/// In the order of the alphabet: what happens in one request happens at one instant.
fn actions(items: &[Value]) -> Vec<&str> {
    let mut actions: Vec<_> = items.iter().map(|item| item["action"].as_str().unwrap()).collect();
    actions.sort_unstable();
    actions
}

async fn the_trail_is_narrowed(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    let ada = instance.with("user-agent", "ZephyrBrowser/9.81");
    let start = instance.advance(Duration::from_secs(60)).to_rfc3339();
    let password = json!({ "email": "ada@example.com", "password": "Wrong-guess-1" });
    let person = instance.signed_up("ada@example.com").await;
    ada.post("/api/v1/auth/login", password).await.expect(401);
    let end = instance.advance(Duration::from_secs(60)).to_rfc3339();
    let id = person.id();

    let all = items(&auditor.api, "limit=200").await;
    assert_eq!(all.len(), instance.events().await.len());
    let by_ada = items(&auditor.api, &format!("actor={id}")).await;
    assert_eq!(actions(&by_ada), ["session.started", "user.email_verified", "user.registered"]);
    let on_ada = items(&auditor.api, &format!("target={id}")).await;
    assert_eq!(actions(&on_ada), ["login.failed", "user.email_verified", "user.registered"]);
    assert_eq!(actions(&items(&auditor.api, &format!("target={id}&actor={id}&action=user.registered")).await), ["user.registered"]);
    assert_eq!(items(&auditor.api, "action=user.registered").await.len(), 2);
    let failed = items(&auditor.api, "outcome=denied").await;
    assert_eq!(actions(&failed), ["login.failed"]);
    assert_eq!((&failed[0]["ip"], &failed[0]["userAgent"]), (&json!("127.0.0.1"), &json!("ZephyrBrowser/9.81")));
    assert_eq!((&failed[0]["actor"], &failed[0]["target"]), (&json!({"type": "unknown", "id": null}), &json!({"type": "user", "id": id})));
    assert_eq!(items(&auditor.api, &format!("from={start}&to={end}")).await.len(), 4);
    assert_eq!(items(&auditor.api, &format!("to={start}&action=user.registered")).await.len(), 1);
    assert!(items(&auditor.api, &format!("from={end}")).await.is_empty());
    assert!(items(&auditor.api, "to=1969-12-31T00:00:00Z").await.is_empty());
    assert!(items(&auditor.api, "action=no.such_act").await.is_empty());

    let link = eventually("a sealed event", async || {
        let found = items(&auditor.api, &format!("target={id}&action=login.failed")).await.remove(0);
        (!found["seq"].is_null()).then_some(found)
    })
    .await;
    assert_eq!((link["hash"].as_str().unwrap().len(), link["previousHash"].as_str().unwrap().len()), (64, 64));
}

async fn pages_have_no_gap_and_no_double(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    for n in 0..12 {
        auditor.api.post("/api/v1/account/consents", json!({ "policy": "privacy", "version": n.to_string() })).await.expect(201);
    }
    let (mut seen, mut cursor, mut inserted) = (Vec::new(), String::new(), 100);
    loop {
        let page = auditor.api.get(&format!("{AUDIT}?action=consent.given&limit=5{cursor}")).await.expect(200);
        seen.extend(page.body["items"].as_array().unwrap().iter().map(|item| item["details"]["version"].as_str().unwrap().to_owned()));
        // What comes while somebody pages does not shift the pages.
        inserted += 1;
        let consent = json!({ "policy": "privacy", "version": inserted.to_string() });
        auditor.api.post("/api/v1/account/consents", consent).await.expect(201);
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..12).rev().map(|n: u32| n.to_string()).collect::<Vec<_>>());
}

async fn nonsense_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let auditor = instance.signed_up("auditor@example.com").await;
    instance.set_roles(&auditor, "auditor").await;
    for query in
        ["actor=ada", "from=yesterday", "to=1", "outcome=maybe", "action=", "limit=0", "cursor=x", "query=x", "actor=%27%20OR%201=1"]
    {
        auditor.api.get(&format!("{AUDIT}?{query}")).await.expect_problem(400, "invalid_request");
    }
    let told =
        auditor.api.get(&format!("{AUDIT}?actor=nope&target=ada@example.com&from=yesterday")).await.expect_problem(400, "invalid_request");
    assert_eq!(told.field_errors(), ["actor:invalid_id", "from:invalid_time", "target:invalid_id"]);
    instance.signed_in("auditor@example.com").await;
    let foreign = auditor.api.get("/api/v1/sessions?limit=1").await.expect(200).str("/nextCursor").to_owned();
    auditor.api.get(&format!("{AUDIT}?cursor={foreign}")).await.expect_problem(400, "invalid_request");
}

both_stores!(the_trail_is_narrowed, pages_have_no_gap_and_no_double, nonsense_is_named);
