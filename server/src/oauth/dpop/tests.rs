//! Tokens that are bound to a key: what a proof must be, who gets such a token, and what it opens.

#[path = "tests/challenges.rs"]
mod challenges;
#[path = "tests/foreign.rs"]
mod foreign;
#[path = "tests/grants.rs"]
mod grants;
#[path = "tests/proof.rs"]
mod proof;
#[path = "tests/resource.rs"]
mod resource;

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use keystead::oauth::dpop::{hash_of, thumbprint};
use serde_json::{Value, json};

use super::ed25519_jwk;
use crate::support::{Client, Instance};

/// The public address of the tests' settings.
pub const ISSUER: &str = "http://localhost:8080";
const TOKEN: &str = "/oauth2/token";

/// A key of a client.
pub struct Key {
    algorithm: Algorithm,
    private: EncodingKey,
    /// As it stands in a proof.
    pub public: Value,
}

impl Key {
    pub fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let private = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
        Self { algorithm: Algorithm::EdDSA, private, public: ed25519_jwk(pair.public_key().as_ref()) }
    }

    pub fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let private = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let public = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap()).unwrap();
        Self { algorithm: Algorithm::ES256, private, public }
    }

    fn rsa() -> Self {
        let pair = aws_lc_rs::signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&pair).unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8.as_ref()));
        let private = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap()).unwrap();
        public.as_object_mut().unwrap().remove("alg");
        Self { algorithm: Algorithm::RS256, private, public }
    }

    pub fn jkt(&self) -> String {
        thumbprint(&self.public.to_string()).unwrap()
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": format!("{:?}", self.algorithm), "jwk": self.public})
    }

    /// A JWT with this header and these claims, whatever they are.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let algorithm = if header["alg"] == "PS256" { Algorithm::PS256 } else { self.algorithm };
        format!("{message}.{}", crypto::sign(message.as_bytes(), &self.private, algorithm).unwrap())
    }

    /// A proof with these claims.
    pub fn proof(&self, claims: &Value) -> String {
        self.signed(&self.header(), claims)
    }

    /// `api` with a fresh proof for one POST to `path`.
    pub fn at(&self, instance: &Instance, api: &Client, path: &str) -> Client {
        api.with("dpop", &self.proof(&claims_of(instance, "POST", path, None)))
    }

    /// `instance`, to be called once with this token and a fresh proof.
    pub fn with_token(&self, instance: &Instance, method: &str, path: &str, token: &str) -> Client {
        let proof = self.proof(&claims_of(instance, method, path, Some(token)));
        instance.with("authorization", &format!("DPoP {token}")).with("dpop", &proof)
    }
}

/// The claims of a proof that is in order; each has an id of its own.
pub fn claims_of(instance: &Instance, method: &str, path: &str, token: Option<&str>) -> Value {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let jti = format!("proof-{}", TURN.fetch_add(1, Ordering::Relaxed));
    let mut claims = json!({"jti": jti, "htm": method, "htu": format!("{ISSUER}{path}"), "iat": instance.clock.now().as_secs()});
    if let Some(token) = token {
        claims["ath"] = hash_of(token).into();
    }
    claims
}
