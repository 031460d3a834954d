//! The installation in figures.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use keystead::admin::STATS_FRESH;
use serde_json::{Value, json};

use super::{admin, with_scopes};
use crate::support::{Instance, SignedIn, Store, both_stores, eventually};

const STATS: &str = "/api/v1/admin/stats";

async fn figures(by: &SignedIn) -> Value {
    by.api.get(STATS).await.expect(200).body
}

async fn people_sessions_and_the_last_day_are_counted(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.signed_in("ada@example.com").await;
    instance.registered("bob@example.com").await;
    let eve = instance.signed_up("eve@example.com").await;
    let by = || keystead::accounts::By::of(keystead::audit::Actor::Operator);
    instance.running.app.lifecycle.suspend(eve.id().parse().unwrap(), by(), instance.clock.now()).await.unwrap();
    for _ in 0..6 {
        instance.post("/api/v1/auth/login", json!({"email": "nobody@example.com", "password": "Wrong-Giraffe-1"})).await;
    }
    instance.advance(STATS_FRESH);
    let said = figures(&root).await;
    assert_eq!(said["users"], json!({"pending": 1, "active": 2, "suspended": 1, "deleted": 0}), "{said}");
    assert_eq!(said["openSessions"], 3, "root's, and two of ada's: {said}");
    assert_eq!(said["lastDay"]["signUps"], 4, "{said}");
    assert_eq!(said["lastDay"]["signIns"], 4, "{said}");
    assert_eq!((&said["lastDay"]["failedSignIns"], &said["lastDay"]["lockouts"]), (&json!(5), &json!(1)), "{said}");
    eventually("the letters to be sent", async || {
        instance.advance(STATS_FRESH);
        let jobs = figures(&root).await["jobs"].clone();
        (jobs == json!({"queued": 0, "running": 0, "dead": 0, "oldestDue": null})).then_some(())
    })
    .await;

    ada.api.send(Method::POST, "/api/v1/auth/logout-all", None).await.expect(204);
    instance.advance(STATS_FRESH);
    assert_eq!(figures(&root).await["openSessions"], 1);
    instance.advance(Duration::from_secs(24 * 3_600 + 60));
    let root = instance.signed_in("root@example.com").await;
    let said = figures(&root).await;
    assert_eq!(said["lastDay"], json!({"signUps": 0, "signIns": 1, "failedSignIns": 0, "lockouts": 0}), "{said}");
}

/// However many ask, the tables are counted once in five seconds.
async fn many_questions_are_one_count(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let before = figures(&root).await;
    instance.advance(STATS_FRESH);
    let said = join_all((0..32).map(|_| figures(&root))).await;
    let mut counted: Vec<_> = said.iter().map(|one| one["at"].as_str().unwrap()).collect();
    counted.dedup();
    assert!(counted.len() == 1 && before["at"] != counted[0], "{counted:?}");
}

/// Figures of people are for whoever may see how the installation does; not for whoever may see people.
async fn figures_need_their_scope(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let support = with_scopes(&instance, &root, "support@example.com", "support", &["users:read", "jobs:read"]).await;
    support.api.get(STATS).await.expect_problem(403, "insufficient_scope");
    let operator = with_scopes(&instance, &root, "ops@example.com", "operator", &["ops:read"]).await;
    let answer = operator.api.get(STATS).await.expect(200);
    assert!(!answer.text.contains("example.com"), "{answer}");
    operator.api.get(&format!("{STATS}?fresh=true")).await.expect_problem(400, "invalid_request");
}

both_stores!(figures_need_their_scope, many_questions_are_one_count, people_sessions_and_the_last_day_are_counted);
