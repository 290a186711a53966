//! A small Internet that is made up, for those who have no table of the real one.
//!
//! Money flows as in the model of Gao and Rexford (2001). A clique of tier-1 ASes peers and pays
//! nobody. Every other AS buys transit from one to three ASes that were there before it. So each AS
//! has a way up to the clique, nobody is their own provider's provider, and a valley-free route
//! leads from everybody to everybody.
//!
//! A new AS prefers providers that have many customers. New transit ASes arrive all the time, so
//! the numbers of customers follow a power law (Simon 1955; Barabási and Albert 1999), as those of
//! the real Internet do.

use std::net::Ipv4Addr;

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
    random::{Random, mix},
};

/// ASes of a generated Internet, unless somebody wants another number.
pub const ASES_DEFAULT: u32 = 400;
/// The fewest ASes: two that peer, one that sells transit, one that buys it.
pub const ASES_MIN: u32 = 4;
/// The most ASes: more than that, and a real table is the better choice.
pub const ASES_MAX: u32 = 20_000;

/// The numbers of the ASes begin here. They are private (RFC 6996): no real AS has them.
const FIRST_ASN: u32 = 4_200_000_001;
/// The date of the atlas, in seconds since 1970.
const DATE: u64 = 1_767_225_600;

/// Tier-1 ASes at most. The real Internet has some fifteen.
const TIER_ONES_MAX: u32 = 14;
/// Of a hundred new ASes so many sell transit.
const TRANSIT_PERCENT: u32 = 15;
/// Of a hundred times that a new transit AS buys, so many times it buys from a tier-1 AS.
const TRANSIT_FROM_TIER_ONE_PERCENT: u32 = 40;
/// As [`TRANSIT_FROM_TIER_ONE_PERCENT`], but for stubs, which mostly buy in their region.
const STUB_FROM_TIER_ONE_PERCENT: u32 = 5;
/// ASes of a region at least, while there are fewer than [`REGIONS_MAX`] regions.
const REGION_ASES: u32 = 20;
/// Regions at most: the real Internet has five registries.
const REGIONS_MAX: u32 = 5;
/// Peers that a new transit AS finds in its region at most.
const PEERINGS_MAX: u32 = 3;

/// Networks of one AS at most.
const NETWORKS_MAX: u32 = 512;
/// Networks that a registry gives out side by side at most.
const ALLOCATION_MAX: usize = 8;
/// The networks of generated ASes: a /20 has sixteen times the addresses of a /24.
const BITS: [u32; 5] = [20, 21, 22, 23, 24];
/// The first and last /8 of the blocks that networks are cut from. Nothing in them is reserved.
const BLOCKS: [(u32, u32); 2] = [(1, 9), (11, 99)];

/// What an AS lives from. Decides its name, and who may buy from it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    TierOne,
    Transit,
    Stub,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::TierOne => "tier-1",
            Kind::Transit => "transit",
            Kind::Stub => "stub",
        }
    }
}

/// Makes up an Internet of so many ASes, at least [`ASES_MIN`] and at most [`ASES_MAX`]. The same
/// seed and number give the same atlas.
///
/// The ASes have private numbers from 4200000001 on, and names such as "generated transit 12". Each
/// has from one to some hundred IPv4 networks, /20 to /24, of addresses that are not reserved. That
/// the real Internet uses these addresses does no harm, as nothing is ever sent to them.
pub fn generated(seed: u64, ases: u32) -> Atlas {
    let ases = ases.clamp(ASES_MIN, ASES_MAX);
    let mut making = Making::new(seed, ases);
    let tier_ones = (ases.isqrt() / 2).clamp(2, TIER_ONES_MAX);
    for at in 0..ases {
        match at {
            _ if at < tier_ones => making.tier_one(at),
            // There is one of each at least.
            _ if at == tier_ones => making.transit(at),
            _ if at == ases - 1 => making.stub(at),
            _ if making.random.below(100) < TRANSIT_PERCENT => making.transit(at),
            _ => making.stub(at),
        }
    }
    making.give_addresses(seed, ases);
    making.builder.build()
}

/// An Internet that is being made. An AS is its index.
struct Making {
    builder: AtlasBuilder,
    random: Random,
    regions: Vec<Region>,
    tier_ones: Vec<u32>,
    /// Whether each AS sells transit.
    sells: Vec<bool>,
}

/// A part of the world, where networks buy from each other and peer.
#[derive(Default)]
struct Region {
    /// Every transit AS, once for itself and once more for each customer: who picks any entry
    /// prefers those who have many customers.
    sellers: Vec<u32>,
    /// Transit ASes that are at home here.
    transits: Vec<u32>,
}

fn asn(at: u32) -> Asn {
    Asn(FIRST_ASN + at)
}

