//! Who is really calling: the client's address behind the proxies that we trust, and nobody else's word.
//!
//! Only `X-Forwarded-For` is read, from the right, because every proxy appends to it what it saw
//! itself. `Forwarded` (RFC 7239) is ignored: hardly a proxy writes it, and honouring a header that
//! the proxy in front does not overwrite would let anyone forge it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::config::TrustedProxies;

/// Nobody stands behind more proxies than this; a longer list is somebody's joke.
const LONGEST_WALK: usize = 32;

/// The address of the client: the connection's peer, or what trusted proxies say about it.
/// IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2) are given as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);

impl ClientIp {
    /// Derives the client's address from the connection's `peer` and the request's headers.
    pub fn derive(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let peer = peer.to_canonical();
        Self(match trusted {
            TrustedProxies::None => peer,
            TrustedProxies::Hops(hops) => behind_hops(peer, headers, usize::from(*hops)),
            TrustedProxies::Networks(networks) => behind_networks(peer, headers, networks),
        })
    }

    /// What limits count by; see [`limit_key`].
    pub fn limit_key(self) -> LimitKey {
        limit_key(self.0)
    }
}

/// What stands for an address when requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LimitKey {
    bytes: [u8; 8],
    len: usize,
}

impl AsRef<[u8]> for LimitKey {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The four bytes of an IPv4 address; of an IPv6 address the /64, because one household has them all.
pub fn limit_key(ip: IpAddr) -> LimitKey {
    let mut bytes = [0; 8];
    let len = match ip.to_canonical() {
        IpAddr::V4(v4) => {
            bytes[..4].copy_from_slice(&v4.octets());
            4
        }
        IpAddr::V6(v6) => {
            bytes.copy_from_slice(&v6.octets()[..8]);
            8
        }
    };
    LimitKey { bytes, len }
}

/// The header's entries from the right, up to the first one that is no address.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = IpAddr> + '_ {
    headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
        .take(LONGEST_WALK)
        .map_while(|entry| address(std::str::from_utf8(entry).ok()?.trim()))
}

/// An address, with or without a port, as proxies write it.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|at| at.ip()))?;
    Some(ip.to_canonical())
}

fn behind_hops(peer: IpAddr, headers: &HeaderMap, hops: usize) -> IpAddr {
    forwarded(headers).take(hops).last().unwrap_or(peer)
}

fn behind_networks(peer: IpAddr, headers: &HeaderMap, networks: &[IpNet]) -> IpAddr {
    let is_proxy = |ip: &IpAddr| networks.iter().any(|network| network.contains(ip));
    let mut client = peer;
    for entry in forwarded(headers) {
        if !is_proxy(&client) {
            break;
        }
        client = entry;
    }
    client
}
