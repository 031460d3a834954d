//! A1, A4, A5: signing up.

use std::time::Duration;

use keystead::jobs::Claimed;
use keystead::time::{Clock, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::{LOGIN, OTHER, RESEND, SIGNUP, login, looks, sign_up, verify};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const USERS: &str = "SELECT count(*) FROM users";

/// A1: however an address is written, it has one account.
async fn addresses_that_differ_in_case_are_one_account(store: Store) {
    let instance = Instance::start(store).await;
    sign_up(&instance, "Ada@Example.COM", "Ada", PASSWORD).await;
    let code = instance.mail_to("ada@example.com").await.code();
    verify(&instance, "adA@example.com", &code).await.expect(200);
    let again = sign_up(&instance, "  aDA@example.com ", "Ada", OTHER).await;
    assert_eq!(again.str("/user/email"), "ada@example.com");
    sign_up(&instance, "ＡＤＡ@example.com", "Ada", OTHER).await;
    assert_eq!(instance.count(USERS, vec![]).await, 1);
    login(&instance, "ADA@EXAMPLE.com", PASSWORD).await.expect(200);
}

/// Sixteen sign-ups at once for one address: one account, sixteen like answers, one that can be confirmed.
async fn parallel_sign_ups_make_one_account(store: Store) {
    let instance = Instance::start(store).await;
    let answers = (0..16).map(|_| sign_up(&instance, "ada@example.com", "Ada", PASSWORD));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer.str("/user/status"), "pending");
    }
    assert_eq!(instance.count(USERS, vec![]).await, 1);
}

/// A4: byte for byte, ids and times aside; only the mail tells the owner.
async fn a_taken_address_is_answered_like_a_new_one(store: Store) {
    let clock = Clock::frozen(Timestamp::from_secs(1_900_000_000));
    let instance = Instance::builder(store).clock(clock).start().await;
    let body = |password: &str| json!({ "email": "ada@example.com", "name": "Ada", "role": "Engineer", "password": password });

    let new = instance.post(SIGNUP, body(PASSWORD)).await.expect(201);
    let pending = instance.post(SIGNUP, body(OTHER)).await.expect(201);
    assert_eq!(looks(&new), looks(&pending));
    assert_ne!(new.str("/user/id"), pending.str("/user/id"));

    let instance = Instance::builder(store).clock(Clock::frozen(Timestamp::from_secs(1_900_000_000))).start().await;
    instance.signed_up("ada@example.com").await;
    let active = instance.post(SIGNUP, body(OTHER)).await.expect(201);
    assert_eq!(looks(&new), looks(&active));
    let alias = instance.post("/api/v1/auth/register", body(OTHER)).await.expect(201);
    assert_eq!(looks(&new), looks(&alias));
}

/// The new one gets a code; the owner of an active account learns that somebody tried, and nothing changes.
async fn the_mail_tells_what_the_answer_does_not(store: Store) {
    let instance = Instance::start(store).await;
    let code = instance.registered("ada@example.com").await;
    verify(&instance, "ada@example.com", &code).await.expect(200);
    let keys = instance.running.app.ground.keyring.orphans(Timestamp::from_micros(i64::MAX), None, 100).await.unwrap().len();

    let again = sign_up(&instance, "ada@example.com", "Mallory", OTHER).await;
    let mail = instance.mail_to("ada@example.com").await;
    assert!(mail.subject.to_lowercase().contains("account"), "{mail:?}");
    assert!(!mail.text.contains("Mallory") && mail.text.contains("/login") && mail.text.contains("/forgot"), "{mail:?}");
    login(&instance, "ada@example.com", OTHER).await.expect_problem(401, "invalid_credentials");
    login(&instance, "ada@example.com", PASSWORD).await.expect(200);

    // The key that was made for the one who then was nobody is gone, and the answered id names nobody.
    let unused: Uuid = again.str("/user/id").parse().unwrap();
    assert!(instance.running.app.ground.keyring.get(unused).await.is_err());
    let left = instance.running.app.ground.keyring.orphans(Timestamp::from_micros(i64::MAX), None, 100).await.unwrap().len();
    assert_eq!(left, keys);
}

