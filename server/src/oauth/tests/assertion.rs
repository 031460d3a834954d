//! `private_key_jwt` (RFC 7523).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Registered, admin, ed25519_jwk, expect_refusal, form, register};
use crate::support::{Answer, Client, Instance, Store, both_stores};

const ISSUER: &str = "http://localhost:8080";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

struct Key {
    algorithm: Algorithm,
    private: EncodingKey,
    public: Value,
}

fn ed25519() -> Key {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
    Key { algorithm: Algorithm::EdDSA, private, public: ed25519_jwk(pair.public_key().as_ref()) }
}

fn p256() -> Key {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let public = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap()).unwrap();
    Key { algorithm: Algorithm::ES256, private, public }
}

fn rsa() -> Key {
    let pair = aws_lc_rs::signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref())
    );
    let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let public = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap()).unwrap();
    Key { algorithm: Algorithm::RS256, private, public }
}

async fn registered(api: &Client, keys: &[&Value]) -> Registered {
    let body = json!({"name": "Signer", "grantTypes": ["client_credentials"], "scopes": ["users:read"],
        "tokenEndpointAuthMethod": "private_key_jwt", "jwks": {"keys": keys}});
    let made = register(api, body).await;
    assert_eq!(made.secret, "");
    made
}

fn good(instance: &Instance, client: &Registered, jti: &str) -> Value {
    let now = instance.clock.now().as_secs();
    json!({"iss": client.id, "sub": client.id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": jti})
}

fn sign(key: &Key, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(key.algorithm), claims, &key.private).unwrap()
}

async fn present(instance: &Instance, assertion: &str) -> Answer {
    let parameters = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", assertion)];
    form(instance, "/oauth2/token", &parameters).await
}

async fn each_kind_of_key_proves_a_client(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    for (turn, key) in [ed25519(), p256(), rsa()].iter().enumerate() {
        let made = registered(&root.api, &[&key.public]).await;
        let answer = present(&instance, &sign(key, &good(&instance, &made, &format!("one-{turn}")))).await.expect(200);
        assert_eq!(answer.str("/scope"), "users:read");
        let mut claims = good(&instance, &made, &format!("two-{turn}"));
        claims["aud"] = json!([ISSUER, format!("{ISSUER}/oauth2/token")]);
        present(&instance, &sign(key, &claims)).await.expect(200);
        let stranger = match key.algorithm {
            Algorithm::EdDSA => ed25519(),
            Algorithm::ES256 => p256(),
            _ => rsa(),
        };
        let forged = sign(&stranger, &good(&instance, &made, &format!("three-{turn}")));
        expect_refusal(&present(&instance, &forged).await, 401, "invalid_client");
    }
}

/// Once, whichever instance is asked; of sixteen at once exactly one.
async fn an_assertion_is_good_once(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let key = ed25519();
    let (made, other) = (registered(&root.api, &[&key.public]).await, registered(&root.api, &[&key.public]).await);
    let assertion = sign(&key, &good(&instance, &made, "seven"));
    let answers = futures_util::future::join_all((0..16).map(|_| present(&instance, &assertion))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    expect_refusal(&present(&instance, &assertion).await, 401, "invalid_client");
    // Ids are each client's own.
    present(&instance, &sign(&key, &good(&instance, &other, "seven"))).await.expect(200);
    if store == Store::Postgres {
        let second = instance.second().await;
        expect_refusal(&present(&second, &assertion).await, 401, "invalid_client");
    }
}

async fn assertions_that_are_not_for_us_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let key = ed25519();
    let (made, other) = (registered(&root.api, &[&key.public]).await, registered(&root.api, &[&key.public]).await);
    let now = instance.clock.now().as_secs();
    let changes = [
        ("iss", json!(other.id)),
        ("iss", json!("nobody")),
        ("aud", json!("https://elsewhere.example")),
        ("aud", json!([ISSUER, "https://elsewhere.example"])),
        ("aud", json!([])),
        ("aud", json!(format!("{ISSUER}/oauth2/tokens"))),
        ("exp", json!(now)),
        ("exp", json!(now - 60)),
        ("exp", json!(now + 3700)),
        ("exp", json!("soon")),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(257))),
        ("jti", json!(7)),
    ];
    for (turn, (name, value)) in changes.into_iter().enumerate() {
        let mut claims = good(&instance, &made, &format!("turn-{turn}"));
        claims[name] = value.clone();
        let answer = present(&instance, &sign(&key, &claims)).await;
        assert!(answer.status == 401, "{name} = {value}\n{answer}");
        expect_refusal(&answer, 401, "invalid_client");
    }
    // What was refused did not use the id up.
    present(&instance, &sign(&key, &good(&instance, &made, "turn-0"))).await.expect(200);
}

