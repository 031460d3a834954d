//! Access tokens that somebody made up or carried here from elsewhere, and tokens of one client in the hands of another.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use super::super::device::{APPROVE, Device};
use super::super::{Registered, admin, claims, expect_refusal, form, register};
use super::{ISSUER, Key, TOKEN};
use crate::support::{Instance, SignedIn, Store, both_stores};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Routes behind each kind of guard.
const GUARDED: &[&str] = &["/api/v1/sessions", "/api/v1/admin/clients", "/api/v1/account", "/oauth2/userinfo"];

fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn nowhere(instance: &Instance, token: &str, why: &str) {
    for path in GUARDED {
        for scheme in ["Bearer", "DPoP"] {
            let answer = instance.with("authorization", &format!("{scheme} {token}")).get(path).await;
            assert_eq!(answer.status, 401, "{why}\n{answer}");
            let lines: Vec<_> = answer.headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap()).collect();
            assert!(lines.iter().any(|line| line.starts_with(scheme) && line.contains("error=\"invalid_token\"")), "{why}\n{answer}");
        }
    }
}

async fn made_up_access_tokens_open_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let good = root.access_token.as_str();
    let (head, said) = (header(good), claims(good));
    let signature = good.rsplit_once('.').unwrap().1;
    let with = |name: &str, value: Value| {
        let mut head = head.clone();
        head[name] = value;
        head
    };
    let set = instance.get("/.well-known/jwks.json").await.expect(200);
    let public = set.body["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"]).unwrap().clone();
    let mac = |secret: &[u8]| {
        let message = format!("{}.{}", part(&with("alg", "HS256".into())), part(&said));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let thief = Key::ed25519();
    let mut brought = with("jwk", thief.public.clone());
    brought["jku"] = "https://evil.example/jwks.json".into();
    let mut more = said.clone();
    more["roles"] = json!(["admin", "auditor"]);
    let forged = [
        ("none", format!("{}.{}.", part(&with("alg", "none".into())), part(&said))),
        ("none with a signature", format!("{}.{}.{signature}", part(&with("alg", "none".into())), part(&said))),
        ("a MAC with the public key", mac(&URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap())),
        ("a MAC with the text of the public key", mac(public["x"].as_str().unwrap().as_bytes())),
        ("a MAC with the key set", mac(set.text.as_bytes())),
        ("an unknown key", thief.signed(&with("kid", "thief".into()), &said)),
        ("another key under our name", thief.signed(&head, &said)),
        ("a key that it brings along", thief.signed(&brought, &said)),
        ("more rights", format!("{}.{}.{signature}", part(&head), part(&more))),
    ];
    for (why, token) in &forged {
        nowhere(&instance, token, why).await;
    }
    root.api.get("/api/v1/sessions").await.expect(200);
}

/// Signed by this server itself, so that nothing but the claim in question is wrong.
async fn authentic_tokens_for_something_else_open_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let signer = &instance.running.app.ground.signer;
    let said = claims(&root.access_token);
    let now = instance.clock.now().as_secs();
    let with = |name: &str, value: Value| {
        let mut said = said.clone();
        said[name] = value;
        said
    };
    let wrong = [
        with("exp", json!(now)),
        with("exp", json!(now - 3600)),
        with("exp", Value::Null),
        with("exp", json!("tomorrow")),
        with("nbf", json!(now + 60)),
        with("iat", json!(now + 60)),
        with("iss", "https://evil.example".into()),
        with("iss", format!("{ISSUER}/").into()),
        with("iss", Value::Null),
        with("aud", "https://api.example.com".into()),
        with("aud", json!(["https://api.example.com"])),
        with("aud", json!([])),
        with("aud", Value::Null),
        with("sub", "root".into()),
        with("sid", Value::Null),
        with("gen", Value::Null),
        with("client_id", Value::Null),
        // Bound in a way that nobody here can check.
        with("cnf", json!({})),
        with("cnf", json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"})),
        with("cnf", json!("bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2")),
    ];
    for said in &wrong {
        nowhere(&instance, &signer.sign("at+jwt", said).unwrap(), &said.to_string()).await;
    }
    for typ in ["JWT", "dpop+jwt", "logout+jwt"] {
        nowhere(&instance, &signer.sign(typ, &said).unwrap(), typ).await;
    }
    let same = signer.sign("at+jwt", &said).unwrap();
    instance.with_token(&same).get("/api/v1/sessions").await.expect(200);
}

async fn hub(instance: &Instance, root: &SignedIn, name: &str) -> (Registered, Device) {
    let body = json!({"name": name, "grantTypes": [DEVICE, "refresh_token"], "scopes": ["openid"]});
    let made = register(&root.api, body).await;
    let begun = form(&made.basic(instance), "/oauth2/device_authorization", &[]).await.expect(200);
    let text = |member: &str| begun.str(member).to_owned();
    let device = Device { client: made.id.clone(), device_code: text("/device_code"), user_code: text("/user_code") };
    (made, device)
}

/// Whoever got hold of another client's tokens can neither refresh, revoke nor look them up; bound ones and others.
async fn a_token_is_its_clients_alone(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let (mine, device) = hub(&instance, &root, "Mine").await;
    let (other, _) = hub(&instance, &root, "Other").await;
    ada.api.post(APPROVE, json!({"userCode": device.user_code})).await.expect(204);
    let key = Key::ed25519();
    let poll = [("grant_type", DEVICE), ("device_code", device.device_code.as_str())];
    // Not even the code with which the device polls.
    expect_refusal(&form(&other.basic(&instance), TOKEN, &poll).await, 400, "invalid_grant");
    let tokens = form(&key.at(&instance, &mine.basic(&instance), TOKEN), TOKEN, &poll).await.expect(200);
    let (access, refresh) = (tokens.str("/access_token"), tokens.str("/refresh_token"));
    for proven in [false, true] {
        let api = other.basic(&instance);
        let api = if proven { key.at(&instance, &api, TOKEN) } else { api };
        let asked = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        expect_refusal(&form(&api, TOKEN, &asked).await, 400, "invalid_grant");
    }
    for token in [access, refresh] {
        let told = form(&other.basic(&instance), "/oauth2/introspect", &[("token", token)]).await.expect(200);
        assert_eq!(told.body, json!({"active": false}));
        form(&other.basic(&instance), "/oauth2/revoke", &[("token", token)]).await.expect(200);
    }
    // Nothing of that has harmed it.
    let path = "/oauth2/userinfo";
    key.with_token(&instance, "GET", path, access).get(path).await.expect(200);
    let asked = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    form(&key.at(&instance, &mine.basic(&instance), TOKEN), TOKEN, &asked).await.expect(200);
    // An access token is no refresh token, nor the other way round.
    let asked = [("grant_type", "refresh_token"), ("refresh_token", access)];
    expect_refusal(&form(&mine.basic(&instance), TOKEN, &asked).await, 400, "invalid_grant");
    instance.with_token(refresh).send(Method::GET, path, None).await.expect_problem(401, "unauthenticated");
}

both_stores!(made_up_access_tokens_open_nothing, authentic_tokens_for_something_else_open_nothing, a_token_is_its_clients_alone,);
