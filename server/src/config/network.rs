//! Addresses, origins, and the proxies that are believed.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use super::fault::{Wrong, wrong};
use super::parse;

/// Whose forwarding headers are believed.
#[derive(Clone, Debug, PartialEq)]
pub enum TrustedProxies {
    /// Nobody's: the peer of the connection is the client.
    None,
    /// That many proxies stand in front, whatever their addresses.
    Hops(u8),
    /// Peers inside these networks.
    Networks(Vec<IpNet>),
}

/// Whether `host` (a name, or an address with or without brackets) is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// An address to bind to, without port.
pub(super) fn host(text: &str) -> Result<String, Wrong> {
    let bare = text.trim().trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let is_name = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_name && bare.bytes().any(|b| b.is_ascii_alphabetic()) {
        return Ok(bare.to_owned());
    }
    wrong("is not a host name or an IP address", "use `127.0.0.1`, `0.0.0.0`, `::` or a host name; the port goes into PORT")
}

/// An address with port, or `off`.
pub(super) fn address(text: &str) -> Result<Option<SocketAddr>, Wrong> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let numeric = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    match numeric.parse() {
        Ok(address) => Ok(Some(address)),
        Err(_) => wrong("is not an IP address with a port", "use `127.0.0.1:9464`, `0.0.0.0:9464` or `off`"),
    }
}

/// Comma-separated origins as browsers send them; `*` alone stands for any.
pub(super) fn origins(text: &str) -> Result<Vec<String>, Wrong> {
    let origins = parse::list(text).map(origin).collect::<Result<Vec<_>, _>>()?;
    match origins.len() {
        0 => wrong("names no origin", "list origins such as `https://app.example.com`, or remove the setting"),
        1 => Ok(origins),
        _ if origins.iter().any(|o| o == "*") => wrong("mixes `*` with origins", "list the origins alone"),
        _ => Ok(origins),
    }
}

fn origin(text: &str) -> Result<String, Wrong> {
    const MEND: &str = "write scheme and host, and the port if it is unusual, such as `https://app.example.com`; list each one";
    if text == "*" {
        return Ok(text.to_owned());
    }
    let Ok(url) = Url::parse(text) else { return wrong("holds something that is not an origin", MEND) };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain || url.path() != "/" || text.contains('*') {
        return wrong("holds something that is not an origin", MEND);
    }
    Ok(url.origin().ascii_serialization())
}

/// `hops:N`, or comma-separated networks and addresses.
pub(super) fn proxies(text: &str) -> Result<TrustedProxies, Wrong> {
    const MEND: &str = "list networks such as `10.0.0.0/8,fd00::/8`, or the number of proxies in front as `hops:1`";
    if let Some(hops) = text.trim().strip_prefix("hops:") {
        return match hops.trim().parse::<u8>() {
            Ok(hops @ 1..=16) => Ok(TrustedProxies::Hops(hops)),
            _ => wrong("names an impossible number of proxies", "use `hops:1` to `hops:16`"),
        };
    }
    let networks: Option<Vec<IpNet>> = parse::list(text).map(network).collect();
    match networks {
        Some(networks) if !networks.is_empty() => Ok(TrustedProxies::Networks(networks)),
        _ => wrong("holds something that is not a network", MEND),
    }
}

/// Comma-separated networks and addresses.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, Wrong> {
    let networks: Option<Vec<IpNet>> = parse::list(text).map(network).collect();
    match networks {
        Some(networks) if !networks.is_empty() => Ok(networks),
        _ => wrong("holds something that is not a network", "list networks such as `10.0.0.0/8,fd00::/8`"),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().map(|net| net.trunc()).or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// The host of a parsed URL is this machine.
pub(super) fn url_is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => is_loopback(name),
        None => false,
    }
}
