//! Waiting until somebody approves (RFC 8628 sections 3.4 and 3.5).

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::super::Failure;
use super::server::{Answer, Endpoints, Server};
use super::tokens::{self, Issued};
use crate::sessions::CLI_CLIENT;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Said when a server does not say (RFC 8628 section 3.2).
const USUAL: u64 = 5;
/// What `slow_down` costs from then on.
const SLOWER: Duration = Duration::from_secs(5);
/// Even a server that asks for no pause is not asked without end.
const SHORTEST: Duration = Duration::from_millis(20);
/// A server that does not answer is asked ever less often, up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// A sign-in that has begun.
#[derive(Debug, Deserialize)]
pub struct Begun {
    device_code: SecretString,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// Seconds until the code ends.
    pub expires_in: u64,
    interval: Option<u64>,
}

/// What a poll heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nobody has decided yet.
    Pending,
    /// That was too soon.
    SlowDown,
    /// Come back in so many seconds.
    Busy(u64),
    /// Nothing.
    Silence,
}

/// How long to wait until the next poll.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    silent: u32,
}

impl Pace {
    /// As the server wants it.
    pub fn new(interval: Option<u64>) -> Self {
        Self { interval: Duration::from_secs(interval.unwrap_or(USUAL)).max(SHORTEST), silent: 0 }
    }

    /// Before the first poll.
    pub const fn first(&self) -> Duration {
        self.interval
    }

    /// After what was heard.
    pub fn after(&mut self, heard: Heard) -> Duration {
        self.silent = if heard == Heard::Silence { (self.silent + 1).min(16) } else { 0 };
        match heard {
            Heard::Pending => self.interval,
            Heard::SlowDown => {
                self.interval += SLOWER;
                self.interval
            }
            Heard::Busy(seconds) => self.interval.max(Duration::from_secs(seconds)),
            // Doubled each time (RFC 8628 section 3.5).
            Heard::Silence => (self.interval.max(Duration::from_secs(1)) * 2_u32.pow(self.silent)).min(LONGEST.max(self.interval)),
        }
    }
}

/// Begins a sign-in.
///
/// # Errors
/// The server has no such sign-in, or refuses it.
pub async fn begin(server: &Server, endpoints: &Endpoints) -> Result<Begun, Failure> {
    let endpoint = endpoints
        .device_authorization_endpoint
        .as_deref()
        .ok_or_else(|| Failure::failed(format!("{} does not sign in devices.", server.address), "Ask whoever runs it to update it."))?;
    let answer = server.form(endpoint, &[("client_id", CLI_CLIENT)]).await.map_err(|error| server.silent(&error))?;
    if !answer.status.is_success() {
        return Err(Failure::failed(format!("{} refuses: {}", server.address, answer.said()), "Try again later."));
    }
    serde_json::from_value(answer.body)
        .map_err(|_| Failure::failed(format!("{} gave no codes.", server.address), "Ask whoever runs it to update it."))
}

/// Polls until somebody has decided.
///
/// # Errors
/// The sign-in was refused, or the code has expired.
pub async fn wait(server: &Server, endpoints: &Endpoints, begun: &Begun) -> Result<Issued, Failure> {
    let all = Duration::from_secs(begun.expires_in);
    match tokio::time::timeout(all, poll(server, endpoints, begun)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(expired()),
    }
}

async fn poll(server: &Server, endpoints: &Endpoints, begun: &Begun) -> Result<Issued, Failure> {
    let mut pace = Pace::new(begun.interval);
    let mut pause = pace.first();
    let parameters = [("grant_type", GRANT), ("device_code", begun.device_code.expose_secret()), ("client_id", CLI_CLIENT)];
    loop {
        tokio::time::sleep(pause).await;
        let heard = match server.form(&endpoints.token_endpoint, &parameters).await {
            Ok(answer) if answer.status.is_success() => return tokens::issued(server, answer),
            Ok(answer) => heard(server, &answer)?,
            Err(_) => Heard::Silence,
        };
        pause = pace.after(heard);
    }
}

/// What a refusal means for the next poll, or that there is none.
fn heard(server: &Server, answer: &Answer) -> Result<Heard, Failure> {
    match answer.code() {
        "authorization_pending" => Ok(Heard::Pending),
        "slow_down" => Ok(Heard::SlowDown),
        "access_denied" => Err(Failure::failed("The sign-in was denied.", "If that was not you, tell whoever runs the server.")),
        "expired_token" => Err(expired()),
        _ if answer.status.as_u16() == 429 => Ok(Heard::Busy(answer.retry_after.unwrap_or(USUAL))),
        _ if answer.status.is_server_error() => Ok(answer.retry_after.map_or(Heard::Silence, Heard::Busy)),
        _ => Err(Failure::failed(format!("{} refuses: {}", server.address, answer.said()), "Begin again with `keystead login`.")),
    }
}

fn expired() -> Failure {
    Failure::failed("Nobody approved the sign-in in time.", "Begin again with `keystead login`.")
}
