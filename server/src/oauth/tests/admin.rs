//! `/api/v1/admin/clients`.

use serde_json::{Value, json};

use super::{admin, ed25519_jwk, register, service};
use crate::support::{Instance, Store, both_stores};

const CLIENTS: &str = "/api/v1/admin/clients";

fn full() -> Value {
    json!({"name": " Shop ", "grantTypes": ["authorization_code", "refresh_token"], "scopes": ["orders:read", "openid"],
        "redirectUris": ["https://shop.example.com/cb", "http://127.0.0.1/cb"], "tokenEndpointAuthMethod": "client_secret_post"})
}

async fn a_client_is_registered_changed_and_deleted(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = root.api.post(CLIENTS, full()).await.expect(201);
    let id = made.str("/client/clientId").to_owned();
    assert!(made.str("/clientSecret").starts_with("kcs_") && made.str("/clientSecret").len() == 47, "{made}");
    assert_eq!((made.str("/client/name"), &made.body["client"]["version"]), ("Shop", &json!(1)));
    assert_eq!(made.body["client"]["jwks"], Value::Null);

    let shown = root.api.get(&format!("{CLIENTS}/{id}")).await.expect(200);
    assert_eq!((&shown.body["client"], shown.header("etag")), (&made.body["client"], Some("\"1\"")));
    let change = json!({"name": "Shop 2", "scopes": ["orders:read"], "tokenEndpointAuthMethod": "client_secret_basic"});
    let changed = root.api.with("if-match", "\"1\"").patch(&format!("{CLIENTS}/{id}"), change.clone()).await.expect(200);
    assert_eq!((changed.str("/client/name"), changed.header("etag")), ("Shop 2", Some("\"2\"")));
    assert_eq!(changed.body["client"]["redirectUris"], full()["redirectUris"], "what was left out stays");
    root.api.with("if-match", "\"1\"").patch(&format!("{CLIENTS}/{id}"), change.clone()).await.expect_problem(412, "version_conflict");
    root.api.with("if-match", "one").patch(&format!("{CLIENTS}/{id}"), change).await.expect_problem(400, "invalid_request");

    let second = root.api.post(&format!("{CLIENTS}/{id}/rotate-secret"), json!({})).await.expect(200);
    assert_ne!(second.str("/clientSecret"), made.str("/clientSecret"));
    root.api.delete(&format!("{CLIENTS}/{id}")).await.expect(204);
    root.api.delete(&format!("{CLIENTS}/{id}")).await.expect_problem(404, "not_found");
    root.api.get(&format!("{CLIENTS}/{id}")).await.expect_problem(404, "not_found");
    root.api.patch(&format!("{CLIENTS}/{id}"), json!({"name": "x"})).await.expect_problem(404, "not_found");
    assert_eq!(root.api.get(CLIENTS).await.expect(200).body["items"], json!([]));

    let left = instance.events().await.into_iter().filter(|event| event.target_type == "client").map(|event| {
        assert!(event.target.unwrap().to_string() == id && event.actor.unwrap().to_string() == root.id() && event.sealed_for.is_some());
        event.action
    });
    assert_eq!(left.collect::<Vec<_>>(), ["client.created", "client.updated", "client.secret_rotated", "client.deleted"]);
}

async fn no_secret_is_kept(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &["users:read"]).await;
    let rows = instance.rows("SELECT secret_hash FROM oauth_clients", Vec::new()).await;
    let hash: Vec<u8> = rows[0].get(0).unwrap();
    assert_eq!(hash.len(), 36);
    let shown = root.api.get(&format!("{CLIENTS}/{}", made.id)).await.expect(200);
    assert!(!shown.text.contains("kcs_") && !shown.text.to_lowercase().contains("hash"), "{shown}");
}

