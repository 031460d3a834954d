//! A creating request with an `Idempotency-Key`, over HTTP on both stores.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Instance, PASSWORD, Store, both_stores};

fn sign_up(email: &str) -> Value {
    json!({ "email": email, "name": "Ada", "password": PASSWORD })
}

async fn a_repeat_gets_the_first_answer_and_creates_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let api = instance.with("idempotency-key", "first-try");
    let first = api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    let again = api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    instance.mail_to("ada@example.com").await;
    assert_eq!(instance.mails_to("ada@example.com").await.len(), 1);
}

async fn another_body_is_refused(store: Store) {
    let instance = Instance::start(store).await;
    let api = instance.with("idempotency-key", "first-try");
    api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    api.post("/api/v1/auth/signup", sign_up("bob@example.com")).await.expect_problem(422, "idempotency_key_reused");
}

async fn of_many_at_once_one_creates(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "terms");
    let body = json!({ "policy": "terms", "version": "2026-01" });
    let posts = (0..16).map(|_| api.post("/api/v1/account/consents", body.clone()));
    let answers = futures_util::future::join_all(posts).await;
    let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).map(|answer| answer.body.clone()).collect();
    assert!(!created.is_empty() && created.iter().all(|body| *body == created[0]));
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.status, 409);
    }
    let consents = ada.api.get("/api/v1/account/consents").await.expect(200);
    assert_eq!(consents.body["items"].as_array().unwrap().len(), 1);
}

async fn a_refusal_gives_the_key_back(store: Store) {
    let instance = Instance::start(store).await;
    let api = instance.with("idempotency-key", "first-try");
    api.post("/api/v1/auth/signup", json!({ "email": "ada@example.com", "name": "Ada", "password": "weak" })).await.expect(422);
    api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
}

async fn keys_of_two_people_are_two_keys(store: Store) {
    let instance = Instance::start(store).await;
    let body = json!({ "policy": "terms", "version": "2026-01" });
    let mut ids = Vec::new();
    for email in ["ada@example.com", "bob@example.com"] {
        let person = instance.signed_up(email).await;
        let answer = person.api.with("idempotency-key", "terms").post("/api/v1/account/consents", body.clone()).await.expect(201);
        ids.push(answer.str("/consent/id").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
}

async fn a_day_later_the_key_is_free(store: Store) {
    let instance = Instance::start(store).await;
    let api = instance.with("idempotency-key", "first-try");
    api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    instance.advance(Duration::from_secs(24 * 60 * 60 + 1));
    api.post("/api/v1/auth/signup", sign_up("bob@example.com")).await.expect(201);
}

async fn a_key_that_is_none_is_refused(store: Store) {
    let instance = Instance::start(store).await;
    for key in ["", "with space", &"x".repeat(256)] {
        let answer = instance.with("idempotency-key", key).post("/api/v1/auth/signup", sign_up("ada@example.com")).await;
        answer.expect_problem(400, "invalid_request");
    }
}

both_stores!(
    a_repeat_gets_the_first_answer_and_creates_nothing,
    another_body_is_refused,
    of_many_at_once_one_creates,
    a_refusal_gives_the_key_back,
    keys_of_two_people_are_two_keys,
    a_day_later_the_key_is_free,
    a_key_that_is_none_is_refused,
);
