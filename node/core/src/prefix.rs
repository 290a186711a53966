//! Networks as limits are kept for them: addresses inside one usually belong to one owner, and are
//! cheap for that owner.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A /24, or in IPv6 a /48, by its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpAddr);

impl Prefix {
    /// The network an address is in; a mapped address is the IPv4 address it maps.
    pub fn of(ip: IpAddr) -> Prefix {
        Prefix(match ip.to_canonical() {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80)).into(),
        })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, if self.0.is_ipv4() { 24 } else { 48 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(ip: &str) -> String {
        Prefix::of(ip.parse().unwrap()).to_string()
    }

    #[test]
    fn a_prefix_is_a_24_or_a_48() {
        assert_eq!(prefix("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(prefix("::ffff:192.0.2.9"), "192.0.2.0/24");
        assert_eq!(prefix("2001:db8:1:ff::2"), "2001:db8:1::/48");
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
    }
}
