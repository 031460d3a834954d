//! Codes that are bound to a key (RFC 9449 section 10).

use serde_json::json;

use super::super::dpop::Key;
use super::super::{Registered, claims, expect_refusal, form};
use super::{PAR, TOKEN, agreed, changed, code, exchange, parameter, parameters, shop, shop_with};
use crate::support::{Answer, Client, Instance, Store, both_stores};

async fn push(api: &Client, client: &Registered, parameters: &[(String, String)]) -> Answer {
    let all: Vec<_> = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    form(&client.basic(api), PAR, &all).await
}

async fn a_code_that_names_a_key_needs_it(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let (key, thief) = (Key::p256(), Key::p256());
    let back = agreed(&instance, &ada, &changed(&shop.id, &[("dpop_jkt", &key.jkt())])).await;
    let code = parameter(&back, "code").unwrap();
    expect_refusal(&exchange(&instance, &shop, &code).await, 400, "invalid_grant");
    expect_refusal(&exchange(&thief.at(&instance, &instance, TOKEN), &shop, &code).await, 400, "invalid_grant");
    expect_refusal(&exchange(&instance.with("dpop", "garbage"), &shop, &code).await, 400, "invalid_dpop_proof");
    let tokens = exchange(&key.at(&instance, &instance, TOKEN), &shop, &code).await.expect(200);
    assert_eq!((tokens.str("/token_type"), &claims(tokens.str("/access_token"))["cnf"]), ("DPoP", &json!({"jkt": key.jkt()})));
}

async fn a_proof_with_the_code_binds_what_a_page_gets(store: Store) {
    let instance = Instance::start(store).await;
    let page = shop_with(&instance, json!({"tokenEndpointAuthMethod": "none"})).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (key, thief) = (Key::ed25519(), Key::ed25519());
    let code = code(&instance, &ada, &page).await;
    let tokens = exchange(&key.at(&instance, &instance, TOKEN), &page, &code).await.expect(200);
    let refresh = async |api: Client| {
        let token = tokens.str("/refresh_token");
        form(&api, TOKEN, &[("grant_type", "refresh_token"), ("client_id", &page.id), ("refresh_token", token)]).await
    };
    expect_refusal(&refresh(instance.with("x-nothing", "")).await, 400, "invalid_grant");
    expect_refusal(&refresh(thief.at(&instance, &instance, TOKEN)).await, 400, "invalid_grant");
    refresh(key.at(&instance, &instance, TOKEN)).await.expect(200);
}

/// RFC 9449 section 10.1: the proof of a pushed request says what `dpop_jkt` would.
async fn a_proof_with_a_pushed_request_binds_the_code(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let (key, other) = (Key::ed25519(), Key::p256());
    let differs = push(&key.at(&instance, &instance, PAR), &shop, &changed(&shop.id, &[("dpop_jkt", &other.jkt())])).await;
    expect_refusal(&differs, 400, "invalid_dpop_proof");
    // A proof for the token endpoint is none for this one.
    expect_refusal(&push(&key.at(&instance, &instance, TOKEN), &shop, &parameters(&shop.id)).await, 400, "invalid_dpop_proof");
    let pushed = push(&key.at(&instance, &instance, PAR), &shop, &parameters(&shop.id)).await.expect(201);
    let reference = [("client_id", shop.id.as_str()), ("request_uri", pushed.str("/request_uri"))];
    let reference = reference.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let code = parameter(&agreed(&instance, &ada, &reference).await, "code").unwrap();
    expect_refusal(&exchange(&instance, &shop, &code).await, 400, "invalid_grant");
    expect_refusal(&exchange(&other.at(&instance, &instance, TOKEN), &shop, &code).await, 400, "invalid_grant");
    exchange(&key.at(&instance, &instance, TOKEN), &shop, &code).await.expect(200);
}

both_stores!(a_code_that_names_a_key_needs_it, a_proof_with_the_code_binds_what_a_page_gets, a_proof_with_a_pushed_request_binds_the_code,);
