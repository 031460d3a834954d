//! Requests to a server, and what it says about itself (RFC 8414).

use std::time::Duration;

use http::StatusCode;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::super::Failure;
use super::address::Address;
use super::plain;

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(30);
/// Far more than any answer has.
const LONGEST: usize = 1 << 20;

/// A server that can be spoken to.
pub struct Server {
    /// Where it is.
    pub address: Address,
    client: Client,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Seconds of `Retry-After`.
    pub retry_after: Option<u64>,
    /// The body; null when it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The code of a refusal: of OAuth, or of a problem.
    pub fn code(&self) -> &str {
        let named = |member: &str| self.body[member].as_str();
        named("code").or_else(|| named("error")).unwrap_or_default()
    }

    /// What was refused and why, for people.
    pub fn said(&self) -> String {
        let sentence = ["detail", "error_description", "error"].iter().find_map(|member| self.body[*member].as_str());
        sentence.map_or_else(|| format!("It answered {}.", self.status), plain)
    }
}

/// Where what is done.
#[derive(Debug, Deserialize)]
pub struct Endpoints {
    issuer: String,
    /// Tokens are issued and renewed there.
    pub token_endpoint: String,
    /// Sign-ins begin there; a server without the device grant has none.
    pub device_authorization_endpoint: Option<String>,
    /// Tokens are given back there.
    pub revocation_endpoint: Option<String>,
}

impl Endpoints {
    fn all_on(&self, address: &Address) -> bool {
        let optional = [&self.device_authorization_endpoint, &self.revocation_endpoint];
        optional.into_iter().flatten().chain([&self.token_endpoint]).all(|endpoint| address.has(endpoint))
    }
}

impl Server {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// This machine has no certificates to know servers by.
    pub fn new(address: Address) -> Result<Self, Failure> {
        let system = match std::env::consts::OS {
            "linux" => "Linux",
            "macos" => "Mac OS X",
            "windows" => "Windows",
            other => other,
        };
        let name = format!("Keystead-CLI/{} ({system})", env!("CARGO_PKG_VERSION"));
        let builder = Client::builder().user_agent(name).redirect(Policy::none()).connect_timeout(CONNECT).timeout(WHOLE);
        // What never leaves this machine goes through no proxy and needs no certificate.
        let builder = if address.is_loopback() && address.as_str().starts_with("http:") {
            builder.no_proxy().tls_certs_only([])
        } else {
            builder.https_only(true)
        };
        let client = builder.build().map_err(|error| {
            let mend = "Install your system's certificates (Debian: the package ca-certificates).";
            Failure::failed(format!("No secure connection can be made from this machine: {}.", cause(&error)), mend)
        })?;
        Ok(Self { address, client })
    }

    /// The server's endpoints, all on the server itself.
    ///
    /// # Errors
    /// There is no such server, or it says that it is another one.
    pub async fn endpoints(&self) -> Result<Endpoints, Failure> {
        let address = &self.address;
        let answer = self.get("/.well-known/oauth-authorization-server", None).await?;
        let read = answer.status.is_success().then(|| serde_json::from_value::<Endpoints>(answer.body).ok()).flatten();
        let endpoints = read.ok_or_else(|| {
            Failure::failed(format!("There is no Keystead at {address}."), "Compare the address with the one you were given.")
        })?;
        if endpoints.issuer != address.as_str() {
            let issuer = plain(&endpoints.issuer);
            return Err(Failure::failed(
                format!("The server at {address} says that its address is {issuer}."),
                format!("If that is the server you mean, use `--server {issuer}`."),
            ));
        }
        if !endpoints.all_on(address) {
            return Err(Failure::failed(
                format!("The server at {address} sends tokens elsewhere."),
                "Do not sign in there; tell whoever runs it.",
            ));
        }
        Ok(endpoints)
    }

    /// GET of `path`, with an access token or without.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn get(&self, path: &str, token: Option<&SecretString>) -> Result<Answer, Failure> {
        let request = self.client.get(self.address.at(path));
        let request = match token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        self.send(request).await.map_err(|error| self.silent(&error))
    }

    /// POST of a form to an endpoint.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn form(&self, endpoint: &str, parameters: &[(&str, &str)]) -> Result<Answer, reqwest::Error> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let request = self.client.post(endpoint).header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        self.send(request).await
    }

    /// Nobody answered, in words.
    pub fn silent(&self, error: &reqwest::Error) -> Failure {
        let what = format!("{} does not answer: {}.", self.address, cause(error));
        Failure::failed(what, "Check the address and the network, then try again.")
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        let response = request.header(http::header::ACCEPT, "application/json").send().await?;
        let status = response.status();
        let seconds = response.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = serde_json::from_slice(&read(response).await?).unwrap_or(Value::Null);
        Ok(Answer { status, retry_after: seconds, body })
    }
}

/// The body; one without end is cut, and then is no JSON.
async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LONGEST {
            break;
        }
    }
    Ok(bytes)
}

/// The innermost cause, which is the one that tells something; the address was named already.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    plain(&cause.to_string()).trim_end_matches('.').to_owned()
}
