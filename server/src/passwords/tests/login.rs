//! Signing in: who gets in, and that nobody else learns why not.

use std::time::Duration;

use keystead::accounts::By;
use keystead::args;
use keystead::audit::Actor;
use secrecy::SecretString;
use serde_json::json;

use super::{LOGIN, ME, OTHER, RESET, login, looks, reset_token, with_status};
use crate::support::{Instance, PASSWORD, SignedIn, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

pub(super) fn operator() -> By {
    By { reason: Some("a test".into()), ..By::of(Actor::Operator) }
}

/// Unknown, wrong, without a password, deleted: one answer.
async fn whoever_cannot_sign_in_gets_one_answer(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    instance.signed_up("bare@example.com").await;
    let gone = instance.signed_up("gone@example.com").await;
    let bare = "UPDATE users SET password_hash = NULL WHERE id <> $1 AND email_index = $2";
    let index = instance.running.app.ground.keyring.blind_index("email", "bare@example.com");
    assert_eq!(instance.change(bare, args![uuid::Uuid::nil(), index]).await, 1);
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.delete(gone.id().parse().unwrap(), operator(), instance.clock.now()).await.unwrap();

    let unknown = login(&instance, "nobody@example.com", PASSWORD).await.expect_problem(401, "invalid_credentials");
    for (email, password) in [(ADA, OTHER), ("bare@example.com", PASSWORD), ("gone@example.com", PASSWORD), ("gone@example.com", OTHER)] {
        let answer = login(&instance, email, password).await;
        assert_eq!(looks(&answer), looks(&unknown), "{email}");
    }
    // One hash each, found or not, right or not.
    let before = instance.hashed();
    for email in [ADA, "bare@example.com", "gone@example.com", "nobody@example.com"] {
        login(&instance, email, OTHER).await.expect(401);
    }
    assert_eq!(instance.hashed() - before, 4);
}

/// A deleted account locks like any other address, with its right password, too.
async fn the_right_password_of_a_deleted_account_is_a_failure(store: Store) {
    let instance = Instance::start(store).await;
    let gone = instance.signed_up(ADA).await;
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.delete(gone.id().parse().unwrap(), operator(), instance.clock.now()).await.unwrap();
    for _ in 0..5 {
        login(&instance, ADA, PASSWORD).await.expect_problem(401, "invalid_credentials");
    }
    login(&instance, ADA, PASSWORD).await.expect_problem(423, "account_locked");
}

async fn only_the_right_password_learns_of_the_missing_confirmation(store: Store) {
    let instance = Instance::start(store).await;
    instance.registered(ADA).await;
    login(&instance, ADA, OTHER).await.expect_problem(401, "invalid_credentials");
    login(&instance, ADA, PASSWORD).await.expect_problem(403, "email_not_verified");
}

async fn only_the_right_password_learns_of_a_suspension(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let (lifecycle, id) = (&instance.running.app.lifecycle, ada.id().parse().unwrap());
    lifecycle.suspend(id, operator(), instance.clock.now()).await.unwrap();
    login(&instance, ADA, OTHER).await.expect_problem(401, "invalid_credentials");
    login(&instance, ADA, PASSWORD).await.expect_problem(403, "forbidden");
    lifecycle.activate(id, operator(), instance.clock.now()).await.unwrap();
    login(&instance, ADA, PASSWORD).await.expect(200);
}

/// Missing and absurd values are named, and cost no hash.
async fn unusable_requests_cost_no_hash(store: Store) {
    let instance = Instance::start(store).await;
    let refused = instance.post(LOGIN, json!({})).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["email:required", "password:required"]);
    let refused = login(&instance, ADA, &"x".repeat(1025)).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["password:too_long"]);
    instance.post(LOGIN, json!({ "email": ADA, "password": 5 })).await.expect_problem(400, "invalid_request");
    assert_eq!(instance.hashed(), 0);
    login(&instance, ADA, "hostile \u{0} ' OR 1=1 -- \u{202e}").await.expect_problem(401, "invalid_credentials");
}

