//! What `WWW-Authenticate` says (RFC 6750 section 3, RFC 9449 section 7.1).

use std::time::Duration;

use serde_json::json;

use super::super::{admin, form, service};
use super::{Key, TOKEN};
use crate::support::{Answer, Instance, Store, both_stores};

const CLIENTS: &str = "/api/v1/admin/clients";
const BEARER: &str = "Bearer realm=\"keystead\"";
const DPOP: &str = "DPoP realm=\"keystead\", algs=\"EdDSA Ed25519 ES256 PS256 RS256\"";

#[track_caller]
fn says(answer: &Answer, status: u16, lines: &[&str]) {
    assert_eq!(answer.status, status, "{answer}");
    let said: Vec<_> = answer.headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(said, lines, "{answer}");
}

async fn whoever_is_refused_is_told_how_to_come(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["clients:write"]).await;
    let key = Key::ed25519();
    let bound = form(&key.at(&instance, &made.basic(&instance), TOKEN), TOKEN, &[("grant_type", "client_credentials")]).await.expect(200);
    let bound = bound.str("/access_token");
    let invalid = format!("{BEARER}, error=\"invalid_token\"");

    // No token: no error.
    says(&instance.get(CLIENTS).await, 401, &[BEARER, DPOP]);
    says(&instance.with("authorization", "Basic eDp5").get(CLIENTS).await, 401, &[BEARER, DPOP]);
    // A token that is not good.
    for path in [CLIENTS, "/api/v1/sessions", "/oauth2/userinfo", "/api/v1/account/applications"] {
        says(&instance.with_token("garbage").get(path).await, 401, &[&invalid, DPOP]);
        let dpop = format!("{DPOP}, error=\"invalid_token\"");
        says(&instance.with("authorization", "DPoP garbage").get(path).await, 401, &[BEARER, &dpop]);
    }
    // A good one without its proof, and in the other scheme.
    let proofless = format!("{DPOP}, error=\"invalid_dpop_proof\"");
    says(&instance.with("authorization", &format!("DPoP {bound}")).get(CLIENTS).await, 401, &[BEARER, &proofless]);
    says(&instance.with_token(bound).get(CLIENTS).await, 401, &[&invalid, DPOP]);
    // One that lacks something.
    let missing = format!("{BEARER}, error=\"insufficient_scope\", scope=\"audit:read\"");
    let plain = made.token(&instance).await;
    says(&instance.with_token(&plain).get("/api/v1/admin/audit").await, 403, &[&missing]);
    let missing = format!("{DPOP}, error=\"insufficient_scope\", scope=\"audit:read\"");
    let api = key.with_token(&instance, "GET", "/api/v1/admin/audit", bound);
    says(&api.get("/api/v1/admin/audit").await, 403, &[&missing]);
    // One that is not of a person, where nothing it could be granted would help.
    says(&instance.with_token(&plain).get("/api/v1/sessions").await, 403, &[&format!("{BEARER}, error=\"insufficient_scope\"")]);
    // One that has expired.
    instance.advance(Duration::from_secs(901));
    let late = instance.with_token(&root.access_token).get(CLIENTS).await.expect_problem(401, "token_expired");
    says(&late, 401, &[&invalid, DPOP]);
}

async fn two_authorizations_are_none(store: Store) {
    let instance = Instance::start(store).await;
    let ada = instance.signed_up("ada@example.com").await;
    let url = format!("{}/api/v1/sessions", instance.base());
    let bearer = format!("Bearer {}", ada.access_token);
    let request = |second: &'static str| reqwest::Client::new().get(&url).header("authorization", &bearer).header("authorization", second);
    assert_eq!(reqwest::Client::new().get(&url).header("authorization", &bearer).send().await.unwrap().status(), 200);
    for second in ["Bearer x", "DPoP x", "Basic x"] {
        assert_eq!(request(second).send().await.unwrap().status(), 401, "{second}");
    }
}

async fn browsers_may_send_and_read_what_this_needs(store: Store) {
    let instance = Instance::builder(store).set("CORS_ORIGINS", "https://app.example.com").start().await;
    let page = instance.with("origin", "https://app.example.com");
    let asked = page.with("access-control-request-method", "POST").with("access-control-request-headers", "dpop");
    let answer = asked.send(http::Method::OPTIONS, TOKEN, None).await.expect(204);
    assert!(answer.header("access-control-allow-headers").is_some_and(|all| all.split(", ").any(|one| one == "dpop")), "{answer}");
    let answer = page.get("/api/v1/sessions").await.expect(401);
    assert!(answer.header("access-control-expose-headers").is_some_and(|all| all.contains("www-authenticate")), "{answer}");
    page.post("/api/v1/auth/login", json!({"email": "nobody@example.com", "password": "x"})).await.expect(401);
}

both_stores!(whoever_is_refused_is_told_how_to_come, two_authorizations_are_none, browsers_may_send_and_read_what_this_needs,);