/// Nobody can fill a stranger's mailbox through the sign-up form.
async fn letters_about_a_taken_address_are_limited(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__VERIFY_RESEND", "2/15m").start().await;
    instance.signed_up("ada@example.com").await;
    for _ in 0..6 {
        sign_up(&instance, "ada@example.com", "Ada", OTHER).await;
    }
    eventually("all jobs to end", async || {
        (instance.metric("keystead_jobs_finished_total", &["passwords.signed_up_again", "done"]).await >= 6.0).then_some(())
    })
    .await;
    eventually("the mail to be sent", async || (instance.count("SELECT count(*) FROM jobs", vec![]).await == 0).then_some(())).await;
    // The code of her own sign-up, and two of six.
    assert_eq!(instance.mails_to("ada@example.com").await.len(), 3);
}

/// A job runs at least once: the second time the unused key is gone already, and the letter goes out all the same.
async fn a_repeated_job_still_writes_the_letter(store: Store) {
    let instance = Instance::start(store).await;
    instance.signed_up("ada@example.com").await;
    let app = &instance.running.app;
    let handlers = keystead::app::job_handlers(app);
    let (_, handler) = handlers.iter().find(|(kind, _)| kind.name == "passwords.signed_up_again").unwrap();
    let now = app.ground.clock.now();
    let payload = json!({ "email": "ada@example.com", "name": "Ada", "role": null, "password_hash": "$argon2id$", "accepted": [],
        "origin": {}, "unused_key": app.ground.random.uuid(now) });
    let job = Claimed { id: app.ground.random.uuid(now), attempt: 2, payload: payload.to_string().into_bytes(), enqueued_at: now };
    handler(job).await.expect("the job ends well");
    instance.mail_to("ada@example.com").await;
}

/// With verification switched off the sign-up is the sign-in, so a taken address has to be told.
async fn without_verification_a_sign_up_signs_in(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", false).start().await;
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD, "transport": "body" });
    let answer = instance.post(SIGNUP, body.clone()).await.expect(201);
    assert_eq!(answer.body["user"]["status"], "active");
    assert_eq!(answer.body["user"]["emailVerified"], false);
    instance.with_token(answer.str("/accessToken")).get(super::ME).await.expect(200);
    instance.post("/api/v1/auth/refresh", json!({ "refreshToken": answer.str("/refreshToken") })).await.expect(200);

    instance.post(SIGNUP, body).await.expect_problem(409, "conflict");
    login(&instance, "ada@example.com", PASSWORD).await.expect(200);
    let mut names: Vec<_> = instance.events().await.into_iter().map(|event| event.action).collect();
    names.sort();
    assert_eq!(names, ["session.started", "session.started", "user.registered"]);
    assert!(instance.mails_to("ada@example.com").await.is_empty());
    // The key of the one who then was nobody did not stay.
    let keys = instance.running.app.ground.keyring.orphans(Timestamp::from_micros(i64::MAX), None, 100).await.unwrap();
    assert_eq!(keys.len(), 1);
}

/// P5: what was accepted with the sign-up is on record; what is not the current version is refused.
async fn policies_are_accepted_with_the_sign_up(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_PRIVACY__POLICIES", "privacy=2026-01,terms=2026-03").start().await;
    let body = |accepted| json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD, "acceptedPolicies": accepted });
    let accepted =
        json!([{ "policy": "privacy", "version": "2025-12" }, { "policy": "cookies", "version": "1" }, { "policy": "a b", "version": "" }]);
    let refused = instance.post(SIGNUP, body(accepted)).await.expect_problem(422, "validation_failed");
    let faults = ["acceptedPolicies.0:outdated_version", "acceptedPolicies.1:unknown_policy", "acceptedPolicies.2:invalid_policy"];
    assert_eq!(refused.field_errors(), faults);

    let accepted = json!([{ "policy": "privacy", "version": "2026-01" }, { "policy": "terms", "version": "2026-03" }]);
    instance.post(SIGNUP, body(accepted)).await.expect(201);
    let code = instance.mail_to("ada@example.com").await.code();
    let ada = verify(&instance, "ada@example.com", &code).await.expect(200);
    let consents = instance.with_token(ada.str("/accessToken")).get("/api/v1/account/consents").await.expect(200);
    let mut given: Vec<_> = consents.body["items"].as_array().unwrap().iter().map(|item| item["policy"].as_str().unwrap()).collect();
    given.sort_unstable();
    assert_eq!(given, ["privacy", "terms"]);
    assert_eq!(consents.str("/items/0/ip"), "127.0.0.1");
}

