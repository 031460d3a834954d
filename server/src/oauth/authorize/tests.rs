//! Applications that sign people in: how they ask, who decides, what they get, and what attackers do not get.

#[path = "tests/applications.rs"]
mod applications;
#[path = "tests/asking.rs"]
mod asking;
#[path = "tests/attacks.rs"]
mod attacks;
#[path = "tests/bound.rs"]
mod bound;
#[path = "tests/exchange.rs"]
mod exchange;
#[path = "tests/pushed.rs"]
mod pushed;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::{Registered, form, register};
use crate::support::{Answer, Client, Instance, SignedIn};

const PAR: &str = "/oauth2/par";
const TOKEN: &str = "/oauth2/token";
const LOOKUP: &str = "/api/v1/auth/authorization/lookup";
const APPROVE: &str = "/api/v1/auth/authorization/approve";
const DENY: &str = "/api/v1/auth/authorization/deny";
const APPLICATIONS: &str = "/api/v1/account/applications";
const BACK: &str = "https://shop.example/callback";
/// 43 characters, as short as one may be.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The issuer of the tests' settings.
const ISSUER: &str = "http://localhost:8080";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// Registers a web application with a secret, and with more or other members.
async fn shop_with(instance: &Instance, more: Value) -> Registered {
    let root = match instance.post("/api/v1/auth/login", json!({"email": "root@example.com", "password": crate::support::PASSWORD})).await {
        answer if answer.status == 200 => SignedIn::from(instance, &answer),
        _ => super::admin(instance).await,
    };
    let mut body = json!({"name": "Shop", "grantTypes": ["authorization_code", "refresh_token"], "redirectUris": [BACK],
        "scopes": ["openid", "email", "orders:read", "offline_access"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    register(&root.api, body).await
}

async fn shop(instance: &Instance) -> Registered {
    shop_with(instance, json!({})).await
}

/// The parameters of a request that is in order.
fn parameters(client: &str) -> Vec<(String, String)> {
    let challenge = challenge(VERIFIER);
    let all = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", "openid email"),
        ("state", "the state"),
        ("nonce", "n-0S6_WzA2Mj"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The same with these instead; an empty value leaves the parameter out.
fn changed(client: &str, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = parameters(client);
    all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    all
}

fn link(parameters: &[(String, String)]) -> String {
    format!("/oauth2/authorize?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish())
}

/// Opens the link of an application.
async fn open(api: &Client, parameters: &[(String, String)]) -> Answer {
    api.get(&link(parameters)).await
}

/// Where an answer leads.
#[track_caller]
fn location(answer: &Answer) -> Url {
    assert_eq!(answer.status, 303, "{answer}");
    Url::parse(answer.header("location").unwrap()).unwrap()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The sealed request with which the page is opened.
#[track_caller]
fn waiting(answer: &Answer) -> String {
    let page = location(answer);
    assert_eq!((page.origin().ascii_serialization().as_str(), page.path()), (ISSUER, "/authorize"), "{answer}");
    parameter(&page, "request").unwrap()
}

/// The refusal that the client is told.
#[track_caller]
fn told(url: &Url) -> String {
    assert_eq!(parameter(url, "state").as_deref(), Some("the state"), "{url}");
    assert_eq!(parameter(url, "iss").as_deref(), Some(ISSUER), "{url}");
    assert!(url.as_str().starts_with(BACK), "{url}");
    parameter(url, "error").unwrap()
}

/// The person is asked and agrees; where they are sent.
async fn agreed(instance: &Instance, person: &SignedIn, parameters: &[(String, String)]) -> Url {
    let request = waiting(&open(instance, parameters).await);
    let answer = person.api.post(APPROVE, json!({ "request": request })).await.expect(200);
    Url::parse(answer.str("/redirectTo")).unwrap()
}

/// A code for `client`, to which the person agrees.
async fn code(instance: &Instance, person: &SignedIn, client: &Registered) -> String {
    parameter(&agreed(instance, person, &parameters(&client.id)).await, "code").unwrap()
}

/// The client exchanges a code.
async fn exchange(api: &Client, client: &Registered, code: &str) -> Answer {
    exchange_with(api, client, code, &[]).await
}

/// The same with other parameters.
async fn exchange_with(api: &Client, client: &Registered, code: &str, changes: &[(&str, &str)]) -> Answer {
    let mut all = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)];
    all.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    if client.secret.is_empty() {
        all.push(("client_id", &client.id));
        return form(api, TOKEN, &all).await;
    }
    form(&client.basic(api), TOKEN, &all).await
}

/// The client refreshes.
async fn refresh(api: &Client, client: &Registered, token: &str) -> Answer {
    form(&client.basic(api), TOKEN, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
}

/// The act is on record.
async fn expect_event(instance: &Instance, action: &str) {
    let events = instance.events().await;
    assert!(
        events.iter().any(|event| event.action == action),
        "no {action} among {:?}",
        events.iter().map(|event| &event.action).collect::<Vec<_>>()
    );
}
