//! The public keys of clients that sign their assertions (RFC 7517), and what they verify.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The algorithms an assertion may be signed with, as discovery lists them.
///
/// `Ed25519` is what RFC 9864 calls `EdDSA` on that curve, which is the only one here; both names are read.
pub const ALGORITHMS: &[&str] = &["EdDSA", "Ed25519", "ES256", "RS256"];

const SET_MAX: usize = 16 * 1024;
const KEYS_MAX: usize = 10;
/// Members that only a private or a symmetric key has (RFC 7518 section 6).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// RSA moduli in bytes: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// One public key, bound to the one algorithm that it is for.
#[derive(Clone)]
pub struct ClientKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientKey({:?}, {:?})", self.algorithm, self.kid)
    }
}

/// Reads a key set as it is registered.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read_set(set: &Value) -> Result<Arc<[ClientKey]>, &'static str> {
    let keys = set["keys"].as_array().ok_or("Send a JSON Web Key Set: an object with the member `keys`.")?;
    if keys.is_empty() || keys.len() > KEYS_MAX || set.to_string().len() > SET_MAX {
        return Err("A key set has one to ten keys and at most 16 KiB.");
    }
    if keys.iter().any(|key| PRIVATE.iter().any(|member| key.get(member).is_some())) {
        return Err("A key set holds public keys only. Treat a private key that was sent here as published.");
    }
    let set: JwkSet = serde_json::from_value(by_old_names(set)).map_err(|_| "A key is not a JSON Web Key (RFC 7517).")?;
    let read = set.keys.iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
    let mut kids: Vec<_> = read.iter().map(|key| &key.kid).collect();
    kids.sort_unstable();
    kids.dedup();
    if kids.len() < read.len() {
        return Err("Several keys need a different `kid` each.");
    }
    Ok(read.into())
}

/// The set with `EdDSA` where a key on Ed25519 is named by RFC 9864, which the library does not know.
fn by_old_names(set: &Value) -> Value {
    let mut set = set.clone();
    for key in set["keys"].as_array_mut().into_iter().flatten() {
        if key["crv"] == "Ed25519" && key["alg"] == "Ed25519" {
            key["alg"] = "EdDSA".into();
        }
    }
    set
}

fn read_key(jwk: &Jwk) -> Result<ClientKey, &'static str> {
    let unfit = "A key is none of these: Ed25519, EC on P-256, RSA of 2048 to 8192 bits.";
    let length = |part: &str| URL_SAFE_NO_PAD.decode(part).map_or(0, |bytes| bytes.iter().skip_while(|byte| **byte == 0).count());
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 && okp.x.len() == 43 => Algorithm::EdDSA,
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 && ec.x.len() == 43 && ec.y.len() == 43 => {
            Algorithm::ES256
        }
        AlgorithmParameters::RSA(rsa) if MODULUS.contains(&length(&rsa.n)) => Algorithm::RS256,
        _ => return Err(unfit),
    };
    let other_use = jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature);
    let other_algorithm = jwk.common.key_algorithm.as_ref().is_some_and(|named| named.to_string() != format!("{algorithm:?}"));
    if other_use || other_algorithm {
        return Err("A key is declared for another use than signing with EdDSA, ES256 or RS256.");
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| unfit)?;
    Ok(ClientKey { kid: jwk.common.key_id.clone(), algorithm, key })
}

/// The protected header of an assertion. What must be understood and is not (RFC 7515 section 4.1.11), and keys that the token
/// brings along, are there to be refused.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
    jwk: Option<Value>,
    jku: Option<Value>,
    x5c: Option<Value>,
    x5u: Option<Value>,
}

impl Header {
    /// The algorithm, if it is one of [`ALGORITHMS`]: `none` and those with a shared secret are none of ours.
    fn algorithm(&self) -> Option<Algorithm> {
        if [&self.crit, &self.jwk, &self.jku, &self.x5c, &self.x5u].into_iter().any(Option::is_some) {
            return None;
        }
        match self.alg.as_str() {
            "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
            "ES256" => Some(Algorithm::ES256),
            "RS256" => Some(Algorithm::RS256),
            _ => None,
        }
    }
}

/// The claims of `token`, if one of `keys` signed it. Times and parties are the caller's to check.
///
/// A key verifies by the one algorithm that it is for, whatever the token says of itself.
pub fn verify<C: DeserializeOwned>(keys: &[ClientKey], token: &str) -> Option<C> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Header = decoded(header)?;
    let algorithm = header.algorithm()?;
    let fits = |key: &&ClientKey| key.algorithm == algorithm && (header.kid.is_none() || header.kid == key.kid);
    let signed = |key: &ClientKey| crypto::verify(signature, message.as_bytes(), &key.key, key.algorithm).unwrap_or(false);
    keys.iter().filter(fits).any(signed).then(|| decoded(payload))?
}

/// What `token` claims. Nothing is verified yet.
pub fn unverified<C: DeserializeOwned>(token: &str) -> Option<C> {
    let mut parts = token.split('.');
    let claims = decoded(parts.nth(1)?)?;
    (parts.count() == 1).then_some(claims)
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
