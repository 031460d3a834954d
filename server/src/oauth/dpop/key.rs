//! The public key that a proof brings along (RFC 9449 section 4.2), and what it is called by (RFC 7638).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// RSA moduli in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// RSA exponents in bytes.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=4;

/// A JSON Web Key as it stands in a proof. A member that is named twice is refused, and so is one that only a private or a
/// symmetric key has (RFC 7518 section 6). What else it says of itself is passed over.
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(default)]
    d: Present,
    #[serde(default)]
    p: Present,
    #[serde(default)]
    q: Present,
    #[serde(default)]
    dp: Present,
    #[serde(default)]
    dq: Present,
    #[serde(default)]
    qi: Present,
    #[serde(default)]
    oth: Present,
    #[serde(default)]
    k: Present,
}

/// Whether a member that must not be there is there; null counts.
#[derive(Default)]
pub(super) struct Present(pub bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self(true))
    }
}

/// A key that can verify.
pub(super) struct ProofKey {
    key: DecodingKey,
    kind: Kind,
    /// Its RFC 7638 thumbprint by SHA-256.
    pub jkt: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ed25519,
    P256,
    Rsa,
}

impl ProofKey {
    /// Reads a public key of one of the kinds there are.
    pub fn read(jwk: &Jwk) -> Option<Self> {
        if [&jwk.d, &jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi, &jwk.oth, &jwk.k].into_iter().any(|member| member.0) {
            return None;
        }
        let (kind, key) = match (jwk.kty.as_str(), jwk.crv.as_deref(), &jwk.x, &jwk.y, &jwk.n, &jwk.e) {
            ("OKP", Some("Ed25519"), Some(x), ..) if length(x) == Some(32) => (Kind::Ed25519, DecodingKey::from_ed_components(x)),
            ("EC", Some("P-256"), Some(x), Some(y), ..) if length(x) == Some(32) && length(y) == Some(32) => {
                (Kind::P256, DecodingKey::from_ec_components(x, y))
            }
            ("RSA", None, _, _, Some(n), Some(e)) if fits(n, MODULUS) && fits(e, EXPONENT) => {
                (Kind::Rsa, DecodingKey::from_rsa_components(n, e))
            }
            _ => return None,
        };
        Some(Self { key: key.ok()?, kind, jkt: name(kind, jwk)? })
    }

    /// Whether it made `signature` over `message` by the algorithm `named`. A key verifies by the algorithms that it is for, whatever
    /// the token says of itself.
    pub fn signed(&self, named: &str, message: &str, signature: &str) -> bool {
        let algorithm = match (named, self.kind) {
            ("EdDSA" | "Ed25519", Kind::Ed25519) => Algorithm::EdDSA,
            ("ES256", Kind::P256) => Algorithm::ES256,
            ("RS256", Kind::Rsa) => Algorithm::RS256,
            ("PS256", Kind::Rsa) => Algorithm::PS256,
            _ => return false,
        };
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

/// The RFC 7638 thumbprint of a public key, by SHA-256; `None` for one that no proof may be signed with.
pub fn thumbprint(jwk: &str) -> Option<String> {
    ProofKey::read(&serde_json::from_str(jwk).ok()?).map(|key| key.jkt)
}

/// The required members in the order of RFC 7638 section 3.2. Each value was read as base64url, so none needs to be escaped.
fn name(kind: Kind, jwk: &Jwk) -> Option<String> {
    let (x, y, n, e) = (jwk.x.as_deref(), jwk.y.as_deref(), jwk.n.as_deref(), jwk.e.as_deref());
    let text = match kind {
        Kind::Ed25519 => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, x?),
        Kind::P256 => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, x?, y?),
        Kind::Rsa => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, e?, n?),
    };
    Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())))
}

fn length(part: &str) -> Option<usize> {
    URL_SAFE_NO_PAD.decode(part).ok().map(|bytes| bytes.len())
}

/// Whether a number has a length within `range`, and is written without leading zeros: else one key would have several names.
fn fits(part: &str, range: std::ops::RangeInclusive<usize>) -> bool {
    URL_SAFE_NO_PAD.decode(part).is_ok_and(|bytes| range.contains(&bytes.len()) && bytes.first() != Some(&0))
}
