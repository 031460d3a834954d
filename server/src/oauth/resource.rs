//! What access tokens are for (RFC 8707): this server, and the services that a client was registered for.

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::client::Client;
use super::error::{OAuthCode, OAuthError};
use super::form::Form;

const LENGTH_MAX: usize = 2048;

/// Checks the name of a service that is to be registered.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check(resource: &str) -> Result<(), &'static str> {
    if resource.len() > LENGTH_MAX || !resource.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Err("Use at most 2048 visible ASCII characters.");
    }
    if Url::parse(resource).is_err() {
        return Err("Use an absolute URI, such as https://api.example.com.");
    }
    if resource.contains('#') { Err("A resource has no fragment (RFC 8707).") } else { Ok(()) }
}

/// `aud` of a token: one text, or several.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// What a token for `resources` says; for none, that it is for this server.
    pub(super) fn of(mut resources: Vec<String>, issuer: &str) -> Self {
        match resources.len() {
            0 => Self::One(issuer.to_owned()),
            1 => Self::One(resources.remove(0)),
            _ => Self::Many(resources),
        }
    }
}

/// The services that a request names with `resource`, each once; none: this server. All of them must be registered.
pub(super) fn asked(client: &Client, form: &Form, issuer: &str) -> Result<Vec<String>, OAuthError> {
    let mut asked: Vec<String> = Vec::new();
    for resource in form.all("resource") {
        if resource != issuer && !client.party.resources.iter().any(|known| known == resource) {
            let sentence = "The client was not registered for one of these resources.";
            return Err(OAuthError::new(OAuthCode::InvalidTarget, sentence));
        }
        if !asked.iter().any(|known| known == resource) {
            asked.push(resource.to_owned());
        }
    }
    Ok(plain(asked, issuer))
}

/// To ask for a token for this server alone is to ask for nothing special.
fn plain(resources: Vec<String>, issuer: &str) -> Vec<String> {
    if resources.iter().all(|resource| resource == issuer) { Vec::new() } else { resources }
}
