//! Join tokens as LiveKit verifies them: a JWT (HS256) under the secret that belongs to the API key in `iss`. The room is named in
//! it, so it opens no other.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Voice;
use crate::error::Problem;
use crate::time::Timestamp;

/// The media server, as it is configured.
#[derive(Clone, Copy)]
pub(super) struct LiveKit<'a> {
    /// Where clients connect.
    pub url: &'a str,
    key: &'a str,
    secret: &'a SecretString,
}

/// What a token grants in its room.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Video<'a> {
    room: &'a str,
    room_join: bool,
    can_publish: bool,
    can_subscribe: bool,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    jti: Uuid,
    nbf: i64,
    exp: i64,
    video: Video<'a>,
}

/// What is read of a token that comes back; the rest stands in the store.
#[derive(Deserialize)]
pub(super) struct Presented {
    /// Its id.
    pub jti: Uuid,
}

impl<'a> LiveKit<'a> {
    /// The media server, if there is one.
    pub fn of(voice: &'a Voice) -> Option<Self> {
        let (url, key) = (voice.livekit_url.as_deref()?, voice.livekit_api_key.as_deref()?);
        Some(Self { url, key, secret: voice.livekit_api_secret.as_ref()? })
    }

    /// A token by which `participant` joins `room`, from `now` to `expires`; it says and hears everything there.
    pub fn token(self, id: Uuid, participant: &str, room: &str, now: Timestamp, expires: Timestamp) -> Result<String, Problem> {
        let video = Video { room, room_join: true, can_publish: true, can_subscribe: true };
        let claims = Claims { iss: self.key, sub: participant, jti: id, nbf: now.as_secs(), exp: expires.as_secs(), video };
        let key = EncodingKey::from_secret(self.secret.expose_secret().as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Problem::internal)
    }

    /// Reads a token that was issued with this API key and its secret; `None` for everything else. Whether it is good at this moment
    /// is for the store to say, by the one clock of the request.
    pub fn read(self, token: &str) -> Option<Presented> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[self.key]);
        validation.set_required_spec_claims(&["iss"]);
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let key = DecodingKey::from_secret(self.secret.expose_secret().as_bytes());
        jsonwebtoken::decode::<Presented>(token, &key, &validation).ok().map(|read| read.claims)
    }
}