/// Any entry of a list. `None`: it is empty.
fn pick(list: &[u32], random: &mut Random) -> Option<u32> {
    list.get(random.below(list.len() as u32) as usize).copied()
}

impl Making {
    fn new(seed: u64, ases: u32) -> Making {
        let regions = (ases / REGION_ASES).clamp(1, REGIONS_MAX);
        Making {
            builder: AtlasBuilder::new(DATE),
            random: Random::new(mix(seed)),
            regions: (0..regions).map(|_| Region::default()).collect(),
            tier_ones: Vec::new(),
            sells: Vec::new(),
        }
    }

    /// Puts a new AS on the map.
    fn found(&mut self, at: u32, kind: Kind) {
        self.sells.push(kind != Kind::Stub);
        self.builder.name(asn(at), &format!("generated {} {}", kind.name(), at + 1));
    }

    fn tier_one(&mut self, at: u32) {
        self.found(at, Kind::TierOne);
        for &other in &self.tier_ones {
            self.builder.link(asn(at), asn(other), Relation::Peer);
        }
        self.tier_ones.push(at);
    }

    fn transit(&mut self, at: u32) {
        self.found(at, Kind::Transit);
        let region = self.region();
        let providers = self.buy(at, region, TRANSIT_FROM_TIER_ONE_PERCENT);
        let wanted = self.random.below(PEERINGS_MAX + 1);
        for _ in 0..wanted {
            let Some(other) = pick(&self.regions[region].transits, &mut self.random) else { break };
            // Who sells to it does not peer with it, too.
            if !providers.contains(&other) {
                self.builder.link(asn(at), asn(other), Relation::Peer);
            }
        }
        self.regions[region].transits.push(at);
        self.regions[region].sellers.push(at);
    }

    fn stub(&mut self, at: u32) {
        self.found(at, Kind::Stub);
        let region = self.region();
        self.buy(at, region, STUB_FROM_TIER_ONE_PERCENT);
    }

    /// A region. Some are larger than others, because the lower of two numbers counts.
    fn region(&mut self) -> usize {
        let regions = self.regions.len() as u32;
        self.random.below(regions).min(self.random.below(regions)) as usize
    }

    /// Has an AS buy transit, from one AS in half of all cases, else from two or three.
    fn buy(&mut self, at: u32, region: usize, from_tier_one_percent: u32) -> Vec<u32> {
        let wanted = [1, 1, 1, 2, 2, 3][self.random.below(6) as usize];
        let mut providers = Vec::with_capacity(wanted);
        for _ in 0..wanted {
            let from_tier_one = self.random.below(100) < from_tier_one_percent;
            // The first ones of a region find nobody else to buy from.
            let offers = if from_tier_one || self.regions[region].sellers.is_empty() {
                &self.tier_ones
            } else {
                &self.regions[region].sellers
            };
            let Some(seller) = pick(offers, &mut self.random) else { break };
            // Who is picked twice sells once.
            if !providers.contains(&seller) {
                providers.push(seller);
                self.builder.link(asn(at), asn(seller), Relation::Provider);
            }
        }
        // A tier-1 AS sells everywhere alike: only those of the region become more attractive.
        let regional = providers.iter().filter(|&seller| !self.tier_ones.contains(seller));
        self.regions[region].sellers.extend(regional);
        providers
    }

    /// Gives every AS its networks. Addresses have their own random numbers, so that a change of
    /// how links are made moves nobody.
    fn give_addresses(&mut self, seed: u64, ases: u32) {
        let mut random = Random::new(mix(!seed));
        let mut allocations = Vec::new();
        for at in 0..ases {
            let stub = networks(&mut random);
            // Who sells transit mostly serves many homes, too.
            let count = if self.sells[at as usize] { stub.max(networks(&mut random)) } else { stub };
            let networks: Vec<u32> =
                (0..count).map(|_| BITS[random.below(BITS.len() as u32) as usize]).collect();
            allocations.extend(networks.chunks(ALLOCATION_MAX).map(|some| (at, some.to_vec())));
        }
        // An AS grows: what it got at different times does not lie side by side.
        shuffle(&mut allocations, &mut random);
        let mut space = Space::new();
        for (at, networks) in allocations {
            for (first, last) in networks.into_iter().filter_map(|bits| space.take(bits)) {
                self.builder
                    .range(first.into(), last.into(), &[asn(at)])
                    .expect("the last address of a network is not below its first");
            }
        }
    }
}

/// How many networks an AS has: at least k with a chance of one in k (Pareto).
fn networks(random: &mut Random) -> u32 {
    const ONE: u32 = 1 << 16;
    (ONE / (random.below(ONE) + 1)).clamp(1, NETWORKS_MAX)
}

/// Puts a list into a random order (Fisher and Yates).
pub(super) fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at as u32 + 1) as usize);
    }
}

