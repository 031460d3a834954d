//! Compact JWS (RFC 7515) with EdDSA (RFC 8037): written by hand, because only one algorithm and
//! one header are ever right here, and everything else is refused before any mathematics.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::signing_key::SigningKey;
use crate::time::Timestamp;

/// How far `nbf` and `iat` may lie in the future: another instance's clock. `exp` gets no leeway.
pub const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(5);

/// Longer tokens are not ours and not worth decoding.
const MAX_LEN: usize = 8 * 1024;
const ALGORITHM: &str = "EdDSA";

/// Why a token is not accepted. More is not said, to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Malformed, altered, of another issuer, type or key, or not valid yet.
    #[error("not a token of this installation")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

/// The protected header. Ours has exactly these members; `crit`, `jwk`, `jku`, `x5c` and the like are refused.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// The registered claims (RFC 7519 section 4.1) that are checked here; all times in seconds.
#[derive(Deserialize)]
struct Registered {
    iss: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
}

/// A token taken apart, not verified yet.
pub(super) struct Unverified<'a> {
    header: Header,
    message: &'a str,
    payload: &'a str,
    signature: [u8; 64],
}

/// Signs `claims` with `key`.
pub(super) fn sign(key: &SigningKey, typ: &str, claims: &impl Serialize) -> Result<String, TokenError> {
    let header = Header { alg: ALGORITHM.into(), typ: typ.into(), kid: key.kid.clone() };
    let header = serde_json::to_vec(&header).map_err(|_| TokenError::Invalid)?;
    let claims = serde_json::to_vec(claims).map_err(|_| TokenError::Invalid)?;
    let mut token = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 96);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes()).ok_or(TokenError::Invalid)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
    Ok(token)
}

impl<'a> Unverified<'a> {
    /// Takes a token apart and checks `alg` and `typ`.
    pub(super) fn parse(token: &'a str, typ: &str) -> Result<Self, TokenError> {
        if token.len() > MAX_LEN {
            return Err(TokenError::Invalid);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Invalid)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Invalid)?;
        let header: Header = decode_json(header)?;
        if header.alg != ALGORITHM || header.typ != typ {
            return Err(TokenError::Invalid);
        }
        let signature = decode(signature)?.try_into().map_err(|_| TokenError::Invalid)?;
        Ok(Self { header, message, payload, signature })
    }

    /// The key it names.
    pub(super) fn kid(&self) -> &str {
        &self.header.kid
    }

    /// Verifies the signature first, then issuer and times, and returns the claims.
    pub(super) fn verify<C: DeserializeOwned>(&self, key: &SigningKey, issuer: &str, now: Timestamp) -> Result<C, TokenError> {
        let (registered, payload) = self.signed_by(key)?;
        registered.check(issuer, now)?;
        // RFC 7519 section 4.1.4: not accepted on or after `exp`.
        if Timestamp::from_secs(registered.exp) <= now {
            return Err(TokenError::Expired);
        }
        serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)
    }

    /// The same for a token that only has to have been good once: whether it has expired is not asked.
    pub(super) fn verify_past<C: DeserializeOwned>(&self, key: &SigningKey, issuer: &str, now: Timestamp) -> Result<C, TokenError> {
        let (registered, payload) = self.signed_by(key)?;
        registered.check(issuer, now)?;
        serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)
    }

    /// The payload, once the signature was found to be that of `key`.
    fn signed_by(&self, key: &SigningKey) -> Result<(Registered, Vec<u8>), TokenError> {
        if !key.verifies(self.message.as_bytes(), &self.signature) {
            return Err(TokenError::Invalid);
        }
        let payload = decode(self.payload)?;
        let registered: Registered = serde_json::from_slice(&payload).map_err(|_| TokenError::Invalid)?;
        Ok((registered, payload))
    }
}

impl Registered {
    fn check(&self, issuer: &str, now: Timestamp) -> Result<(), TokenError> {
        let soon = now.plus(NOT_BEFORE_LEEWAY);
        let begun = [self.nbf, self.iat].into_iter().flatten().all(|from| Timestamp::from_secs(from) <= soon);
        if self.iss == issuer && begun { Ok(()) } else { Err(TokenError::Invalid) }
    }
}

/// Strict base64url: no padding, no stray bits, so that a token has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Invalid)
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    serde_json::from_slice(&decode(part)?).map_err(|_| TokenError::Invalid)
}
