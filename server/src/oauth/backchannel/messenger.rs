//! Posts logout tokens to addresses that others chose.
//!
//! Outside development that is https to an address on the Internet, or in a network that the operator named, looked at after the name was resolved and before anything is
//! sent, so that a name cannot lead inside. No redirect is followed, no proxy asked, and nothing of the answer is read but its
//! status.

use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{StatusCode, header};
use ipnet::IpNet;
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use url::{Host, Url};

use super::address::is_public;
use crate::ground::Ground;
use crate::jobs::JobError;

const CONNECT: Duration = Duration::from_secs(3);
/// The whole exchange.
const WHOLE: Duration = Duration::from_secs(5);
/// An answer that takes longer is a slow one: it kept those waiting who come after it.
const SLOW: Duration = Duration::from_secs(2);

/// A client took a token.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// It took its time.
    pub slowly: bool,
}

/// Why a client was not told.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Such an address is never called.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Nobody answers there, or not in time.
    #[error("the client does not answer: {0}")]
    Unreachable(String),
    /// It answers that it does not take the token.
    #[error("the client answers {0}")]
    Refused(StatusCode),
}

impl Failure {
    /// The word in the metrics.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "refused",
        }
    }
}

impl From<Failure> for JobError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Forbidden(_) => Self::Dead(failure.to_string()),
            Failure::Unreachable(_) | Failure::Refused(_) => Self::Retry(failure.to_string()),
        }
    }
}

/// The HTTP client of one instance; clones share it.
#[derive(Clone)]
pub struct Messenger {
    reach: Reach,
    /// Made when it is needed first: a machine without certificates must start all the same.
    client: Arc<OnceLock<reqwest::Client>>,
}

impl Messenger {
    /// Calls nobody yet.
    pub fn new(ground: &Ground) -> Self {
        let settings = &ground.settings;
        let reach = Reach { anywhere: settings.is_development(), networks: settings.oauth.backchannel_networks.clone().into() };
        Self { reach, client: Arc::default() }
    }

    /// Posts `token` to `address` (section 2.5).
    ///
    /// # Errors
    /// The client was not told.
    pub async fn post(&self, address: &str, token: &str) -> Result<Told, Failure> {
        let url = self.allowed(address)?;
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
        let request = self.client()?.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let asked = Instant::now();
        let answer = request.send().await.map_err(unreachable)?;
        // What a client says beyond its status is not read: it could be without end.
        match answer.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(Told { slowly: asked.elapsed() > SLOW }),
            status => Err(Failure::Refused(status)),
        }
    }

    /// The address, if it may be called. Names are looked at once they are resolved.
    fn allowed(&self, address: &str) -> Result<Url, Failure> {
        let url = Url::parse(address).map_err(|_| Failure::Forbidden("the address cannot be read"))?;
        if self.reach.anywhere {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err(Failure::Forbidden("the address is not https"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) => None,
            None => return Err(Failure::Forbidden("the address names no host")),
        };
        match literal {
            Some(ip) if !self.reach.has(ip) => Err(Failure::Forbidden("the address is not on the Internet")),
            _ => Ok(url),
        }
    }

    fn client(&self) -> Result<&reqwest::Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = match self.configured().build() {
            Ok(made) => made,
            // A machine without certificates of its own, such as a bare container.
            Err(_) => self.configured().tls_backend_preconfigured(built_in_roots()?).build().map_err(unreachable)?,
        };
        Ok(self.client.get_or_init(|| made))
    }

    fn configured(&self) -> ClientBuilder {
        reqwest::Client::builder()
            .user_agent(concat!("Keystead/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(WHOLE)
            // Clients are told now and then: a connection that is kept would only grow old.
            .pool_max_idle_per_host(0)
            .dns_resolver(Arc::new(Resolver(self.reach.clone())))
    }
}

/// Trusts the authorities that Mozilla trusts.
fn built_in_roots() -> Result<ClientConfig, Failure> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Unreachable(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The innermost cause, which is the one that tells something. It names hosts and addresses of the client at most.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Unreachable(cause.to_string())
}

/// Where clients may be.
#[derive(Clone)]
struct Reach {
    /// Loopback, private addresses and plain http as well: development.
    anywhere: bool,
    /// Besides the Internet.
    networks: Arc<[IpNet]>,
}

impl Reach {
    fn has(&self, ip: IpAddr) -> bool {
        self.anywhere || is_public(ip) || self.networks.iter().any(|network| network.contains(&ip.to_canonical()))
    }
}

/// Resolves names, to addresses where clients may be.
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<_> = found.filter(|address| reach.has(address.ip())).collect();
            if found.is_empty() {
                return Err("the name leads to no address on the Internet".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
