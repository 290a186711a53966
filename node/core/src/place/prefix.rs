//! Networks that limits are kept for: the addresses inside one usually belong to one owner, and are
//! cheap for that owner.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};

use crate::{random::mix, saturate::low_half};

/// A /24, or in IPv6 a /48, named by its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpAddr);

impl Prefix {
    /// The network of an address. An IPv4-mapped address counts as its IPv4 address.
    pub fn of(ip: IpAddr) -> Prefix {
        Prefix(match ip.to_canonical() {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80)).into(),
        })
    }

    /// A number for each network. No IPv4 network has the number of an IPv6 network.
    pub(crate) fn number(self) -> u64 {
        match self.0 {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => (ip.to_bits() >> 80) as u64 | 1 << 63,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

/// A /24 in its /16 (IPv6: a /48 in its /32) as one small number, which a million engines can
/// afford to compare.
///
/// The upper half names the wider network. In IPv6 both halves are hashes: two networks in 65,536
/// count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Network(u32);

impl Network {
    /// The network is not known, or does not matter.
    pub const UNKNOWN: Network = Network(0);

    /// The network of an address. An IPv4-mapped address counts as its IPv4 address.
    pub fn of(ip: IpAddr) -> Network {
        match ip.to_canonical() {
            // The lowest bit is set to differ from `UNKNOWN`.
            IpAddr::V4(ip) => Network(ip.to_bits() & 0xffff_0000 | (ip.to_bits() >> 8 & 0xff) << 1 | 1),
            IpAddr::V6(ip) => {
                let (wide, narrow) = ((ip.to_bits() >> 96) as u64, (ip.to_bits() >> 80) as u64);
                Network(low_half(mix(!wide)) & 0xffff_0000 | low_half(mix(narrow)) & 0xffff | 1)
            }
        }
    }

    /// The network as a number, which is odd unless the network is not known.
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The /16 (IPv6: /32) alone.
    pub fn wide(self) -> u16 {
        (self.0 >> 16) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(ip: &str) -> String {
        Prefix::of(ip.parse().unwrap()).to_string()
    }

    #[test]
    fn a_network_tells_a_24_and_its_16_apart() {
        let of = |ip: &str| Network::of(ip.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.200"));
        assert_ne!(of("192.0.2.1"), of("192.0.3.1"));
        assert_eq!(of("192.0.2.1").wide(), of("192.0.3.1").wide());
        assert_ne!(of("192.0.2.1").wide(), of("192.1.2.1").wide());
        assert_eq!(of("2001:db8:1::1"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1::1"), of("2001:db8:2::1"));
        assert_eq!(of("2001:db8:1::1").wide(), of("2001:db8:2::1").wide());
        assert_ne!(of("0.0.0.0"), Network::UNKNOWN);
    }

    #[test]
    fn a_prefix_is_a_24_or_a_48() {
        assert_eq!(prefix("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(prefix("::ffff:192.0.2.9"), "192.0.2.0/24");
        assert_eq!(prefix("2001:db8:1:ff::2"), "2001:db8:1::/48");
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
    }
}
