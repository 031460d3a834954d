//! ID tokens (OpenID Connect Core section 2): what a client is told about a person's sign-in, signed.
//!
//! They say who, when and how, and name the client's session; never a name or an address: those are at the userinfo
//! endpoint, as they are at the moment of asking. An ID token opens nothing here. Shown again, as `id_token_hint`, it only
//! proves that its holder was given it.

use aws_lc_rs::digest::{SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Problem;
use crate::ground::Ground;
use crate::secret::SealError;
use crate::sessions::store::Session;
use crate::time::Timestamp;

/// The scope that asks for an ID token.
pub const OPENID: &str = "openid";

/// The `typ` header of ID tokens. Access tokens and logout tokens have types of their own, so none passes for another.
const TYPE: &str = "JWT";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: Uuid,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
    sid: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
}

/// Whether tokens of `scope`, words separated by spaces, come with an ID token.
pub fn wanted(scope: &str) -> bool {
    scope.split(' ').any(|word| word == OPENID)
}

/// An ID token for the client of `session`, issued beside `access_token`, with the `nonce` of the authorization request.
///
/// # Errors
/// When nothing can be signed.
pub fn issue(ground: &Ground, session: &Session, access_token: &str, nonce: Option<&str>, now: Timestamp) -> Result<String, Problem> {
    let (settings, granted) = (&ground.settings, &session.authorization);
    let claims = Claims {
        iss: settings.public_url(),
        sub: session.user,
        aud: session.client(),
        exp: now.plus(settings.tokens.access_ttl).as_secs(),
        iat: now.as_secs(),
        auth_time: granted.auth_time.as_secs(),
        amr: &granted.amr,
        sid: session.id,
        nonce,
        at_hash: left_half(access_token),
    };
    ground.signer.sign(TYPE, &claims).map_err(Problem::internal)
}

/// The left half of the hash that the signature's algorithm has inside: SHA-512 for Ed25519 (OpenID Connect Core section
/// 3.1.3.6, RFC 8032 section 5.1).
fn left_half(token: &str) -> String {
    let hash = digest(&SHA512, token.as_bytes());
    let (left, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    URL_SAFE_NO_PAD.encode(left)
}

/// What an ID token of this server once said.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hint {
    /// The person.
    pub sub: Uuid,
    /// The client that it was issued to, by its `client_id`.
    pub aud: String,
    /// That client's session.
    pub sid: Uuid,
}

/// Reads an `id_token_hint`: one of this server's own ID tokens, which may have expired. `None` for anything else.
///
/// # Errors
/// The store does not answer.
pub async fn read_hint(ground: &Ground, token: &str) -> Result<Option<Hint>, SealError> {
    ground.signer.verify_past(TYPE, token, ground.settings.public_url()).await
}
