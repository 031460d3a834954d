//! Access tokens checked from memory: a hash, a look-up, and whether the session was ended lately.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Sessions, is_own};
use crate::error::{Code, Problem};
use crate::http::guard::{Subject, Verified};
use crate::secret::TokenError;
use crate::time::Timestamp;

/// The `typ` header of access tokens (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The longest token that is looked at, in bytes; ours are about 700, and below 6,000 with as many roles and scopes of the
/// application's own as there may be.
const TOKEN_MAX: usize = 8192;

/// The claims of an access token (RFC 9068 section 2.2) as they are written.
#[derive(Debug, Serialize)]
pub(super) struct Claims<'a> {
    pub iss: &'a str,
    pub aud: Audience<'a>,
    pub sub: Uuid,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub jti: Uuid,
    pub client_id: &'a str,
    pub sid: Uuid,
    pub scope: String,
    pub roles: &'a [String],
    pub r#gen: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
}

/// Who acts in the subject's name (RFC 8693 section 4.1).
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct Actor {
    /// The administrator.
    pub sub: Uuid,
}

/// The key that a token is bound to (RFC 9449 section 6.1).
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Confirmation<'a> {
    /// Its RFC 7638 thumbprint.
    pub jkt: &'a str,
}

/// Another way of binding than ours makes a token unreadable: nobody here could hold it against anything.
#[derive(Debug, Deserialize)]
struct ReadConfirmation {
    jkt: Box<str>,
}

/// Whom a token is for (RFC 7519 section 4.1.3): one name, or several.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Audience<'a> {
    One(&'a str),
    Many(&'a [String]),
}

impl<'a> Audience<'a> {
    /// The resources, or the issuer when there are none.
    pub fn of(resources: &'a [String], issuer: &'a str) -> Self {
        match resources {
            [] => Self::One(issuer),
            [one] => Self::One(one),
            many => Self::Many(many),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
struct ReadClaims {
    aud: OneOrMany,
    sub: Uuid,
    exp: i64,
    iat: i64,
    jti: Uuid,
    client_id: String,
    sid: Option<Uuid>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    roles: Vec<String>,
    r#gen: Option<i64>,
    cnf: Option<ReadConfirmation>,
    act: Option<Actor>,
}

impl ReadClaims {
    /// A person's token names the session and its generation; one that a client got for itself names neither, and
    /// that client twice. There is no third kind.
    fn subject(&self) -> Option<Subject> {
        match (self.sid, self.r#gen) {
            (Some(session), Some(generation)) => Some(Subject::Person { user: self.sub, session, generation }),
            (None, None) if self.client_id == self.sub.to_string() => Some(Subject::Service(self.sub)),
            _ => None,
        }
    }
}

/// What is no token of ours; the same for whatever is wrong with it.
fn unusable() -> Problem {
    let detail = "What was sent is not an access token of this server, or it was altered. A refresh token is none.";
    Problem::new(Code::Unauthenticated).detail(detail)
}

impl Sessions {
    /// Whom `token` speaks for, at this server. It is not used before [`Sessions::used`] says so. Never touches a database or the network. Whether a client's own token was revoked is for
    /// [`crate::app::App::authenticate`] to ask: clients stand above sessions.
    ///
    /// # Errors
    /// `unauthenticated` for what is no token of ours, `token_expired`, `session_revoked`, and `unavailable`
    /// when this instance has not heard of revocations for longer than the configured staleness.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let verified = self.inspect(token, now)?;
        if verified.elsewhere.is_some() {
            return Err(Problem::new(Code::Unauthenticated).detail("This access token is for another service, not for this one."));
        }
        Ok(verified)
    }

    /// Notes that whoever may do so presented the token.
    pub fn used(&self, verified: &Verified, now: Timestamp) {
        self.activity.touch(verified, now);
    }

    /// The same for somebody who was shown the token and asks about it: that does not keep the session alive, and the token
    /// may be for another service.
    ///
    /// # Errors
    /// As [`Sessions::authenticate`].
    pub fn inspect(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>, Problem> {
        if token.len() > TOKEN_MAX {
            return Err(unusable());
        }
        let key = fingerprint(token);
        let verified = match self.verified.get(&key) {
            Some(verified) => verified,
            None => self.verify(token, key, now)?,
        };
        if verified.expires_at <= now {
            return Err(Code::TokenExpired.into());
        }
        if let Subject::Person { session, .. } = verified.subject {
            self.revocations.check(session)?;
        }
        Ok(verified)
    }

    fn verify(&self, token: &str, key: [u8; 32], now: Timestamp) -> Result<Arc<Verified>, Problem> {
        let issuer = self.ground.settings.public_url();
        let claims: ReadClaims = self.ground.signer.verify(ACCESS_TOKEN_TYPE, token, issuer, now).map_err(|error| match error {
            TokenError::Expired => Problem::new(Code::TokenExpired),
            TokenError::Invalid => unusable(),
        })?;
        let audience = match &claims.aud {
            OneOrMany::One(one) => std::slice::from_ref(one),
            OneOrMany::Many(many) => many,
        };
        let elsewhere = (!audience.iter().any(|name| name == issuer)).then(|| audience.into());
        let subject = claims.subject().ok_or(Code::Unauthenticated)?;
        let verified = Arc::new(Verified {
            id: claims.jti,
            subject,
            jkt: claims.cnf.map(|key| key.jkt),
            elsewhere,
            own: is_own(&claims.client_id) && claims.act.is_none(),
            impersonator: claims.act.map(|act| act.sub),
            client: claims.client_id,
            scopes: claims.scope.split_ascii_whitespace().map(str::to_owned).collect(),
            roles: claims.roles,
            issued_at: Timestamp::from_secs(claims.iat),
            expires_at: Timestamp::from_secs(claims.exp),
            touched: AtomicI64::new(i64::MIN),
        });
        if let Subject::Person { session, generation, .. } = subject {
            self.revocations.check(session)?;
            self.activity.first_sight(session, generation);
        }
        self.verified.insert(key, verified.clone());
        Ok(verified)
    }
}

fn fingerprint(token: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    key
}
