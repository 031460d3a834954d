//! A creating request with an `Idempotency-Key`, over HTTP on both stores.

use std::time::Duration;

use keystead::accounts::By;
use keystead::audit::Actor;
use keystead::secret::{Place, Purpose, SealError};
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

async fn kept(instance: &Instance) -> (Vec<u8>, Vec<u8>) {
    let rows = instance.rows("SELECT scope, reply FROM idempotency_keys", vec![]).await;
    assert_eq!(rows.len(), 1);
    (rows[0].get(0).unwrap(), rows[0].get(1).unwrap())
}

/// Whoever kept a copy of the table can read nothing of somebody who was erased.
async fn what_a_person_was_answered_is_sealed_by_them(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "terms");
    api.post("/api/v1/account/consents", json!({ "policy": "terms", "version": "2026-01" })).await.expect(201);
    let (scope, copy) = kept(&instance).await;
    let ground = &instance.running.app.ground;
    let place = || Place { table: "idempotency_keys", column: "reply", row: &scope };
    let key = ground.keyring.get(ada.id().parse().unwrap()).await.unwrap();
    let plain = String::from_utf8(key.open(place(), &copy[1..]).expect("it is theirs")).unwrap();
    assert!(plain.contains("2026-01"), "{plain}");
    assert!(ground.roots.open(Purpose::System, &scope, &copy[1..]).is_err(), "the installation opens it");
    let (app, person, now) = (&instance.running.app, ada.id().parse().unwrap(), instance.clock.now());
    app.lifecycle.delete(person, By::of(Actor::Operator), now).await.unwrap();
    app.lifecycle.erase(person, By::of(Actor::Operator), now).await.unwrap();
    assert!(matches!(ground.keyring.get(person).await, Err(SealError::Erased)));
    // The installation's key for what nobody in particular was answered.
    instance.change("DELETE FROM idempotency_keys", vec![]).await;
    instance.with("idempotency-key", "new").post("/api/v1/auth/signup", sign_up("eve@example.com")).await.expect(201);
    let (scope, copy) = kept(&instance).await;
    assert!(ground.roots.open(Purpose::System, &scope, &copy[1..]).is_ok());
}

/// What the version before kept is answered for as long as it is kept.
async fn an_answer_of_the_version_before_is_given(store: Store) {
    let instance = Instance::start(store).await;
    let api = instance.with("idempotency-key", "first-try");
    api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    let (scope, _) = kept(&instance).await;
    let first = api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201);
    let old = instance.running.app.ground.roots.seal(Purpose::System, &scope, &serde_json::to_vec(&first.body).unwrap());
    instance.change("UPDATE idempotency_keys SET reply = NULL, answer = $1", keystead::args![old]).await;
    assert_eq!(api.post("/api/v1/auth/signup", sign_up("ada@example.com")).await.expect(201).body, first.body);
}

async fn a_secret_is_not_stored_on_the_way_when_it_is_given_again(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let api = ada.api.with("idempotency-key", "night-job");
    let new = json!({ "name": "night job", "scopes": ["account:read"] });
    let first = api.post("/api/v1/account/tokens", new.clone()).await.expect(201);
    let again = api.post("/api/v1/account/tokens", new).await.expect(201);
    assert_eq!((first.header("cache-control"), first.body.clone()), (again.header("cache-control"), again.body.clone()));
    assert!(first.header("cache-control").is_some_and(|value| value.contains("no-store")), "{first}");
}

both_stores!(
    a_secret_is_not_stored_on_the_way_when_it_is_given_again,
    an_answer_of_the_version_before_is_given,
    what_a_person_was_answered_is_sealed_by_them,
    a_repeat_gets_the_first_answer_and_creates_nothing,
    another_body_is_refused,
    of_many_at_once_one_creates,
    a_refusal_gives_the_key_back,
    keys_of_two_people_are_two_keys,
    a_day_later_the_key_is_free,
    a_key_that_is_none_is_refused,
);
