//! One Ed25519 signing key: made, sealed, opened, published as a JWK.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::roots::{Purpose, RootKeys};
use super::seal::{SealError, framed};
use crate::time::Timestamp;

/// What a published key is there for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Published ahead, so that every verifier knows it before its first token.
    Next,
    /// Signs new tokens.
    Current,
    /// Only verifies what it signed, until that has expired.
    Retired,
}

/// A published key as operators see it; nothing of it is secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishedKey {
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// JWS algorithm (RFC 8037).
    pub alg: &'static str,
    /// What it is there for.
    pub state: KeyState,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it begins, or began, to sign.
    #[schema(value_type = String, format = DateTime)]
    pub signs_from: Timestamp,
    /// When it is withdrawn, because its last token has expired by then; null until the key after it is known.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub published_until: Option<Timestamp>,
}

/// A published key; it can sign when its private half could be opened.
pub(super) struct SigningKey {
    pub(super) kid: String,
    created_at: Timestamp,
    pub(super) active_from: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    public: Vec<u8>,
    verifier: ParsedPublicKey,
    pair: Option<Ed25519KeyPair>,
}

/// A key that is not stored yet.
pub(super) struct NewKey {
    pub(super) kid: String,
    pub(super) public: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl NewKey {
    /// The key pair of `seed` (RFC 8032 section 5.1.5), sealed for its row.
    pub(super) fn from_seed(seed: &Zeroizing<[u8; 32]>, roots: &RootKeys) -> Result<Self, SealError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&**seed).map_err(|_| SealError::Altered)?;
        let public = pair.public_key().as_ref().to_vec();
        let kid = thumbprint(&public);
        let sealed = roots.seal(Purpose::WrapKeys, &place(&kid), &**seed);
        Ok(Self { kid, public, sealed })
    }
}

impl SigningKey {
    /// The public half, from its row.
    pub(super) fn published(
        kid: String,
        public: Vec<u8>,
        created_at: Timestamp,
        active_from: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<Self, SealError> {
        let verifier = ParsedPublicKey::new(&ED25519, &public).map_err(|_| SealError::Altered)?;
        Ok(Self { kid, created_at, active_from, expires_at, public, verifier, pair: None })
    }

    /// Adds the private half. It must belong to the public one.
    pub(super) fn unseal(&mut self, roots: &RootKeys, sealed: &[u8]) -> Result<(), SealError> {
        let seed = open_seed(roots, &self.kid, sealed)?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &self.public).map_err(|_| SealError::Altered)?;
        self.pair = Some(pair);
        Ok(())
    }

    /// Whether its tokens are still accepted and its public half is published.
    pub(super) fn is_published(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Whether it may sign at `now`.
    pub(super) fn can_sign(&self, now: Timestamp) -> bool {
        self.pair.is_some() && self.active_from <= now && self.is_published(now)
    }

    /// The Ed25519 signature; nothing when the private half is not here.
    pub(super) fn sign(&self, message: &[u8]) -> Option<impl AsRef<[u8]> + use<>> {
        self.pair.as_ref()?.try_sign(message).ok()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }

    /// For operators.
    pub(super) fn describe(&self, state: KeyState) -> PublishedKey {
        PublishedKey {
            kid: self.kid.clone(),
            alg: "EdDSA",
            state,
            created_at: self.created_at,
            // The first key of an installation is active since ever.
            signs_from: self.active_from.max(self.created_at),
            published_until: self.expires_at,
        }
    }

    /// RFC 7517, with the key type of RFC 8037.
    pub(super) fn to_jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": self.kid, "x": URL_SAFE_NO_PAD.encode(&self.public),
        })
    }
}

/// Seals a private key anew under the current master key.
pub(super) fn reseal(roots: &RootKeys, kid: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let seed = open_seed(roots, kid, sealed)?;
    Ok(roots.seal(Purpose::WrapKeys, &place(kid), &seed))
}

fn open_seed(roots: &RootKeys, kid: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let seed = Zeroizing::new(roots.open(Purpose::WrapKeys, &place(kid), sealed)?);
    if seed.len() == 32 { Ok(seed) } else { Err(SealError::Altered) }
}

fn place(kid: &str) -> Vec<u8> {
    framed(&[b"signing_keys", b"private_key", kid.as_bytes()])
}

/// RFC 7638: SHA-256 over the required members in lexical order, without white space.
pub(super) fn thumbprint(public: &[u8]) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(public));
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}
