//! Who may see and consume whose quota.

use serde_json::{Value, json};

use super::{CONSUME, RESERVE, commit, consume, release, state, with_quota};
use crate::oauth::{self, admin};
use crate::support::{Client, Instance, SignedIn, Store, both_stores};

/// A service client with these scopes, signed in.
async fn service(instance: &Instance, admin: &SignedIn, scopes: &[&str]) -> Client {
    let registered = oauth::service(&admin.api, scopes).await;
    instance.with_token(&registered.token(instance).await)
}

async fn token(person: &SignedIn, instance: &Instance, scopes: &[&str]) -> Client {
    let made = person.api.post("/api/v1/account/tokens", json!({"name": "x", "scopes": scopes})).await.expect(201);
    instance.with_token(made.str("/secret"))
}

async fn a_service_consumes_for_whom_it_names(store: Store) {
    let instance = with_quota(store, "100/1d").start().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let worker = service(&instance, &root, &["quotas:write"]).await;
    let answer = worker.post(CONSUME, json!({"amount": 30, "subject": ada.id()})).await.expect(200);
    assert_eq!(answer.body["used"], 30);
    let held = worker.post(RESERVE, json!({"amount": 30, "subject": ada.id()})).await.expect(201);
    let id = held.str("/reservation/id");
    // What a service holds, the person does not give back.
    release(&ada.api, id).await.expect_problem(404, "not_found");
    commit(&ada.api, id, 0).await.expect_problem(404, "not_found");
    commit(&worker, id, 20).await.expect(200);
    assert_eq!(state(&ada.api).await, (50, 0, 50));
    let answer = worker.post(CONSUME, json!({"amount": 1})).await.expect_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), ["subject:required"]);
    worker.get("/api/v1/quotas").await.expect_problem(403, "forbidden");
    // Of services, too, each settles its own.
    let other = service(&instance, &root, &["quotas:write"]).await;
    let held = worker.post(RESERVE, json!({"amount": 1, "subject": ada.id()})).await.expect(201);
    release(&other, held.str("/reservation/id")).await.expect_problem(404, "not_found");
    let reader = service(&instance, &root, &["quotas:read"]).await;
    reader.post(CONSUME, json!({"amount": 1, "subject": ada.id()})).await.expect_problem(403, "insufficient_scope");
}

async fn nobody_consumes_for_others_without_the_scope(store: Store) {
    let instance = Instance::start(store).await;
    let (ada, eve) = (instance.signed_up("ada@example.com").await, instance.signed_up("eve@example.com").await);
    for path in [CONSUME, RESERVE] {
        for subject in [ada.id(), eve.id(), "01920000-0000-7000-8000-000000000000"] {
            let answer = eve.api.post(path, json!({"amount": 1, "subject": subject})).await;
            answer.expect_problem(403, "insufficient_scope");
        }
    }
    assert_eq!(state(&ada.api).await, (0, 0, 50_000));
}

async fn subjects_who_consume_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let on_behalf = |id: &str| json!({"amount": 1, "subject": id});
    root.api.post(CONSUME, on_behalf("01920000-0000-7000-8000-000000000000")).await.expect_problem(404, "not_found");
    root.api.post(CONSUME, on_behalf(ada.id())).await.expect(200);
    let act = async |act: &str, body: Value| root.api.post(&format!("/api/v1/admin/users/{}/{act}", ada.id()), body).await;
    act("suspend", json!({"reason": "x"})).await.expect(200);
    root.api.post(CONSUME, on_behalf(ada.id())).await.expect_problem(409, "conflict");
    act("activate", json!({"reason": "x"})).await.expect(200);
    root.api.post(CONSUME, on_behalf(ada.id())).await.expect(200);
    root.api.post(RESERVE, on_behalf(ada.id())).await.expect(201);
    root.api.put(&format!("/api/v1/admin/users/{}/quotas/tokens", ada.id()), json!({"limit": 9})).await.expect(200);
    act("erase", json!({"reason": "x"})).await.expect(202);
    root.api.post(CONSUME, on_behalf(ada.id())).await.expect_problem(404, "not_found");
    // Nothing about them is left.
    for sql in [
        "SELECT count(*) FROM quota_counters WHERE quota = 'tokens' AND own_limit IS NOT NULL",
        "SELECT count(*) FROM quota_reservations",
        "SELECT count(*) FROM quota_days",
    ] {
        assert_eq!(instance.count(sql, Vec::new()).await, 0, "{sql}");
    }
}

async fn a_program_of_ones_own_takes_the_scope(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let program = token(&ada, &instance, &["quotas:use"]).await;
    consume(&program, json!(5)).await.expect(200);
    assert_eq!(state(&program).await, (5, 0, 49_995));
    let other = token(&ada, &instance, &["account:read"]).await;
    consume(&other, json!(5)).await.expect_problem(403, "insufficient_scope");
    other.get("/api/v1/quotas").await.expect_problem(403, "insufficient_scope");
    // For others, it takes both.
    let program = token(&root, &instance, &["quotas:use"]).await;
    program.post(CONSUME, json!({"amount": 1, "subject": ada.id()})).await.expect_problem(403, "insufficient_scope");
    let program = token(&root, &instance, &["quotas:use", "quotas:write"]).await;
    program.post(CONSUME, json!({"amount": 1, "subject": ada.id()})).await.expect(200);
}

/// Whoever lost the right between reserving and settling.
async fn a_right_that_was_taken_away_settles_nothing_of_others(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let mut held = Vec::new();
    for subject in [json!(ada.id()), json!(null)] {
        let answer = root.api.post(RESERVE, json!({"amount": 7, "subject": subject})).await.expect(201);
        held.push(answer.str("/reservation/id").to_owned());
    }
    instance.set_roles(&root, "user").await;
    commit(&root.api, &held[0], 7).await.expect_problem(403, "insufficient_scope");
    commit(&root.api, &held[1], 7).await.expect(200);
}

async fn whoever_acts_as_somebody_looks_and_does_not_use(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up("ada@example.com").await);
    let path = format!("/api/v1/admin/users/{}/impersonate", ada.id());
    let made = root.api.post(&path, json!({"reason": "a ticket"})).await.expect(201);
    let acting = instance.with_token(made.str("/accessToken"));
    acting.get("/api/v1/quotas").await.expect(200);
    consume(&acting, json!(1)).await.expect_problem(403, "insufficient_scope");
    acting.post(RESERVE, json!({"amount": 1})).await.expect_problem(403, "insufficient_scope");
    assert_eq!(state(&ada.api).await, (0, 0, 50_000));
}

both_stores!(
    a_program_of_ones_own_takes_the_scope,
    a_right_that_was_taken_away_settles_nothing_of_others,
    a_service_consumes_for_whom_it_names,
    nobody_consumes_for_others_without_the_scope,
    subjects_who_consume_nothing,
    whoever_acts_as_somebody_looks_and_does_not_use,
);
