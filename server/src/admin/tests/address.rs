//! An administrator gives somebody another address: whoever has the old one is out, and the new one is confirmed first.

use futures_util::future::join_all;
use serde_json::json;

use super::{ADA, admin, of};
use crate::support::{Answer, Instance, PASSWORD, Store, both_stores, eventually};

const NEW: &str = "ada@new.example";

async fn login(instance: &Instance, email: &str) -> Answer {
    instance.post("/api/v1/auth/login", json!({"email": email, "password": PASSWORD, "transport": "body"})).await
}

async fn the_new_address_is_confirmed_and_the_old_one_is_void(store: Store) {
    let instance = Instance::start(store).await;
    let second = instance.second().await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    instance.post("/api/v1/auth/password/forgot", json!({"email": ADA})).await.expect(202);
    let link = instance.mail_to(ADA).await.token();
    let changed =
        root.api.patch(&of(&ada, ""), json!({"email": " Ada@New.Example ", "name": "Ada King", "reason": "Ticket 7"})).await.expect(200);
    assert_eq!((changed.str("/user/email"), changed.str("/user/name")), (NEW, "Ada King"));
    assert_eq!((changed.str("/user/status"), &changed.body["user"]["emailVerified"]), ("pending", &json!(false)));

    eventually("the other instance to refuse", async || {
        (second.with_token(&ada.access_token).get("/api/v1/auth/me").await.status == 401).then_some(())
    })
    .await;
    ada.api.get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    login(&instance, ADA).await.expect_problem(401, "invalid_credentials");
    let reset = json!({"token": link, "password": "Another-Giraffe-Sings-43"});
    assert!(matches!(instance.post("/api/v1/auth/password/reset", reset).await.status, 400 | 410 | 422), "the link is void");
    assert!(instance.mail_to(ADA).await.subject.contains("e-mail address"), "the old address is told");

    login(&instance, NEW).await.expect_problem(403, "email_not_verified");
    let code = instance.mail_to(NEW).await.code();
    instance.post("/api/v1/auth/verify-email", json!({"email": ADA, "code": code})).await.expect_problem(422, "validation_failed");
    let verified = instance.post("/api/v1/auth/verify-email", json!({"email": NEW, "code": code, "transport": "body"})).await.expect(200);
    assert_eq!((verified.str("/user/id"), verified.str("/user/status")), (ada.id(), "active"));
    login(&instance, NEW).await.expect(200);
    let events = root.api.get("/api/v1/admin/audit?action=user.email_changed").await.expect(200);
    assert_eq!((&events.body["items"][0]["reason"], &events.body["items"][0]["actor"]["id"]), (&json!("Ticket 7"), &json!(root.id())));
    assert!(instance.events().await.iter().all(|event| !event.details.contains("new.example")), "addresses stand sealed");
    // The address is free again.
    instance.signed_up(ADA).await;
}

/// A code that was mailed to the old address confirms nothing.
async fn codes_of_the_old_address_are_void(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let sign_up = json!({"email": "typo@example.com", "name": "Ada", "password": PASSWORD});
    instance.post("/api/v1/auth/signup", sign_up).await.expect(201);
    let old = instance.mail_to("typo@example.com").await.code();
    let found = root.api.get("/api/v1/admin/users?query=typo@example.com").await.expect(200);
    let path = format!("/api/v1/admin/users/{}", found.str("/items/0/id"));
    root.api.patch(&path, json!({"email": NEW})).await.expect(200);
    let new = instance.mail_to(NEW).await.code();
    instance.post("/api/v1/auth/verify-email", json!({"email": NEW, "code": old})).await.expect_problem(422, "validation_failed");
    instance.post("/api/v1/auth/verify-email", json!({"email": NEW, "code": new})).await.expect(200);
    assert_eq!(instance.mails_to("typo@example.com").await.len(), 1, "an address that nobody confirmed may be a stranger's");
}

async fn addresses_that_cannot_be_given(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    let refused = root.api.patch(&of(&ada, ""), json!({"email": "nobody", "name": ""})).await.expect_problem(422, "validation_failed");
    assert_eq!(refused.field_errors(), ["email:invalid_email", "name:required"]);
    root.api.patch(&of(&ada, ""), json!({"email": "ROOT@example.com"})).await.expect_problem(409, "conflict");
    root.api.patch(&of(&root, ""), json!({"email": NEW})).await.expect_problem(409, "conflict");
    let seen = root.api.get(&of(&ada, "")).await.expect(200);
    root.api.with("if-match", "\"1\"").patch(&of(&ada, ""), json!({"email": NEW})).await.expect_problem(412, "version_conflict");
    // The same address is no change: nobody is signed out.
    let same = root.api.with("if-match", seen.header("etag").unwrap()).patch(&of(&ada, ""), json!({"email": "ADA@example.com"})).await;
    assert_eq!(same.expect(200).str("/user/status"), "active");
    ada.api.get("/api/v1/auth/me").await.expect(200);
    assert!(instance.events().await.iter().all(|event| event.action != "user.email_changed"));

    // Whoever may change accounts alone does not take an administrator's.
    root.api.put("/api/v1/admin/roles/support", json!({"scopes": ["users:read", "users:write"]})).await.expect(200);
    instance.set_roles(&ada, "support").await;
    ada.api.patch(&of(&root, ""), json!({"email": NEW})).await.expect_problem(403, "forbidden");
    instance
        .with_token(&root.access_token)
        .patch("/api/v1/admin/users/no-id", json!({"email": NEW}))
        .await
        .expect_problem(404, "not_found");
}

