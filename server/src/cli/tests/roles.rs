//! `keystead roles`, beside a server.

use serde_json::json;

use super::command::keystead;
use crate::support::{Instance, Store, both_stores, eventually};

async fn roles_are_changed_while_a_server_runs(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let set = ["roles", "set", "desk", "--scopes", "flags:read,tickets:close", "--description", "The help desk", "--json"];
    let made = keystead(&instance.ground, &set).await.good().json();
    assert_eq!((&made["role"]["version"], &made["role"]["scopes"]), (&json!(1), &json!(["flags:read", "tickets:close"])));
    instance.set_roles(&ada, "desk").await;
    let seen = async |status: u16| {
        let path = "/api/v1/admin/flags";
        eventually("the role in the server", async || (ada.api.get(path).await.status == status).then_some(())).await;
    };
    seen(200).await;
    keystead(&instance.ground, &["roles", "delete", "desk"]).await.refused(1, "1 account has this role");
    keystead(&instance.ground, &["roles", "set", "desk"]).await.good();
    seen(403).await;
    instance.set_roles(&ada, "user").await;
    keystead(&instance.ground, &["roles", "delete", "desk"]).await.good();
    let listed = keystead(&instance.ground, &["roles", "list", "--json"]).await.good().json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["user", "auditor", "admin"]);
    assert!(keystead(&instance.ground, &["roles", "list"]).await.good().stdout.contains("built-in"));
    keystead(&instance.ground, &["roles", "set", "Desk"]).await.refused(2, "Begin with a letter");
    keystead(&instance.ground, &["roles", "set", "admin"]).await.refused(1, "cannot be changed");
    let acts: Vec<_> = instance.events().await.into_iter().filter(|event| event.action.starts_with("role.")).collect();
    assert!(acts.len() == 3 && acts.iter().all(|event| event.actor_type == "operator"));
}

both_stores!(roles_are_changed_while_a_server_runs);
