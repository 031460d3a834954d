//! `POST /oauth2/introspect`: who is told what.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{Registered, admin, claims, expect_refusal, form, register, service};
use crate::support::{Answer, Client, Instance, Store, both_stores};

async fn ask(api: &Client, asker: &Registered, token: &str) -> Answer {
    form(&asker.basic(api), "/oauth2/introspect", &[("token", token)]).await.expect(200)
}

#[track_caller]
fn is_nothing(answer: &Answer) {
    assert_eq!(answer.text, r#"{"active":false}"#);
}

async fn a_client_learns_about_its_own_token(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let (made, other) = (service(&root.api, &["users:read", "orders"]).await, service(&root.api, &[]).await);
    let token = made.token(&instance).await;
    let read = claims(&token);
    let told = ask(&instance, &made, &token).await;
    let expected = json!({"active": true, "scope": "users:read orders", "client_id": made.id, "token_type": "Bearer", "exp": read["exp"],
        "iat": read["iat"], "sub": made.id, "aud": "http://localhost:8080", "iss": "http://localhost:8080", "jti": read["jti"]});
    assert_eq!((&told.body, told.header("cache-control")), (&expected, Some("no-store")));
    let hinted = [("token", token.as_str()), ("token_type_hint", "refresh_token")];
    assert_eq!(form(&made.basic(&instance), "/oauth2/introspect", &hinted).await.expect(200).body, expected, "a hint is only a hint");
    is_nothing(&ask(&instance, &other, &token).await);

    // What the client may do now, not what it could when the token was issued.
    let path = format!("/api/v1/admin/clients/{}", made.id);
    root.api.patch(&path, json!({"scopes": ["orders"]})).await.expect(200);
    assert_eq!(ask(&instance, &made, &token).await.str("/scope"), "orders");
    instance.advance(Duration::from_secs(900));
    is_nothing(&ask(&instance, &made, &token).await);
}

async fn with_the_scope_it_learns_about_access_tokens_of_people(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (api, plain) = (service(&root.api, &["tokens:introspect"]).await, service(&root.api, &["users:read"]).await);
    is_nothing(&ask(&instance, &plain, &ada.access_token).await);
    let told = ask(&instance, &api, &ada.access_token).await;
    assert_eq!((told.str("/sub"), told.str("/client_id"), told.str("/sid")), (ada.id(), "keystead", ada.session_id()));
    for personal in ["ada@example.com", "Ada", "username", "email"] {
        assert!(!told.text.contains(personal), "{told}");
    }
    is_nothing(&ask(&instance, &api, &ada.refresh_token).await);
    assert!(ask(&instance, &api, &root.access_token).await.str("/scope").contains("users:write"));
    instance.set_roles(&root, "auditor").await;
    assert!(!ask(&instance, &api, &root.access_token).await.str("/scope").contains("users:write"), "roles count as they are now");
    ada.api.send(Method::POST, "/api/v1/auth/logout", None).await.expect(204);
    is_nothing(&ask(&instance, &api, &ada.access_token).await);
}

async fn what_is_no_token_is_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["tokens:introspect"]).await;
    let token = made.token(&instance).await;
    let (head, _) = token.rsplit_once('.').unwrap();
    for nothing in ["x", "a.b.c", "ksr_x", &"x".repeat(10_000), head, &format!("{head}.AAAA"), &format!("{token}x")] {
        is_nothing(&ask(&instance, &made, nothing).await);
    }
    expect_refusal(&form(&made.basic(&instance), "/oauth2/introspect", &[]).await, 400, "invalid_request");
}

async fn who_cannot_prove_anything_is_told_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let token = ("token", root.access_token.as_str());
    expect_refusal(&form(&instance, "/oauth2/introspect", &[token]).await, 401, "invalid_client");
    expect_refusal(&form(&instance, "/oauth2/introspect", &[token, ("client_id", "keystead")]).await, 401, "invalid_client");
    expect_refusal(&form(&root.api, "/oauth2/introspect", &[token]).await, 401, "invalid_client");
    let public = json!({"name": "App", "grantTypes": ["authorization_code"], "redirectUris": ["com.example.app:/cb"], "tokenEndpointAuthMethod": "none"});
    let public = register(&root.api, public).await;
    expect_refusal(&form(&instance, "/oauth2/introspect", &[token, ("client_id", &public.id)]).await, 401, "invalid_client");
}

/// Asking about a token does not keep its session alive, and changes nothing.
async fn asking_is_no_use(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let made = service(&root.api, &["tokens:introspect"]).await;
    let active = async || {
        let rows = instance.rows("SELECT last_active_at FROM sessions ORDER BY id DESC", Vec::new()).await;
        rows[0].get::<i64>(0).unwrap()
    };
    let before = active().await;
    instance.advance(Duration::from_secs(300));
    assert_eq!(ask(&instance, &made, &ada.access_token).await.body["active"], Value::Bool(true));
    instance.running.app.sessions.activity().flush().await.unwrap();
    assert_eq!(active().await, before);
}

both_stores!(
    a_client_learns_about_its_own_token,
    with_the_scope_it_learns_about_access_tokens_of_people,
    what_is_no_token_is_nothing,
    who_cannot_prove_anything_is_told_nothing,
    asking_is_no_use,
);