async fn the_list_is_paged(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(service(&root.api, &[]).await.id);
    }
    made.sort();
    made.reverse();
    let (mut seen, mut path) = (Vec::new(), format!("{CLIENTS}?limit=2"));
    loop {
        let page = root.api.get(&path).await.expect(200);
        seen.extend(page.body["items"].as_array().unwrap().iter().map(|item| item["clientId"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["nextCursor"].as_str() else { break };
        path = format!("{CLIENTS}?limit=2&cursor={next}");
    }
    assert_eq!(seen, made);
}

async fn what_is_wrong_is_told_at_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let key = ed25519_jwk(&[7; 32]);
    let private = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": key["x"], "d": key["x"]}]});
    let cases = [
        (json!({"name": " ", "grantTypes": []}), vec!["grantTypes:required", "name:required"]),
        (json!({"name": "x", "grantTypes": ["authorization_code"]}), vec!["redirectUris:required"]),
        (
            json!({"name": "x", "grantTypes": ["client_credentials"], "redirectUris": ["https://a.example/cb"]}),
            vec!["redirectUris:not_allowed"],
        ),
        (json!({"name": "x", "grantTypes": ["client_credentials", "client_credentials"]}), vec!["grantTypes:duplicate"]),
        (
            json!({"name": "x", "grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "none"}),
            vec!["grantTypes:needs_authentication"],
        ),
        (json!({"name": "x", "grantTypes": ["refresh_token"]}), vec!["grantTypes:nothing_to_refresh"]),
        (
            json!({"name": "x", "grantTypes": ["authorization_code"], "redirectUris": ["https://a.example/cb", "https://a.example/cb#x"]}),
            vec!["redirectUris.1:invalid"],
        ),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "scopes": ["a b"]}), vec!["scopes:invalid"]),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "scopes": ["a", "a"]}), vec!["scopes:duplicate"]),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "scopes": ["users:read", "email"]}), vec!["scopes:not_allowed"]),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "scopes": ["a\u{0}"]}), vec!["scopes:invalid"]),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "jwks": {"keys": [key]}}), vec!["jwks:not_allowed"]),
        (json!({"name": "x", "grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "private_key_jwt"}), vec!["jwks:required"]),
        (
            json!({"name": "x", "grantTypes": ["client_credentials"], "resources": ["https://api.example.com#x", "/orders"]}),
            vec!["resources.0:invalid", "resources.1:invalid"],
        ),
        (
            json!({"name": "x", "grantTypes": ["client_credentials"], "requirePushedAuthorizationRequests": true,
                "postLogoutRedirectUris": ["https://a.example/"], "backchannelLogoutUri": "https://a.example/logout"}),
            vec![
                "backchannelLogoutUri:not_allowed",
                "postLogoutRedirectUris:not_allowed",
                "requirePushedAuthorizationRequests:not_allowed",
            ],
        ),
        (
            json!({"name": "x", "grantTypes": ["authorization_code"], "redirectUris": ["https://a.example/cb"],
                "postLogoutRedirectUris": ["http://a.example/"], "backchannelLogoutUri": "com.example.app:/logout"}),
            vec!["backchannelLogoutUri:invalid", "postLogoutRedirectUris.0:invalid"],
        ),
    ];
    for (body, expected) in cases {
        let answer = root.api.post(CLIENTS, body.clone()).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), expected, "{body}");
    }
    let short_rsa = json!({"keys": [{"kty": "RSA", "n": "AQAB".repeat(30), "e": "AQAB"}]});
    let secret = json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]});
    let twice = json!({"keys": [key, key]});
    let encryption = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": key["x"], "use": "enc"}]});
    for set in [json!({}), json!({"keys": []}), json!({"keys": [{}]}), json!("x"), private, short_rsa, secret, twice, encryption] {
        let body = json!({"name": "x", "grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "private_key_jwt", "jwks": set});
        let answer = root.api.post(CLIENTS, body.clone()).await.expect_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), ["jwks:invalid"], "{body}");
    }
    for body in [
        json!({"name": "x", "grantTypes": ["password"]}),
        json!({"name": "x", "grantTypes": ["client_credentials"], "clientSecret": "mine"}),
        json!({"name": "x", "grantTypes": ["client_credentials"], "clientId": "keystead"}),
    ] {
        root.api.post(CLIENTS, body).await.expect_problem(400, "invalid_request");
    }
    assert_eq!(instance.count("SELECT count(*) FROM oauth_clients", Vec::new()).await, 0);
}

/// What a client that signs people in is registered with besides is kept, and changed one by one.
async fn what_a_relying_party_needs_is_kept(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let more = json!({"resources": ["https://api.example.com"], "requirePushedAuthorizationRequests": true,
        "postLogoutRedirectUris": ["https://shop.example.com/bye"], "backchannelLogoutUri": "https://shop.example.com/logout",
        "backchannelLogoutSessionRequired": true});
    let mut wanted = full();
    wanted.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let made = root.api.post(CLIENTS, wanted).await.expect(201);
    let same = |client: &Value, but: &[&str]| {
        for (name, value) in more.as_object().unwrap() {
            assert!(&client[name] == value || but.contains(&name.as_str()), "{name}: {client}");
        }
    };
    same(&made.body["client"], &[]);
    let path = format!("{CLIENTS}/{}", made.str("/client/clientId"));
    same(&root.api.get(&path).await.expect(200).body["client"], &[]);
    let change = json!({"backchannelLogoutUri": "", "requirePushedAuthorizationRequests": false});
    let changed = root.api.patch(&path, change).await.expect(200);
    same(&changed.body["client"], &["backchannelLogoutUri", "requirePushedAuthorizationRequests"]);
    assert_eq!(changed.body["client"]["backchannelLogoutUri"], Value::Null);
    assert_eq!(changed.body["client"]["requirePushedAuthorizationRequests"], json!(false));
}

/// How a client proves itself stays of its kind, and one without a secret gets none.
async fn a_client_stays_of_its_kind(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let change = json!({"tokenEndpointAuthMethod": "none", "grantTypes": ["authorization_code"], "redirectUris": ["https://a.example/cb"]});
    let answer = root.api.patch(&format!("{CLIENTS}/{}", made.id), change).await.expect_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), ["tokenEndpointAuthMethod:not_changeable"]);
    let public = json!({"name": "App", "grantTypes": ["authorization_code"], "redirectUris": ["com.example.app:/cb"], "tokenEndpointAuthMethod": "none"});
    let public = register(&root.api, public).await;
    assert_eq!(public.secret, "");
    root.api.post(&format!("{CLIENTS}/{}/rotate-secret", public.id), json!({})).await.expect_problem(409, "conflict");
}

/// Of sixteen changes of the same version exactly one is made.
async fn a_version_is_changed_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let made = service(&root.api, &[]).await;
    let (api, path) = (root.api.with("if-match", "\"1\""), format!("{CLIENTS}/{}", made.id));
    let names = (0..16).map(|turn| json!({"name": format!("Turn {turn}")}));
    let answers = futures_util::future::join_all(names.map(|change| api.patch(&path, change))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200].as_slice(), &[412; 15]].concat());
}

both_stores!(
    a_client_is_registered_changed_and_deleted,
    no_secret_is_kept,
    the_list_is_paged,
    what_is_wrong_is_told_at_once,
    what_a_relying_party_needs_is_kept,
    a_client_stays_of_its_kind,
    a_version_is_changed_once,
);
