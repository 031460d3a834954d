//! What a bound token opens, and for whom.

use std::time::Duration;

use http::Method;
use keystead::args;
use serde_json::{Value, json};

use super::super::device::{APPROVE, Device};
use super::super::id_token::player;
use super::super::{Registered, admin, form, service};
use super::{Key, TOKEN, claims_of};
use crate::support::{Answer, Instance, Store, both_stores};

const USERS: &str = "/api/v1/admin/clients";

async fn bound(instance: &Instance, made: &Registered, key: &Key) -> String {
    let answer = form(&key.at(instance, &made.basic(instance), TOKEN), TOKEN, &[("grant_type", "client_credentials")]).await.expect(200);
    answer.str("/access_token").to_owned()
}

#[track_caller]
fn refused(answer: Answer, error: &str) {
    let answer = answer.expect_problem(401, "unauthenticated");
    let lines: Vec<_> = answer.headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap().to_owned()).collect();
    assert!(lines.iter().any(|line| line.starts_with("DPoP ") && line.contains("algs=\"")), "{answer}");
    assert!(lines.iter().any(|line| line.contains(&format!("error=\"{error}\""))), "{error}\n{answer}");
}

async fn a_bound_token_opens_with_a_fresh_proof(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["clients:write"]).await;
    for key in [Key::ed25519(), Key::p256(), Key::rsa()] {
        let token = bound(&instance, &made, &key).await;
        key.with_token(&instance, "GET", USERS, &token).get(USERS).await.expect(200);
        // The query is no part of the address that is signed.
        key.with_token(&instance, "GET", USERS, &token).get(&format!("{USERS}?limit=1")).await.expect(200);
        for scheme in ["dpop", "DPOP"] {
            let api = key.with_token(&instance, "GET", USERS, &token).with("authorization", &format!("{scheme} {token}"));
            api.get(USERS).await.expect(200);
        }
    }
}

async fn a_person_uses_one_wherever_they_may_go(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "email"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let key = Key::p256();
    let device = Device::of(&instance, &client).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let tokens = device.poll(&key.at(&instance, &instance, TOKEN)).await.expect(200);
    let (token, path) = (tokens.str("/access_token"), "/oauth2/userinfo");
    let said = key.with_token(&instance, "GET", path, token).get(path).await.expect(200);
    assert_eq!((said.str("/sub"), said.str("/email")), (ada.id(), "ada@example.com"));
    key.with_token(&instance, "POST", path, token).send(Method::POST, path, None).await.expect(200);
    refused(instance.with_token(token).get(path).await, "invalid_token");
    refused(form(&instance, path, &[("access_token", token)]).await, "invalid_token");
    // A route for the person alone, by the command line, whose client stands for them.
    let device = Device::begun(&instance).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let tokens = device.poll(&key.at(&instance, &instance, TOKEN)).await.expect(200);
    let (token, path) = (tokens.str("/access_token"), "/api/v1/sessions");
    key.with_token(&instance, "GET", path, token).get(path).await.expect(200);
    refused(instance.with_token(token).get(path).await, "invalid_token");
    // Somebody who is not signed in is nobody where that is allowed.
    let hidden = instance.with_token(token).get("/health").await.expect(200);
    assert!(hidden.body.get("checks").is_none_or(Value::is_null), "{hidden}");
}

async fn a_token_is_presented_in_its_own_scheme_only(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["clients:write"]).await;
    let key = Key::ed25519();
    let token = bound(&instance, &made, &key).await;
    // Bound, without and with a proof.
    refused(instance.with_token(&token).get(USERS).await, "invalid_token");
    refused(key.with_token(&instance, "GET", USERS, &token).with_token(&token).get(USERS).await, "invalid_token");
    // Not bound, but dressed up with a proof: of a service, of a person, and a personal access token.
    let plain = made.token(&instance).await;
    refused(key.with_token(&instance, "GET", USERS, &plain).get(USERS).await, "invalid_token");
    refused(key.with_token(&instance, "GET", USERS, &root.access_token).get(USERS).await, "invalid_token");
    let personal = root.api.post("/api/v1/account/tokens", json!({"name": "Nightly", "scopes": ["clients:write"]})).await.expect(201);
    let personal = personal.str("/secret").to_owned();
    instance.with_token(&personal).get(USERS).await.expect(200);
    refused(key.with_token(&instance, "GET", USERS, &personal).get(USERS).await, "invalid_token");
    // Both ways at once.
    let api = key.with_token(&instance, "GET", USERS, &token);
    api.get(USERS).await.expect(200);
}

