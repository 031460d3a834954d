//! A6: a forgotten password is replaced through a mailed link.

use std::time::Duration;

use serde_json::json;

use super::login::operator;
use super::{FORGOT, LOGIN, ME, OTHER, RESET, THIRD, login, looks, reset_token, with_status};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const ADA: &str = "ada@example.com";

async fn the_link_sets_a_new_password_once(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let ada = instance.signed_up(ADA).await;
    instance.post(FORGOT, json!({ "email": "Ada@Example.com" })).await.expect(202);
    let mail = instance.mail_to(ADA).await;
    assert!(
        mail.link().starts_with("http://localhost:") && mail.link().contains("/reset?token="),
        "the secret stands behind #: {}",
        mail.link()
    );
    let token = mail.token();

    instance.post(RESET, json!({ "token": token, "password": OTHER })).await.expect(204);
    // Every session ends at once, here and there.
    ada.api.get(ME).await.expect_problem(401, "session_revoked");
    eventually("the other instance to hear of it", async || {
        (second.with_token(&ada.access_token).get(ME).await.status == 401).then_some(())
    })
    .await;
    let refresh = json!({ "refreshToken": ada.refresh_token });
    assert_eq!(instance.post("/api/v1/auth/refresh", refresh).await.status, 401);

    login(&instance, ADA, PASSWORD).await.expect_problem(401, "invalid_credentials");
    login(&second, ADA, OTHER).await.expect(200);
    let again = instance.post(RESET, json!({ "token": token, "password": THIRD })).await.expect_problem(410, "gone");
    let junk = instance.post(RESET, json!({ "token": "made-up", "password": THIRD })).await.expect_problem(410, "gone");
    assert_eq!(looks(&again), looks(&junk));
    login(&instance, ADA, OTHER).await.expect(200);
    let told = instance.mail_to(ADA).await;
    assert!(told.text.contains("password") && told.text.to_lowercase().contains("changed"), "{told:?}");
}

async fn using_one_link_voids_the_others(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let older = reset_token(&instance, ADA).await;
    let newer = reset_token(&instance, ADA).await;
    instance.post(RESET, json!({ "token": newer, "password": OTHER })).await.expect(204);
    instance.post(RESET, json!({ "token": older, "password": THIRD })).await.expect_problem(410, "gone");

    // So does changing the password.
    instance.mail_to(ADA).await;
    let open = reset_token(&instance, ADA).await;
    let ada = login(&instance, ADA, OTHER).await.expect(200);
    let change = json!({ "currentPassword": OTHER, "newPassword": PASSWORD });
    instance.with_token(ada.str("/accessToken")).post(super::CHANGE, change).await.expect(204);
    instance.post(RESET, json!({ "token": open, "password": THIRD })).await.expect_problem(410, "gone");
    login(&instance, ADA, PASSWORD).await.expect(200);
}

async fn one_of_sixteen_wins(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    instance.signed_up(ADA).await;
    let token = reset_token(&instance, ADA).await;
    let uses = (0..16).map(|n| {
        let (api, password) = (if n % 2 == 0 { &*instance } else { &*second }, format!("Quiet-Otter-Juggles-{n}"));
        let request = json!({ "token": token, "password": password });
        async move { api.post(RESET, request).await }
    });
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!((with_status(&answers, 204), with_status(&answers, 410)), (1, 15));
    let winner = answers.iter().position(|answer| answer.status == 204).unwrap();
    login(&instance, ADA, &format!("Quiet-Otter-Juggles-{winner}")).await.expect(200);
}

async fn a_link_lives_an_hour(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let token = reset_token(&instance, ADA).await;
    instance.advance(Duration::from_secs(3601));
    instance.post(RESET, json!({ "token": token, "password": OTHER })).await.expect_problem(410, "gone");
    login(&instance, ADA, PASSWORD).await.expect(200);
}