async fn other_algorithms_and_foreign_keys_are_refused(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let key = ed25519();
    let made = registered(&root.api, &[&key.public]).await;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = good(&instance, &made, "forged");
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    let mac = EncodingKey::from_secret(key.public["x"].as_str().unwrap().as_bytes());
    let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &mac).unwrap();
    let stranger = ed25519();
    let mut brought = Header::new(Algorithm::EdDSA);
    brought.jwk = Some(serde_json::from_value(stranger.public.clone()).unwrap());
    let brought = jsonwebtoken::encode(&brought, &claims, &stranger.private).unwrap();
    let mut critical = Header::new(Algorithm::EdDSA);
    critical.crit = Some(vec!["exp".to_owned()]);
    let critical = jsonwebtoken::encode(&critical, &claims, &key.private).unwrap();
    let mut named = Header::new(Algorithm::EdDSA);
    named.kid = Some("other".to_owned());
    let named = jsonwebtoken::encode(&named, &claims, &key.private).unwrap();
    let ours = root.access_token.clone();
    for forged in [none, confused, brought, critical, named, ours, "a.b.c".to_owned(), "x".repeat(9000)] {
        expect_refusal(&present(&instance, &forged).await, 401, "invalid_client");
    }
    let id = ("client_id", made.id.as_str());
    let wrong_type = [("grant_type", "client_credentials"), id, ("client_assertion_type", "jwt"), ("client_assertion", "a.b.c")];
    expect_refusal(&form(&instance, "/oauth2/token", &wrong_type).await, 400, "invalid_request");
    // A client that signs has no secret that could be guessed, and does not get by without a signature.
    let secret = [("grant_type", "client_credentials"), id, ("client_secret", "")];
    expect_refusal(&form(&instance, "/oauth2/token", &secret).await, 401, "invalid_client");
}

/// A token whose header says what it likes, signed with `key` as only that key can.
fn signed(key: &Key, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.private, key.algorithm).unwrap();
    format!("{message}.{signature}")
}

/// RFC 9864 calls it `Ed25519`, RFC 8037 `EdDSA`: the same signatures of the same keys.
async fn both_names_of_ed25519_are_read(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let key = ed25519();
    for (turn, named) in [Value::Null, json!("EdDSA"), json!("Ed25519")].into_iter().enumerate() {
        let mut public = key.public.clone();
        if !named.is_null() {
            public["alg"] = named;
        }
        let made = registered(&root.api, &[&public]).await;
        for name in ["EdDSA", "Ed25519"] {
            let claims = good(&instance, &made, &format!("{turn}-{name}"));
            present(&instance, &signed(&key, &json!({"alg": name}), &claims)).await.expect(200);
            let forged = signed(&ed25519(), &json!({"alg": name}), &good(&instance, &made, &format!("forged-{turn}-{name}")));
            expect_refusal(&present(&instance, &forged).await, 401, "invalid_client");
        }
        let claims = good(&instance, &made, &format!("lower-{turn}"));
        for name in ["ed25519", "Ed448", "EDDSA", "ES256", "RS256"] {
            expect_refusal(&present(&instance, &signed(&key, &json!({"alg": name}), &claims)).await, 401, "invalid_client");
        }
    }
    let other = json!({"name": "Signer", "grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "private_key_jwt",
        "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": key.public["x"], "alg": "Ed448"}]}});
    root.api.post("/api/v1/admin/clients", other).await.expect_problem(422, "validation_failed");
    let said = instance.get("/.well-known/openid-configuration").await.expect(200);
    let listed = &said.body["token_endpoint_auth_signing_alg_values_supported"];
    assert_eq!(listed, &json!(["EdDSA", "Ed25519", "ES256", "RS256"]));
}

/// A key verifies by its own algorithm, whatever the header says; and what is public is nobody's shared secret.
async fn one_kind_of_key_is_not_taken_for_another(store: Store) {
    let instance = Instance::start(store).await;
    let root = admin(&instance).await;
    let keys = [ed25519(), p256(), rsa()];
    let made = registered(&root.api, &[&keys[1].public]).await;
    let (rsa_client, all) = (registered(&root.api, &[&keys[2].public]).await, ["none", "None", "nOnE", "HS256", "HS512", "ES384", "PS256"]);
    for (client, key) in [(&made, &keys[1]), (&rsa_client, &keys[2])] {
        let claims = good(&instance, client, "confused");
        let right = format!("{:?}", key.algorithm);
        for name in ["EdDSA", "Ed25519", "ES256", "RS256"].iter().chain(&all).filter(|name| **name != right) {
            expect_refusal(&present(&instance, &signed(key, &json!({"alg": name}), &claims)).await, 401, "invalid_client");
        }
        // The public key as the secret of a MAC, in each of its spellings.
        let public = &key.public;
        let spellings = [public["n"].as_str(), public["x"].as_str()].into_iter().flatten();
        let secrets = spellings.flat_map(|text| [text.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(text).unwrap()]);
        for secret in secrets.chain([public.to_string().into_bytes(), Vec::new()]) {
            let mac = EncodingKey::from_secret(&secret);
            let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &mac).unwrap();
            expect_refusal(&present(&instance, &forged).await, 401, "invalid_client");
        }
        present(&instance, &signed(key, &json!({"alg": right}), &claims)).await.expect(200);
    }
}

both_stores!(
    both_names_of_ed25519_are_read,
    one_kind_of_key_is_not_taken_for_another,
    each_kind_of_key_proves_a_client,
    an_assertion_is_good_once,
    assertions_that_are_not_for_us_are_refused,
    other_algorithms_and_foreign_keys_are_refused,
);

/// Without Redis the instances cannot agree on what was used: nothing is accepted twice, so nothing is accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_no_assertion_is_taken() {
    let one = Instance::start(Store::Postgres).await;
    let root = admin(&one).await;
    let key = ed25519();
    let made = registered(&root.api, &[&key.public]).await;
    let two = Instance::builder(Store::Postgres).second(&one).set("REDIS_URL", "redis://127.0.0.1:1").start().await;
    let answer = present(&two, &sign(&key, &good(&one, &made, "lonely"))).await.expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
}
