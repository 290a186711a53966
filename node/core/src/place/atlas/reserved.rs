//! Addresses that belong to nobody in the Internet, so that no AS has them, whatever a table says:
//! private, local, shared by operators, for documentation and benchmarks, multicast, and never
//! given out (RFC 6890 and IANA's registries of special-purpose addresses). Routes to them leak all
//! the time.
//!
//! Inside a private network this is different. There such addresses may be in an AS whose number is
//! private, too ([`Asn::is_local`](crate::place::asn::Asn::is_local)), and nobody in the Internet
//! can be that AS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

const fn v4(a: u8, b: u8, c: u8, bits: u32) -> (u32, u32) {
    let first = Ipv4Addr::new(a, b, c, 0).to_bits();
    (first, first | u32::MAX >> bits)
}

const fn v6(first: [u16; 4], last: [u16; 4]) -> (u128, u128) {
    let ([a, b, c, d], [e, f, g, h]) = (first, last);
    (
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits(),
        Ipv6Addr::new(e, f, g, h, ONES, ONES, ONES, ONES).to_bits(),
    )
}

const ONES: u16 = u16::MAX;

/// First and last address of each block.
pub(super) const RESERVED_V4: [(u32, u32); 14] = [
    v4(0, 0, 0, 8),
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(172, 16, 0, 12),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(192, 168, 0, 16),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    // Multicast, and addresses kept for later use.
    v4(224, 0, 0, 3),
];

/// As [`RESERVED_V4`]. Only 2000::/3 is given out; in it 6to4 and Teredo hide an IPv4 address,
/// which is elsewhere. Two blocks of 2001::/23 are really routed: 2001:3::/32 (AMT) and
/// 2001:4:112::/48 (AS112).
pub(super) const RESERVED_V6: [(u128, u128); 8] = [
    v6([0, 0, 0, 0], [0x1fff, ONES, ONES, ONES]),
    v6([0x2001, 0, 0, 0], [0x2001, 2, ONES, ONES]),
    v6([0x2001, 4, 0, 0], [0x2001, 4, 0x111, ONES]),
    v6([0x2001, 4, 0x113, 0], [0x2001, 0x1ff, ONES, ONES]),
    v6([0x2001, 0xdb8, 0, 0], [0x2001, 0xdb8, ONES, ONES]),
    v6([0x2002, 0, 0, 0], [0x2002, ONES, ONES, ONES]),
    v6([0x3fff, 0, 0, 0], [0x3fff, 0xfff, ONES, ONES]),
    v6([0x4000, 0, 0, 0], [ONES, ONES, ONES, ONES]),
];

/// Whether all of these addresses belong to nobody in the Internet.
pub fn is_reserved(network: IpNetwork) -> bool {
    match (network.network().to_canonical(), network.broadcast().to_canonical()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => holds(&RESERVED_V4, first.to_bits(), last.to_bits()),
        (IpAddr::V6(first), IpAddr::V6(last)) => holds(&RESERVED_V6, first.to_bits(), last.to_bits()),
        // The network reaches from IPv4-mapped addresses into what lies behind them.
        _ => false,
    }
}

fn holds<K: Ord + Copy>(blocks: &[(K, K)], first: K, last: K) -> bool {
    blocks.iter().any(|&(from, to)| from <= first && last <= to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::scope::Scope;

    fn reserved(text: &str) -> bool {
        is_reserved(text.parse().unwrap())
    }

    #[test]
    fn blocks_of_nobody_are_known_and_their_neighbours_are_not_among_them() {
        for nobody in [
            "0.0.0.0/8",
            "10.0.0.0/8",
            "10.1.2.3/32",
            "100.64.0.0/10",
            "127.0.0.1/32",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.1.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "255.255.255.255/32",
            "::/128",
            "::1/128",
            "64:ff9b:1::/48",
            "100::/64",
            "2001::/32",
            "2001:db8::/32",
            "2001:10::/28",
            "2002::/16",
            "3fff::/20",
            "5f00::/16",
            "fc00::/7",
            "fe80::/10",
            "fec0::/10",
            "ff00::/8",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(reserved(nobody), "{nobody}");
        }
        for somebody in [
            "9.0.0.0/8",
            "11.0.0.0/8",
            "100.63.0.0/16",
            "100.128.0.0/16",
            "172.15.0.0/16",
            "172.32.0.0/16",
            "192.0.1.0/24",
            "192.31.196.0/24",
            "192.175.48.0/24",
            "198.17.0.0/16",
            "198.20.0.0/16",
            "223.255.255.0/24",
            "100.0.0.0/8",
            "192.0.0.0/16",
            "2001:3::/32",
            "2001:4:112::/48",
            "2001:200::/32",
            "2003::/18",
            "2620:4f:8000::/48",
            "2a00::/12",
        ] {
            assert!(!reserved(somebody), "{somebody}");
        }
    }

    /// What may be dialled and what can be in an AS are two questions, and most answers are the
    /// same.
    #[test]
    fn whatever_is_not_public_is_reserved() {
        let addresses = (0..=255u8).flat_map(|a| (0..=255u8).map(move |b| Ipv4Addr::new(a, b, 7, 1)));
        for ip in addresses.map(IpAddr::V4) {
            assert_eq!(is_reserved(ip.into()), Scope::of(ip) != Scope::Public, "{ip}");
        }
    }
}
