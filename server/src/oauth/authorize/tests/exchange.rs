//! From the code to the tokens.

use std::time::Duration;

use serde_json::json;

use super::super::{claims, expect_refusal};
use super::{
    APPROVE, BACK, agreed, changed, code, exchange, exchange_with, open, parameter, parameters, refresh, shop, shop_with, waiting,
};
use crate::support::{Instance, Store, both_stores};

async fn a_code_becomes_a_session(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let code = code(&instance, &ada, &shop).await;
    let tokens = exchange(&instance, &shop, &code).await.expect(200);
    let access = claims(tokens.str("/access_token"));
    assert_eq!((&access["sub"], &access["client_id"], &access["scope"]), (&json!(ada.id()), &json!(shop.id), &json!("openid email")));
    let id_token = claims(tokens.str("/id_token"));
    assert_eq!((&id_token["nonce"], &id_token["aud"], &id_token["sid"]), (&json!("n-0S6_WzA2Mj"), &json!(shop.id), &access["sid"]));
    let next = refresh(&instance, &shop, tokens.str("/refresh_token")).await.expect(200);
    assert_eq!(claims(next.str("/access_token"))["sid"], access["sid"]);
    let sessions = ada.api.get("/api/v1/sessions").await.expect(200);
    assert!(sessions.body["items"].as_array().unwrap().iter().any(|one| one["clientId"] == shop.id.as_str()));
}

async fn a_public_client_needs_no_secret_but_the_verifier(store: Store) {
    let instance = Instance::start(store).await;
    let page = shop_with(&instance, json!({"tokenEndpointAuthMethod": "none", "redirectUris": ["http://127.0.0.1/callback"]})).await;
    let ada = instance.signed_up("ada@example.com").await;
    // RFC 8252 section 7.3: the machine gives the port out.
    let back = "http://127.0.0.1:51004/callback";
    let code = parameter(&agreed(&instance, &ada, &changed(&page.id, &[("redirect_uri", back)])).await, "code").unwrap();
    expect_refusal(&exchange(&instance, &page, &code).await, 400, "invalid_grant");
    exchange_with(&instance, &page, &code, &[("redirect_uri", back)]).await.expect(200);
}

/// Without `offline_access` the application is signed out with the browser; with it, it stays.
async fn a_session_ends_with_the_browsers(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let bound = exchange(&instance, &shop, &code(&instance, &ada, &shop).await).await.expect(200);
    let offline = agreed(&instance, &ada, &changed(&shop.id, &[("scope", "openid offline_access")])).await;
    let offline = exchange(&instance, &shop, &parameter(&offline, "code").unwrap()).await.expect(200);
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    expect_refusal(&refresh(&instance, &shop, bound.str("/refresh_token")).await, 400, "invalid_grant");
    refresh(&instance, &shop, offline.str("/refresh_token")).await.expect(200);
}

async fn tokens_are_for_the_resources_that_were_asked_for(store: Store) {
    let instance = Instance::start(store).await;
    let (one, two) = ("https://one.example", "https://two.example");
    let shop = shop_with(&instance, json!({"resources": [one, two]})).await;
    let ada = instance.signed_up("ada@example.com").await;
    let mut asked = parameters(&shop.id);
    asked.extend([one, two].map(|resource| ("resource".to_owned(), resource.to_owned())));
    let both = parameter(&agreed(&instance, &ada, &asked).await, "code").unwrap();
    let elsewhere = exchange_with(&instance, &shop, &both, &[("resource", "https://three.example")]).await;
    expect_refusal(&elsewhere, 400, "invalid_target");
    let tokens = exchange_with(&instance, &shop, &both, &[("resource", two)]).await.expect(200);
    assert_eq!(claims(tokens.str("/access_token"))["aud"], two);
    let next = refresh(&instance, &shop, tokens.str("/refresh_token")).await.expect(200);
    assert_eq!(claims(next.str("/access_token"))["aud"], json!([one, two]));
}

async fn a_code_is_void_after_a_minute_and_without_its_session(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let late = code(&instance, &ada, &shop).await;
    instance.advance(Duration::from_secs(61));
    expect_refusal(&exchange(&instance, &shop, &late).await, 400, "invalid_grant");
    let orphan = code(&instance, &ada, &shop).await;
    ada.api.post("/api/v1/auth/logout", json!({})).await.expect(204);
    expect_refusal(&exchange(&instance, &shop, &orphan).await, 400, "invalid_grant");
}

/// A client that is disabled, or lost the address, between the request and the decision.
async fn a_client_that_changed_is_not_let_in(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let request = json!({ "request": waiting(&open(&instance, &parameters(&shop.id)).await) });
    let root = instance.signed_in("root@example.com").await;
    let path = format!("/api/v1/admin/clients/{}", shop.id);
    root.api.patch(&path, json!({"redirectUris": ["https://shop.example/other"]})).await.expect(200);
    ada.api.post(APPROVE, request.clone()).await.expect_problem(410, "gone");
    root.api.patch(&path, json!({"redirectUris": [BACK], "disabled": true})).await.expect(200);
    ada.api.post(APPROVE, request).await.expect_problem(410, "gone");
}

both_stores!(
    a_client_that_changed_is_not_let_in,
    a_code_becomes_a_session,
    a_code_is_void_after_a_minute_and_without_its_session,
    a_public_client_needs_no_secret_but_the_verifier,
    a_session_ends_with_the_browsers,
    tokens_are_for_the_resources_that_were_asked_for,
);
