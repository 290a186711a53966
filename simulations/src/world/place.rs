//! Where the peers of the world are, and what they see of each other.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use nearcast_core::{
    Location, View,
    asn::{Asn, Relation},
    held::Held,
    id::{ContentKey, PeerKey},
    prefix::Network,
    registry::Locator,
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
};

use super::Role;

/// Peers in one network, if no AS is known.
const NEIGHBOURHOOD: usize = 8;

/// Where a peer is: its AS, the local network in it, and the network of its address.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) asn: u32,
    lan: u32,
    network: Network,
    /// Its address. Peers of one network have different ones.
    pub(super) ip: Ipv4Addr,
}

impl Place {
    pub(super) fn of(at: usize, role: &Role) -> Place {
        let (first, number) = match role {
            &Role { network, .. } if network != 0 => (20, network),
            Role { asn: 0, .. } => (21, (at / NEIGHBOURHOOD) as u32),
            &Role { lan, asn, .. } if lan != 0 => (22, asn << 8 | lan),
            _ => (23, at as u32),
        };
        let [_, _, second, third] = number.to_be_bytes();
        let ip = Ipv4Addr::new(first, second, third, 1 + (at % 250) as u8);
        Place { asn: role.asn, lan: role.lan, network: Network::of(ip.into()), ip }
    }
}

/// Where addresses of the world are, for its directory.
pub(super) struct Map<'a>(pub(super) &'a [Place]);

impl Locator for Map<'_> {
    fn version(&self) -> u64 {
        1
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let place = self.0.iter().find(|place| place.ip == ip)?;
        Some(Asn(place.asn)).filter(|asn| asn.0 != 0)
    }

    fn neighbours(&self, _: Asn, _: &mut Vec<(Asn, Relation)>) {}
}

/// Have-maps, as `me` knows those of its neighbours.
pub(super) struct Maps<'a> {
    pub(super) known: &'a BTreeMap<(PeerKey, PeerKey), RunSet>,
    pub(super) places: &'a [Place],
    pub(super) me: PeerKey,
}

impl View for Maps<'_> {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        self.known.get(&(self.me, peer)).map(Held::from)
    }

    fn location(&self, peer: PeerKey) -> Location {
        let near = Some(near(self.places, self.me.0 as usize, peer.0 as usize));
        let network = self.places[peer.0 as usize].network;
        Location { near, network, ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

/// How near `b` is, seen from `a`.
pub(super) fn near(places: &[Place], a: usize, b: usize) -> Near {
    let (ours, theirs) = (places[a], places[b]);
    let asn = Some(Asn(theirs.asn)).filter(|asn| asn.0 != 0);
    let tier = match () {
        () if ours.asn == 0 || theirs.asn == 0 => {
            return if ours.network == theirs.network { Tier::Prefix24 } else { Tier::Remote }.into();
        }
        () if ours.asn != theirs.asn => return Near { proximity: Proximity::remote(Some(2)), asn },
        () if ours.lan == theirs.lan && ours.lan != 0 => Tier::Lan,
        () => Tier::SameAs,
    };
    Near { proximity: tier.into(), asn }
}
