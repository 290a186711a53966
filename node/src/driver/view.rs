//! What the engine may look up while it decides: have-maps, and the nearness of peers.

use std::{collections::BTreeMap, net::IpAddr};

use nearcast_core::{
    Location, View,
    held::Held,
    id::{ContentKey, PeerKey},
    prefix::Network,
    random::mix,
    run_set::RunSet,
};

use crate::{
    nearness::Nearness,
    peer_book::{Known, PeerBook},
};

/// The have-maps of neighbours.
#[derive(Default)]
pub(super) struct Maps(pub(super) BTreeMap<(ContentKey, PeerKey), RunSet>);

/// The engine's view of peers.
pub(super) struct NodeView<'a> {
    pub(super) maps: &'a Maps,
    pub(super) peers: &'a PeerBook,
    pub(super) nearness: &'a Nearness,
}

impl View for NodeView<'_> {
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.maps.0.get(&(content, peer)).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        let Some(known) = self.peers.get(peer) else {
            return Location { tag: 0, ..Location::unknown(peer) };
        };
        let ip = known.ip();
        Location {
            near: ip.map(|ip| self.nearness.near(ip)),
            network: ip.map_or(Network::UNKNOWN, Network::of),
            host: ip.map(host),
            tag: known.tag(),
        }
    }

    fn is_connected(&self, peer: PeerKey) -> bool {
        self.peers.get(peer).is_some_and(Known::is_connected)
    }

    fn is_web_seed(&self, peer: PeerKey) -> bool {
        self.peers.get(peer).is_some_and(Known::is_server)
    }
}

/// The number of a host address. For IPv6 it is the number of the /64, which is one household's.
fn host(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => mix((ip.to_bits() >> 64) as u64) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_is_one_host_and_neighbours_are_not() {
        let host = |ip: &str| host(ip.parse().unwrap());
        assert_eq!(host("192.0.2.1"), host("::ffff:192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("2001:db8:1:2::1"), host("2001:db8:1:2:ffff::1"));
        assert_ne!(host("2001:db8:1:2::1"), host("2001:db8:1:3::1"));
    }
}
