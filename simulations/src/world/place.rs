//! Where the peers of the world are, and what they see of each other.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    Location, View,
    asn::{Asn, Relation},
    held::Held,
    id::{ContentKey, PeerKey},
    locality::Locality,
    prefix::Network,
    registry::Locator,
    tier::{Near, Proximity, Tier},
};

use super::{peer::Peer, role::Role};
use crate::topology::Population;

/// Peers in one network, if no AS is known.
const NEIGHBOURHOOD: usize = 8;

/// Where the peers of a world live, if not where their roles say.
#[derive(Clone, Debug)]
pub struct Homes {
    /// Everybody who lives somewhere.
    pub population: Arc<Population>,
    /// By peer of the world: its number in the population.
    pub dwellers: Vec<u32>,
}

/// Where the peers are.
#[derive(Debug)]
pub(super) enum Places {
    /// Where their roles say.
    Plain(Plain),
    /// On an Internet. With what the last mile of each peer adds beyond its access line.
    Internet(Homes, Vec<Duration>),
}

/// Places as roles say.
#[derive(Debug)]
pub(super) struct Plain {
    all: Vec<Place>,
    /// Addresses and the ASes that they belong to, sorted.
    owners: Vec<(Ipv4Addr, u32)>,
    /// How long anything takes between two peers, their last miles left out.
    latency: Duration,
}

/// Where a peer is: its AS, the local network in it, and the network of its address.
#[derive(Clone, Copy, Debug)]
struct Place {
    asn: u32,
    lan: u32,
    network: Network,
    /// Its address. Peers of one network have different ones.
    ip: Ipv4Addr,
    /// What its last mile adds.
    delay: Duration,
}

impl Place {
    fn of(at: usize, role: &Role) -> Place {
        let (first, number) = match role {
            &Role { network, .. } if network != 0 => (20, network),
            Role { asn: 0, .. } => (21, (at / NEIGHBOURHOOD) as u32),
            &Role { lan, asn, .. } if lan != 0 => (22, asn << 8 | lan),
            _ => (23, at as u32),
        };
        let [_, _, second, third] = number.to_be_bytes();
        let ip = Ipv4Addr::new(first, second, third, 1 + (at % 250) as u8);
        Place { asn: role.asn, lan: role.lan, network: Network::of(ip.into()), ip, delay: role.delay }
    }
}

impl Plain {
    fn place(&self, peer: PeerKey) -> &Place {
        &self.all[peer.0 as usize]
    }

    fn near(&self, a: PeerKey, b: PeerKey) -> Near {
        let (ours, theirs) = (self.place(a), self.place(b));
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

    fn owner(&self, ip: IpAddr) -> Option<Asn> {
        let IpAddr::V4(ip) = ip else { return None };
        let at = self.owners.partition_point(|&(known, _)| known < ip);
        let &(_, asn) = self.owners.get(at).filter(|&&(known, _)| known == ip)?;
        Some(Asn(asn)).filter(|asn| asn.0 != 0)
    }
}

impl Homes {
    pub(super) fn dweller(&self, peer: PeerKey) -> usize {
        self.dwellers[peer.0 as usize] as usize
    }
}

impl Places {
    /// The places that roles say. `latency`: how long anything takes, last miles left out.
    pub(super) fn of(roles: &[Role], latency: Duration) -> Places {
        let all: Vec<Place> = roles.iter().enumerate().map(|(at, role)| Place::of(at, role)).collect();
        let mut owners: Vec<(Ipv4Addr, u32)> = all.iter().map(|place| (place.ip, place.asn)).collect();
        owners.sort_unstable();
        Places::Plain(Plain { all, owners, latency })
    }

    /// Places on an Internet.
    pub(super) fn at(homes: Homes, roles: &[Role]) -> Places {
        Places::Internet(homes, roles.iter().map(|role| role.delay).collect())
    }

    /// The AS of a peer. `None`: not known.
    pub(super) fn asn(&self, peer: PeerKey) -> Option<Asn> {
        match self {
            Places::Plain(plain) => Some(Asn(plain.place(peer).asn)).filter(|asn| asn.0 != 0),
            Places::Internet(homes, _) => Some(homes.population.asn(homes.dweller(peer))),
        }
    }

    /// The address of a peer.
    pub(super) fn ip(&self, peer: PeerKey) -> IpAddr {
        match self {
            Places::Plain(plain) => plain.place(peer).ip.into(),
            Places::Internet(homes, _) => homes.population.ip(homes.dweller(peer)).into(),
        }
    }

    /// How long anything takes from `a` to `b`. The same in both directions.
    pub(super) fn latency(&self, a: PeerKey, b: PeerKey) -> Duration {
        match self {
            Places::Plain(plain) => plain.latency + plain.place(a).delay + plain.place(b).delay,
            Places::Internet(homes, delays) => {
                let delay = delays[a.0 as usize] + delays[b.0 as usize];
                homes.population.latency(homes.dweller(a), homes.dweller(b)) + delay
            }
        }
    }

    /// What a peer knows of its own place, as soon as it knows its AS.
    pub(super) fn locality(&self, me: PeerKey) -> Option<Locality> {
        Some(Locality { asn: Some(self.asn(me)?), tag: Location::unknown(me).tag })
    }

    fn network(&self, peer: PeerKey) -> Network {
        match self {
            Places::Plain(plain) => plain.place(peer).network,
            Places::Internet(homes, _) => homes.population.network(homes.dweller(peer)),
        }
    }

    /// How near `b` is, seen from `a`.
    pub(super) fn near(&self, a: PeerKey, b: PeerKey) -> Near {
        match self {
            Places::Plain(plain) => plain.near(a, b),
            Places::Internet(homes, _) => homes.population.near(homes.dweller(a), homes.dweller(b)),
        }
    }
}

/// Where addresses of the world are, for its directory.
impl Locator for Places {
    fn version(&self) -> u64 {
        1
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        match self {
            Places::Plain(plain) => plain.owner(ip),
            Places::Internet(homes, _) => Locator::asn(&*homes.population, ip),
        }
    }

    fn neighbours(&self, asn: Asn, found: &mut Vec<(Asn, Relation)>) {
        if let Places::Internet(homes, _) = self {
            homes.population.neighbours(asn, found);
        }
    }
}

/// What one peer's engine may look up.
pub(super) struct Maps<'a> {
    pub(super) me: PeerKey,
    pub(super) links: &'a [super::peer::Link],
    pub(super) before: &'a [Peer],
    pub(super) after: &'a [Peer],
    pub(super) places: &'a Places,
}

impl Maps<'_> {
    fn peer(&self, key: PeerKey) -> Option<&Peer> {
        match key.0.cmp(&self.me.0) {
            std::cmp::Ordering::Less => self.before.get(key.0 as usize),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => self.after.get((key.0 - self.me.0 - 1) as usize),
        }
    }
}

impl View for Maps<'_> {
    fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
        let at = self.links.binary_search_by_key(&peer, |link| link.peer).ok()?;
        Some(self.peer(peer)?.held(self.links[at].heard))
    }

    fn location(&self, peer: PeerKey) -> Location {
        let near = Some(self.places.near(self.me, peer));
        Location { near, network: self.places.network(peer), ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}
