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
use moka::sync::Cache;
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::address::is_public;
use crate::ground::Ground;
use crate::jobs::JobError;

const CONNECT: Duration = Duration::from_secs(3);
/// The whole exchange: few jobs run at a time, and a client that hangs must not hold up the mail.
const WHOLE: Duration = Duration::from_secs(5);
/// How long a client that did not answer is left alone: a thousand sessions of it that end together must not keep every
/// worker waiting for it a thousand times.
const LEFT_ALONE: Duration = Duration::from_secs(10);
const LEFT_ALONE_MAX: u64 = 10_000;

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
    /// Addresses where nobody answered a moment ago, and why.
    silent: Cache<String, String>,
}

impl Messenger {
    /// Calls nobody yet.
    pub fn new(ground: &Ground) -> Self {
        let silent = Cache::builder().max_capacity(LEFT_ALONE_MAX).time_to_live(LEFT_ALONE).build();
        let settings = &ground.settings;
        let reach = Reach { anywhere: settings.is_development(), networks: settings.oauth.backchannel_networks.clone().into() };
        Self { reach, client: Arc::default(), silent }
    }

    /// Posts `token` to `address` (section 2.5).
    ///
    /// # Errors
    /// The client was not told.
    pub async fn post(&self, address: &str, token: &str) -> Result<(), Failure> {
        let url = self.allowed(address)?;
        if let Some(why) = self.silent.get(address) {
            return Err(Failure::Unreachable(format!("{why} (a moment ago, so it was not asked again)")));
        }
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", token).finish();
        let request = self.client()?.post(url).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.map_err(unreachable).inspect_err(|failure| {
            if let Failure::Unreachable(why) = failure {
                self.silent.insert(address.to_owned(), why.clone());
            }
        })?;
        // What a client says beyond its status is not read: it could be without end.
        match answer.status() {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
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