/// Addresses that nobody has yet: those of the blocks, from the lowest on.
struct Space {
    block: usize,
    next: u32,
}

impl Space {
    fn new() -> Space {
        Space { block: 0, next: BLOCKS[0].0 << 24 }
    }

    /// The first and last address of the next network of this length. `None`: all are taken, which
    /// [`ASES_MAX`] ASes do not come near.
    fn take(&mut self, bits: u32) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let size = 1 << (32 - bits);
        let mut first = self.next.next_multiple_of(size);
        if first >> 24 > BLOCKS[self.block].1 {
            self.block = (self.block + 1).min(BLOCKS.len() - 1);
            first = first.max(BLOCKS[self.block].0 << 24);
            if first >> 24 > BLOCKS[self.block].1 {
                return None;
            }
        }
        self.next = first + size;
        Some((Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(first + size - 1)))
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::is_reserved;

    use super::*;

    fn customers(atlas: &Atlas, of: Asn) -> usize {
        atlas.neighbours(of).filter(|&(_, relation)| relation == Relation::Customer).count()
    }

    #[test]
    fn a_route_leads_from_everybody_to_everybody() {
        for (seed, ases) in [(1, ASES_MIN), (2, 5), (3, 80), (4, ASES_DEFAULT)] {
            let atlas = generated(seed, ases);
            assert_eq!(atlas.ases().count(), ases as usize);
            for from in atlas.ases() {
                let view = atlas.view_from(from);
                for to in atlas.ases() {
                    let hops = view.hops(&atlas, to);
                    assert!(hops.is_some_and(|hops| hops < 12), "{from} to {to} of {ases}: {hops:?}");
                }
            }
        }
    }

    #[test]
    fn a_few_ases_have_most_of_the_customers() {
        let atlas = generated(7, 4_000);
        let mut counts: Vec<usize> = atlas.ases().map(|asn| customers(&atlas, asn)).collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let (all, top): (usize, usize) = (counts.iter().sum(), counts[..40].iter().sum());
        let sellers = counts.iter().filter(|&&count| count > 0).count();
        assert!(top * 3 > all, "the top percent has {top} of {all}");
        assert!(counts[0] > 50 * counts[sellers / 2], "{} to {}", counts[0], counts[sellers / 2]);
        assert!(counts.iter().filter(|&&count| count == 0).count() > 3_000, "most ASes only buy");
    }

    #[test]
    fn some_ases_have_many_more_addresses_than_others() {
        let atlas = generated(7, 4_000);
        let mut sizes = std::collections::BTreeMap::new();
        for (first, last, asn) in atlas.ranges_v4() {
            *sizes.entry(asn).or_insert(0_u64) += u64::from(last.to_bits() - first.to_bits()) + 1;
        }
        assert_eq!(sizes.len(), 4_000, "everybody has some");
        let mut sizes: Vec<u64> = sizes.into_values().collect();
        sizes.sort_unstable();
        assert!(sizes[0] >= 256 && sizes[3_999] > 100 * sizes[2_000], "{} {}", sizes[2_000], sizes[3_999]);
        assert!(sizes[3_600..].iter().sum::<u64>() * 2 > sizes.iter().sum(), "a tenth has half");
    }

    #[test]
    fn nobody_has_addresses_that_are_reserved() {
        let largest = generated(3, ASES_MAX);
        assert_eq!(largest.ases().count(), ASES_MAX as usize);
        for (first, last, asn) in largest.ranges_v4() {
            let ends = [first, last].map(|end| is_reserved(format!("{end}/32").parse().unwrap()));
            assert_eq!(ends, [false; 2], "{first} to {last} of {asn}");
        }
        for octet in BLOCKS.into_iter().flat_map(|(first, last)| first..=last) {
            for second in 0..=255 {
                assert!(!is_reserved(format!("{octet}.{second}.0.0/16").parse().unwrap()));
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_internet_and_another_seed_another() {
        assert_eq!(generated(5, 300), generated(5, 300));
        assert_ne!(generated(5, 300), generated(6, 300));
        assert_eq!(generated(5, 0), generated(5, ASES_MIN));
    }

    #[test]
    fn names_tell_what_an_as_is() {
        let atlas = generated(1, 80);
        let first = atlas.ases().next().unwrap();
        assert_eq!(atlas.name(first), Some("generated tier-1 1"));
        for asn in atlas.ases() {
            let name = atlas.name(asn).unwrap();
            let providers =
                atlas.neighbours(asn).filter(|&(_, relation)| relation == Relation::Provider).count();
            assert_eq!(name.contains("tier-1"), providers == 0, "{name}");
            assert!(providers <= 3, "{name}");
            assert!(!name.contains("stub") || customers(&atlas, asn) == 0, "{name}");
            assert!(name.ends_with(&format!(" {}", asn.0 - FIRST_ASN + 1)), "{name}");
        }
    }
}
