//! Tokens of others.

use serde_json::json;

use super::{ACCOUNT, ADMIN_FLAGS, TOKENS, root, token};
use crate::support::{Instance, Store, both_stores};

async fn whoever_may_sees_and_ends_tokens_of_others(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    made.api.get(ACCOUNT).await.expect(200);
    let path = format!("/api/v1/admin/users/{}/tokens", ada.id());
    let listed = root.api.get(&path).await.expect(200);
    assert_eq!((&listed.body["items"][0]["id"], &listed.body["items"][0]["name"]), (&json!(made.id), &json!("backup script")));
    // It is hers, and named so.
    root.api.delete(&format!("/api/v1/admin/users/{}/tokens/{}", root.id(), made.id)).await.expect_problem(404, "not_found");
    root.api.delete(&format!("{TOKENS}/{}", made.id)).await.expect_problem(404, "not_found");
    made.api.get(ACCOUNT).await.expect(200);
    root.api.delete(&format!("{path}/{}", made.id)).await.expect(204);
    root.api.delete(&format!("{path}/{}", made.id)).await.expect_problem(404, "not_found");
    made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    let events = instance.events().await;
    let act = events.iter().find(|event| event.action == "personal_token.revoked").unwrap();
    assert_eq!(act.actor.map(|id| id.to_string()).as_deref(), Some(root.id()));
    assert_eq!(act.details, json!({"of": ada.id()}).to_string());
    for nobody in ["01920000-0000-7000-8000-000000000000", "x"] {
        root.api.get(&format!("/api/v1/admin/users/{nobody}/tokens")).await.expect_problem(404, "not_found");
    }
    let eve = instance.signed_up("eve@example.com").await;
    eve.api.get(&path).await.expect_problem(403, "insufficient_scope");
}

/// A token does what its person may do at the moment, and no more than it was made for.
async fn a_token_follows_the_roles_of_its_person(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let made = token(&instance, &root, &["flags:read"]).await;
    made.api.get(ADMIN_FLAGS).await.expect(200);
    made.api.get("/api/v1/admin/roles").await.expect_problem(403, "insufficient_scope");
    made.api.get(ACCOUNT).await.expect_problem(403, "insufficient_scope");
    made.api.get("/api/v1/flags").await.expect_problem(403, "insufficient_scope");
    instance.set_roles(&root, "user").await;
    made.api.get(ADMIN_FLAGS).await.expect_problem(403, "insufficient_scope");
    instance.set_roles(&root, "auditor").await;
    made.api.get(ADMIN_FLAGS).await.expect(200);
    // A role of one's own gives and takes as the built-in ones do.
    instance.set_roles(&root, "admin").await;
    root.api.put("/api/v1/admin/roles/desk", json!({"scopes": ["flags:read"]})).await.expect(200);
    let ada = instance.signed_up("ada@example.com").await;
    instance.set_roles(&ada, "desk").await;
    let hers = token(&instance, &ada, &["flags:read"]).await;
    hers.api.get(ADMIN_FLAGS).await.expect(200);
    root.api.put("/api/v1/admin/roles/desk", json!({"scopes": []})).await.expect(200);
    hers.api.get(ADMIN_FLAGS).await.expect_problem(403, "insufficient_scope");
}

/// What a program does with a token is done by its person, on record.
async fn acts_of_a_token_are_its_persons(store: Store) {
    let instance = Instance::start(store).await;
    let root = root(&instance).await;
    let made = token(&instance, &root, &["roles:write", "flags:read"]).await;
    made.api.put("/api/v1/admin/roles/desk", json!({"scopes": ["flags:read"]})).await.expect(200);
    // The person has this scope, the token does not.
    made.api.put("/api/v1/admin/roles/desk", json!({"scopes": ["users:read"]})).await.expect_problem(403, "insufficient_scope");
    made.api.put("/api/v1/admin/roles/till", json!({"scopes": ["till:open"]})).await.expect_problem(403, "insufficient_scope");
    let events = instance.events().await;
    let act = events.iter().find(|event| event.action == "role.changed").unwrap();
    assert_eq!((act.actor_type.as_str(), act.actor.map(|id| id.to_string()).as_deref()), ("user", Some(root.id())));
    assert_eq!(act.sealed_for, act.actor);
}

both_stores!(a_token_follows_the_roles_of_its_person, acts_of_a_token_are_its_persons, whoever_may_sees_and_ends_tokens_of_others);
