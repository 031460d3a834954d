//! Refresh tokens: computed, never stored.
//!
//! `ksr_` + base64url(key id ‖ session id ‖ generation ‖ salt ‖ HMAC-SHA-256(refresh key, session id ‖
//! generation ‖ salt)). The key is needed to make one, and so is the salt, which only the session's row and
//! its holders know: neither a stolen database nor a stolen key yields a token. Because the token carries
//! its salt, a forged one is refused before the database hears of it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::secret::{KeyId, Purpose, RootKeys};

const PREFIX: &str = "ksr_";
const KEY: usize = 4;
const ID: usize = 16;
const GENERATION: usize = 8;
const SALT: usize = 32;
const TAG: usize = 32;
const LENGTH: usize = KEY + ID + GENERATION + SALT + TAG;

/// What a refresh token says. Only [`RefreshToken::open`] makes one from outside, so it is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session.
    pub session: Uuid,
    /// Which of the session's tokens this is, from 0.
    pub generation: i64,
    /// The session's salt.
    pub salt: [u8; 32],
}

impl RefreshToken {
    /// The token as the client gets it.
    pub fn seal(&self, roots: &RootKeys) -> SecretString {
        let generation = self.generation.to_be_bytes();
        let (key, tag) = roots.mac(Purpose::Refresh, &[self.session.as_bytes(), &generation, &self.salt]);
        let mut bytes = [0; LENGTH];
        let parts: [&[u8]; 5] = [&key, self.session.as_bytes(), &generation, &self.salt, &tag];
        let mut at = 0;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let mut text = String::with_capacity(PREFIX.len() + LENGTH * 4 / 3 + 2);
        text.push_str(PREFIX);
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        text.into()
    }

    /// Reads a token and checks that this installation made it; `None` for anything else.
    pub fn open(roots: &RootKeys, token: &SecretString) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let encoded = token.expose_secret().strip_prefix(PREFIX)?;
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes).ok()?;
        if length != LENGTH {
            return None;
        }
        let (key, rest) = bytes.split_at(KEY);
        let (session, rest) = rest.split_at(ID);
        let (generation, rest) = rest.split_at(GENERATION);
        let (salt, tag) = rest.split_at(SALT);
        let key: KeyId = key.try_into().ok()?;
        if !roots.verify(key, Purpose::Refresh, &[session, generation, salt], tag) {
            return None;
        }
        Some(Self {
            session: Uuid::from_slice(session).ok()?,
            generation: i64::from_be_bytes(generation.try_into().ok()?),
            salt: salt.try_into().ok()?,
        })
    }
}
