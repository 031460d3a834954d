//! `/oauth2/userinfo`: what is told of whom, to whom, and how refusals are worded.

use std::time::Duration;

use http::Method;
use keystead::args;
use serde_json::json;

use super::device::{APPROVE, Device};
use super::id_token::{let_in, player};
use super::{admin, claims, form, raw_form, service};
use crate::support::{Answer, Instance, Store, both_stores};

const PATH: &str = "/oauth2/userinfo";

#[track_caller]
fn challenge(answer: &Answer) -> String {
    answer.header("www-authenticate").unwrap_or_else(|| panic!("no challenge\n{answer}")).to_owned()
}

async fn claims_follow_the_scopes(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "profile", "email"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let said = instance.with_token(tokens.str("/access_token")).get(PATH).await.expect(200);
    assert_eq!(said.header("cache-control"), Some("no-store"));
    let now = instance.clock.now().as_secs();
    let updated_at = said.body["updated_at"].as_i64().unwrap();
    assert!((now - updated_at).abs() < 60, "{said}");
    assert_eq!(
        said.body,
        json!({"sub": ada.id(), "name": "Ada Lovelace", "updated_at": updated_at, "email": "ada@example.com", "email_verified": true})
    );
    assert_eq!(said.body["sub"], claims(tokens.str("/id_token"))["sub"], "OpenID Connect Core section 5.3.2");

    let narrowed = |scope: &'static str, token: String| {
        let parameters =
            [("grant_type", "refresh_token"), ("client_id", client.as_str()), ("refresh_token", token.as_str()), ("scope", scope)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let instance = &instance;
        async move { raw_form(instance, "/oauth2/token", &body).await.expect(200) }
    };
    let bare = narrowed("openid", tokens.str("/refresh_token").to_owned()).await;
    let said = instance.with_token(bare.str("/access_token")).get(PATH).await.expect(200);
    assert_eq!(said.body, json!({"sub": ada.id()}));
    let mail = narrowed("openid email", bare.str("/refresh_token").to_owned()).await;
    let said = instance.with_token(mail.str("/access_token")).get(PATH).await.expect(200);
    assert_eq!(said.body, json!({"sub": ada.id(), "email": "ada@example.com", "email_verified": true}));
}

async fn what_changes_is_told_as_it_is_now(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "profile"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let api = instance.with_token(tokens.str("/access_token"));
    let before = api.get(PATH).await.expect(200);
    instance.advance(Duration::from_secs(120));
    ada.api.patch("/api/v1/account", json!({"name": "Countess Lovelace"})).await.expect(200);
    let after = api.get(PATH).await.expect(200);
    assert_eq!(after.str("/name"), "Countess Lovelace");
    assert!(after.body["updated_at"].as_i64() > before.body["updated_at"].as_i64(), "{after}");
}

async fn the_token_may_come_in_a_form(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let token = tokens.str("/access_token");
    let by_form = form(&instance, PATH, &[("access_token", token)]).await.expect(200);
    assert_eq!(by_form.str("/sub"), ada.id());
    let api = instance.with_token(token);
    api.send(Method::POST, PATH, None).await.expect(200);
    // RFC 6750 section 2: in one way.
    let twice = form(&api, PATH, &[("access_token", token)]).await.expect_problem(400, "invalid_request");
    assert!(challenge(&twice).contains("error=\"invalid_request\""), "{twice}");
    raw_form(&instance, PATH, "access_token=a&access_token=b").await.expect_problem(400, "invalid_request");
    // RFC 9700 section 4.3.2: never in the address.
    let in_address = instance.get(&format!("{PATH}?access_token={token}")).await;
    assert!(matches!(in_address.status, 400 | 401), "{in_address}");
    // What is no form is not searched for tokens.
    instance.post(PATH, json!({"access_token": token})).await.expect_problem(401, "unauthenticated");
}

async fn without_openid_nothing_is_told(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["profile", "email"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    for token in [tokens.str("/access_token"), ada.access_token.as_str()] {
        let answer = instance.with_token(token).get(PATH).await.expect_problem(403, "insufficient_scope");
        assert!(challenge(&answer).contains("error=\"insufficient_scope\"") && challenge(&answer).contains("scope=\"openid\""), "{answer}");
    }
}

async fn a_service_is_nobody(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let token = service(&root.api, &["users:read"]).await.token(&instance).await;
    let refused = instance.with_token(&token).get(PATH).await.expect_problem(403, "forbidden");
    assert!(challenge(&refused).contains("error=\"insufficient_scope\""), "{refused}");
    // A scope about people does not get into a token of a client for itself.
    let body = json!({"name": "Both", "grantTypes": ["client_credentials", "urn:ietf:params:oauth:grant-type:device_code"],
        "scopes": ["openid", "email", "users:read"]});
    let both = super::register(&root.api, body).await;
    let answer = form(&both.basic(&instance), "/oauth2/token", &[("grant_type", "client_credentials")]).await.expect(200);
    assert_eq!(answer.str("/scope"), "users:read");
    instance.with_token(answer.str("/access_token")).get(PATH).await.expect_problem(403, "forbidden");
}

async fn tokens_that_are_not_good_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let missing = instance.get(PATH).await.expect_problem(401, "unauthenticated");
    assert_eq!(challenge(&missing), "Bearer realm=\"keystead\"", "RFC 6750 section 3.1: no error where there was no token");
    for token in [tokens.str("/id_token"), tokens.str("/refresh_token"), "garbage"] {
        let answer = instance.with_token(token).get(PATH).await.expect_problem(401, "unauthenticated");
        assert!(challenge(&answer).contains("error=\"invalid_token\""), "{answer}");
    }
    let api = instance.with_token(tokens.str("/access_token"));
    api.get(PATH).await.expect(200);
    // A client that was disabled learns nothing more, within a second, whatever its tokens say.
    let changed = instance.change("UPDATE oauth_clients SET disabled_at = 1 WHERE id = $1", args![client.clone()]).await;
    assert_eq!(changed, 1);
    instance.running.app.oauth.clients.forget(client.parse().unwrap());
    api.get(PATH).await.expect_problem(401, "unauthenticated");
    instance.change("UPDATE oauth_clients SET disabled_at = NULL WHERE id = $1", args![client.clone()]).await;
    instance.running.app.oauth.clients.forget(client.parse().unwrap());
    api.get(PATH).await.expect(200);
    instance.advance(Duration::from_secs(900));
    api.get(PATH).await.expect_problem(401, "token_expired");
}

async fn a_token_for_another_service_tells_nothing_here(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let body = json!({"name": "Player", "grantTypes": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "tokenEndpointAuthMethod": "none", "scopes": ["openid"], "resources": ["https://api.example.com"]});
    let client = super::register(&root.api, body).await.id;
    let ada = instance.signed_up("ada@example.com").await;
    let device = Device::of(&instance, &client).await;
    device.decided(&ada, APPROVE).await.expect(204);
    let parameters = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device.device_code.as_str()),
        ("client_id", client.as_str()),
        ("resource", "https://api.example.com"),
    ];
    let tokens = form(&instance, "/oauth2/token", &parameters).await.expect(200);
    instance.with_token(tokens.str("/access_token")).get(PATH).await.expect_problem(401, "unauthenticated");
}

both_stores!(
    claims_follow_the_scopes,
    what_changes_is_told_as_it_is_now,
    the_token_may_come_in_a_form,
    without_openid_nothing_is_told,
    a_service_is_nobody,
    tokens_that_are_not_good_are_refused,
    a_token_for_another_service_tells_nothing_here,
);
