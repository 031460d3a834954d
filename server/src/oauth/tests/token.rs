//! `POST /oauth2/token` with client_credentials, and what discovery says about it.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::{admin, claims, expect_refusal, form, raw_form, register, service};
use crate::support::{Instance, Store, both_stores};

const TOKEN: &str = "/oauth2/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn a_client_gets_a_token_for_itself(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["users:read", "orders:write"]).await;
    let api = made.basic(&instance);
    let answer = form(&api, TOKEN, &[GRANT]).await.expect(200);
    assert_eq!((answer.str("/token_type"), answer.str("/scope")), ("Bearer", "users:read orders:write"));
    assert_eq!((&answer.body["expires_in"], answer.header("cache-control")), (&json!(900), Some("no-store")));

    let token = answer.str("/access_token");
    let read = claims(token);
    assert_eq!((&read["sub"], &read["client_id"], &read["scope"]), (&json!(made.id), &json!(made.id), &json!("users:read orders:write")));
    assert_eq!((&read["iss"], &read["aud"]), (&json!("http://localhost:8080"), &json!("http://localhost:8080")));
    assert!(read["jti"].is_string() && read.get("sid").is_none() && read.get("roles").is_none(), "{read}");
    assert_eq!(read["exp"].as_i64().unwrap() - read["iat"].as_i64().unwrap(), 900);
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"), "RFC 9068 section 2.1");

    let narrow = form(&api, TOKEN, &[GRANT, ("scope", "users:read users:read")]).await.expect(200);
    assert_eq!(narrow.str("/scope"), "users:read");
    form(&api, TOKEN, &[GRANT, ("resource", "http://localhost:8080"), ("unknown", "is passed over")]).await.expect(200);
    let post = [GRANT, ("client_id", made.id.as_str()), ("client_secret", made.secret.as_str())];
    form(&instance, TOKEN, &post).await.expect(200);
    assert!(instance.metric("keystead_oauth_tokens_total", &["client_credentials"]).await >= 4.0);
}

async fn scopes_cannot_be_widened(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let api = service(&root.api, &["users:read"]).await.basic(&instance);
    for scope in ["users:write", "users:read users:write", "users:read  users:read", " users:read", "users:read\"", "*", "users:rea"] {
        expect_refusal(&form(&api, TOKEN, &[GRANT, ("scope", scope)]).await, 400, "invalid_scope");
    }
    for resource in ["https://elsewhere.example", "http://localhost:8080/", "x"] {
        expect_refusal(&form(&api, TOKEN, &[GRANT, ("resource", resource)]).await, 400, "invalid_target");
    }
}

/// A token for another service says so, and opens nothing here.
async fn a_token_for_another_service_is_for_that_service(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let resources = ["https://api.example.com", "urn:example:orders"];
    let body = json!({"name": "Reports", "grantTypes": ["client_credentials"], "scopes": ["audit:read"], "resources": resources});
    let api = register(&root.api, body).await.basic(&instance);
    let here = ("resource", "http://localhost:8080");
    let [one, two] = resources.map(|resource| ("resource", resource));
    for (asked, aud) in [
        (vec![GRANT, one], json!(resources[0])),
        (vec![GRANT, one, two, one], json!(resources)),
        (vec![GRANT, here], json!("http://localhost:8080")),
        (vec![GRANT, here, two], json!(["http://localhost:8080", resources[1]])),
    ] {
        let answer = form(&api, TOKEN, &asked).await.expect(200);
        assert_eq!(claims(answer.str("/access_token"))["aud"], aud);
        let read = instance.with_token(answer.str("/access_token")).get("/api/v1/admin/audit").await;
        match asked.contains(&here) {
            true => read.expect(200),
            false => read.expect_problem(401, "unauthenticated"),
        };
    }
    expect_refusal(&form(&api, TOKEN, &[GRANT, one, ("resource", "https://api.example.com/")]).await, 400, "invalid_target");
}

async fn what_is_no_request_for_a_token_is_refused(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let api = made.basic(&instance);
    expect_refusal(&raw_form(&api, TOKEN, "").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, "grant_type=").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, "grant_type=client_credentials&grant_type=client_credentials").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, "grant_type=client_credentials&scope=&scope=").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, "grant_type=client_credentials&x=%ff").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, "grant_type=client_credentials&x=%00").await, 400, "invalid_request");
    expect_refusal(&raw_form(&api, TOKEN, &"a=b&".repeat(5_000)).await, 400, "invalid_request");
    for grant in ["password", "implicit", "token", "Client_Credentials", "client_credentials "] {
        expect_refusal(&form(&api, TOKEN, &[("grant_type", grant)]).await, 400, "unsupported_grant_type");
    }
    let json = api.post(TOKEN, json!({"grant_type": "client_credentials"})).await;
    expect_refusal(&json, 400, "invalid_request");
    let bare = api.send(Method::POST, TOKEN, None).await;
    expect_refusal(&bare, 400, "invalid_request");
    // Credentials in the address end up in logs.
    let query = format!("{TOKEN}?client_id={}&client_secret={}", made.id, made.secret);
    form(&instance, &query, &[GRANT]).await.expect_problem(400, "invalid_request");

    let app = json!({"name": "App", "grantTypes": ["authorization_code"], "redirectUris": ["https://a.example/cb"]});
    let app = register(&root.api, app).await;
    expect_refusal(&form(&app.basic(&instance), TOKEN, &[GRANT]).await, 400, "unauthorized_client");
    expect_refusal(&form(&instance, TOKEN, &[GRANT, ("client_id", "keystead")]).await, 400, "unauthorized_client");
}

async fn a_token_ends(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let token = service(&root.api, &["audit:read"]).await.token(&instance).await;
    instance.with_token(&token).get("/api/v1/admin/audit").await.expect(200);
    instance.advance(Duration::from_secs(900));
    instance.with_token(&token).get("/api/v1/admin/audit").await.expect_problem(401, "token_expired");
}

async fn discovery_says_what_works(store: Store) {
    let instance = Instance::start(store).await;
    let said = instance.get("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(said.body, instance.get("/.well-known/openid-configuration").await.expect(200).body);
    assert_eq!(said.str("/issuer"), "http://localhost:8080");
    assert_eq!(
        said.body["grant_types_supported"],
        json!(["authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"])
    );
    assert_eq!(said.body["response_types_supported"], json!(["code"]));
    let scopes: Vec<&str> = said.body["scopes_supported"].as_array().unwrap().iter().filter_map(|scope| scope.as_str()).collect();
    assert!(scopes.starts_with(&["openid", "profile", "email", "offline_access"]) && scopes.contains(&"users:read"), "{scopes:?}");
    assert_eq!(said.body["subject_types_supported"], json!(["public"]));
    assert_eq!(said.body["id_token_signing_alg_values_supported"], json!(["EdDSA"]));
    assert_eq!(
        (&said.body["backchannel_logout_supported"], &said.body["backchannel_logout_session_supported"]),
        (&json!(true), &json!(true))
    );
    let known = keystead::app::openapi();
    for (name, value) in said.body.as_object().unwrap() {
        let Some(address) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri") else { continue };
        let path = address.strip_prefix("http://localhost:8080").unwrap();
        assert!(known.paths.paths.contains_key(path), "{name} leads nowhere: {path}");
    }
}

both_stores!(
    a_client_gets_a_token_for_itself,
    scopes_cannot_be_widened,
    a_token_for_another_service_is_for_that_service,
    what_is_no_request_for_a_token_is_refused,
    a_token_ends,
    discovery_says_what_works,
);
