//! What a PostgreSQL URL says, told without connecting, so that settings are checked before anything is opened.

use std::net::IpAddr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where a PostgreSQL URL leads.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresTarget {
    /// The URL in the form that [`Db::open`](super::Db::open) takes. Secret.
    pub url: String,
    /// Every host is this machine or a socket of it.
    pub is_loopback: bool,
    /// The connection is refused when it cannot be encrypted.
    pub requires_tls: bool,
}

/// Why a text is no PostgreSQL URL. What the driver says could hold pieces of the URL; it is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Another scheme.
    #[error("is not a PostgreSQL URL")]
    Scheme,
    /// Not what the driver can read.
    #[error("is not a usable PostgreSQL URL")]
    Unusable,
    /// A URL without a host.
    #[error("names no host")]
    NoHost,
}

impl std::fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = (self.is_loopback, self.requires_tls);
        f.debug_struct("PostgresTarget").field("is_loopback", &known.0).field("requires_tls", &known.1).finish_non_exhaustive()
    }
}

impl PostgresTarget {
    /// Reads `postgres://…` or `postgresql://…`. `verify-ca` and `verify-full` become `require`: the driver knows only
    /// that word, and with it Keystead always verifies the certificate and the name.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or(TargetError::Scheme)?;
        let url =
            format!("postgres://{rest}").replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
        let (bare, _) = take_root_certificate(&url);
        let config: Config = bare.parse().map_err(|_| TargetError::Unusable)?;
        if config.get_hosts().is_empty() {
            return Err(TargetError::NoHost);
        }
        Ok(Self { is_loopback: is_local(&config), requires_tls: config.get_ssl_mode() == SslMode::Require, url })
    }
}

/// Whether the server is on this machine, where the loopback needs no encryption.
pub(super) fn is_local(config: &Config) -> bool {
    let local = |host: &Host| match host {
        Host::Tcp(name) => is_loopback(name),
        Host::Unix(_) => true,
    };
    // `hostaddr` is where the driver really connects to, whatever `host` says.
    config.get_hosts().iter().all(local) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// libpq's `sslrootcert`, which the driver does not know: the URL without it, and the path.
pub(super) fn take_root_certificate(url: &str) -> (String, Option<String>) {
    let Ok(mut parsed) = url::Url::parse(url) else { return (url.to_owned(), None) };
    let mut root = None;
    let kept: Vec<(String, String)> = parsed
        .query_pairs()
        .filter(|(name, value)| {
            let is_root = name == "sslrootcert";
            if is_root {
                root = Some(value.to_string());
            }
            !is_root
        })
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if root.is_none() {
        return (url.to_owned(), None);
    }
    parsed.set_query(None);
    if !kept.is_empty() {
        parsed.query_pairs_mut().extend_pairs(kept);
    }
    (parsed.into(), root)
}
