//! A service as a caller: where it is let in, where it is not, and how fast it is out.

use http::Method;
use serde_json::json;

use super::{admin, expect_refusal, form, service};
use crate::closed::{Guard, Operation, operations};
use crate::support::{Client, Instance, Store, both_stores, eventually};

const AUDIT: &str = "/api/v1/admin/audit";

async fn a_service_is_let_in_by_its_scopes(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["audit:read", "ops:read"]).await;
    let api = instance.with_token(&made.token(&instance).await);
    api.get(AUDIT).await.expect(200);
    assert!(api.get("/health").await.expect(200).body.get("checks").is_some());
    api.get("/api/v1/admin/clients").await.expect_problem(403, "insufficient_scope");
    let narrow = form(&made.basic(&instance), "/oauth2/token", &[("grant_type", "client_credentials"), ("scope", "ops:read")]).await;
    instance.with_token(narrow.expect(200).str("/access_token")).get(AUDIT).await.expect_problem(403, "insufficient_scope");
}

/// Whatever needs a person is closed to a service, whatever scopes it has.
async fn a_service_is_no_person(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let api = instance.with_token(&service(&root.api, keystead::access::SCOPES).await.token(&instance).await);
    api.get("/api/v1/auth/me").await.expect_problem(403, "forbidden");
    api.get("/api/v1/account").await.expect_problem(403, "forbidden");
    let mut tried = 0;
    // OpenFeature's protocol is for servers, too; that they need a scope there is a test of the flags. So do those that transcribe,
    // and those that consume quotas of the people they name.
    const FOR_SERVICES: [&str; 5] = ["postTranscript", "consumeQuota", "reserveQuota", "commitReservation", "releaseReservation"];
    let for_both = |operation: &Operation| {
        let id = operation.described["operationId"].as_str().unwrap_or_default();
        operation.template.starts_with("/ofrep/") || FOR_SERVICES.contains(&id)
    };
    let of_people = |operation: &Operation| matches!(operation.guard(), Ok(Guard::Person | Guard::Personal(_))) && !for_both(operation);
    for operation in operations().into_iter().filter(of_people) {
        let answer = api.send(operation.method.clone(), &operation.path(), Some(json!({}))).await;
        assert!(answer.status == 403, "{}\n{answer}", operation.name());
        answer.expect_problem(403, "forbidden");
        tried += 1;
    }
    assert!(tried > 5);
    api.send(Method::POST, "/api/v1/auth/logout", None).await.expect_problem(403, "forbidden");
}

/// A service that may register clients cannot make one that may do more than itself; nor take such a one over.
async fn a_service_cannot_widen_itself(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let strong = service(&root.api, &["users:write"]).await;
    let made = service(&root.api, &["clients:write", "audit:read"]).await;
    let api = instance.with_token(&made.token(&instance).await);
    let body = |scopes: &[&str]| json!({"name": "Child", "grantTypes": ["client_credentials"], "scopes": scopes});
    api.post("/api/v1/admin/clients", body(&["users:write"])).await.expect_problem(403, "insufficient_scope");
    let child =
        api.post("/api/v1/admin/clients", body(&["audit:read", "orders:write"])).await.expect(201).str("/client/clientId").to_owned();
    let path = |id: &str| format!("/api/v1/admin/clients/{id}");
    api.patch(&path(&child), json!({"scopes": ["users:write"]})).await.expect_problem(403, "insufficient_scope");
    api.patch(&path(&made.id), json!({"scopes": ["clients:write", "users:write"]})).await.expect_problem(403, "insufficient_scope");
    api.patch(&path(&strong.id), json!({"scopes": []})).await.expect_problem(403, "insufficient_scope");
    api.post(&format!("{}/rotate-secret", path(&strong.id)), json!({})).await.expect_problem(403, "insufficient_scope");
    let created = instance.events().await.into_iter().rfind(|event| event.action == "client.created").unwrap();
    assert!(created.actor_type == "client" && created.actor.unwrap().to_string() == made.id && created.sealed_for.is_none());
}

async fn taken_scopes_are_gone_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["audit:read"]).await;
    let api = instance.with_token(&made.token(&instance).await);
    api.get(AUDIT).await.expect(200);
    let path = format!("/api/v1/admin/clients/{}", made.id);
    root.api.patch(&path, json!({"scopes": ["ops:read"]})).await.expect(200);
    api.get(AUDIT).await.expect_problem(403, "insufficient_scope");
    // A token has what it was issued with, and no more.
    assert!(api.get("/health").await.expect(200).body.get("checks").is_none());
    root.api.patch(&path, json!({"disabled": true})).await.expect(200);
    api.get(AUDIT).await.expect_problem(401, "unauthenticated");
    expect_refusal(&form(&made.basic(&instance), "/oauth2/token", &[("grant_type", "client_credentials")]).await, 401, "invalid_client");
    root.api.patch(&path, json!({"disabled": false, "scopes": ["audit:read"]})).await.expect(200);
    api.get(AUDIT).await.expect(200);
    root.api.delete(&path).await.expect(204);
    api.get(AUDIT).await.expect_problem(401, "unauthenticated");
}

both_stores!(a_service_is_let_in_by_its_scopes, a_service_is_no_person, a_service_cannot_widen_itself, taken_scopes_are_gone_at_once);

async fn is_refused_within_a_second(api: &Client) {
    let began = std::time::Instant::now();
    eventually("the other instance to refuse it", async || (api.get(AUDIT).await.status == 401).then_some(())).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "it took {:?}", began.elapsed());
}

/// By push, and where no push arrives by poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_instance_refuses_a_disabled_client_within_a_second() {
    let one = Instance::start(Store::Postgres).await;
    let two = one.second().await;
    let lonely = Instance::builder(Store::Postgres).second(&one).set("REDIS_URL", "redis://127.0.0.1:1").start().await;
    let root = admin(&one).await;
    for act in ["disable", "delete"] {
        let made = service(&root.api, &["audit:read"]).await;
        let token = made.token(&two).await;
        for instance in [&two, &lonely] {
            instance.with_token(&token).get(AUDIT).await.expect(200);
            form(&made.basic(instance), "/oauth2/introspect", &[("token", &token)]).await.expect(200);
        }
        let path = format!("/api/v1/admin/clients/{}", made.id);
        match act {
            "disable" => root.api.patch(&path, json!({"disabled": true})).await.expect(200),
            _ => root.api.delete(&path).await.expect(204),
        };
        for instance in [&two, &lonely] {
            is_refused_within_a_second(&instance.with_token(&token)).await;
            let answer = form(&made.basic(instance), "/oauth2/token", &[("grant_type", "client_credentials")]).await;
            expect_refusal(&answer, 401, "invalid_client");
        }
    }
}
