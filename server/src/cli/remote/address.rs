//! The address of a server: https, or plain http to this very machine.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

/// Scheme, host and port of a server, which is its issuer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(String);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence that says why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let no_address =
            || "This is not an address; write it with its scheme, as in `https://id.example.com` or `http://localhost:8080`.".to_owned();
        let url = Url::parse(text).map_err(|_| no_address())?;
        if url.host().is_none() {
            // `localhost:8080` reads as a scheme.
            return Err(no_address());
        }
        if !is_safe(&url) {
            return Err("Tokens travel over https only, except to this machine (http://localhost).".to_owned());
        }
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if !bare || url.path() != "/" {
            return Err("Name scheme, host and port alone, such as `https://id.example.com`.".to_owned());
        }
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// As text, without trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of `path` on this server.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Whether connections to it never leave this machine.
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| is_loopback(&url))
    }

    /// Whether `url` is on this server.
    pub fn has(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin().ascii_serialization() == self.0)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether nobody on the way can read or change what is said there.
pub fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}
