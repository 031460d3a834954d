//! Credentials for a TURN server that shares a secret with us, in the form of coturn's `use-auth-secret`
//! (draft-uberti-behave-turn-rest): the name says until when, the password proves that we gave it.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Voice;
use crate::time::Timestamp;

/// Servers for a peer connection, in the form that `RTCPeerConnection` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IceServer)]
pub(super) struct IceServer {
    /// STUN or TURN URIs.
    pub urls: Vec<String>,
    /// The name; only with TURN, which asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub username: Option<String>,
    /// The password; only with TURN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub credential: Option<String>,
}

/// The servers that are configured, with credentials of `participant` until `expires` where they ask for them.
pub(super) fn ice_servers(voice: &Voice, participant: &str, expires: Timestamp) -> Vec<IceServer> {
    let urls = voice.turn_urls.as_deref().unwrap_or_default();
    let (stun, turn): (Vec<_>, Vec<_>) = urls.iter().cloned().partition(|uri| uri.starts_with("stun"));
    let mut servers = Vec::new();
    if !stun.is_empty() {
        servers.push(IceServer { urls: stun, username: None, credential: None });
    }
    if let (false, Some(secret)) = (turn.is_empty(), &voice.turn_secret) {
        let username = format!("{}:{participant}", expires.as_secs());
        let credential = credential(secret, &username);
        servers.push(IceServer { urls: turn, username: Some(username), credential: Some(credential) });
    }
    servers
}

/// SHA-1 is what these servers speak. As a MAC it is not broken, and what it guards is a relay for minutes.
fn credential(secret: &SecretString, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose_secret().as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}
