//! OAuth clients and what they may do: registered strictly, recognised exactly, refused everywhere at once.

#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/assertion.rs"]
mod assertion;
#[path = "authorize/tests.rs"]
mod authorize;
#[path = "tests/backchannel.rs"]
mod backchannel;
#[path = "tests/client_auth.rs"]
mod client_auth;
#[path = "device/tests.rs"]
pub mod device;
#[path = "dpop/tests.rs"]
mod dpop;
#[path = "tests/id_token.rs"]
mod id_token;
#[path = "tests/introspect.rs"]
mod introspect;
#[path = "tests/logout.rs"]
mod logout;
#[path = "tests/redirect.rs"]
mod redirect;
#[path = "tests/revoke.rs"]
mod revoke;
#[path = "tests/services.rs"]
mod services;
#[path = "tests/silent_receivers.rs"]
mod silent_receivers;
#[path = "tests/token.rs"]
mod token;
#[path = "tests/userinfo.rs"]
mod userinfo;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Instance, SignedIn};

/// An administrator, signed in.
pub async fn admin(instance: &Instance) -> SignedIn {
    let root = instance.signed_up("root@example.com").await;
    instance.set_roles(&root, "admin").await;
    root
}

/// A client that an administrator registered: id and secret.
pub struct Registered {
    pub id: String,
    pub secret: String,
}

impl Registered {
    /// `api` with this client in its `Authorization` header.
    pub fn basic(&self, api: &Client) -> Client {
        api.with("authorization", &format!("Basic {}", STANDARD.encode(format!("{}:{}", self.id, self.secret))))
    }

    /// A token for the client itself.
    pub async fn token(&self, api: &Client) -> String {
        let answer = form(&self.basic(api), "/oauth2/token", &[("grant_type", "client_credentials")]).await.expect(200);
        answer.str("/access_token").to_owned()
    }
}

/// POST of a form.
pub async fn form(api: &Client, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    raw_form(api, path, &body).await
}

/// POST of a form as it is written.
pub async fn raw_form(api: &Client, path: &str, body: &str) -> Answer {
    api.send_bytes(Method::POST, path, "application/x-www-form-urlencoded", body.as_bytes().to_vec()).await
}

/// A refusal in the words of the RFCs, with what they ask of its headers.
#[track_caller]
pub fn expect_refusal(answer: &Answer, status: u16, error: &str) {
    assert!(answer.status == status && answer.body["error"] == error, "expected {status} {error}\n{answer}");
    let sentence = answer.str("/error_description");
    assert!(sentence.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "RFC 6749 section 5.2: {sentence}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer}");
    let challenge = answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic "));
    assert_eq!(challenge, status == 401, "{answer}");
}

/// The claims of a token, unverified.
pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Registers a service client with `scopes`.
pub async fn service(api: &Client, scopes: &[&str]) -> Registered {
    register(api, json!({"name": "Reports", "grantTypes": ["client_credentials"], "scopes": scopes})).await
}

pub async fn register(api: &Client, body: Value) -> Registered {
    let answer = api.post("/api/v1/admin/clients", body).await.expect(201);
    let secret = answer.body["clientSecret"].as_str().unwrap_or_default().to_owned();
    Registered { id: answer.str("/client/clientId").to_owned(), secret }
}

/// An Ed25519 public key as a JWK.
pub fn ed25519_jwk(public: &[u8]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public)})
}
