//! ID tokens: what they say, who verifies them, and what they do not open.

use std::time::Duration;

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use keystead::oauth::id_token::read_hint;
use keystead::oauth::{By, rotate};
use serde_json::{Value, json};

use super::device::{APPROVE, Device};
use super::{admin, claims, form, register};
use crate::support::{Answer, Instance, SignedIn, Store, both_stores};

const ISSUER: &str = "http://localhost:8080";

/// A public client of somebody else that signs in devices, with these scopes.
pub async fn player(instance: &Instance, scopes: &[&str]) -> String {
    let root = admin(instance).await;
    let body = json!({"name": "Player", "grantTypes": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "tokenEndpointAuthMethod": "none", "scopes": scopes});
    register(&root.api, body).await.id
}

/// The tokens of `client` for a session that `person` let it begin.
pub async fn let_in(instance: &Instance, client: &str, person: &SignedIn) -> Answer {
    let device = Device::of(instance, client).await;
    device.decided(person, APPROVE).await.expect(204);
    device.poll(instance).await.expect(200)
}

async fn refreshed(instance: &Instance, client: &str, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut parameters = vec![("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
    parameters.extend(more);
    form(instance, "/oauth2/token", &parameters).await.expect(200)
}

/// What a stock library makes of a token with the published keys.
pub async fn verified(instance: &Instance, token: &str, audience: &str, typ: &str) -> Value {
    let set: JwkSet = serde_json::from_value(instance.get("/.well-known/jwks.json").await.expect(200).body).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some(typ));
    let key = DecodingKey::from_jwk(set.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[ISSUER]);
    jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap().claims
}

async fn an_id_token_says_who_signed_in_when_and_how(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "shows:watch"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let signed_in_at = instance.clock.now().as_secs();
    instance.advance(Duration::from_secs(300));
    let tokens = let_in(&instance, &client, &ada).await;
    let (access, id_token) = (tokens.str("/access_token"), tokens.str("/id_token"));
    let said = claims(id_token);
    assert_eq!((&said["iss"], &said["sub"], &said["aud"]), (&json!(ISSUER), &json!(ada.id()), &json!(client)));
    assert_eq!((&said["sid"], &said["amr"]), (&claims(access)["sid"], &json!(["pwd"])));
    assert!((said["auth_time"].as_i64().unwrap() - signed_in_at).abs() <= 5, "{said}");
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 900);
    let hash = digest(&SHA512, access.as_bytes());
    assert_eq!(said["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..32]));
    for absent in ["nonce", "name", "email", "roles", "scope"] {
        assert!(said.get(absent).is_none(), "{absent}: {said}");
    }

    // OpenID Connect Core section 12.2: the same person, session and sign-in; a new time of issue.
    instance.advance(Duration::from_secs(60));
    let next = refreshed(&instance, &client, tokens.str("/refresh_token"), &[]).await;
    let again = claims(next.str("/id_token"));
    for same in ["iss", "sub", "aud", "sid", "auth_time", "amr"] {
        assert_eq!(again[same], said[same], "{same}");
    }
    assert!(again["iat"].as_i64() > said["iat"].as_i64() && again.get("nonce").is_none(), "{again}");
    assert_ne!(again["at_hash"], said["at_hash"]);
}

async fn a_stock_library_verifies_an_id_token(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let said = verified(&instance, tokens.str("/id_token"), &client, "JWT").await;
    assert_eq!(said["sub"], ada.id());
}

async fn without_the_scope_there_is_no_id_token(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid", "shows:watch"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let narrow = refreshed(&instance, &client, tokens.str("/refresh_token"), &[("scope", "shows:watch")]).await;
    assert!(narrow.body.get("id_token").is_none(), "{narrow}");
    let own = Device::begun(&instance).await;
    own.decided(&ada, APPROVE).await.expect(204);
    let own = own.poll(&instance).await.expect(200);
    assert!(own.body.get("id_token").is_none(), "{own}");
}

/// Neither opens the door of the other.
async fn an_id_token_is_no_access_token(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let ground = &instance.running.app.ground;
    let id_token = tokens.str("/id_token");
    instance.with_token(id_token).get("/api/v1/auth/me").await.expect_problem(401, "unauthenticated");
    let about = form(&instance, "/oauth2/revoke", &[("client_id", &client), ("token", id_token)]).await;
    about.expect(200);
    assert_eq!(read_hint(ground, tokens.str("/access_token")).await.unwrap(), None);
    assert_eq!(read_hint(ground, &ada.access_token).await.unwrap(), None);
    assert!(read_hint(ground, id_token).await.unwrap().is_some());
}

/// A hint is good long after it expired, and after its key was withdrawn; never when it was altered.
async fn a_hint_outlives_its_time_and_its_key(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let id_token = tokens.str("/id_token").to_owned();
    let said = claims(&id_token);
    for _ in 0..3 {
        instance.advance(Duration::from_secs(24 * 60 * 60));
        rotate(&instance.running.app.ground, By::operator(), instance.clock.now()).await.unwrap();
    }
    let kid = jsonwebtoken::decode_header(&id_token).unwrap().kid.unwrap();
    assert!(!instance.get("/.well-known/jwks.json").await.expect(200).text.contains(&kid));
    let ground = &instance.running.app.ground;
    let hint = read_hint(ground, &id_token).await.unwrap().unwrap();
    assert_eq!(
        (hint.sub.to_string(), hint.aud, hint.sid.to_string()),
        (ada.id().to_owned(), client, said["sid"].as_str().unwrap().to_owned())
    );
    let withdrawn = instance.rows("SELECT kid FROM signing_keys WHERE length(private_key) = 0", Vec::new()).await;
    assert!(withdrawn.iter().any(|row| row.get::<String>(0).unwrap() == kid), "the private half is forgotten");
}

async fn forged_hints_are_nothing(store: Store) {
    let instance = Instance::start(store).await;
    let client = player(&instance, &["openid"]).await;
    let ada = instance.signed_up("ada@example.com").await;
    let tokens = let_in(&instance, &client, &ada).await;
    let id_token = tokens.str("/id_token");
    let said = claims(id_token);
    let jwks = instance.get("/.well-known/jwks.json").await.expect(200).body;
    let (kid, x) = (jwks["keys"][0]["kid"].as_str().unwrap(), jwks["keys"][0]["x"].as_str().unwrap());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, rest) = id_token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let mut other = said.clone();
    other["sid"] = json!("01920000-0000-7000-8000-000000000000");
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = Some(kid.to_owned());
    let mac = |secret: &[u8]| jsonwebtoken::encode(&confused, &said, &EncodingKey::from_secret(secret)).unwrap();
    let forged = [
        format!("{header}.{}.{signature}", part(&other)),
        format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT", "kid": kid})), part(&said)),
        format!("{}.{}.{signature}", part(&json!({"alg": "none", "typ": "JWT", "kid": kid})), part(&said)),
        format!("{}.{}.{signature}", part(&json!({"alg": "RS256", "typ": "JWT", "kid": kid})), part(&said)),
        format!("{}.{}.{signature}", part(&json!({"alg": "ES256", "typ": "JWT", "kid": kid})), part(&said)),
        format!("{}.{}.{signature}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "unknown"})), part(&said)),
        mac(x.as_bytes()),
        mac(&URL_SAFE_NO_PAD.decode(x).unwrap()),
        "a.b.c".to_owned(),
        "x".repeat(9000),
    ];
    let ground = &instance.running.app.ground;
    for token in forged {
        assert_eq!(read_hint(ground, &token).await.unwrap(), None, "{token}");
    }
}

both_stores!(
    an_id_token_says_who_signed_in_when_and_how,
    a_stock_library_verifies_an_id_token,
    without_the_scope_there_is_no_id_token,
    an_id_token_is_no_access_token,
    a_hint_outlives_its_time_and_its_key,
    forged_hints_are_nothing,
);