async fn a_made_up_link_costs_no_hash(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up(ADA).await;
    let token = reset_token(&instance, ADA).await;
    let hashed = instance.hashed();
    let mut altered = token.clone();
    altered.replace_range(..1, if token.starts_with('A') { "B" } else { "A" });
    for junk in ["x", "../..", "\u{0}", "ünïcode", &"A".repeat(5000), &altered, &token.to_uppercase(), &format!("{token}=")] {
        instance.post(RESET, json!({ "token": junk, "password": OTHER })).await.expect_problem(410, "gone");
    }
    let refused = instance.post(RESET, json!({ "password": "short" })).await.expect_problem(422, "validation_failed");
    assert!(refused.field_errors().contains(&"token:required".to_owned()), "{refused}");
    // A weak password does not use the link up.
    let refused = instance.post(RESET, json!({ "token": token, "password": "abc" })).await.expect_problem(422, "validation_failed");
    assert!(refused.field_errors().contains(&"password:too_short".to_owned()), "{refused}");
    assert_eq!(instance.hashed(), hashed);
    instance.post(RESET, json!({ "token": token, "password": OTHER })).await.expect(204);
}

/// The same answer for everybody, and a letter only for whom it can help.
async fn asking_tells_nothing_and_is_limited(store: Store) {
    let settings = [("TRUSTED_PROXIES", "127.0.0.1/32"), ("KEYSTEAD_LIMITS__PASSWORD_FORGOT", "3/15m")];
    let instance = settings.into_iter().fold(Instance::builder(store), |builder, (name, value)| builder.set(name, value)).start().await;
    instance.signed_up(ADA).await;
    instance.registered("pending@example.com").await;
    let closed = instance.signed_up("closed@example.com").await;
    let lifecycle = &instance.running.app.lifecycle;
    lifecycle.suspend(closed.id().parse().unwrap(), operator(), instance.clock.now()).await.unwrap();

    let mut seen = Vec::new();
    for (n, email) in [ADA, "pending@example.com", "closed@example.com", "nobody@example.com"].into_iter().enumerate() {
        for round in 0..4 {
            let caller = instance.at_address(&format!("192.0.2.{}", 10 * (n + 1) + round));
            let answer = caller.post(FORGOT, json!({ "email": email })).await;
            assert_eq!(answer.status, if round < 3 { 202 } else { 429 }, "{answer}");
            if round == 0 {
                seen.push(looks(&answer));
            }
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    // From one place, too, whatever the address.
    let caller = instance.at_address("198.51.100.1");
    for n in 0..4 {
        let answer = caller.post(FORGOT, json!({ "email": format!("guest-{n}@example.com") })).await;
        assert_eq!(answer.status, if n < 3 { 202 } else { 429 });
    }
    eventually("three links", async || (instance.mails_to(ADA).await.len() == 4).then_some(())).await;
    eventually("all jobs to end", async || (instance.count("SELECT count(*) FROM jobs", vec![]).await == 0).then_some(())).await;
    for (email, mails) in [("pending@example.com", 1), ("closed@example.com", 1), ("nobody@example.com", 0)] {
        assert_eq!(instance.mails_to(email).await.len(), mails, "{email}");
    }
}

/// What a link was asked for and used is on record, sealed for its owner.
async fn the_record_is_sealed_for_the_owner(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up(ADA).await;
    let token = {
        instance.with("x-request-id", "asked-for-the-link").post(FORGOT, json!({ "email": ADA })).await.expect(202);
        instance.mail_to(ADA).await.token()
    };
    instance.with("x-request-id", "used-the-link").post(RESET, json!({ "token": token, "password": OTHER })).await.expect(204);
    for (action, request) in [("password.reset_requested", "asked-for-the-link"), ("password.reset", "used-the-link")] {
        let events = instance.events().await;
        let event = events.iter().find(|event| event.action == action).unwrap_or_else(|| panic!("no {action}"));
        let id = ada.id().parse().ok();
        assert_eq!((event.target, event.sealed_for, event.request_id.as_deref()), (id, id, Some(request)));
    }
    instance.post(LOGIN, json!({ "email": ADA, "password": OTHER })).await.expect(200);
}

both_stores!(
    the_link_sets_a_new_password_once,
    using_one_link_voids_the_others,
    one_of_sixteen_wins,
    a_link_lives_an_hour,
    a_made_up_link_costs_no_hash,
    asking_tells_nothing_and_is_limited,
    the_record_is_sealed_for_the_owner,
);
