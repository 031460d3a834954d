//! A client that signs what it says about itself (`private_key_jwt`, RFC 7523 section 3): good for one endpoint of this
//! server, for a while, once.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Number;

use super::client::Client;
use super::client_keys;
use crate::error::{Code, Problem};
use crate::ground::Ground;
use crate::secret::NOT_BEFORE_LEEWAY;
use crate::shared::{Budget, Health};
use crate::time::Timestamp;

/// `client_assertion_type` of RFC 7523 section 2.2.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const LENGTH_MAX: usize = 8 * 1024;
const JTI_MAX: usize = 256;
/// How far ahead an assertion may expire; clients in use write up to an hour.
const LIFETIME_MAX: Duration = Duration::from_secs(60 * 60);
/// A used one is remembered for longer than it can be good.
const REMEMBERED: Duration = Duration::from_secs(61 * 60);

#[derive(Clone, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: Number,
    nbf: Option<Number>,
    iat: Option<Number>,
    jti: String,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Each of them is this server: an assertion that is good elsewhere, too, could be carried from there to here.
    fn is_only(&self, allowed: &[String]) -> bool {
        match self {
            Self::One(one) => allowed.contains(one),
            Self::Many(many) => !many.is_empty() && many.iter().all(|one| allowed.contains(one)),
        }
    }
}

/// Whom an assertion says it is of. Nothing is verified yet.
pub fn claimed_client(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    if assertion.len() > LENGTH_MAX {
        return None;
    }
    client_keys::unverified::<Subject>(assertion).map(|claims| claims.sub)
}

/// The id of an assertion that `client` signed for one of `audiences` and that is good at `now`; `None` for anything else.
pub fn verify(client: &Client, assertion: &str, audiences: &[String], now: Timestamp) -> Option<String> {
    if assertion.len() > LENGTH_MAX {
        return None;
    }
    let claims: Claims = client_keys::verify(&client.keys, assertion)?;
    let soon = now.plus(NOT_BEFORE_LEEWAY);
    let (ends, begun) =
        (instant(&claims.exp)?, [&claims.nbf, &claims.iat].into_iter().flatten().all(|at| instant(at).is_some_and(|at| at <= soon)));
    let mine = claims.iss == client.id && claims.sub == client.id && claims.aud.is_only(audiences);
    let in_time = begun && now < ends && ends <= now.plus(LIFETIME_MAX);
    (mine && in_time && (1..=JTI_MAX).contains(&claims.jti.len())).then_some(claims.jti)
}

/// A NumericDate (RFC 7519 section 2), which may have a fraction.
fn instant(number: &Number) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and such a time is refused")]
    number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64)).map(Timestamp::from_secs)
}

/// Uses the assertion `jti` up; false when it was used before.
///
/// # Errors
/// `unavailable` while the instances cannot agree: another one may have seen it.
pub async fn use_up(ground: &Ground, client: &Client, jti: &str, now: Timestamp) -> Result<bool, Problem> {
    let once = Budget { limit: 1, window: REMEMBERED };
    let key = [client.id.as_bytes(), b"\0", jti.as_bytes()].concat();
    let first = ground.shared.take("client_assertion", &key, once, 1, now).await.allowed;
    // Looked at afterwards: when Redis went away in the middle, only this instance was asked.
    if ground.shared.health() == Health::Lost {
        return Err(Problem::new(Code::Unavailable)
            .detail("This server cannot tell at the moment whether a client assertion was used before. Try again shortly.")
            .retry_after(Duration::from_secs(1)));
    }
    Ok(first)
}
