//! Requests that come by the back door (RFC 9126).

use std::time::Duration;

use serde_json::json;

use super::super::{Registered, expect_refusal, form};
use super::{LOOKUP, PAR, changed, location, open, parameter, parameters, shop, shop_with, told, waiting};
use crate::support::{Answer, Client, Instance, Store, both_stores};

async fn push(api: &Client, client: &Registered, parameters: &[(String, String)]) -> Answer {
    let all: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(&client.basic(api), PAR, &all).await
}

fn reference(client: &str, uri: &str) -> Vec<(String, String)> {
    [("client_id", client), ("request_uri", uri)].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

async fn a_pushed_request_is_used_once(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let pushed = push(&instance, &shop, &parameters(&shop.id)).await.expect(201);
    assert_eq!((pushed.body["expires_in"].as_u64(), pushed.header("cache-control")), (Some(90), Some("no-store")));
    let uri = pushed.str("/request_uri").to_owned();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:") && !uri.contains("shop.example"));

    // What else the browser says does not count.
    let mut link = reference(&shop.id, &uri);
    link.push(("scope".into(), "openid orders:read".into()));
    let request = waiting(&open(&instance, &link).await);
    let asked = ada.api.post(LOOKUP, json!({ "request": request })).await.expect(200);
    assert_eq!(asked.body["scopes"][1]["name"], "email");
    expect_refusal(&open(&instance, &link).await, 400, "invalid_request_uri");
}

async fn a_pushed_request_is_one_clients_and_expires(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop(&instance).await;
    let other = shop_with(&instance, json!({"name": "Other"})).await;
    let uri = push(&instance, &shop, &parameters(&shop.id)).await.expect(201).str("/request_uri").to_owned();
    let (made_up, fetched) = ("urn:ietf:params:oauth:request_uri:x", "https://evil.example/request");
    for (client, uri) in [(&other.id, uri.as_str()), (&shop.id, made_up), (&shop.id, fetched)] {
        expect_refusal(&open(&instance, &reference(client, uri)).await, 400, "invalid_request_uri");
    }
    instance.advance(Duration::from_secs(91));
    expect_refusal(&open(&instance, &reference(&shop.id, &uri)).await, 400, "invalid_request_uri");
}

async fn what_is_wrong_is_refused_before_anybody_sees_it(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop(&instance).await;
    for (changes, error) in [
        (("redirect_uri", "https://evil.example/"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("scope", "everything"), "invalid_scope"),
        (("request_uri", "urn:x"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
    ] {
        expect_refusal(&push(&instance, &shop, &changed(&shop.id, &[changes])).await, 400, error);
    }
    let impostor = Registered { id: shop.id.clone(), secret: "wrong".into() };
    expect_refusal(&push(&instance, &impostor, &parameters(&shop.id)).await, 401, "invalid_client");
}

async fn a_client_can_be_held_to_it(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop_with(&instance, json!({"requirePushedAuthorizationRequests": true})).await;
    assert_eq!(told(&location(&open(&instance, &parameters(&shop.id)).await)), "invalid_request");
    let uri = push(&instance, &shop, &parameters(&shop.id)).await.expect(201).str("/request_uri").to_owned();
    assert!(parameter(&location(&open(&instance, &reference(&shop.id, &uri)).await), "request").is_some());
}

both_stores!(
    a_client_can_be_held_to_it,
    a_pushed_request_is_one_clients_and_expires,
    a_pushed_request_is_used_once,
    what_is_wrong_is_refused_before_anybody_sees_it,
);
