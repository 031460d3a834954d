//! The OAuth and OpenID Connect libraries that applications use, each unchanged, against the whole provider.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{reachable, run};
use crate::oauth::{Registered, admin, ed25519_jwk, register, service};
use crate::support::{Store, both_stores};

/// A private key as a JWK.
fn private(mut public: Value, secret: &[u8]) -> Value {
    public["d"] = json!(URL_SAFE_NO_PAD.encode(secret));
    public
}

/// Private keys as JWKs: Ed25519 and P-256.
fn keys() -> [Value; 2] {
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let seed = ed25519.seed().unwrap().as_be_bytes().unwrap();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    // An uncompressed point: 4, x, y (SEC 1 section 2.3.3).
    let (x, y) = p256.public_key().as_ref()[1..].split_at(32);
    let public = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)});
    let scalar = p256.private_key().as_be_bytes().unwrap();
    [private(ed25519_jwk(ed25519.public_key().as_ref()), seed.as_ref()), private(public, scalar.as_ref())]
}

/// A public RSA key as a JWK, and the private one as PEM.
fn rsa() -> (Value, String) {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let (modulus, exponent) = (pair.public_key().modulus(), pair.public_key().exponent());
    let part = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let (n, e) = (part(modulus.big_endian_without_leading_zero()), part(exponent.big_endian_without_leading_zero()));
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8.as_ref()));
    (json!({"kty": "RSA", "n": n, "e": e}), pem)
}

async fn everything(store: Store, script: &'static str) {
    let instance = reachable(store).set("KEYSTEAD_LIMITS__GLOBAL", "10000/1m").start().await;
    let root = admin(&instance).await;
    let ada = instance.signed_up("ada@example.com").await;
    let secret = |registered: Registered| json!({"id": registered.id, "secret": registered.secret});
    let client = async |more: Value| {
        let mut body = json!({"name": "Reports", "grantTypes": ["client_credentials"], "scopes": ["reports:read"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        register(&root.api, body).await
    };
    let keyed = async |jwk: Value| {
        let mut public = jwk.clone();
        public.as_object_mut().unwrap().remove("d");
        let id = client(json!({"tokenEndpointAuthMethod": "private_key_jwt", "jwks": {"keys": [public]}})).await.id;
        json!({"id": id, "jwk": jwk})
    };
    let [ed25519, es256] = keys();
    let (rsa, pem) = rsa();
    let rs256 = client(json!({"tokenEndpointAuthMethod": "private_key_jwt", "jwks": {"keys": [rsa]}})).await.id;
    let services = json!({
        "rs256": {"id": rs256, "pem": pem},
        "basic": secret(service(&root.api, &["reports:read"]).await),
        "post": secret(client(json!({"tokenEndpointAuthMethod": "client_secret_post"})).await),
        "ed25519": keyed(ed25519).await,
        "es256": keyed(es256).await,
    });
    let device = ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"];
    let television = json!({"name": "Television", "tokenEndpointAuthMethod": "none", "grantTypes": device, "scopes": ["shows:watch"]});
    let television = register(&root.api, television).await.id;
    let code = ["authorization_code", "refresh_token"];
    let (redirect, left) = ("https://app.example/callback", "https://app.example/bye");
    let scopes = ["openid", "profile", "email", "offline_access"];
    let web = json!({"name": "Shop", "grantTypes": code, "redirectUris": [redirect], "scopes": scopes,
        "postLogoutRedirectUris": [left]});
    let mut web = secret(register(&root.api, web).await);
    (web["redirect"], web["left"]) = (json!(redirect), json!(left));
    let spa = json!({"name": "Page", "grantTypes": code, "redirectUris": [redirect], "scopes": scopes, "tokenEndpointAuthMethod": "none"});
    let spa = json!({"id": register(&root.api, spa).await.id, "redirect": redirect});
    let given = json!({"web": web, "spa": spa, "issuer": instance.base(), "services": services, "television": television, "person": ada.access_token,
        "admin": root.access_token, "email": "ada@example.com", "sub": ada.id()});
    run(script, given).await;
}

async fn openid_client_of_javascript(store: Store) {
    everything(store, "openid_client.mjs").await;
}

async fn oauth4webapi_of_javascript(store: Store) {
    everything(store, "oauth4webapi.mjs").await;
}

async fn authlib_of_python(store: Store) {
    everything(store, "authlib_client.py").await;
}

both_stores!(authlib_of_python, oauth4webapi_of_javascript, openid_client_of_javascript);