async fn a_proof_that_does_not_fit_opens_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["clients:write"]).await;
    let (key, thief) = (Key::ed25519(), Key::ed25519());
    let (token, other) = (bound(&instance, &made, &key).await, bound(&instance, &made, &key).await);
    let api = instance.with("authorization", &format!("DPoP {token}"));
    refused(api.get(USERS).await, "invalid_dpop_proof");
    let good = || claims_of(&instance, "GET", USERS, Some(&token));
    let changed = |name: &str, value: Value| {
        let mut claims = good();
        claims[name] = value;
        key.proof(&claims)
    };
    let now = instance.clock.now().as_secs();
    let foreign = bound(&instance, &made, &thief).await;
    let proofs = [
        thief.proof(&good()),
        changed("htm", "POST".into()),
        changed("htm", "HEAD".into()),
        changed("htu", "http://localhost:8080/api/v1/admin/users".into()),
        changed("htu", "https://localhost:8080/api/v1/admin/clients".into()),
        changed("htu", "http://evil.example/api/v1/admin/clients".into()),
        changed("ath", Value::Null),
        changed("ath", keystead::oauth::dpop::hash_of(&other).into()),
        changed("iat", json!(now - 120)),
        changed("iat", json!(now + 120)),
        // A proof for the token endpoint has no access token.
        key.proof(&claims_of(&instance, "POST", TOKEN, None)),
        // Somebody else's token with their own, good proof.
        thief.proof(&claims_of(&instance, "GET", USERS, Some(&foreign))),
        token.clone(),
        String::new(),
    ];
    for proof in &proofs {
        refused(api.with("dpop", proof).get(USERS).await, "invalid_dpop_proof");
    }
    api.with("dpop", &key.proof(&good())).get(USERS).await.expect(200);
}

/// On this instance and on the next one; of sixteen at once exactly one gets in.
async fn a_replayed_proof_opens_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["clients:write"]).await;
    let key = Key::p256();
    let token = bound(&instance, &made, &key).await;
    let proof = key.proof(&claims_of(&instance, "GET", USERS, Some(&token)));
    let api = instance.with("authorization", &format!("DPoP {token}")).with("dpop", &proof);
    let answers = futures_util::future::join_all((0..16).map(|_| api.get(USERS))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    answers.into_iter().filter(|answer| answer.status != 200).for_each(|answer| refused(answer, "invalid_dpop_proof"));
    if store == Store::Postgres {
        let second = instance.second().await;
        let api = second.with("authorization", &format!("DPoP {token}")).with("dpop", &proof);
        refused(api.get(USERS).await, "invalid_dpop_proof");
        key.with_token(&second, "GET", USERS, &token).get(USERS).await.expect(200);
    }
    instance.advance(Duration::from_secs(61));
    refused(api.get(USERS).await, "invalid_dpop_proof");
    key.with_token(&instance, "GET", USERS, &token).get(USERS).await.expect(200);
}

/// A stolen token without its key keeps no session alive and is not seen in the list of sessions.
async fn a_token_without_its_key_is_not_used(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let key = Key::ed25519();
    let device = Device::of(&instance, &client).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let tokens = device.poll(&key.at(&instance, &instance, TOKEN)).await.expect(200);
    let (token, path) = (tokens.str("/access_token"), "/oauth2/userinfo");
    let active = async || {
        instance.running.app.sessions.activity().flush().await.unwrap();
        let rows = instance.rows("SELECT last_active_at FROM sessions WHERE client_id = $1", args![client.clone()]).await;
        rows[0].get::<i64>(0).unwrap()
    };
    let before = active().await;
    instance.advance(Duration::from_secs(600));
    refused(instance.with_token(token).get(path).await, "invalid_token");
    refused(Key::ed25519().with_token(&instance, "GET", path, token).get(path).await, "invalid_dpop_proof");
    assert_eq!(active().await, before);
    key.with_token(&instance, "GET", path, token).get(path).await.expect(200);
    assert_ne!(active().await, before);
}

both_stores!(
    a_bound_token_opens_with_a_fresh_proof,
    a_person_uses_one_wherever_they_may_go,
    a_token_is_presented_in_its_own_scheme_only,
    a_proof_that_does_not_fit_opens_nothing,
    a_replayed_proof_opens_nothing,
    a_token_without_its_key_is_not_used,
);

/// Without Redis the instances cannot agree on what was used: nothing is accepted twice, so nothing is accepted. Tokens that are not bound
/// do not need that memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_no_proof_is_taken() {
    let one = Instance::start(Store::Postgres).await;
    let root = admin(&one).await;
    let made = service(&root.api, &["clients:write"]).await;
    let key = Key::ed25519();
    let token = bound(&one, &made, &key).await;
    let two = Instance::builder(Store::Postgres).second(&one).set("REDIS_URL", "redis://127.0.0.1:1").start().await;
    let answer = key.with_token(&two, "GET", USERS, &token).get(USERS).await.expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    let asked = [("grant_type", "client_credentials")];
    form(&key.at(&two, &made.basic(&two), TOKEN), TOKEN, &asked).await.expect_problem(503, "unavailable");
    form(&made.basic(&two), TOKEN, &asked).await.expect(200);
}
