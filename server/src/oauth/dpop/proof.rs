//! A proof of possession (RFC 9449 section 4), as a pure rule.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Number;
use url::Url;

use super::key::{Jwk, Present, ProofKey};
use crate::time::Timestamp;

/// The longest proof that is looked at, in bytes: one with the longest RSA key is below 4,000.
const LENGTH_MAX: usize = 6 * 1024;
const JTI_MAX: usize = 256;
const URL_MAX: usize = 4 * 1024;
/// How far the clock of a client may be off, either way, including the way of the request.
const LEEWAY: Duration = Duration::from_secs(60);
/// A used proof is remembered for longer than it can be good: twice the leeway, and a minute for the clocks of instances.
pub const REMEMBERED: Duration = Duration::from_secs(180);

/// The request that a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Its method.
    pub method: &'a str,
    /// Where it goes, as the outside knows this server; without query and fragment.
    pub url: &'a str,
    /// The access token that it presents, if it presents one.
    pub token: Option<&'a str>,
}

/// A proof that is good, if it was not used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Thumbprint of the key that signed it.
    pub jkt: String,
    /// Its id; used up by the first use.
    pub jti: String,
}

/// What must be understood and is not (RFC 7515 section 4.1.11) is there to be refused.
#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
    #[serde(default)]
    crit: Present,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: Number,
    exp: Option<Number>,
    nbf: Option<Number>,
    ath: Option<String>,
}

/// Checks what RFC 9449 section 4.3 lists, but whether the proof is new, and whether its key is the right one.
///
/// # Errors
/// A sentence for whoever writes the client.
pub fn verify(proof: &str, expected: &Expected<'_>, now: Timestamp) -> Result<Proof, &'static str> {
    if proof.len() > LENGTH_MAX {
        return Err("The DPoP proof is too long.");
    }
    let unreadable = "The DPoP proof is not a signed JWT with the type dpop+jwt and the public key in its header.";
    let (message, signature) = proof.rsplit_once('.').ok_or(unreadable)?;
    let (header, payload) = message.split_once('.').ok_or(unreadable)?;
    let header: Header = decoded(header).ok_or(unreadable)?;
    if header.typ != "dpop+jwt" || header.crit.0 {
        return Err(unreadable);
    }
    let key =
        ProofKey::read(&header.jwk).ok_or("The key of a DPoP proof is the public half of one of these: Ed25519, EC on P-256, RSA.")?;
    if !key.signed(&header.alg, message, signature) {
        return Err("The signature of the DPoP proof does not fit its key, or its algorithm is not one of those in the metadata.");
    }
    let claims: Claims = decoded(payload).ok_or("The DPoP proof has the claims jti, htm, htu and iat.")?;
    if !(1..=JTI_MAX).contains(&claims.jti.len()) {
        return Err("The jti of a DPoP proof has 1 to 256 characters.");
    }
    if claims.htm != expected.method || !same_place(&claims.htu, expected.url) {
        return Err("The DPoP proof is for another request: htm is its method, htu its address without the query.");
    }
    if !is_fresh(&claims, now) {
        return Err("The DPoP proof is not of this minute. Sign a new one for each request, by a clock that is right.");
    }
    if let Some(token) = expected.token
        && claims.ath.as_deref() != Some(hash_of(token).as_str())
    {
        return Err("The DPoP proof is for another access token: ath is its SHA-256 hash in base64url.");
    }
    Ok(Proof { jkt: key.jkt, jti: claims.jti })
}

/// `ath` of an access token.
pub fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

fn is_fresh(claims: &Claims, now: Timestamp) -> bool {
    let (early, late) = (now.minus(LEEWAY), now.plus(LEEWAY));
    let signed = instant(&claims.iat).is_some_and(|at| early <= at && at <= late);
    let ends = claims.exp.as_ref().is_none_or(|at| instant(at).is_some_and(|at| early < at));
    let begun = claims.nbf.as_ref().is_none_or(|at| instant(at).is_some_and(|at| at <= late));
    signed && ends && begun
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction.
fn instant(number: &Number) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and such a time is refused")]
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64)).map(Timestamp::from_secs)
}

/// Whether `htu` is the address `url`, apart from query and fragment, after the normalisation of RFC 3986 sections 6.2.2 and 6.2.3.
fn same_place(htu: &str, url: &str) -> bool {
    // What a parser for browsers would mend, or read past, is no address here.
    let plain = |byte: u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}');
    if htu.len() > URL_MAX || !htu.bytes().all(plain) || !htu.contains("://") {
        return false;
    }
    let (Ok(claimed), Ok(known)) = (Url::parse(htu), Url::parse(url)) else { return false };
    claimed.username().is_empty()
        && claimed.password().is_none()
        && claimed.origin() == known.origin()
        && claimed.origin().is_tuple()
        && normal(claimed.path()) == normal(known.path())
}

/// A path with no more escapes than it needs, those in capitals.
fn normal(path: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(path.len()), path);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => out.push(char::from(byte)),
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => {
                out.push('%');
                rest = after;
                continue;
            }
        }
        rest = &after[2..];
    }
    out.push_str(rest);
    out
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
