//! LiveKit and TURN, which voice sessions hand out credentials for.

use std::time::Duration;

use secrecy::SecretString;

use super::fault::Fault;
use super::values::Values;
use super::{parse, urls};

/// `KEYSTEAD_VOICE__…`; without the three of LiveKit there are no voice tokens.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Where clients connect.
    pub livekit_url: Option<String>,
    /// Issuer of the tokens.
    pub livekit_api_key: Option<String>,
    /// Signs the tokens (HS256).
    pub livekit_api_secret: Option<SecretString>,
    /// TURN and STUN URIs handed to clients.
    pub turn_urls: Option<Vec<String>>,
    /// Shared secret of the TURN server.
    pub turn_secret: Option<SecretString>,
    /// Life of a token.
    pub token_ttl: Duration,
    /// A voice session unused for this long expires.
    pub idle_ttl: Duration,
}

impl Voice {
    pub(super) fn from(values: &Values) -> Result<Self, Fault> {
        Ok(Self {
            livekit_url: values.optional("voice.livekit_url", urls::socket)?,
            livekit_api_key: values.optional("voice.livekit_api_key", parse::text)?,
            livekit_api_secret: values.secret("voice.livekit_api_secret")?,
            turn_urls: values.optional("voice.turn_urls", urls::turn)?,
            turn_secret: values.secret("voice.turn_secret")?,
            token_ttl: values.get("voice.token_ttl", parse::span)?,
            idle_ttl: values.get("voice.idle_ttl", parse::span)?,
        })
    }
}