/// A2: hashes of yesterday's cost and of other systems become today's at the next sign-in.
async fn old_hashes_are_renewed(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let stored =
        async |instance: &Instance| -> String { instance.rows("SELECT password_hash FROM users", vec![]).await[0].get(0).unwrap() };
    let before = stored(&instance).await;
    let ground = std::sync::Arc::clone(&instance.ground);
    instance.stop().await;

    let instance = Instance::builder(store).on(ground).set("KEYSTEAD_PASSWORDS__ARGON2_ITERATIONS", 2).start().await;
    login(&instance, ADA, OTHER).await.expect(401);
    assert_eq!(stored(&instance).await, before);
    login(&instance, ADA, PASSWORD).await.expect(200);
    assert!(stored(&instance).await.starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
    let hashed = instance.hashed();
    login(&instance, ADA, PASSWORD).await.expect(200);
    assert_eq!(instance.hashed() - hashed, 1, "an up-to-date hash is not renewed");

    let foreign = bcrypt::hash(PASSWORD, 10).unwrap();
    assert_eq!(instance.change("UPDATE users SET password_hash = $1", args![foreign]).await, 1);
    login(&instance, ADA, OTHER).await.expect(401);
    login(&instance, ADA, PASSWORD).await.expect(200);
    assert!(stored(&instance).await.starts_with("$argon2id$"));
    login(&instance, ADA, PASSWORD).await.expect(200);
}

/// Keeps the only hashing thread busy until `meanwhile` is done, while `email` waits in the line to sign in.
async fn sign_in_during(instance: &Instance, email: &str, meanwhile: impl AsyncFnOnce()) -> crate::support::Answer {
    let pool = instance.running.app.ground.password_pool.clone();
    let ahead: Vec<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.hash(SecretString::from("busy")).await })
        })
        .collect();
    eventually("a busy thread", async || (pool.stats().waiting >= 3).then_some(())).await;
    let (api, body) = (instance.with("x-request-id", "race-race-race"), super::credentials(email, PASSWORD));
    let waiting = tokio::spawn(async move { api.post(LOGIN, body).await });
    let started = pool.stats().hashed;
    eventually("the sign-in to wait", async || (pool.stats().waiting as u64 + pool.stats().hashed > started + 3).then_some(())).await;
    meanwhile().await;
    for busy in ahead {
        let _ = busy.await;
    }
    waiting.await.unwrap()
}

/// A password that is right when it is looked up is worth nothing once the account was closed or the password
/// replaced, even though that happened while it was hashed: no session may outlive what ended all of them.
async fn a_sign_in_under_way_does_not_outlive_what_ends_all_sessions(store: Store) {
    let expensive = [
        ("KEYSTEAD_PASSWORDS__ARGON2_MEMORY_KIB", "32768"),
        ("KEYSTEAD_PASSWORDS__ARGON2_ITERATIONS", "4"),
        ("KEYSTEAD_PASSWORDS__HASH_THREADS", "1"),
        ("KEYSTEAD_PASSWORDS__MAX_QUEUE_WAIT", "60s"),
    ];
    let instance = expensive.into_iter().fold(Instance::builder(store), |builder, (name, value)| builder.set(name, value)).start().await;
    let ada = instance.signed_up(ADA).await;
    let (app, id) = (&instance.running.app, ada.id().parse().unwrap());
    let open = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";

    let answer = sign_in_during(&instance, ADA, async || {
        app.lifecycle.suspend(id, operator(), instance.clock.now()).await.unwrap();
    })
    .await;
    if answer.status == 200 {
        instance.with_token(SignedIn::from(&instance, &answer).access_token.as_str()).get(ME).await.expect(401);
    }
    assert_eq!(instance.count(open, vec![]).await, 0, "{answer}");

    app.lifecycle.activate(id, operator(), instance.clock.now()).await.unwrap();
    let token = reset_token(&instance, ADA).await;
    let answer = sign_in_during(&instance, ADA, async || {
        // What a reset does, without the hash that would wait behind the others.
        let ended = "UPDATE users SET password_changed_at = $1, password_hash = 'another' WHERE id = $2";
        assert_eq!(instance.change(ended, args![instance.clock.now(), id]).await, 1);
    })
    .await;
    answer.expect_problem(401, "invalid_credentials");
    assert_eq!(instance.count(open, vec![]).await, 0);
    instance.post(RESET, json!({ "token": token, "password": OTHER })).await.expect(204);
}

/// Forty right passwords at once: forty sessions.
async fn parallel_sign_ins_all_succeed(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let answers = futures_util::future::join_all((0..40).map(|_| login(&instance, ADA, PASSWORD))).await;
    assert_eq!(with_status(&answers, 200), 40);
    assert_eq!(instance.count("SELECT count(*) FROM sessions WHERE ended_at IS NULL", vec![]).await, 41);
}

/// Where the refresh token goes is the caller's choice.
async fn the_refresh_token_travels_as_asked(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let cookie = instance.post(LOGIN, json!({ "email": ADA, "password": PASSWORD })).await.expect(200);
    assert!(cookie.set_cookie("keystead_refresh").is_some() && cookie.body.get("refreshToken").is_none());
    let body = login(&instance, ADA, PASSWORD).await.expect(200);
    assert!(body.set_cookie("keystead_refresh").is_none() && body.str("/refreshToken").starts_with("ksr_"));
    assert_eq!(body.header("cache-control"), Some("no-store"), "{body}");
    instance.advance(Duration::from_secs(901));
    instance.with_token(body.str("/accessToken")).get(ME).await.expect_problem(401, "token_expired");
}

both_stores!(
    whoever_cannot_sign_in_gets_one_answer,
    the_right_password_of_a_deleted_account_is_a_failure,
    only_the_right_password_learns_of_the_missing_confirmation,
    only_the_right_password_learns_of_a_suspension,
    unusable_requests_cost_no_hash,
    old_hashes_are_renewed,
    a_sign_in_under_way_does_not_outlive_what_ends_all_sessions,
    parallel_sign_ins_all_succeed,
    the_refresh_token_travels_as_asked,
);
