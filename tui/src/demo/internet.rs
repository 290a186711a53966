//! The pretended Internet of the demonstration, in 127.0.0.0/8. The routes that its routers would
//! report are written as real MRT and compiled into an atlas by the compiler for real data.
//!
//! Ridge sells transit to Harbour, Meadow, Far and the origin's network. Harbour and Meadow peer
//! without payment. Orchard buys transit from Harbour. So Harbour has a free neighbour and a paying
//! customer, and every other network is two links away.

use std::{collections::HashSet, net::Ipv4Addr};

use nearcast_core::{asn::Asn, atlas::Atlas};
use nearcast_tracker::bgp::{
    compile::{Compiler, PRETENDED},
    made_up,
    relations::Links,
};

use crate::error::CommandError;

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

impl Network {
    /// The public number that stands for this AS in the routes: routers leave out private ones. The
    /// compiler adds [`PRETENDED`] to it.
    fn told(&self) -> u32 {
        self.asn.0 - PRETENDED
    }
}

const fn network(number: u32, name: &'static str, blocks: [u8; 2]) -> Network {
    Network { asn: Asn(PRETENDED + 1_000_000 + number), name, blocks }
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

/// When the routes were recorded, in seconds since 1970.
const ASKED: u32 = 1_767_225_600;

/// Compiles an atlas from the routes that the routers of Ridge, Harbour and Meadow would report.
///
/// # Errors
/// The compiler rejects what the encoder wrote.
pub(super) fn atlas() -> Result<Atlas, CommandError> {
    let [harbour, meadow, orchard, far] = &NETWORKS;
    // The router that reports a route, and the AS path. The last AS on the path has the addresses.
    let told: [(&str, Vec<&Network>); 12] = [
        ("127.5.0.1", vec![&RIDGE]),
        ("127.5.0.1", vec![&RIDGE, harbour]),
        ("127.5.0.1", vec![&RIDGE, meadow]),
        ("127.5.0.1", vec![&RIDGE, harbour, orchard]),
        ("127.5.0.1", vec![&RIDGE, far]),
        ("127.5.0.1", vec![&RIDGE, &SOURCE]),
        ("127.1.0.254", vec![harbour, meadow]),
        ("127.1.0.254", vec![harbour, orchard]),
        ("127.1.0.254", vec![harbour, &RIDGE, far]),
        ("127.2.0.254", vec![meadow, harbour]),
        ("127.2.0.254", vec![meadow, harbour, orchard]),
        ("127.2.0.254", vec![meadow, &RIDGE, far]),
    ];
    let (mut prefixes, mut paths) = (Vec::new(), Vec::new());
    for (router, way) in &told {
        let (first, last) = (way[0], way[way.len() - 1]);
        for block in last.blocks {
            prefixes.push((*router, first.told(), format!("127.{block}.0.0/16")));
            paths.push(way.iter().map(|network| network.told()).collect::<Vec<u32>>());
        }
    }
    let routes: Vec<made_up::Told<'_>> = prefixes
        .iter()
        .zip(&paths)
        .map(|((router, asn, prefix), path)| (*router, *asn, prefix.as_str(), Some(path.as_slice())))
        .collect();
    compile(&made_up::table(ASKED, &routes))
}

fn compile(table: &[u8]) -> Result<Atlas, CommandError> {
    let failed = |error: std::io::Error| CommandError::Compile(error.to_string());
    let top = HashSet::from([Asn(RIDGE.told())]);
    let mut compiler = Compiler::with_links(Links::below(top, HashSet::new())).pretended();
    let counts = compiler.rib(table).map_err(failed)?;
    if counts.damaged > 0 {
        return Err(CommandError::Compile(format!("{} damaged records", counts.damaged)));
    }
    let named = NETWORKS.iter().chain([&RIDGE, &SOURCE]);
    let names: String = named.map(|network| format!("{}\t{}\n", network.asn.0, network.name)).collect();
    compiler.names(names.as_bytes()).map_err(failed)?;
    Ok(compiler.finish(ASKED.into()))
}

#[cfg(test)]
mod tests {
    use nearcast_core::{
        asn::Relation,
        tier::{Proximity, Tier},
    };

    use super::*;

    #[test]
    fn what_routers_tell_becomes_the_internet_that_was_meant() {
        let atlas = atlas().unwrap();
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
        let atlas = atlas().unwrap();
        let place = |ip: Ipv4Addr| atlas.place(ip.into());
        let near = |a: usize, b: usize| atlas.proximity(place(places[a].0), place(places[b].0), None);
        assert_eq!(near(0, 4), Tier::SameAs.into());
        assert_eq!(near(0, 5), Tier::Prefix24.into());
        assert_eq!(near(0, 1), Proximity::adjacent(Relation::Peer));
        assert_eq!(near(0, 3).tier(), Tier::Remote);
    }
}
