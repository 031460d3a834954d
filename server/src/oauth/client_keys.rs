//! The public keys of clients that sign their assertions (RFC 7517), and what they verify.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The algorithms an assertion may be signed with, as discovery lists them.
pub const ALGORITHMS: &[&str] = &["EdDSA", "ES256", "RS256"];

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
    let set: JwkSet = serde_json::from_value(set.clone()).map_err(|_| "A key is not a JSON Web Key (RFC 7517).")?;
    let read = set.keys.iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
    let mut kids: Vec<_> = read.iter().map(|key| &key.kid).collect();
    kids.sort_unstable();
    kids.dedup();
    if kids.len() < read.len() {
        return Err("Several keys need a different `kid` each.");
    }
    Ok(read.into())
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

/// The claims of `token`, if one of `keys` signed it. Times and parties are the caller's to check.
pub fn verify<C: DeserializeOwned + Clone>(keys: &[ClientKey], token: &str) -> Option<C> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    // What must be understood and is not (RFC 7515 section 4.1.11), and keys that the token brings along, are refused.
    if header.crit.is_some() || header.jwk.is_some() || header.jku.is_some() || header.x5c.is_some() || header.x5u.is_some() {
        return None;
    }
    let fits = |key: &&ClientKey| key.algorithm == header.alg && (header.kid.is_none() || header.kid == key.kid);
    let mut rules = Validation::new(header.alg);
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    keys.iter().filter(fits).find_map(|key| jsonwebtoken::decode::<C>(token, &key.key, &rules).ok().map(|read| read.claims))
}
