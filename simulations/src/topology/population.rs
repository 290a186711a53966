//! Where each peer lives, and how far apart any two of them are.
//!
//! A peer is its number here, from 0 on. What is asked all the time takes two look-ups in small
//! tables: a dweller is 12 bytes, and its place in the groups 4 more.
//!
//! Invariants: no two peers have the same address; the AS of a peer is the one that the atlas gives
//! for its address.

#[cfg(test)]
mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::Atlas,
    prefix::Network,
    random::{Random, mix},
    registry::Locator,
    tier::{Near, Tier},
};

use super::{
    Class, Mix, Placing, TopologyError,
    hops::Routes,
    internet::shuffle,
    lots::Lots,
    settling::{addresses, counts},
};

/// How long a small packet takes from one AS to the next: a round figure of ours, for some hundreds
/// of kilometres of fibre and a few routers.
pub const HOP_LATENCY: Duration = Duration::from_millis(5);
/// Hops that are assumed for the latency where no route is known.
pub const HOPS_ASSUMED: u8 = 10;

/// One peer.
#[derive(Clone, Copy)]
struct Dweller {
    ip: Ipv4Addr,
    /// The index of its AS among those in use.
    group: u32,
    /// The index of its class in the table.
    class: u8,
}

/// Where the peers of a world live. Does not change.
pub struct Population {
    atlas: Arc<Atlas>,
    /// The ASes in use, ascending.
    ases: Box<[Asn]>,
    routes: Routes,
    classes: Box<[Class]>,
    dwellers: Box<[Dweller]>,
    /// The peers of each AS, one AS after the other, ascending in each.
    members: Box<[u32]>,
    /// Where each AS's members begin, and one entry at the end.
    begins: Box<[u32]>,
}

impl fmt::Debug for Population {
    /// Shows only how many they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Population({} peers in {} ASes)", self.len(), self.ases.len())
    }
}

/// A generator for one part of what is drawn. Each part has its own, so that another mix of lines,
/// say, moves nobody.
fn part(seed: u64, number: u64) -> Random {
    Random::new(mix(mix(seed).wrapping_add(number)))
}

impl Population {
    /// Draws where so many peers live, and what connects them. The same arguments give the same
    /// population. The order of the peers says nothing of where they are.
    ///
    /// # Errors
    /// If `mix` is none, if `how` is for another number of peers, or if there are too few addresses.
    pub fn draw(
        atlas: Arc<Atlas>,
        peers: u32,
        seed: u64,
        how: Placing,
        mix: &Mix,
    ) -> Result<Population, TopologyError> {
        let table = mix.table()?;
        let lots = Lots::of(&atlas);
        let counts = counts(&atlas, &lots, peers, how, &mut part(seed, 1))?;
        let ases: Box<[Asn]> = counts.keys().map(|&at| lots.ases()[at]).collect();
        let (mut places, mut lines) = (part(seed, 2), part(seed, 3));
        let mut dwellers = Vec::with_capacity(peers as usize);
        for ((at, count), group) in counts.into_iter().zip(0..) {
            let ips = addresses(&lots, at, count, &mut places).into_iter().map(Ipv4Addr::from_bits);
            dwellers.extend(ips.map(|ip| Dweller { ip, group, class: table.draw(&mut lines) }));
        }
        shuffle(&mut dwellers, &mut part(seed, 4));
        let (members, begins) = grouped(&dwellers, ases.len());
        Ok(Population {
            routes: Routes::among(ases.len()),
            classes: mix.shares.iter().map(|&(class, _)| class).collect(),
            atlas,
            ases,
            dwellers: dwellers.into(),
            members,
            begins,
        })
    }

    /// The number of peers.
    pub fn len(&self) -> usize {
        self.dwellers.len()
    }

    /// Whether nobody lives here.
    pub fn is_empty(&self) -> bool {
        self.dwellers.is_empty()
    }

