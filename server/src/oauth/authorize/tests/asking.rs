//! From the link of an application to the decision of a person.

use std::time::Duration;

use http::Method;
use serde_json::json;
use url::Url;

use super::{
    APPROVE, BACK, DENY, ISSUER, LOOKUP, agreed, changed, expect_event, link, location, open, parameter, parameters, shop, shop_with,
};
use super::{told, waiting};
use crate::support::{Instance, PASSWORD, Store, both_stores};

async fn a_person_is_asked_and_agrees(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let request = waiting(&open(&instance, &changed(&shop.id, &[("login_hint", "ada@example.com"), ("unknown", "is passed over")])).await);

    let nobody = instance.post(LOOKUP, json!({ "request": request })).await.expect(200).body;
    assert_eq!((&nobody["account"], &nobody["signInAgain"], &nobody["client"]["name"]), (&json!(null), &json!(true), &json!("Shop")));
    assert_eq!(nobody["loginHint"], "ada@example.com");
    let asked = ada.api.post(LOOKUP, json!({ "request": request })).await.expect(200).body;
    assert_eq!((&asked["client"]["name"], &asked["client"]["firstParty"]), (&json!("Shop"), &json!(false)));
    assert_eq!(asked["account"], json!({"email": "ada@example.com", "name": "Ada Lovelace"}));
    assert_eq!(asked["scopes"][1], json!({"name": "email", "description": "See your e-mail address"}));
    assert_eq!((&asked["redirectHost"], &asked["loginHint"]), (&json!("shop.example"), &json!("ada@example.com")));
    assert_eq!((&asked["consentRequired"], &asked["signInAgain"]), (&json!(true), &json!(false)));

    let approved = ada.api.post(APPROVE, json!({"request": request, "scopes": ["openid"]})).await.expect(200);
    let back = Url::parse(approved.str("/redirectTo")).unwrap();
    assert!(back.as_str().starts_with(&format!("{BACK}?code=")));
    assert_eq!((parameter(&back, "state").as_deref(), parameter(&back, "iss").as_deref()), (Some("the state"), Some(ISSUER)));
    expect_event(&instance, "authorization.granted").await;

    let more = ada.api.post(APPROVE, json!({"request": request, "scopes": ["openid", "orders:read"]})).await;
    assert_eq!(more.expect_problem(422, "validation_failed").field_errors(), ["scopes:not_asked_for"]);
}

async fn a_person_says_no(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let request = waiting(&open(&instance, &parameters(&shop.id)).await);
    let denied = ada.api.post(DENY, json!({ "request": request })).await.expect(200);
    assert_eq!(told(&Url::parse(denied.str("/redirectTo")).unwrap()), "access_denied");
    expect_event(&instance, "authorization.denied").await;
}

/// With a session and what was agreed to before, nobody is asked again: by cookie as by access token.
async fn whoever_has_agreed_is_not_asked_again(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let silent = changed(&shop.id, &[("prompt", "none")]);
    assert_eq!(told(&location(&open(&instance, &silent).await)), "login_required");
    assert_eq!(told(&location(&open(&ada.api, &silent).await)), "consent_required");
    agreed(&instance, &ada, &parameters(&shop.id)).await;

    assert!(parameter(&location(&open(&ada.api, &silent).await), "code").is_some());
    let browser = instance.browser();
    browser.post("/api/v1/auth/login", json!({"email": "ada@example.com", "password": PASSWORD})).await.expect(200);
    assert!(parameter(&location(&open(&browser, &parameters(&shop.id)).await), "code").is_some());
    let body = link(&parameters(&shop.id)).split_once('?').unwrap().1.as_bytes().to_vec();
    let posted = browser.send_bytes(Method::POST, "/oauth2/authorize", "application/x-www-form-urlencoded", body).await;
    assert!(parameter(&location(&posted), "code").is_some());

    let more = changed(&shop.id, &[("prompt", "none"), ("scope", "openid orders:read")]);
    assert_eq!(told(&location(&open(&ada.api, &more).await)), "consent_required", "not for what they did not agree to");
    waiting(&open(&ada.api, &changed(&shop.id, &[("prompt", "consent")])).await);
    waiting(&open(&ada.api, &changed(&shop.id, &[("prompt", "select_account")])).await);
    let grace = instance.signed_up("grace@example.com").await;
    assert_eq!(told(&location(&open(&grace.api, &silent).await)), "consent_required", "nor for anybody else");
}

