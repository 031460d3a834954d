//! A7: a signed-in person changes the password.

use serde_json::json;

use super::{CHANGE, ME, OTHER, login, with_status};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

async fn the_other_sessions_end(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let here = instance.signed_up(ADA).await;
    let there = second.signed_in(ADA).await;
    let change = json!({ "currentPassword": PASSWORD, "newPassword": OTHER });
    here.api.post(CHANGE, change.clone()).await.expect(204);
    here.api.get(ME).await.expect(200);
    instance.post("/api/v1/auth/refresh", json!({ "refreshToken": here.refresh_token })).await.expect(200);
    instance.with_token(&there.access_token).get(ME).await.expect_problem(401, "session_revoked");
    eventually("the other instance to hear of it", async || (there.api.get(ME).await.status == 401).then_some(())).await;

    login(&instance, ADA, PASSWORD).await.expect_problem(401, "invalid_credentials");
    login(&instance, ADA, OTHER).await.expect(200);
    here.api.post(CHANGE, change).await.expect_problem(401, "invalid_credentials");
    assert!(instance.mail_to(ADA).await.text.to_lowercase().contains("changed"));
}

/// A stolen access token is no way to guess the password.
async fn guesses_count_to_the_lockout(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let guess = json!({ "currentPassword": OTHER, "newPassword": OTHER });
    let hashed = instance.hashed();
    let answers = futures_util::future::join_all((0..20).map(|_| ada.api.post(CHANGE, guess.clone()))).await;
    assert_eq!((with_status(&answers, 401), with_status(&answers, 423)), (5, 15));
    assert_eq!(instance.hashed() - hashed, 5);
    ada.api.post(CHANGE, json!({ "currentPassword": PASSWORD, "newPassword": OTHER })).await.expect_problem(423, "account_locked");
    login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
    // Who is signed in stays so.
    ada.api.get(ME).await.expect(200);
}

async fn the_new_one_has_to_be_good(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let refused = ada.api.post(CHANGE, json!({ "currentPassword": PASSWORD, "newPassword": "abc" })).await;
    let faults = ["newPassword:missing_digit", "newPassword:missing_upper", "newPassword:too_short", "newPassword:too_weak"];
    assert_eq!(refused.expect_problem(422, "validation_failed").field_errors(), faults);
    let refused = ada.api.post(CHANGE, json!({ "newPassword": "" })).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["currentPassword:required", "newPassword:required"]);
    instance.post(CHANGE, json!({ "currentPassword": PASSWORD, "newPassword": OTHER })).await.expect_problem(401, "unauthenticated");
    login(&instance, ADA, PASSWORD).await.expect(200);
}

/// Two changes at once: one wins, and the loser is told.
async fn one_of_eight_wins(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let changes =
        (0..8).map(|n| ada.api.post(CHANGE, json!({ "currentPassword": PASSWORD, "newPassword": format!("Quiet-Otter-Juggles-{n}") })));
    let answers = futures_util::future::join_all(changes).await;
    assert_eq!(with_status(&answers, 204), 1);
    let winner = answers.iter().position(|answer| answer.status == 204).unwrap();
    instance.change("DELETE FROM login_failures", vec![]).await;
    login(&instance, ADA, &format!("Quiet-Otter-Juggles-{winner}")).await.expect(200);
    ada.api.get(ME).await.expect(200);
}

both_stores!(the_other_sessions_end, guesses_count_to_the_lockout, the_new_one_has_to_be_good, one_of_eight_wins);
