//! A10, B7: people read and change their profile, and every instance shows it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Instance, Store, both_stores};

const ACCOUNT: &str = "/api/v1/account";
const ADA: &str = "ada@example.com";

async fn a_profile_is_read_and_changed(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let user = ada.api.get(ACCOUNT).await.expect(200).body["user"].clone();
    assert_eq!((&user["name"], &user["role"], &user["email"]), (&json!("Ada Lovelace"), &Value::Null, &json!(ADA)));
    assert_eq!((&user["roles"], &user["status"]), (&json!(["user"]), &json!("active")));

    let both = ada.api.patch(ACCOUNT, json!({ "name": "  Ada King ", "role": "Countess" })).await.expect(200);
    assert_eq!((both.str("/user/name"), both.str("/user/role")), ("Ada King", "Countess"));
    let name = ada.api.patch(ACCOUNT, json!({ "name": "Ade\u{301}" })).await.expect(200);
    assert_eq!((name.str("/user/name"), name.str("/user/role")), ("Ad\u{e9}", "Countess"));
    let role = ada.api.patch(ACCOUNT, json!({ "role": null })).await.expect(200);
    assert_eq!((role.str("/user/name"), &role.body["user"]["role"]), ("Ad\u{e9}", &Value::Null));
    let nothing = ada.api.patch(ACCOUNT, json!({})).await.expect(200);
    assert_eq!(nothing.body, role.body);
    assert_eq!(ada.api.get("/api/v1/auth/me").await.expect(200).body, role.body);
    let renewed = instance.post("/api/v1/auth/refresh", json!({ "refreshToken": ada.refresh_token })).await.expect(200);
    assert_eq!(renewed.body["user"]["name"], "Ad\u{e9}");
}

/// What may not be changed is refused by name, and nothing is changed then.
async fn what_is_not_allowed_is_named(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    for body in [json!({ "email": "eve@example.com" }), json!({ "name": "Eve", "roles": ["admin"] }), json!({ "status": "active" })] {
        ada.api.patch(ACCOUNT, body).await.expect_problem(400, "invalid_request");
    }
    let refused = ada.api.patch(ACCOUNT, json!({ "name": " ", "role": "a\u{0}b" })).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["name:required", "role:invalid_characters"]);
    let long = "x".repeat(201);
    let refused = ada.api.patch(ACCOUNT, json!({ "name": "Eve", "role": long })).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["role:too_long"]);
    instance.patch(ACCOUNT, json!({ "name": "Eve" })).await.expect_problem(401, "unauthenticated");
    assert_eq!(ada.api.get(ACCOUNT).await.expect(200).str("/user/name"), "Ada Lovelace");
}

/// Two changes of different members at once both last.
async fn changes_at_once_do_not_undo_each_other(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    let there = second.with_token(&ada.access_token);
    for n in 0..10 {
        let (name, role) = (format!("Ada {n}"), format!("Role {n}"));
        let (one, two) = tokio::join!(ada.api.patch(ACCOUNT, json!({ "name": name })), there.patch(ACCOUNT, json!({ "role": role })));
        one.expect(200);
        two.expect(200);
        let sealed = instance.rows("SELECT id FROM users", vec![]).await;
        let row = keystead::accounts::store::find(&instance.running.app.ground.db, sealed[0].get(0).unwrap()).await.unwrap().unwrap();
        let key = instance.running.app.ground.keyring.get(row.id).await.unwrap();
        let view = keystead::accounts::PersonView::open(&row, &key).unwrap().body();
        assert_eq!((view.name, view.role), (name, Some(role)));
    }
}

/// B7: reads come from memory, and a change shows on every instance within a second.
async fn caches_follow_a_change_everywhere(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    let there = second.with_token(&ada.access_token);
    for api in [&ada.api, &there] {
        api.get(ACCOUNT).await.expect(200);
    }
    let cache = async |result: &str| instance.metric("keystead_cache_requests_total", &["cache=\"people\"", result]).await;
    let (hits, misses) = (cache("result=\"hit\"").await, cache("result=\"miss\"").await);
    for _ in 0..20 {
        ada.api.get(ACCOUNT).await.expect(200);
    }
    // The polls of the last sign-up may cost a few; most come from memory.
    let (hits, misses) = (cache("result=\"hit\"").await - hits, cache("result=\"miss\"").await - misses);
    assert!(hits + misses >= 20.0 && hits >= 15.0, "{hits} hits, {misses} misses");

    for n in 0..3 {
        let name = format!("Ada {n}");
        ada.api.patch(ACCOUNT, json!({ "name": name })).await.expect(200);
        assert_eq!(ada.api.get(ACCOUNT).await.expect(200).str("/user/name"), name);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
        while there.get(ACCOUNT).await.expect(200).str("/user/name") != name {
            assert!(tokio::time::Instant::now() < deadline, "the other instance shows the old name after a second");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

both_stores!(
    a_profile_is_read_and_changed,
    what_is_not_allowed_is_named,
    changes_at_once_do_not_undo_each_other,
    caches_follow_a_change_everywhere,
);