/// Everything that is wrong is said at once.
async fn every_fault_is_listed(store: Store) {
    let instance = Instance::start(store).await;
    let refused = instance.post(SIGNUP, json!({ "email": "ada", "name": " ", "role": "\u{7}", "password": "abc" })).await;
    let faults = [
        "email:invalid_email",
        "name:required",
        "password:missing_digit",
        "password:missing_upper",
        "password:too_short",
        "password:too_weak",
        "role:invalid_characters",
    ];
    assert_eq!(refused.expect_problem(422, "validation_failed").field_errors(), faults);
    instance.post(SIGNUP, json!({})).await.expect_problem(422, "validation_failed");
    instance.post(SIGNUP, json!({ "email": "ada@example.com", "isAdmin": true })).await.expect_problem(400, "invalid_request");
    assert_eq!(instance.count(USERS, vec![]).await, 0);
    assert_eq!(instance.hashed(), 0);
}

/// The route's own budget and the one of all callers stand in one pair of headers.
async fn limits_are_told(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__SIGNUP", "2/1h").start().await;
    let body = json!({ "email": "ada@example.com", "name": "Ada", "password": PASSWORD });
    let first = instance.post(SIGNUP, body.clone()).await.expect(201);
    assert!(first.header("ratelimit-policy").is_some_and(|text| text.contains("\"signup\";q=2;w=3600")), "{first}");
    assert!(first.header("ratelimit").is_some_and(|text| text.contains("\"signup\";r=1")), "{first}");
    instance.post(SIGNUP, body.clone()).await.expect(201);
    let refused = instance.post(SIGNUP, body.clone()).await.expect_problem(429, "rate_limited");
    assert!(refused.header("retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|wait| (1..=3600).contains(&wait)));
    instance.advance(Duration::from_secs(3601));
    instance.post(SIGNUP, body).await.expect(201);
    assert!(instance.post(LOGIN, json!({})).await.header("ratelimit").is_some_and(|text| text.contains("login")));
    assert!(instance.post(RESEND, json!({})).await.header("ratelimit").is_some_and(|text| text.contains("verify_resend")));
}

/// Whoever looks for a password that is good enough is not shut out for an hour.
async fn what_is_refused_does_not_use_up_the_limit(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__SIGNUP", "1/1h").start().await;
    let body = |password: &str| json!({ "email": "ada@example.com", "name": "Ada", "password": password });
    for weak in ["short", "alllowercase1", "Password1"] {
        instance.post(SIGNUP, body(weak)).await.expect_problem(422, "validation_failed");
    }
    instance.post(SIGNUP, json!([])).await.expect_problem(400, "invalid_request");
    instance.post(SIGNUP, body(PASSWORD)).await.expect(201);
    instance.post("/api/v1/auth/register", body(PASSWORD)).await.expect_problem(429, "rate_limited");
    assert_eq!(instance.hashed(), 1);
}

both_stores!(
    what_is_refused_does_not_use_up_the_limit,
    addresses_that_differ_in_case_are_one_account,
    parallel_sign_ups_make_one_account,
    a_taken_address_is_answered_like_a_new_one,
    the_mail_tells_what_the_answer_does_not,
    letters_about_a_taken_address_are_limited,
    a_repeated_job_still_writes_the_letter,
    without_verification_a_sign_up_signs_in,
    policies_are_accepted_with_the_sign_up,
    every_fault_is_listed,
    limits_are_told,
);
