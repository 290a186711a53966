//! The pretended Internet of the demonstration, in 127.0.0.0/8: who has which addresses, and who
//! pays whom.
//!
//! Ridge sells transit to Harbour, Meadow, Far and the origin's network. Harbour and Meadow peer
//! without payment. Orchard buys transit from Harbour. So Harbour has a free neighbour and a paying
//! customer, and every other network is two links away.

use std::net::Ipv4Addr;

use ipnetwork::IpNetwork;
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
};

/// The first number of ASes that are private (RFC 6996): only they may have addresses of nobody.
const PRIVATE: u32 = 4_200_000_000;

/// One AS.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Its number, from the private range: no AS of the real Internet has such addresses.
    pub(super) asn: Asn,
    /// Its name.
    pub(super) name: &'static str,
    /// The second bytes of its addresses: each is a /16.
    blocks: [u8; 2],
}

const fn network(number: u32, name: &'static str, blocks: [u8; 2]) -> Network {
    Network { asn: Asn(PRIVATE + number), name, blocks }
}

/// The networks of the peers.
pub(super) static NETWORKS: [Network; 4] = [
    network(1, "Harbour", [1, 11]),
    network(2, "Meadow", [2, 12]),
    network(3, "Orchard", [3, 13]),
    network(4, "Far", [4, 14]),
];
static RIDGE: Network = network(5, "Ridge", [5, 15]);
static SOURCE: Network = network(9, "Source", [9, 19]);

/// The address of the origin.
pub(super) const ORIGIN: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 1);

/// The network of each peer in a dozen: half are in the largest network, one in the smallest, and
/// the first four each in another.
const DOZEN: [usize; 12] = [0, 1, 2, 3, 0, 0, 1, 2, 0, 1, 0, 0];

/// Addresses for this many peers. The peers of a network alternate between its two /16s.
pub(super) fn places(peers: u32) -> Vec<(Ipv4Addr, &'static Network)> {
    let mut taken = [0_u8; NETWORKS.len()];
    (0..peers as usize)
        .map(|peer| {
            let at = DOZEN[peer % DOZEN.len()];
            let (network, nth) = (&NETWORKS[at], taken[at]);
            taken[at] += 1;
            (Ipv4Addr::new(127, network.blocks[usize::from(nth % 2)], 0, 1 + nth / 2), network)
        })
        .collect()
}

/// The date of the atlas, in seconds since 1970.
const DATE: u64 = 1_767_225_600;

/// The atlas of this Internet.
pub(super) fn atlas() -> Atlas {
    let [harbour, meadow, orchard, far] = &NETWORKS;
    let mut atlas = AtlasBuilder::new(DATE);
    for network in NETWORKS.iter().chain([&RIDGE, &SOURCE]) {
        atlas.name(network.asn, network.name);
        for block in network.blocks {
            let prefix =
                IpNetwork::new(Ipv4Addr::new(127, block, 0, 0).into(), 16).expect("a /16 is a prefix");
            atlas.prefix(prefix, &[network.asn]);
        }
    }
    for customer in [harbour, meadow, far, &SOURCE] {
        atlas.link(RIDGE.asn, customer.asn, Relation::Customer);
    }
    atlas.link(harbour.asn, orchard.asn, Relation::Customer);
    atlas.link(harbour.asn, meadow.asn, Relation::Peer);
    atlas.build()
}

#[cfg(test)]
mod tests {
    use nearcast_core::tier::{Proximity, Tier};

    use super::*;

    #[test]
    fn the_atlas_is_of_the_internet_that_was_meant() {
        let atlas = atlas();
        for (ip, network) in places(24).into_iter().chain([(ORIGIN, &SOURCE)]) {
            assert_eq!(atlas.origin(ip.into()), Some(network.asn), "{ip}");
            assert_eq!(atlas.name(network.asn), Some(network.name));
        }
        let [harbour, meadow, orchard, far] = &NETWORKS;
        assert_eq!(atlas.relation(harbour.asn, meadow.asn), Some(Relation::Peer));
        assert_eq!(atlas.relation(harbour.asn, orchard.asn), Some(Relation::Customer));
        assert_eq!(atlas.relation(harbour.asn, RIDGE.asn), Some(Relation::Provider));
        assert_eq!(atlas.relation(harbour.asn, far.asn), None);
        assert_eq!(atlas.hops(harbour.asn, far.asn), Some(2));
        assert_eq!(atlas.hops(meadow.asn, orchard.asn), Some(2));
    }

    #[test]
    fn a_dozen_peers_are_in_four_networks_of_different_size() {
        let places = places(12);
        let sizes = NETWORKS.each_ref().map(|network| places.iter().filter(|(_, at)| *at == network).count());
        assert_eq!(sizes, [6, 3, 2, 1]);
        let mut addresses: Vec<Ipv4Addr> = places.iter().map(|&(ip, _)| ip).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 12, "each has its own");
        let atlas = atlas();
        let place = |ip: Ipv4Addr| atlas.place(ip.into());
        let near = |a: usize, b: usize| atlas.proximity(place(places[a].0), place(places[b].0), None);
        assert_eq!(near(0, 4), Tier::SameAs.into());
        assert_eq!(near(0, 5), Tier::Prefix24.into());
        assert_eq!(near(0, 1), Proximity::adjacent(Relation::Peer));
        assert_eq!(near(0, 3).tier(), Tier::Remote);
    }
}