    /// The Internet that they live in.
    pub fn atlas(&self) -> &Arc<Atlas> {
        &self.atlas
    }

    /// The AS of a peer.
    pub fn asn(&self, peer: usize) -> Asn {
        self.ases[self.group(peer)]
    }

    /// Which of [`Population::members`] a peer is among, for tables with an entry an AS.
    pub fn group(&self, peer: usize) -> usize {
        self.dwellers[peer].group as usize
    }

    /// The address of a peer. Nobody else has it.
    pub fn ip(&self, peer: usize) -> Ipv4Addr {
        self.dwellers[peer].ip
    }

    /// The network of a peer's address.
    pub fn network(&self, peer: usize) -> Network {
        Network::of(self.ip(peer).into())
    }

    /// The access line of a peer.
    pub fn class(&self, peer: usize) -> Class {
        self.classes[usize::from(self.dwellers[peer].class)]
    }

    /// How near `theirs` is, seen from `ours`: as [`Atlas::proximity`] says with the view from the
    /// AS of `ours`. Cheap, but for the first question from an AS (see [`super::ASES_KEPT_MAX`] for
    /// when it is not the first alone).
    pub fn near(&self, ours: usize, theirs: usize) -> Near {
        let (here, there) = (self.dwellers[ours], self.dwellers[theirs]);
        let asn = Some(self.ases[there.group as usize]);
        let by_prefix = Tier::by_prefix(here.ip.into(), there.ip.into());
        let same_as = here.group == there.group;
        let proximity = match by_prefix {
            // A /24 may be divided between ASes, and is near all the same.
            Tier::Prefix24 => by_prefix.into(),
            Tier::Prefix16 if same_as => by_prefix.into(),
            _ => self
                .routes
                .route(&self.atlas, &self.ases, here.group as usize, there.group as usize)
                .proximity(),
        };
        Near { proximity, asn }
    }

    /// Links between their ASes, as routes go; 0 inside one AS. `None`: no route is known.
    pub fn hops(&self, a: usize, b: usize) -> Option<u8> {
        self.routes.route(&self.atlas, &self.ases, self.group(a), self.group(b)).hops()
    }

    /// How long a small packet takes between two peers while nothing else is sent, one way: the
    /// last mile of both, and [`HOP_LATENCY`] for each hop. The same in both directions. Where no
    /// route is known, [`HOPS_ASSUMED`] hops count.
    pub fn latency(&self, a: usize, b: usize) -> Duration {
        let hops = self.hops(a, b).unwrap_or(HOPS_ASSUMED);
        let miles = [a, b].map(|peer| self.class(peer).access().latency);
        miles.into_iter().fold(HOP_LATENCY * u32::from(hops), Duration::saturating_add)
    }

    /// The ASes with peers, ascending, and the peers of each, ascending.
    pub fn members(&self) -> impl Iterator<Item = (Asn, &[u32])> {
        let groups = self.begins.windows(2).map(|ends| &self.members[ends[0] as usize..ends[1] as usize]);
        self.ases.iter().copied().zip(groups)
    }
}

/// The peers by their AS, and where each AS's begin.
fn grouped(dwellers: &[Dweller], ases: usize) -> (Box<[u32]>, Box<[u32]>) {
    let mut begins = vec![0_u32; ases + 1];
    for dweller in dwellers {
        begins[dweller.group as usize + 1] += 1;
    }
    for at in 1..begins.len() {
        begins[at] += begins[at - 1];
    }
    let (mut members, mut next) = (vec![0; dwellers.len()], begins.clone());
    for (dweller, peer) in dwellers.iter().zip(0..) {
        let place = &mut next[dweller.group as usize];
        members[*place as usize] = peer;
        *place += 1;
    }
    (members.into(), begins.into())
}

impl Locator for Population {
    fn version(&self) -> u64 {
        Locator::version(&*self.atlas)
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        self.atlas.origin(ip)
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.extend(self.atlas.neighbours(asn));
    }
}
