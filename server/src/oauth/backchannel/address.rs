//! Which addresses are on the Internet. What is not could be a part of the network that this server stands in, which nobody
//! who registers a client should reach through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether anybody on the Internet could be at `ip`: not this machine, not a private network, not a special purpose (the
/// registries of RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let special = match ip.octets() {
        // This network; carrier-grade NAT; protocol assignments; 6to4 relays; benchmarks; multicast and what is reserved.
        [0, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] | [224..=255, ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        _ => false,
    };
    !(special || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    match ip.segments() {
        // Protocol assignments (Teredo among them, which carries an IPv4 address); documentation; 6to4, which carries one, too.
        [0x2001, second, ..] if second < 0x200 => false,
        [0x2001, 0xdb8, ..] | [0x2002, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Global unicast is 2000::/3; NAT64, unique local, link local and all else is outside.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
