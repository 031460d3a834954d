//! OAuth clients and what they may do: registered strictly, recognised exactly, refused everywhere at once.

#[path = "tests/admin.rs"]
mod admin;
#[path = "tests/redirect.rs"]
mod redirect;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{Client, Instance, SignedIn};

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
