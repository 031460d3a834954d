//! Hashing has its own bounded pool: a flood of sign-ins is shed, and everything else goes on.

use serde_json::json;

use super::{ME, login};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

async fn flood_of_sign_ins_is_shed_and_tokens_are_still_checked(store: Store) {
    let settings = [
        ("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "32768"),
        ("KEYSTEAD_PASSWORDS__ARGON2_ITERATIONS", "4"),
        ("KEYSTEAD_PASSWORDS__HASH_THREADS", "1"),
        ("KEYSTEAD_PASSWORDS__MAX_QUEUE_WAIT", "1s"),
    ];
    let instance = settings.into_iter().fold(Instance::builder(store), |builder, (name, value)| builder.set(name, value)).start().await;
    let ada = instance.signed_up("ada@example.com").await;

    let flood: Vec<_> = (0..100)
        .map(|n| {
            let api = instance.with("x-flood", "yes");
            tokio::spawn(async move { login(&api, &format!("guest-{n}@example.com"), PASSWORD).await })
        })
        .collect();
    let pool = &instance.running.app.ground.password_pool;
    eventually("the line to be full", async || (pool.stats().refused > 0).then_some(())).await;
    let mut refresh = ada.refresh_token.clone();
    for _ in 0..10 {
        ada.api.get(ME).await.expect(200);
        let refreshed = instance.post("/api/v1/auth/refresh", json!({ "refreshToken": refresh })).await.expect(200);
        refresh = refreshed.str("/refreshToken").to_owned();
    }
    let (mut tried, mut shed) = (0, 0);
    for answer in flood {
        let answer = answer.await.unwrap();
        if answer.status == 503 {
            let answer = answer.expect_problem(503, "overloaded");
            assert!(answer.header("retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|wait| wait >= 1), "{answer}");
            shed += 1;
        } else {
            answer.expect_problem(401, "invalid_credentials");
            tried += 1;
        }
    }
    assert!(tried > 0 && shed > 0, "{tried} tried, {shed} shed");
    // The flood over, people get in again.
    eventually("the line to be empty", async || (pool.stats().waiting == 0).then_some(())).await;
    login(&instance, "ada@example.com", PASSWORD).await.expect(200);
}

both_stores!(flood_of_sign_ins_is_shed_and_tokens_are_still_checked);
