//! How near somebody is. Cheapest first, so tiers compare as costs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Nearness classes, nearest first: the order is the order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// On a local interface's subnet, or found by mDNS.
    Lan,
    /// Same /24 (IPv6: /48).
    Prefix24,
    /// Same /16 (IPv6: /32).
    Prefix16,
    /// Same origin AS.
    SameAs,
    /// An AS that ours exchanges traffic with directly.
    AdjacentAs,
    /// Further away.
    Remote,
    /// Nothing is known about the address.
    Unknown,
}

impl Tier {
    /// Number of tiers.
    pub const COUNT: usize = 7;
    /// All tiers, nearest first.
    pub const ALL: [Tier; Tier::COUNT] = [
        Tier::Lan,
        Tier::Prefix24,
        Tier::Prefix16,
        Tier::SameAs,
        Tier::AdjacentAs,
        Tier::Remote,
        Tier::Unknown,
    ];

    /// The name in JSON, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Lan => "lan",
            Tier::Prefix24 => "prefix24",
            Tier::Prefix16 => "prefix16",
            Tier::SameAs => "same_as",
            Tier::AdjacentAs => "adjacent_as",
            Tier::Remote => "remote",
            Tier::Unknown => "unknown",
        }
    }

    /// Nearness of two addresses by prefix alone. Addresses of different families, and unspecified
    /// ones, tell nothing. Loopback is treated as any other network, so that 127.0.0.0/8 can stand
    /// for distant ones.
    pub fn by_prefix(ours: IpAddr, theirs: IpAddr) -> Tier {
        let (ours, theirs) = (ours.to_canonical(), theirs.to_canonical());
        if ours.is_unspecified() || theirs.is_unspecified() {
            return Tier::Unknown;
        }
        let common = match (ours, theirs) {
            (IpAddr::V4(a), IpAddr::V4(b)) => common_v4(a, b),
            (IpAddr::V6(a), IpAddr::V6(b)) => common_v6(a, b),
            _ => return Tier::Unknown,
        };
        let (near, middle) = if ours.is_ipv4() { (24, 16) } else { (48, 32) };
        match common {
            bits if bits >= near => Tier::Prefix24,
            bits if bits >= middle => Tier::Prefix16,
            _ => Tier::Remote,
        }
    }
}

fn common_v4(a: Ipv4Addr, b: Ipv4Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

fn common_v6(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(ours: &str, theirs: &str) -> Tier {
        Tier::by_prefix(ours.parse().unwrap(), theirs.parse().unwrap())
    }

    #[test]
    fn prefixes_decide_nearness() {
        assert_eq!(tier("127.1.0.7", "127.1.0.9"), Tier::Prefix24);
        assert_eq!(tier("127.1.0.7", "127.1.9.9"), Tier::Prefix16);
        assert_eq!(tier("127.1.0.7", "127.2.0.7"), Tier::Remote);
        assert_eq!(tier("2001:db8:1::1", "2001:db8:1:ff::2"), Tier::Prefix24);
        assert_eq!(tier("2001:db8:1::1", "2001:db8:2::1"), Tier::Prefix16);
        assert_eq!(tier("2001:db8::1", "2001:db9::1"), Tier::Remote);
    }

    #[test]
    fn a_mapped_address_is_the_v4_address_it_maps() {
        assert_eq!(tier("::ffff:10.0.0.1", "10.0.0.2"), Tier::Prefix24);
        assert_eq!(tier("2001:db8::1", "10.0.0.2"), Tier::Unknown);
        assert_eq!(tier("0.0.0.0", "10.0.0.2"), Tier::Unknown);
    }

    #[test]
    fn tiers_are_ordered_by_cost() {
        assert!(Tier::ALL.is_sorted());
        assert_eq!(Tier::ALL.map(|tier| tier as usize), [0, 1, 2, 3, 4, 5, 6]);
    }
}
