//! Who is signed in, as the server says it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Failure;
use super::credentials::{Credentials, Tokens};
use super::server::Server;
use super::{not_signed_in, plain, tokens};

/// A person, their session, and what they may do with it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Where.
    #[serde(default)]
    pub server: String,
    /// The person.
    pub user: Value,
    /// The session.
    pub session: Value,
    /// What the access token carries.
    pub scopes: Vec<String>,
    /// When the access token ends; it is renewed by itself.
    pub expires_at: String,
}

impl Identity {
    /// `Ada Lovelace <ada@example.com>`.
    pub fn person(&self) -> String {
        format!("{} <{}>", self.user("name"), self.user("email"))
    }

    /// A member of the person, fit to be shown.
    pub fn user(&self, member: &str) -> String {
        text(&self.user[member])
    }

    /// A member of the session, fit to be shown.
    pub fn session(&self, member: &str) -> String {
        text(&self.session[member])
    }

    /// Each line that people are shown.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let list = |words: &mut dyn Iterator<Item = String>| {
            let words: Vec<String> = words.collect();
            if words.is_empty() { "–".to_owned() } else { words.join(" ") }
        };
        vec![
            ("Server", self.server.clone()),
            ("Person", self.person()),
            ("Id", self.user("id")),
            ("Roles", list(&mut self.user["roles"].as_array().into_iter().flatten().map(text))),
            ("Scopes", list(&mut self.scopes.iter().map(|scope| plain(scope)))),
            ("Session", self.session("id")),
            ("Since", self.session("createdAt")),
            ("Ends", format!("{}, at the latest; {} when unused", self.session("expiresAt"), self.session("idleExpiresAt"))),
        ]
    }
}

fn text(value: &Value) -> String {
    value.as_str().map(plain).unwrap_or_default()
}

/// Asks with a good access token; with a new one when the server does not find it good.
///
/// # Errors
/// Nobody is signed in, or the server does not answer.
pub async fn ask(server: &Server, credentials: &Credentials) -> Result<Identity, Failure> {
    let first = tokens::good(server, credentials).await?;
    if let Some(identity) = try_with(server, &first).await? {
        return Ok(identity);
    }
    let second = tokens::renew(server, credentials, &first).await?;
    try_with(server, &second).await?.ok_or_else(|| not_signed_in(&server.address))
}

/// `None` when the token is not good.
async fn try_with(server: &Server, tokens: &Tokens) -> Result<Option<Identity>, Failure> {
    let answer = server.get("/api/v1/auth/verify", Some(&tokens.access)).await?;
    if answer.status.as_u16() == 401 {
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(Failure::failed(format!("{} refuses: {}", server.address, answer.said()), "Try again later."));
    }
    let read: Identity = serde_json::from_value(answer.body)
        .map_err(|_| Failure::failed(format!("{} does not say who you are.", server.address), "Ask whoever runs it to update it."))?;
    Ok(Some(Identity { server: server.address.as_str().to_owned(), ..read }))
}
