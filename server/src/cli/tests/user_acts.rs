//! `keystead users set-roles|revoke-sessions|panic|erase`, beside a server.

use serde_json::{Value, json};

use super::command::keystead;
use crate::support::{Instance, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

/// The operators' acts on somebody, as an auditor reads them: action, and the reason.
async fn acts(instance: &Instance) -> Vec<(String, Value)> {
    let auditor = instance.signed_in("root@example.com").await;
    let events = auditor.api.get("/api/v1/admin/audit?limit=200").await.expect(200).body["items"].clone();
    let of_operators = events.as_array().unwrap().iter().filter(|event| event["actor"]["type"] == "operator");
    let mut acts: Vec<_> = of_operators.map(|event| (event["action"].as_str().unwrap().to_owned(), event["reason"].clone())).collect();
    acts.reverse();
    acts
}

async fn roles_are_given_and_the_last_administrator_stays(store: Store) {
    let instance = Instance::start(store).await;
    let root = crate::oauth::admin(&instance).await;
    let ada = instance.signed_up(ADA).await;
    root.api.put("/api/v1/admin/roles/support", json!({"scopes": ["users:read"]})).await.expect(200);
    let given =
        keystead(&instance.ground, &["users", "set-roles", ADA, "support,user", "--reason", "She helps", "--json"]).await.good().json();
    assert_eq!(given["user"]["roles"], json!(["support", "user"]));
    eventually("the server to follow", async || (ada.api.get("/api/v1/admin/users").await.status == 200).then_some(())).await;
    let said = keystead(&instance.ground, &["users", "set-roles", ada.id(), "user"]).await.good().stdout;
    assert_eq!(said, "ada@example.com has the roles user now.\n");
    let refused = keystead(&instance.ground, &["users", "set-roles", ADA, "nope"]).await.refused(2, "--roles is refused: unknown role");
    assert!(refused.stderr.contains("support"), "roles of one's own are named: {refused:?}");
    let create = ["users", "create", "--email", "eve@example.com", "--name", "Eve", "--verified", "--roles", "nope"];
    let refused = super::command::run(&instance.ground, &create, crate::support::PASSWORD, &[]).await.refused(2, "--roles is refused");
    assert!(refused.stderr.contains("user, auditor, admin, support"), "{refused:?}");
    keystead(&instance.ground, &["users", "set-roles", "root@example.com", "user"]).await.refused(1, "the last active administrator");
    keystead(&instance.ground, &["users", "set-roles", "nobody@example.com", "user"]).await.refused(1, "There is no account");
    assert_eq!(keystead(&instance.ground, &["users", "set-roles", ADA]).await.code, Some(2));
    assert_eq!(acts(&instance).await, [("user.roles_changed".into(), json!("She helps")), ("user.roles_changed".into(), Value::Null)]);
    assert!(instance.events().await.iter().all(|event| !event.details.contains("She helps")), "reasons stand sealed");
}

async fn sessions_are_ended_and_panic_takes_everything(store: Store) {
    let instance = Instance::start(store).await;
    crate::oauth::admin(&instance).await;
    let ada = instance.signed_up(ADA).await;
    instance.signed_in(ADA).await;
    let ended = keystead(&instance.ground, &["users", "revoke-sessions", ADA, "--json"]).await.good().json();
    assert_eq!(ended, json!({"revoked": 2}));
    eventually("the session to end", async || (ada.api.get("/api/v1/auth/me").await.status == 401).then_some(())).await;
    assert_eq!(
        keystead(&instance.ground, &["users", "revoke-sessions", ADA]).await.good().stdout,
        "Ended 0 sessions of ada@example.com.\n"
    );

    let ada = instance.signed_in(ADA).await;
    assert_eq!(keystead(&instance.ground, &["users", "panic", ADA]).await.code, Some(2), "a reason is required");
    keystead(&instance.ground, &["users", "panic", ADA, "--reason", " "]).await.refused(2, "--reason is refused");
    let locked = keystead(&instance.ground, &["users", "panic", ADA, "--reason", "Her laptop was stolen", "--json"]).await.good().json();
    assert_eq!(locked["user"]["status"], "suspended");
    eventually("the session to end", async || (ada.api.get("/api/v1/auth/me").await.status == 401).then_some(())).await;
    assert!(instance.mail_to(ADA).await.subject.contains("locked"));
    let acts = acts(&instance).await;
    assert_eq!(acts.last().unwrap(), &("user.locked_down".to_owned(), json!("Her laptop was stolen")));
    keystead(&instance.ground, &["users", "delete", ADA]).await.good();
    keystead(&instance.ground, &["users", "panic", ADA, "--reason", "Again"]).await.refused(1, "is deleted");
}

async fn people_are_erased_now_or_later(store: Store) {
    let instance = Instance::start(store).await;
    crate::oauth::admin(&instance).await;
    let ada = instance.signed_up(ADA).await;
    let later =
        keystead(&instance.ground, &["users", "erase", ADA, "--reason", "She asked", "--delay", "3600", "--json"]).await.good().json();
    assert!(later["erasesAt"].is_string());
    keystead(&instance.ground, &["users", "restore", ADA]).await.good();
    let said = keystead(&instance.ground, &["users", "erase", ADA, "--reason", "She asked"]).await.good().stdout;
    assert!(said.starts_with("Erased ada@example.com."), "{said}");
    keystead(&instance.ground, &["users", "show", ada.id()]).await.refused(1, "There is no account");
    keystead(&instance.ground, &["users", "erase", "root@example.com", "--reason", "No"]).await.refused(1, "the last active administrator");
    assert_eq!(keystead(&instance.ground, &["users", "erase", ADA]).await.code, Some(2), "a reason is required");
}

both_stores!(
    roles_are_given_and_the_last_administrator_stays,
    sessions_are_ended_and_panic_takes_everything,
    people_are_erased_now_or_later,
);
