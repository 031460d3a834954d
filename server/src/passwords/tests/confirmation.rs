//! A5: the address is confirmed with a code of six digits.

use std::time::Duration;

use serde_json::json;

use super::{RESEND, VERIFY, login, looks, verify, with_status};
use crate::support::{Instance, PASSWORD, Store, both_stores};

const ADA: &str = "ada@example.com";

/// A code that is certainly another one.
fn wrong(code: &str, by: u32) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + by) % 1_000_000)
}

async fn register_confirm_sign_in(store: Store) {
    let instance = Instance::start(store).await;
    let code = instance.registered(ADA).await;
    // As people type them.
    let typed = format!(" {}-{} ", &code[..3], &code[3..]);
    let answer = instance.post(VERIFY, json!({ "email": "ADA@example.com", "code": typed })).await.expect(200);
    assert_eq!((answer.str("/user/status"), &answer.body["user"]["emailVerified"]), ("active", &json!(true)));
    assert!(answer.set_cookie("keystead_refresh").is_some_and(|line| line.contains("HttpOnly") && line.contains("SameSite=Strict")));
    login(&instance, ADA, PASSWORD).await.expect(200);
    verify(&instance, ADA, &code).await.expect_problem(422, "validation_failed");
}

async fn a_wrong_code_and_an_unknown_address_are_answered_alike(store: Store) {
    let instance = Instance::start(store).await;
    let code = instance.registered(ADA).await;
    let answer = verify(&instance, ADA, &wrong(&code, 1)).await.expect_problem(422, "validation_failed");
    let unknown = verify(&instance, "nobody@example.com", &code).await.expect_problem(422, "validation_failed");
    assert_eq!(looks(&answer), looks(&unknown));
    verify(&instance, ADA, &code).await.expect(200);
    let active = verify(&instance, ADA, &code).await.expect_problem(422, "validation_failed");
    assert_eq!(looks(&answer), looks(&active));
    instance.post(VERIFY, json!({ "email": ADA, "code": "12345" })).await.expect_problem(422, "validation_failed");
}

async fn after_five_tries_a_code_is_dead(store: Store) {
    let instance = Instance::start(store).await;
    let code = instance.registered(ADA).await;
    for by in 1..=4 {
        verify(&instance, ADA, &wrong(&code, by)).await.expect_problem(422, "validation_failed");
    }
    assert_eq!(instance.count("SELECT attempts_left FROM codes", vec![]).await, 1);
    verify(&instance, ADA, &wrong(&code, 5)).await.expect_problem(422, "validation_failed");
    verify(&instance, ADA, &code).await.expect_problem(422, "validation_failed");

    // A new one has tries of its own.
    instance.post(RESEND, json!({ "email": ADA })).await.expect(202);
    let fresh = instance.mail_to(ADA).await.code();
    verify(&instance, ADA, &fresh).await.expect(200);
}

/// Forty guesses at once are five tries.
async fn parallel_guesses_get_no_more_tries(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let code = instance.registered(ADA).await;
    let guesses = (1..=40).map(|by| {
        let (api, guess) = (if by % 2 == 0 { &*instance } else { &*second }, wrong(&code, by));
        async move { verify(api, ADA, &guess).await }
    });
    let answers = futures_util::future::join_all(guesses).await;
    assert_eq!(with_status(&answers, 422), 40);
    assert_eq!(instance.count("SELECT attempts_left FROM codes", vec![]).await, 0);
    verify(&instance, ADA, &code).await.expect_problem(422, "validation_failed");
}

/// The right code sixteen times at once: one wins, one session begins.
async fn one_of_sixteen_wins(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let code = instance.registered(ADA).await;
    let all = (0..16).map(|n| verify(if n % 2 == 0 { &instance } else { &second }, ADA, &code));
    let answers = futures_util::future::join_all(all).await;
    assert_eq!((with_status(&answers, 200), with_status(&answers, 422)), (1, 15));
    assert_eq!(instance.count("SELECT count(*) FROM sessions", vec![]).await, 1);
}

async fn a_code_lives_ten_minutes(store: Store) {
    let instance = Instance::start(store).await;
    let code = instance.registered(ADA).await;
    instance.advance(Duration::from_secs(601));
    verify(&instance, ADA, &code).await.expect_problem(422, "validation_failed");
    instance.post(RESEND, json!({ "email": ADA })).await.expect(202);
    let fresh = instance.mail_to(ADA).await.code();
    instance.advance(Duration::from_secs(590));
    verify(&instance, ADA, &fresh).await.expect(200);
}

/// Beyond three open codes the oldest is void.
async fn only_the_newest_three_codes_are_open(store: Store) {
    let instance = Instance::start(store).await;
    let mut codes = vec![instance.registered(ADA).await];
    for _ in 0..3 {
        instance.advance(Duration::from_secs(1));
        instance.post(RESEND, json!({ "email": ADA })).await.expect(202);
        codes.push(instance.mail_to(ADA).await.code());
    }
    assert_eq!(instance.count("SELECT count(*) FROM codes WHERE used_at IS NULL", vec![]).await, 3);
    if !codes[1..].contains(&codes[0]) {
        verify(&instance, ADA, &codes[0]).await.expect_problem(422, "validation_failed");
    }
    verify(&instance, ADA, &codes[1]).await.expect(200);
}

/// Always 202 with an empty object; per address, known or not, no more than the limit, wherever the requests come from.
async fn asking_again_tells_nothing_and_is_limited(store: Store) {
    let settings = [("TRUSTED_PROXIES", "127.0.0.1/32"), ("KEYSTEAD_LIMITS__VERIFY_RESEND", "3/15m")];
    let instance = settings.into_iter().fold(Instance::builder(store), |builder, (name, value)| builder.set(name, value)).start().await;
    instance.registered(ADA).await;
    instance.at_address("192.0.2.1").post(super::SIGNUP, json!({ "email": "eve@example.com", "name": "Eve", "password": PASSWORD })).await;
    let eve = instance.mail_to("eve@example.com").await.code();
    verify(&instance, "eve@example.com", &eve).await.expect(200);

    let mut seen = Vec::new();
    for (n, email) in [ADA, "eve@example.com", "nobody@example.com"].into_iter().enumerate() {
        for round in 0..4 {
            let caller = instance.at_address(&format!("192.0.2.{}", 10 + 10 * n + round));
            let answer = caller.post(RESEND, json!({ "email": email })).await;
            assert_eq!(answer.status, if round < 3 { 202 } else { 429 }, "{answer}");
            if round == 0 {
                seen.push(looks(&answer));
            }
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    crate::support::eventually("three codes", async || (instance.mails_to(ADA).await.len() == 4).then_some(())).await;
    assert_eq!(instance.mails_to("eve@example.com").await.len(), 1);
    assert!(instance.mails_to("nobody@example.com").await.is_empty());
}

both_stores!(
    register_confirm_sign_in,
    a_wrong_code_and_an_unknown_address_are_answered_alike,
    after_five_tries_a_code_is_dead,
    parallel_guesses_get_no_more_tries,
    one_of_sixteen_wins,
    a_code_lives_ten_minutes,
    only_the_newest_three_codes_are_open,
    asking_again_tells_nothing_and_is_limited,
);
