//! What a router says about one prefix. Every source (MRT files, RIS Live, BMP) produces this, and
//! everything made from routes starts with it.

use std::{net::IpAddr, sync::Arc};

use bgpkit_parser::models::NetworkPrefix;
use ipnetwork::IpNetwork;
use nearcast_core::asn::Asn;

use super::paths::Path;

/// The router that reported a route: a BGP peer of the collector, or of the router that speaks BMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BgpPeer {
    /// The router's address in the session.
    pub address: IpAddr,
    /// The router's AS.
    pub asn: Asn,
}

/// The state of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is reached by this path, which replaces the earlier path of the same peer.
    Announced(Arc<Path>),
    /// The peer no longer reaches it, or only by an unusable path (treat-as-withdraw, RFC 7606).
    Withdrawn,
}

/// What one peer says about one prefix at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The time, in seconds since 1970. In a table: when the peer reported the route.
    pub time: u64,
    /// The reporting peer.
    pub peer: BgpPeer,
    /// The prefix. Its host bits are zero.
    pub prefix: IpNetwork,
    /// The route to it.
    pub route: Route,
}

/// The shortest useful IPv4 prefix. Nobody holds more of IPv4 than a /8, nor more of IPv6 than
/// 6to4's /16. A shorter prefix is a default route, or a leak that would give its origin half the
/// Internet.
pub const SHORTEST_V4: u8 = 8;
/// The shortest useful IPv6 prefix; see [`SHORTEST_V4`].
pub const SHORTEST_V6: u8 = 16;

/// Converts the prefix to the type used elsewhere, host bits cleared. `None`: it is too short to be
/// useful.
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
