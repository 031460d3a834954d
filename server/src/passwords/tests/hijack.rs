//! Somebody signs up with an address that is not theirs and waits for its owner to confirm it. Whoever confirms
//! gets what was given together with the code they use, and nothing that a stranger left there.

use std::time::Duration;

use serde_json::json;

use super::{OTHER, RESEND, RESET, SIGNUP, THIRD, login, sign_up, verify};
use crate::support::{Instance, PASSWORD, Store, both_stores, eventually};

const VICTIM: &str = "victim@example.com";

async fn code_after_sign_up(instance: &Instance, name: &str, password: &str) -> String {
    sign_up(instance, VICTIM, name, password).await;
    instance.mail_to(VICTIM).await.code()
}

async fn the_owner_comes_second(store: Store) {
    let instance = Instance::start(store).await;
    code_after_sign_up(&instance, "Mallory", OTHER).await;
    sign_up(&instance, VICTIM, "Victoria", PASSWORD).await;
    let mail = instance.mail_to(VICTIM).await;
    assert!(mail.text.contains("Victoria") && !mail.text.contains("Mallory"), "{mail:?}");

    let signed_in = verify(&instance, VICTIM, &mail.code()).await.expect(200);
    assert_eq!(signed_in.str("/user/name"), "Victoria");
    login(&instance, VICTIM, OTHER).await.expect_problem(401, "invalid_credentials");
    login(&instance, VICTIM, PASSWORD).await.expect(200);
}

async fn the_owner_comes_first(store: Store) {
    let instance = Instance::start(store).await;
    let code = code_after_sign_up(&instance, "Victoria", PASSWORD).await;
    let stranger = code_after_sign_up(&instance, "Mallory", OTHER).await;

    let signed_in = verify(&instance, VICTIM, &code).await.expect(200);
    assert_eq!(signed_in.str("/user/name"), "Victoria");
    login(&instance, VICTIM, OTHER).await.expect_problem(401, "invalid_credentials");
    login(&instance, VICTIM, PASSWORD).await.expect(200);
    // The other code died with the confirmation.
    verify(&instance, VICTIM, &stranger).await.expect_problem(422, "validation_failed");
    login(&instance, VICTIM, OTHER).await.expect_problem(401, "invalid_credentials");
}

/// After several sign-ups a code that is asked for again cannot know whose password is expected: it puts none
/// in force, and a link to choose one follows.
async fn a_code_sent_again_carries_nobodys_password(store: Store) {
    let instance = Instance::start(store).await;
    code_after_sign_up(&instance, "Mallory", OTHER).await;
    code_after_sign_up(&instance, "Victoria", PASSWORD).await;
    code_after_sign_up(&instance, "Mallory", THIRD).await;
    // Long after all of them are purged.
    instance.advance(Duration::from_secs(3 * 24 * 3600));
    instance.running.app.housekeep(instance.clock.now()).await;
    assert_eq!(instance.count("SELECT count(*) FROM codes", vec![]).await, 0);
    instance.post(RESEND, json!({ "email": VICTIM })).await.expect(202);
    let code = instance.mail_to(VICTIM).await.code();

    verify(&instance, VICTIM, &code).await.expect(200);
    for password in [OTHER, PASSWORD, THIRD] {
        login(&instance, VICTIM, password).await.expect_problem(401, "invalid_credentials");
    }
    let token = instance.mail_to(VICTIM).await.token();
    instance.post(RESET, json!({ "token": token, "password": PASSWORD })).await.expect(204);
    login(&instance, VICTIM, PASSWORD).await.expect(200);
}

/// One sign-up, one person: a code that is sent again confirms what was given with it.
async fn a_code_sent_again_to_the_only_one_keeps_the_password(store: Store) {
    let instance = Instance::start(store).await;
    code_after_sign_up(&instance, "Victoria", PASSWORD).await;
    instance.advance(Duration::from_secs(3600));
    instance.post(RESEND, json!({ "email": VICTIM })).await.expect(202);
    let code = instance.mail_to(VICTIM).await.code();
    verify(&instance, VICTIM, &code).await.expect(200);
    login(&instance, VICTIM, PASSWORD).await.expect(200);
}

/// Using up the limit of mails, so that the owner's sign-up sends none, does not make it forgotten.
async fn a_sign_up_without_a_mail_counts(store: Store) {
    let instance = Instance::builder(store).set("KEYSTEAD_LIMITS__VERIFY_RESEND", "1/15m").start().await;
    code_after_sign_up(&instance, "Mallory", OTHER).await;
    instance.post(RESEND, json!({ "email": VICTIM })).await.expect(202);
    instance.mail_to(VICTIM).await;
    sign_up(&instance, VICTIM, "Victoria", PASSWORD).await;
    eventually("the second sign-up to be noted", async || {
        (instance.count("SELECT count(*) FROM users WHERE contested_at IS NOT NULL", vec![]).await == 1).then_some(())
    })
    .await;

    instance.advance(Duration::from_secs(16 * 60));
    instance.post(RESEND, json!({ "email": VICTIM })).await.expect(202);
    let code = instance.mail_to(VICTIM).await.code();
    verify(&instance, VICTIM, &code).await.expect(200);
    login(&instance, VICTIM, OTHER).await.expect_problem(401, "invalid_credentials");
}

/// P5: the consents of the one whose code is used, from where that one gave them.
async fn consents_are_those_of_the_one_who_confirms(store: Store) {
    let instance = Instance::builder(store).set("TRUSTED_PROXIES", "127.0.0.1/32").start().await;
    let body = |name, password, policy| json!({ "email": VICTIM, "name": name, "password": password, "acceptedPolicies": [{ "policy": policy, "version": "1" }] });
    instance.at_address("198.51.100.66").post(SIGNUP, body("Mallory", OTHER, "sell-my-data")).await.expect(201);
    instance.mail_to(VICTIM).await;
    instance.at_address("203.0.113.5").post(SIGNUP, body("Victoria", PASSWORD, "privacy")).await.expect(201);
    let code = instance.mail_to(VICTIM).await.code();
    let token = verify(&instance.at_address("203.0.113.9"), VICTIM, &code).await.expect(200).str("/accessToken").to_owned();

    let consents = instance.with_token(&token).get("/api/v1/account/consents").await.expect(200);
    assert_eq!(consents.body["items"].as_array().map(Vec::len), Some(1), "{consents}");
    assert_eq!((consents.str("/items/0/policy"), consents.str("/items/0/ip")), ("privacy", "203.0.113.5"));
}

both_stores!(
    the_owner_comes_second,
    the_owner_comes_first,
    a_code_sent_again_carries_nobodys_password,
    a_code_sent_again_to_the_only_one_keeps_the_password,
    a_sign_up_without_a_mail_counts,
    consents_are_those_of_the_one_who_confirms,
);