async fn our_own_applications_do_not_ask(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop_with(&instance, json!({"firstParty": true})).await;
    let ada = instance.signed_up("ada@example.com").await;
    assert!(parameter(&location(&open(&ada.api, &parameters(&shop.id)).await), "code").is_some());
    let request = waiting(&open(&instance, &parameters(&shop.id)).await);
    let asked = ada.api.post(LOOKUP, json!({ "request": request })).await.expect(200);
    assert_eq!(asked.body["consentRequired"], false);
}

/// `prompt=login` and `max_age`: a session that is too old does not count, whatever the page does.
async fn a_fresh_sign_in_can_be_asked_for(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop_with(&instance, json!({"firstParty": true})).await;
    let ada = instance.signed_up("ada@example.com").await;
    instance.advance(Duration::from_secs(120));
    let fresh_enough = open(&ada.api, &changed(&shop.id, &[("max_age", "600")])).await;
    assert!(parameter(&location(&fresh_enough), "code").is_some());
    for change in [("prompt", "login"), ("max_age", "60"), ("max_age", "0")] {
        let request = json!({ "request": waiting(&open(&ada.api, &changed(&shop.id, &[change])).await) });
        assert_eq!(ada.api.post(LOOKUP, request.clone()).await.expect(200).body["signInAgain"], true, "{change:?}");
        ada.api.post(APPROVE, request.clone()).await.expect_problem(403, "forbidden");
        let again = instance.signed_in("ada@example.com").await;
        again.api.post(APPROVE, request).await.expect(200);
    }
    let silent = changed(&shop.id, &[("prompt", "none"), ("max_age", "60")]);
    assert_eq!(told(&location(&open(&ada.api, &silent).await)), "login_required");
}

async fn what_is_wrong_is_told_to_the_client(store: Store) {
    let instance = Instance::start(store).await;
    let shop = shop(&instance).await;
    for (changes, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "unsupported_response_type"),
        (("response_type", "code id_token"), "unsupported_response_type"),
        (("response_mode", "fragment"), "invalid_request"),
        (("scope", "openid everything"), "invalid_scope"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("prompt", "none login"), "invalid_request"),
        (("prompt", "create"), "invalid_request"),
        (("max_age", "-1"), "invalid_request"),
        (("max_age", "soon"), "invalid_request"),
        (("request", "e30.e30."), "request_not_supported"),
        (("dpop_jkt", "short"), "invalid_request"),
    ] {
        let answer = open(&instance, &changed(&shop.id, &[changes])).await;
        assert_eq!(told(&location(&answer)), error, "{changes:?}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
}

/// A request is good for ten minutes and for this installation.
async fn a_request_expires(store: Store) {
    let instance = Instance::start(store).await;
    let (shop, ada) = (shop(&instance).await, instance.signed_up("ada@example.com").await);
    let request = waiting(&open(&instance, &parameters(&shop.id)).await);
    for made_up in ["x", &request[1..], &format!("{request}A")] {
        ada.api.post(LOOKUP, json!({ "request": made_up })).await.expect_problem(410, "gone");
    }
    instance.advance(Duration::from_secs(601));
    for path in [LOOKUP, APPROVE, DENY] {
        ada.api.post(path, json!({ "request": request })).await.expect_problem(410, "gone");
    }
}

both_stores!(
    a_fresh_sign_in_can_be_asked_for,
    a_person_is_asked_and_agrees,
    a_person_says_no,
    a_request_expires,
    our_own_applications_do_not_ask,
    what_is_wrong_is_told_to_the_client,
    whoever_has_agreed_is_not_asked_again,
);
