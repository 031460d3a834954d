//! Tokens: read from an answer, kept, and renewed before they run out.
//!
//! Renewing is done by one command at a time. Whoever waited for the lock finds the new tokens in the file and uses them.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::super::Failure;
use super::credentials::{Credentials, Kept, Lock, Tokens};
use super::not_signed_in;
use super::server::{Answer, Server};
use crate::sessions::CLI_CLIENT;
use crate::time::Clock;

/// A token that ends sooner is renewed first: the request takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// Tokens as a server issues them (RFC 6749 section 5.1).
#[derive(Deserialize)]
pub struct Issued {
    access_token: SecretString,
    expires_in: Option<u64>,
    refresh_token: Option<SecretString>,
}

/// Reads an answer of the token endpoint.
///
/// # Errors
/// It has no tokens.
pub fn issued(server: &Server, answer: Answer) -> Result<Issued, Failure> {
    serde_json::from_value(answer.body)
        .map_err(|_| Failure::failed(format!("{} gave no tokens.", server.address), "Ask whoever runs it to update it."))
}

impl Issued {
    /// What is kept of them. A server may leave the refresh token as it was (RFC 6749 section 6).
    ///
    /// # Errors
    /// There is nothing to go on with.
    pub fn into_tokens(self, server: &Server, before: Option<&Tokens>) -> Result<Tokens, Failure> {
        let refresh = self.refresh_token.or_else(|| before.map(|tokens| tokens.refresh.clone()));
        let refresh = refresh
            .ok_or_else(|| Failure::failed(format!("{} gave no refresh token.", server.address), "Ask whoever runs it to update it."))?;
        let lasts = Duration::from_secs(self.expires_in.unwrap_or(0));
        Ok(Tokens { access: self.access_token, expires_at: Clock::system().now().plus(lasts), refresh })
    }
}

/// An access token that is good now.
///
/// # Errors
/// Nobody is signed in there, or the session has ended.
pub async fn good(server: &Server, credentials: &Credentials) -> Result<Tokens, Failure> {
    match kept(&credentials.read()?, server)? {
        tokens if is_fresh(&tokens) => Ok(tokens),
        old => renew(server, credentials, &old).await,
    }
}

/// The tokens that follow on `old`: those of whoever was faster, or new ones.
///
/// # Errors
/// As [`good`].
pub async fn renew(server: &Server, credentials: &Credentials, old: &Tokens) -> Result<Tokens, Failure> {
    let lock = credentials.lock()?;
    let now = kept(&credentials.read()?, server)?;
    if now.access.expose_secret() != old.access.expose_secret() && is_fresh(&now) {
        return Ok(now);
    }
    let endpoints = server.endpoints().await?;
    let refresh = now.refresh.expose_secret();
    let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", CLI_CLIENT)];
    let answer = server.form(&endpoints.token_endpoint, &parameters).await.map_err(|error| server.silent(&error))?;
    if answer.code() == "invalid_grant" {
        return Err(ended(server, &lock)?);
    }
    if !answer.status.is_success() {
        return Err(Failure::failed(format!("{} refuses: {}", server.address, answer.said()), "Try again later."));
    }
    let tokens = issued(server, answer)?.into_tokens(server, Some(&now))?;
    lock.change(|kept| kept.put(&server.address, &tokens))?;
    Ok(tokens)
}

/// Forgets tokens that are good for nothing any more.
fn ended(server: &Server, lock: &Lock<'_>) -> Result<Failure, Failure> {
    lock.change(|kept| kept.remove(&server.address))?;
    let what = format!("Your session at {} has ended.", server.address);
    Ok(Failure::failed(what, format!("Sign in with `keystead login --server {}`.", server.address)))
}

fn kept(kept: &Kept, server: &Server) -> Result<Tokens, Failure> {
    kept.tokens(&server.address).ok_or_else(|| not_signed_in(&server.address))
}

fn is_fresh(tokens: &Tokens) -> bool {
    Clock::system().now().plus(MARGIN) < tokens.expires_at
}

/// Gives the session of `tokens` back; whether the server took it.
///
/// # Errors
/// It cannot be reached.
pub async fn revoke(server: &Server, tokens: &Tokens) -> Result<bool, Failure> {
    let Some(endpoint) = server.endpoints().await?.revocation_endpoint else { return Ok(false) };
    let parameters = [("token", tokens.refresh.expose_secret()), ("token_type_hint", "refresh_token"), ("client_id", CLI_CLIENT)];
    let answer = server.form(&endpoint, &parameters).await.map_err(|error| server.silent(&error))?;
    Ok(answer.status.is_success())
}
