//! DPoP (RFC 9449): tokens that are of use only to whoever has a key.
//!
//! A client signs a short-lived [`proof`] for each request with a key of its own. At the token endpoint the proof binds the access
//! token to that key ([`shown`]), and the refresh token as well when the client has nothing else to prove itself with. Wherever such a token
//! is presented afterwards, a fresh proof must come along ([`holds`]). Each proof is good once, on all instances.
//!
//! The server gives out no nonces (RFC 9449 section 8 leaves that open): a proof is good for a minute and is used up by its first use,
//! so what a nonce would add is only that proofs cannot be made ahead by somebody who can use the key for a while. That is not worth a
//! second round trip of each client.

mod key;
mod proof;

use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;

pub use key::thumbprint;
pub use proof::{Expected, Proof, REMEMBERED, hash_of, verify};

use super::client::{AuthMethod, Client};
use super::error::{OAuthCode, OAuthError, Refusal};
use crate::app::App;
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::http::challenge::{Fault, Scheme, challenged};
use crate::shared::{Budget, Health};
use crate::time::Timestamp;

/// Where a client puts its proof.
const HEADER: &str = "dpop";

/// Counts proofs, by place and outcome.
pub const PROOFS: &str = "keystead_dpop_proofs_total";

const TWO: &str = "Send one DPoP header with one proof.";
const USED: &str = "This DPoP proof was used before; sign a new one for each request.";

/// The proof that a request brings, if it brings one.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut given = headers.get_all(HEADER).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => one.to_str().map(Some).map_err(|_| TWO),
        (Some(_), Some(_)) => Err(TWO),
    }
}

/// Thumbprint of the key that a client shows to have in a POST to `path`, one of the OAuth endpoints; `None` when it shows none.
///
/// The caller has counted the request.
///
/// # Errors
/// `invalid_dpop_proof` for a proof that is not good; `unavailable` while the instances cannot agree on whether it was used.
pub(super) async fn shown(app: &App, headers: &HeaderMap, path: &str, now: Timestamp) -> Result<Option<String>, Refusal> {
    let refused = |sentence| {
        count("oauth", "refused");
        Refusal::from(OAuthError::new(OAuthCode::InvalidDpopProof, sentence))
    };
    let Some(proof) = presented(headers).map_err(refused)? else { return Ok(None) };
    let url = format!("{}{path}", app.ground.settings.public_url());
    let proof = verify(proof, &Expected { method: "POST", url: &url, token: None }, now).map_err(refused)?;
    if !use_up(&app.ground, &proof, now).await? {
        return Err(refused(USED));
    }
    count("oauth", "accepted");
    Ok(Some(proof.jkt))
}

/// The same at the token endpoint, for a client that may be registered to have nothing but bound tokens (RFC 9449 section 5.2).
///
/// # Errors
/// As [`shown`].
pub(super) async fn binding(app: &App, client: &Client, headers: &HeaderMap, now: Timestamp) -> Result<Option<String>, Refusal> {
    let jkt = shown(app, headers, super::token::PATH, now).await?;
    if jkt.is_none() && client.party.dpop_bound {
        let sentence = "This client's tokens are bound to a key: send a proof in the DPoP header.";
        return Err(OAuthError::new(OAuthCode::InvalidDpopProof, sentence).into());
    }
    Ok(jkt)
}

/// Whether refresh tokens of `client` are bound to its key: one that proves itself at each refresh needs none (RFC 9449 section 5).
pub(super) fn binds_refresh(client: &Client) -> bool {
    client.method == AuthMethod::None
}

/// The key that refresh tokens of `client` are bound to, when it shows to have `jkt`.
pub(super) fn of_refresh(client: &Client, jkt: Option<&str>) -> Option<String> {
    jkt.filter(|_| binds_refresh(client)).map(str::to_owned)
}

/// Whether the request `parts`, which presents `token`, comes from whoever has the key `jkt`.
///
/// # Errors
/// `unauthenticated`, with what RFC 9449 section 7.1 wants to be said; `unavailable` while the instances cannot agree on whether the
/// proof was used.
pub async fn holds(app: &App, parts: &Parts, token: &str, jkt: &str, now: Timestamp) -> Result<(), Problem> {
    let refused = |sentence| {
        count("resource", "refused");
        challenged(Problem::new(Code::Unauthenticated).detail(sentence), Scheme::Dpop, Fault::InvalidProof)
    };
    let proof = presented(&parts.headers).map_err(refused)?;
    let proof = proof.ok_or_else(|| refused("This access token is bound to a key: send a proof in the DPoP header."))?;
    let url = format!("{}{}", app.ground.settings.public_url(), parts.uri.path());
    let proof = verify(proof, &Expected { method: parts.method.as_str(), url: &url, token: Some(token) }, now).map_err(refused)?;
    if proof.jkt != jkt {
        return Err(refused("The DPoP proof was signed with another key than the access token is bound to."));
    }
    if !use_up(&app.ground, &proof, now).await? {
        return Err(refused(USED));
    }
    count("resource", "accepted");
    Ok(())
}

/// Uses a proof up; false when it was used before.
async fn use_up(ground: &Ground, proof: &Proof, now: Timestamp) -> Result<bool, Problem> {
    let once = Budget { limit: 1, window: REMEMBERED };
    let key = [proof.jkt.as_bytes(), b"\0", proof.jti.as_bytes()].concat();
    let first = ground.shared.take("dpop", &key, once, 1, now).await.allowed;
    // Looked at afterwards: when Redis went away in the middle, only this instance was asked.
    if ground.shared.health() == Health::Lost {
        return Err(Problem::new(Code::Unavailable)
            .detail("This server cannot tell at the moment whether a DPoP proof was used before. Try again shortly with a new one.")
            .retry_after(Duration::from_secs(1)));
    }
    Ok(first)
}

fn count(place: &'static str, outcome: &'static str) {
    metrics::counter!(PROOFS, "place" => place, "outcome" => outcome).increment(1);
}
