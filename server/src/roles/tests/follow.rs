//! A change counts on every instance.

use std::time::Duration;

use serde_json::json;

use super::{ROLES, admin, granting, with_scopes};
use crate::support::{Instance, Store, both_stores, eventually};

const FLAGS: &str = "/api/v1/admin/flags";

/// A scope that is given and taken away on one instance is so on the other, by push; and by poll when the push is lost.
async fn every_instance_follows(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let root = admin(&instance).await;
    let ada = with_scopes(&instance, &root, "ada@example.com", "desk", &["flags:read"]).await;
    let there = second.with_token(&ada.access_token);
    let answers = async |status: u16| {
        eventually("the change on the other instance", async || (there.get(FLAGS).await.status == status).then_some(())).await;
    };
    answers(200).await;
    root.api.put(&format!("{ROLES}/desk"), granting(&[])).await.expect(200);
    // Where it was changed it counts with the answer.
    ada.api.get(FLAGS).await.expect_problem(403, "insufficient_scope");
    answers(403).await;
    root.api.put(&format!("{ROLES}/desk"), granting(&["flags:read"])).await.expect(200);
    answers(200).await;

    // As if another instance had written and its push had been lost.
    let now = instance.advance(Duration::from_millis(5)).as_micros();
    let lost = "UPDATE roles SET scopes = '', version = version + 1, updated_at = $1 WHERE name = 'desk'";
    instance.change(lost, keystead::args![now]).await;
    answers(403).await;
}

async fn roles_outlive_a_restart(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = with_scopes(&instance, &root, "ada@example.com", "desk", &["flags:read"]).await;
    let instance = instance.restart().await;
    instance.with_token(&ada.access_token).get(FLAGS).await.expect(200);
    let role = instance.with_token(&root.access_token).get(&format!("{ROLES}/desk")).await.expect(200);
    assert_eq!(role.body["role"]["scopes"], json!(["flags:read"]));
}

both_stores!(every_instance_follows, roles_outlive_a_restart);
