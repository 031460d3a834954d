use http::HeaderMap;
use keystead::config::TrustedProxies;
use keystead::http::{ClientIp, limit_key};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn networks(list: &[&str]) -> TrustedProxies {
    TrustedProxies::Networks(list.iter().map(|network| network.parse().unwrap()).collect())
}

fn derive(peer: &str, forwarded: &[&str], trusted: &TrustedProxies) -> String {
    let mut headers = HeaderMap::new();
    for line in forwarded {
        headers.append("x-forwarded-for", line.parse().unwrap());
    }
    ClientIp::derive(peer.parse().unwrap(), &headers, trusted).0.to_string()
}

#[test]
fn only_trusted_proxies_are_believed() {
    let ours = networks(&["10.0.0.0/8", "fd00::/8"]);
    let cases: &[(&str, &[&str], &TrustedProxies, &str)] = &[
        // Nobody is trusted: the header is air.
        ("192.0.2.1", &["203.0.113.9"], &TrustedProxies::None, "192.0.2.1"),
        ("192.0.2.1", &["203.0.113.9"], &ours, "192.0.2.1"),
        ("192.0.2.1", &["203.0.113.9"], &TrustedProxies::Hops(0), "192.0.2.1"),
        // One proxy, and one with a forged entry before the true one.
        ("10.0.0.1", &["203.0.113.9"], &ours, "203.0.113.9"),
        ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], &ours, "203.0.113.9"),
        ("192.0.2.1", &["1.1.1.1, 203.0.113.9"], &TrustedProxies::Hops(1), "203.0.113.9"),
        // Two proxies, in one line and in two.
        ("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &ours, "203.0.113.9"),
        ("10.0.0.1", &["1.1.1.1, 203.0.113.9", "10.0.0.2"], &ours, "203.0.113.9"),
        ("192.0.2.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &TrustedProxies::Hops(2), "203.0.113.9"),
        // Fewer entries than proxies.
        ("10.0.0.1", &["10.0.0.2"], &ours, "10.0.0.2"),
        ("192.0.2.1", &["203.0.113.9"], &TrustedProxies::Hops(3), "203.0.113.9"),
        ("10.0.0.1", &[], &ours, "10.0.0.1"),
        // Garbage stops the walk where it stands.
        ("10.0.0.1", &["203.0.113.9, unknown"], &ours, "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, unknown, 10.0.0.2"], &ours, "10.0.0.2"),
        ("10.0.0.1", &["203.0.113.9,"], &ours, "10.0.0.1"),
        ("192.0.2.1", &["'; drop table users"], &TrustedProxies::Hops(1), "192.0.2.1"),
        // Ports, brackets, mapped addresses.
        ("10.0.0.1", &["203.0.113.9:4711"], &ours, "203.0.113.9"),
        ("10.0.0.1", &["[2001:db8::1]:4711"], &ours, "2001:db8::1"),
        ("10.0.0.1", &["[2001:db8::1]"], &ours, "2001:db8::1"),
        ("10.0.0.1", &["::ffff:203.0.113.9"], &ours, "203.0.113.9"),
        ("::ffff:10.0.0.1", &["203.0.113.9"], &ours, "203.0.113.9"),
        ("::ffff:192.0.2.1", &["203.0.113.9"], &TrustedProxies::None, "192.0.2.1"),
        ("fd00::1", &["2001:db8::1"], &ours, "2001:db8::1"),
    ];
    for (peer, forwarded, trusted, expected) in cases {
        assert_eq!(derive(peer, forwarded, trusted), *expected, "{peer} {forwarded:?} {trusted:?}");
    }
}

#[test]
fn limits_count_ipv6_by_network() {
    let key = |ip: &str| limit_key(ip.parse().unwrap()).as_ref().to_vec();
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("192.0.2.1"), [192, 0, 2, 1]);
    assert_eq!(key("::ffff:192.0.2.1"), [192, 0, 2, 1]);
}

proptest! {
    /// Whatever a client writes into the header, behind one trusted proxy it is counted by what the proxy saw.
    #[test]
    fn a_forged_header_changes_nothing(forged in "[ -~]{0,200}", seen: u32) {
        let seen = IpAddr::V4(Ipv4Addr::from(seen));
        let proxy = "10.9.8.7";
        prop_assume!(!matches!(seen, IpAddr::V4(v4) if v4.octets()[0] == 10));
        let line = format!("{forged}, {seen}");
        prop_assert_eq!(derive(proxy, &[&line], &networks(&["10.0.0.0/8"])), seen.to_string());
        prop_assert_eq!(derive(proxy, &[&line], &TrustedProxies::Hops(1)), seen.to_string());
        prop_assert_eq!(derive(proxy, &[&line], &TrustedProxies::None), proxy);
    }

    /// Nothing in the header makes it panic or gives an address that neither the peer nor the header has.
    #[test]
    fn any_bytes_are_survived(line in prop::collection::vec(prop_oneof![9u8..10, 32u8..127, 128u8..=255], 0..120), peer: u128, hops: u8) {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", http::HeaderValue::from_bytes(&line).unwrap());
        let peer = IpAddr::V6(Ipv6Addr::from(peer));
        ClientIp::derive(peer, &headers, &TrustedProxies::Hops(hops));
        ClientIp::derive(peer, &headers, &networks(&["::/0", "0.0.0.0/0"]));
        prop_assert_eq!(ClientIp::derive(peer, &headers, &TrustedProxies::None).0, peer.to_canonical());
    }
}
