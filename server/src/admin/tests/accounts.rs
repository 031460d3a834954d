//! Accounts are changed, opened and closed.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{ADA, admin, of};
use crate::support::{Answer, Instance, PASSWORD, Store, both_stores, eventually};

async fn login(instance: &Instance) -> Answer {
    instance.post("/api/v1/auth/login", json!({"email": ADA, "password": PASSWORD, "transport": "body"})).await
}

async fn a_profile_is_changed_in_the_version_that_was_seen(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let seen = root.api.get(&of(&ada, "")).await.expect(200);
    assert_eq!((seen.str("/user/email"), &seen.body["lockedUntil"]), (ADA, &Value::Null));
    let tag = seen.header("etag").unwrap().to_owned();
    let change = json!({"name": "Ada King", "role": "Countess", "reason": "She married"});
    let changed = root.api.with("if-match", &tag).patch(&of(&ada, ""), change.clone()).await.expect(200);
    assert_eq!((changed.str("/user/name"), changed.str("/user/role")), ("Ada King", "Countess"));
    root.api.with("if-match", &tag).patch(&of(&ada, ""), change).await.expect_problem(412, "version_conflict");
    let cleared = root.api.patch(&of(&ada, ""), json!({"role": null})).await.expect(200);
    assert_eq!((cleared.str("/user/name"), &cleared.body["user"]["role"]), ("Ada King", &Value::Null));
    let wrong = root.api.patch(&of(&ada, ""), json!({"name": "", "role": "x".repeat(201)})).await;
    assert_eq!(wrong.expect_problem(422, "validation_failed").field_errors(), ["name:required", "role:too_long"]);
    assert_eq!(ada.api.get("/api/v1/account").await.expect(200).str("/user/name"), "Ada King");
    let event = root.api.get("/api/v1/admin/audit?action=user.updated").await.expect(200);
    let first = event.body["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&first["reason"], &first["actor"]["id"]), (&json!("She married"), &json!(root.id())));
    assert!(instance.events().await.iter().all(|event| !event.details.contains("married")), "reasons stand sealed");
}

async fn accounts_are_opened_and_closed(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let status = async |act: &str| root.api.send(Method::POST, &of(&ada, act), None).await.expect(200).str("/user/status").to_owned();
    assert_eq!(status("/suspend").await, "suspended");
    ada.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    assert_ne!(login(&instance).await.status, 200);
    root.api.post(&of(&ada, "/suspend"), json!({"reason": "again"})).await.expect_problem(409, "conflict");
    assert_eq!(status("/activate").await, "active");
    login(&instance).await.expect(200);
    root.api.delete(&of(&ada, "")).await.expect(204);
    assert_ne!(login(&instance).await.status, 200);
    assert_eq!(status("/restore").await, "active");
    login(&instance).await.expect(200);
}

async fn a_lock_is_lifted(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    for _ in 0..5 {
        instance.post("/api/v1/auth/login", json!({"email": ADA, "password": "Wrong-Password-1"})).await;
    }
    login(&instance).await.expect_problem(423, "account_locked");
    assert!(root.api.get(&of(&ada, "")).await.expect(200).body["lockedUntil"].is_string());
    let unlocked = root.api.send(Method::POST, &of(&ada, "/unlock"), None).await.expect(200);
    assert_eq!(unlocked.body["lockedUntil"], Value::Null);
    login(&instance).await.expect(200);
}

async fn sessions_are_seen_and_ended(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    instance.signed_in(ADA).await;
    let listed = root.api.get(&of(&ada, "/sessions")).await.expect(200);
    let items = listed.body["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["current"]), (2, &json!(false)));
    let ended = root.api.post(&of(&ada, "/revoke-sessions"), json!({})).await.expect(200);
    assert_eq!(ended.body["revoked"], 2);
    eventually("the other instance to refuse", async || {
        (second.with_token(&ada.access_token).get("/api/v1/auth/me").await.status == 401).then_some(())
    })
    .await;
}

async fn panic_takes_everything_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    instance.post("/api/v1/auth/password/forgot", json!({"email": ADA})).await.expect(202);
    let link = instance.mail_to(ADA).await.token();
    let made = ada.api.post("/api/v1/account/tokens", json!({"name": "script", "scopes": ["account:read"]})).await.expect(201);
    let script = second.with_token(made.str("/secret"));
    script.get("/api/v1/account").await.expect(200);

    root.api.post(&of(&ada, "/panic"), json!({})).await.expect_problem(400, "invalid_request");
    let locked = root.api.post(&of(&ada, "/panic"), json!({"reason": "Her laptop was stolen"})).await.expect(200);
    assert_eq!(locked.str("/user/status"), "suspended");
    for (what, caller, path) in [("session", second.with_token(&ada.access_token), "/api/v1/auth/me"), ("token", script, "/api/v1/account")]
    {
        eventually(what, async || (caller.get(path).await.status == 401).then_some(())).await;
    }
    let reset = instance.post("/api/v1/auth/password/reset", json!({"token": link, "password": "Another-Giraffe-Sings-43"})).await;
    assert!(matches!(reset.status, 400 | 410 | 422), "{reset}");
    root.api.send(Method::POST, &of(&ada, "/activate"), None).await.expect(200);
    let late = instance.post("/api/v1/auth/password/reset", json!({"token": link, "password": "Another-Giraffe-Sings-43"})).await;
    assert!(matches!(late.status, 400 | 410 | 422), "the link stays void\n{late}");
    assert_eq!(login(&instance).await.status, 401, "the password that somebody else may know is void");
    let again = root.api.post(&of(&ada, "/panic"), json!({"reason": "Still stolen"})).await.expect(200);
    assert_eq!(again.str("/user/status"), "suspended");
    root.api.post(&of(&ada, "/panic"), json!({"reason": "Twice"})).await.expect(200);
}

async fn people_are_erased_now_or_later(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    root.api.post(&of(&ada, "/erase"), json!({"delaySeconds": 5})).await.expect_problem(400, "invalid_request");
    let later = root.api.post(&of(&ada, "/erase"), json!({"reason": "Asked to", "delaySeconds": 3600})).await.expect(202);
    let shown = root.api.get(&of(&ada, "")).await.expect(200);
    assert_eq!((shown.str("/user/status"), shown.str("/user/erasesAt")), ("deleted", later.str("/erasesAt")));
    root.api.send(Method::POST, &of(&ada, "/restore"), None).await.expect(200);
    root.api.post(&of(&ada, "/erase"), json!({"reason": "Asked to", "delaySeconds": 3600})).await.expect(202);
    instance.running.app.housekeep(instance.advance(Duration::from_secs(3601))).await;
    let root = instance.signed_in("root@example.com").await;
    root.api.get(&of(&ada, "")).await.expect_problem(404, "not_found");

    let eve = instance.signed_up("eve@example.com").await;
    root.api
        .post(&of(&eve, "/erase"), json!({"reason": "Asked to", "delaySeconds": 31_622_401}))
        .await
        .expect_problem(422, "validation_failed");
    root.api.post(&of(&eve, "/erase"), json!({"reason": "Asked to"})).await.expect(202);
    root.api.get(&of(&eve, "")).await.expect_problem(404, "not_found");
    root.api.post(&of(&eve, "/erase"), json!({"reason": "Asked to"})).await.expect_problem(404, "not_found");
    root.api.get("/api/v1/admin/audit/verify").await.expect(200);
}

both_stores!(
    a_lock_is_lifted,
    a_profile_is_changed_in_the_version_that_was_seen,
    accounts_are_opened_and_closed,
    panic_takes_everything_at_once,
    people_are_erased_now_or_later,
    sessions_are_seen_and_ended,
);
