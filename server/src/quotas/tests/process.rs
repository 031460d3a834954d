//! An instance is killed with reservations open.

use std::sync::Arc;

use serde_json::json;

use super::{commit, consume, reserve, state};
use crate::support::{Client, Ground, PASSWORD, Process, Store, both_stores, eventually};

async fn signed_in(api: &Client) -> Client {
    let answer = api.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"})).await;
    api.with_token(answer.expect(200).str("/accessToken"))
}

async fn process_killed_with_reservations_open(store: Store) {
    let env =
        [("KEYSTEAD_QUOTAS__TOKENS", "100/366d"), ("KEYSTEAD_DEV__CLOCK", "true"), ("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false")];
    let first = Process::spawn(Arc::new(Ground::migrated(store).await), &env).await;
    let new = json!({"email": "ada@example.com", "name": "Ada", "password": PASSWORD});
    first.api.post("/api/v1/auth/signup", new).await.expect(201);
    let ada = eventually("the account", async || {
        let login = json!({"email": "ada@example.com", "password": PASSWORD, "transport": "body"});
        let answer = first.api.post("/api/v1/auth/login", login).await;
        (answer.status == 200).then(|| first.api.with_token(answer.str("/accessToken")))
    })
    .await;
    consume(&ada, json!(20)).await.expect(200);
    let (one, two) = (reserve(&ada, 50).await, reserve(&ada, 30).await);
    let second = Process::spawn(first.kill9().await, &env).await;
    let ada = signed_in(&second.api).await;
    // Nothing that was answered is lost: the reservations are held, and can be settled by their ids.
    assert_eq!(state(&ada).await, (20, 80, 0));
    consume(&ada, json!(1)).await.expect_problem(429, "quota_exceeded");
    commit(&ada, &one, 40).await.expect(200);
    assert_eq!(state(&ada).await, (60, 30, 10));
    // The other one expires, though nobody is left who knows of it.
    second.api.post("/dev/clock", json!({"advance": 301})).await.expect(200);
    assert_eq!(state(&ada).await, (60, 0, 40));
    consume(&ada, json!(40)).await.expect(200);
    commit(&ada, &two, 1).await.expect_problem(410, "gone");
}

both_stores!(process_killed_with_reservations_open);