/// Sixteen people get one address at the same moment: one has it.
async fn one_address_has_one_account(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let lines: String =
        (0..16).map(|n| format!("{}\n", json!({"email": format!("p{n}@example.com"), "name": "P", "emailVerified": true}))).collect();
    let import = "/api/v1/admin/users/import";
    root.api.send_bytes(http::Method::POST, import, "application/x-ndjson", lines.into_bytes()).await.expect(200);
    let people = root.api.get("/api/v1/admin/users?query=P").await.expect(200).body["items"].clone();
    let ids: Vec<String> = people.as_array().unwrap().iter().map(|person| person["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 16);
    let change = |id: &String| {
        let (api, path) = (root.api.clone(), format!("/api/v1/admin/users/{id}"));
        async move { api.patch(&path, json!({"email": NEW})).await }
    };
    let answers = join_all(ids.iter().map(change)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    answers.into_iter().filter(|answer| answer.status != 200).for_each(|answer| drop(answer.expect_problem(409, "conflict")));
}

async fn without_confirmation_the_account_stays_open(store: Store) {
    let first = Instance::start(store).await;
    let (root, ada) = (admin(&first).await, first.signed_up(ADA).await);
    let open = Instance::builder(store).second(&first).set("KEYSTEAD_ACCOUNTS__REQUIRE_VERIFIED_EMAIL", "false");
    let instance = open.start().await;
    let root_here = instance.with_token(&root.access_token);
    let changed = root_here.patch(&of(&ada, ""), json!({"email": NEW})).await.expect(200);
    assert_eq!((changed.str("/user/status"), &changed.body["user"]["emailVerified"]), ("active", &json!(false)));
    instance.with_token(&ada.access_token).get("/api/v1/auth/me").await.expect_problem(401, "session_revoked");
    login(&instance, NEW).await.expect(200);
    assert!(instance.mail_to(NEW).await.subject.contains("e-mail address"));
}

/// Whoever guesses the new address signs up with it: the account stays what it was, whichever code is typed.
async fn what_strangers_type_into_a_sign_up_stays_out(store: Store) {
    const STRANGE: &str = "Quiet-Otter-Juggles-77";
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    ada.api.post("/api/v1/account/consents", json!({"policy": "privacy", "version": "3"})).await.expect(201);
    root.api.patch(&of(&ada, ""), json!({"email": NEW})).await.expect(200);
    let mut code = instance.mail_to(NEW).await.code();
    for policy in ["one", "two", "three"] {
        let sign_up = json!({"email": NEW, "name": "Mallory", "password": STRANGE, "role": "Owner", "acceptedPolicies": [{"policy": policy, "version": "1"}]});
        instance.post("/api/v1/auth/signup", sign_up).await.expect(201);
        let mail = instance.mail_to(NEW).await;
        assert!(!mail.text.contains("Mallory"), "{mail:?}");
        code = mail.code();
    }
    assert_eq!(instance.count("SELECT count(*) FROM users WHERE contested_at IS NOT NULL", vec![]).await, 0);
    let verified = instance.post("/api/v1/auth/verify-email", json!({"email": NEW, "code": code, "transport": "body"})).await.expect(200);
    assert_eq!((verified.str("/user/id"), verified.str("/user/name")), (ada.id(), "Ada Lovelace"));
    let consents = instance.with_token(verified.str("/accessToken")).get("/api/v1/account/consents").await.expect(200);
    let given: Vec<_> = consents.body["items"].as_array().unwrap().iter().map(|consent| consent["policy"].as_str().unwrap()).collect();
    assert_eq!(given, ["privacy"]);
    let stranger = json!({"email": NEW, "password": STRANGE, "transport": "body"});
    instance.post("/api/v1/auth/login", stranger).await.expect_problem(401, "invalid_credentials");
    login(&instance, NEW).await.expect(200);
}

/// An address that was changed while the account was suspended is confirmed as well before anybody gets in by it.
async fn who_was_suspended_meanwhile_confirms_too(store: Store) {
    let instance = Instance::start(store).await;
    let (root, ada) = (admin(&instance).await, instance.signed_up(ADA).await);
    root.api.post(&of(&ada, "/suspend"), json!({})).await.expect(200);
    root.api.patch(&of(&ada, ""), json!({"email": NEW})).await.expect(200);
    let opened = root.api.post(&of(&ada, "/activate"), json!({})).await.expect(200);
    assert_eq!(opened.str("/user/status"), "pending");
    login(&instance, NEW).await.expect_problem(403, "email_not_verified");
    instance.mail_to(NEW).await;
    instance.post("/api/v1/auth/verify-email/resend", json!({"email": NEW})).await.expect(202);
    let code = instance.mail_to(NEW).await.code();
    instance.post("/api/v1/auth/verify-email", json!({"email": NEW, "code": code})).await.expect(200);
    login(&instance, NEW).await.expect(200);
}

both_stores!(
    what_strangers_type_into_a_sign_up_stays_out,
    who_was_suspended_meanwhile_confirms_too,
    the_new_address_is_confirmed_and_the_old_one_is_void,
    codes_of_the_old_address_are_void,
    addresses_that_cannot_be_given,
    one_address_has_one_account,
    without_confirmation_the_account_stays_open,
);
