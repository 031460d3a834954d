//! What ends a token besides its person: suspension, deletion, erasure, a reset password; and what does not.

use keystead::accounts::By;
use keystead::audit::Actor;
use serde_json::json;
use uuid::Uuid;

use super::{ACCOUNT, TOKENS, token};
use crate::support::{Instance, Store, both_stores, eventually};

fn by() -> By {
    By::of(Actor::Operator)
}

/// On every instance; and no way back when the account is opened again.
async fn a_suspended_person_has_no_tokens(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: Uuid = ada.id().parse().unwrap();
    let made = token(&instance, &ada, &["account:read"]).await;
    let unused = token(&instance, &ada, &["account:read"]).await;
    let there = second.with_token(&made.secret);
    there.get(ACCOUNT).await.expect(200);
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.suspend(id, by(), instance.clock.now()).await.unwrap();
    for api in [&made.api, &unused.api] {
        api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
    eventually("the other instance", async || (there.get(ACCOUNT).await.status == 401).then_some(())).await;
    second.with_token(&unused.secret).get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    lifecycle.activate(id, by(), instance.clock.now()).await.unwrap();
    for api in [&made.api, &unused.api] {
        api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
    let again = instance.signed_in("ada@example.com").await;
    assert_eq!(again.api.get(TOKENS).await.expect(200).body["items"], json!([]));
}

/// A token that somehow outlived the suspension, a row restored by hand say, is still worth nothing.
async fn a_token_asks_whether_its_person_is_active(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: Uuid = ada.id().parse().unwrap();
    let made = token(&instance, &ada, &["account:read", "flags:evaluate"]).await;
    instance.change("UPDATE users SET status = 'suspended' WHERE id = $1", keystead::args![id]).await;
    instance.running.app.people.receive(id.as_bytes());
    made.api.get(ACCOUNT).await.expect_problem(403, "insufficient_scope");
    made.api.get("/api/v1/flags").await.expect_problem(403, "insufficient_scope");
    made.api.post("/ofrep/v1/evaluate/flags", json!({})).await.expect_problem(403, "insufficient_scope");
}

/// Tokens that are made while the account is being suspended do not outlive it.
async fn making_and_suspending_at_once_leaves_none(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: Uuid = ada.id().parse().unwrap();
    let wanted = super::wanted(&["account:read"]);
    let (made, suspended) = futures_util::future::join(
        futures_util::future::join_all((0..12).map(|_| ada.api.post(TOKENS, wanted.clone()))),
        instance.running.app.lifecycle.suspend(id, by(), instance.clock.now()),
    )
    .await;
    suspended.unwrap();
    assert!(made.iter().all(|answer| matches!(answer.status, 201 | 401)));
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens WHERE revoked_at IS NULL", vec![]).await, 0);
    for answer in made.iter().filter(|answer| answer.status == 201) {
        instance.with_token(answer.str("/secret")).get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    }
}

async fn an_erased_person_leaves_no_token(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let id: Uuid = ada.id().parse().unwrap();
    let made = token(&instance, &ada, &["account:read"]).await;
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.delete(id, by(), instance.clock.now()).await.unwrap();
    made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    lifecycle.erase(id, by(), instance.clock.now()).await.unwrap();
    made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
    assert_eq!(instance.count("SELECT count(*) FROM personal_tokens", vec![]).await, 0);
}

/// A password that was forgotten may have been somebody else's for a while, and so may the tokens made meanwhile.
async fn a_reset_password_ends_them_and_signing_out_does_not(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = token(&instance, &ada, &["account:read"]).await;
    instance.mail_to("ada@example.com").await;
    ada.api.post("/api/v1/auth/logout-all", json!({})).await.expect(204);
    ada.api.get(ACCOUNT).await.expect(401);
    made.api.get(ACCOUNT).await.expect(200);
    instance.post("/api/v1/auth/password/forgot", json!({"email": "ada@example.com"})).await.expect(202);
    let link = instance.mail_to("ada@example.com").await.token();
    let reset = json!({"token": link, "password": "Another-Giraffe-Sings-42"});
    instance.post("/api/v1/auth/password/reset", reset).await.expect(204);
    made.api.get(ACCOUNT).await.expect_problem(401, "unauthenticated");
}

both_stores!(
    a_reset_password_ends_them_and_signing_out_does_not,
    a_suspended_person_has_no_tokens,
    a_token_asks_whether_its_person_is_active,
    an_erased_person_leaves_no_token,
    making_and_suspending_at_once_leaves_none
);
