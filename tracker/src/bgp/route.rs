//! What a router says of one prefix. Every source (MRT files, RIS Live, BMP) comes to this, and everything that is made
//! of routes begins with it.

use std::{net::IpAddr, sync::Arc};

use bgpkit_parser::models::NetworkPrefix;
use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

use super::paths::Path;

/// The router that told a route: a peer of the collector's, in BGP's word, or of the router that speaks BMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BgpPeer {
    /// Its address in the session.
    pub address: IpAddr,
    /// Its AS.
    pub asn: Asn,
}

/// What became of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is reached by this path, which replaces the one that the same peer told before.
    Announced(Arc<Path>),
    /// That peer does not reach it any more, or by a path that nothing can be made of (treat-as-withdraw, RFC 7606).
    Withdrawn,
}

/// What one peer says of one prefix at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, in seconds since 1970. Of a table: when the peer told it.
    pub time: u64,
    /// Who says it.
    pub peer: BgpPeer,
    /// Of which addresses. Its host bits are zero.
    pub prefix: IpNetwork,
    /// What.
    pub route: Route,
}

/// Nobody holds more of IPv4 than a /8, nor more of IPv6 than 6to4's /16. What is shorter is a default route, or a leak that
/// would lend its origin to half the Internet.
pub const SHORTEST_V4: u8 = 8;
/// As [`SHORTEST_V4`].
pub const SHORTEST_V6: u8 = 16;

/// The prefix as the rest of nearcast knows it, host bits cleared; none if it is so short that it tells nothing.
pub fn network(prefix: &NetworkPrefix) -> Option<IpNetwork> {
    let prefix = prefix.prefix.trunc();
    let network = IpNetwork::new(prefix.addr(), prefix.prefix_len()).ok()?;
    let shortest = if network.is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
    (network.prefix() >= shortest).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared_and_default_routes_refused() {
        let read = |text: &str| network(&text.parse().unwrap()).map(|network| network.to_string());
        assert_eq!(read("192.0.2.77/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(read("2001:db8::1/32").as_deref(), Some("2001:db8::/32"));
        assert_eq!(read("10.0.0.0/8").as_deref(), Some("10.0.0.0/8"));
        for short in ["0.0.0.0/0", "128.0.0.0/1", "::/0", "2000::/3"] {
            assert_eq!(read(short), None, "{short}");
        }
    }
}
