//! Makes an atlas of prefixes, names and links, in whatever order they come.

use std::{collections::BTreeMap, net::IpAddr};

use ipnetwork::IpNetwork;

use super::{
    Atlas, Graph, Names, Ranges,
    graph::{NODES_MAX, Node},
    ranges::{Address, Owner, Prefix, cut},
};
use crate::{
    place::asn::{Asn, Relation},
    saturate::to_u32,
};

/// Bytes of one name at most; the rest is cut off.
const NAME_BYTES_MAX: usize = 255;
/// Origins of one prefix at most; the least often seen are left out.
const ORIGINS_MAX: usize = 16;

/// Two addresses that are no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// One end is IPv4, the other IPv6.
    #[error("the ends of the range {0} to {1} are of different families")]
    Families(IpAddr, IpAddr),
    /// It ends before it begins.
    #[error("the range {0} to {1} ends before it begins")]
    Backwards(IpAddr, IpAddr),
}

/// An atlas being made.
///
/// ```
/// # use nearcast_core::{asn::{Asn, Relation}, atlas::AtlasBuilder};
/// let mut builder = AtlasBuilder::new(1_435_708_800);
/// builder.prefix("192.0.2.0/24".parse().unwrap(), &[Asn(64_500)]);
/// builder.prefix("198.51.100.0/24".parse().unwrap(), &[Asn(64_501)]);
/// builder.link(Asn(64_500), Asn(64_501), Relation::Customer);
/// let atlas = builder.build();
/// assert_eq!(atlas.origin("192.0.2.77".parse().unwrap()), Some(Asn(64_500)));
/// assert_eq!(atlas.relation(Asn(64_501), Asn(64_500)), Some(Relation::Provider));
/// ```
#[derive(Clone, Debug)]
pub struct AtlasBuilder {
    version: u64,
    v4: Layers<u32>,
    v6: Layers<u128>,
    owners: Owners,
    names: BTreeMap<Asn, Box<str>>,
    /// By the two ASes, the lower first: what the higher one is to the lower one.
    links: BTreeMap<(Asn, Asn), Relation>,
}

/// The table below, and the new prefixes above it.
#[derive(Clone, Debug)]
struct Layers<K> {
    base: Option<Ranges<K>>,
    prefixes: Vec<Prefix<K>>,
    prefixes_below: u64,
}

impl<K: Address> Layers<K> {
    fn above(base: Option<Ranges<K>>, prefixes_below: u64) -> Layers<K> {
        Layers { base, prefixes: Vec::new(), prefixes_below }
    }

    fn add(&mut self, first: K, bits: u8, owner: Owner) {
        self.prefixes.push(Prefix { first, bits, owner });
    }

    /// The flat table, and the number of prefixes it was made of.
    fn flatten(mut self) -> (Ranges<K>, u64) {
        self.keep_last();
        // How many prefixes the base was made of is its maker's word.
        let count = self.prefixes_below.saturating_add(self.prefixes.len() as u64);
        let upper = Ranges::flatten(self.prefixes);
        (self.base.map_or_else(|| upper.clone(), |base| base.under(&upper)), count)
    }

    /// Of equal prefixes only the last one given counts.
    fn keep_last(&mut self) {
        self.prefixes.sort_by_key(|prefix| (prefix.first, prefix.bits));
        self.prefixes.dedup_by(|later, kept| {
            let same = (later.first, later.bits) == (kept.first, kept.bits);
            if same {
                kept.owner = later.owner;
            }
            same
        });
    }
}

/// Numbers for sets of origins, in order of appearance.
#[derive(Clone, Debug, Default)]
struct Owners {
    numbers: BTreeMap<Box<[Asn]>, Owner>,
    sets: Vec<Box<[Asn]>>,
}

impl Owners {
    /// The number of these origins; 0 if there are none.
    fn number(&mut self, origins: &[Asn]) -> Owner {
        if origins.is_empty() {
            return 0;
        }
        if let Some(&number) = self.numbers.get(origins) {
            return number;
        }
        let is_first = |&(at, asn): &(usize, &Asn)| !origins[..at].contains(asn);
        let each_once: Box<[Asn]> =
            origins.iter().enumerate().filter(is_first).map(|(_, &asn)| asn).take(ORIGINS_MAX).collect();
        if *each_once != *origins {
            return self.number(&each_once);
        }
        self.sets.push(each_once.clone());
        let number = to_u32(self.sets.len());
        self.numbers.insert(each_once, number);
        number
    }
}

/// The index of an owner: the first one has number 1. Nobody, number 0, has no index.
fn place(owner: Owner) -> usize {
    (owner as usize).wrapping_sub(1)
}

impl AtlasBuilder {
    /// A builder that knows nothing. `version`: when the data was collected, in seconds since 1970.
    pub fn new(version: u64) -> AtlasBuilder {
        AtlasBuilder {
            version,
            v4: Layers::above(None, 0),
            v6: Layers::above(None, 0),
            owners: Owners::default(),
            names: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Begins with all that `base` knows. Prefixes given from now on lie over it: wherever one of
    /// them matches, it counts, even if the base knew a longer one, for the base is older
    /// knowledge.
    pub fn on(base: &Atlas, version: u64) -> AtlasBuilder {
        let mut builder = AtlasBuilder::new(version);
        let origins = |owner| match base.origin_set(owner) {
            Some(set) => set.iter().map(|&node| base.asn(node)).collect(),
            None => base.first_origin(owner).into_iter().collect::<Vec<_>>(),
        };
        let last = to_u32(base.ases.len().saturating_add(base.origin_sets.len()));
        let numbers: Vec<Owner> = (1..=last).map(|owner| builder.owners.number(&origins(owner))).collect();
        let renumber = |owner| numbers[place(owner)];
        builder.v4 = Layers::above(Some(base.v4.renumbered(renumber)), base.prefixes_v4);
        builder.v6 = Layers::above(Some(base.v6.renumbered(renumber)), base.prefixes_v6);
        base.ases()
            .filter_map(|asn| Some((asn, base.name(asn)?)))
            .for_each(|(asn, name)| builder.name(asn, name));
        builder.links = base.links().map(|(a, b, relation)| ((a, b), relation)).collect();
        builder
    }

    /// Adds a prefix and the ASes that originate it, the most often seen first (16 are kept). The
    /// longest prefix that covers an address counts. The same prefix given again replaces the
    /// earlier one. Without origins it is a hole in what is around it.
    pub fn prefix(&mut self, network: IpNetwork, origins: &[Asn]) {
        let owner = self.owners.number(origins);
        match network {
            IpNetwork::V4(network) => self.v4.add(network.network().to_bits(), network.prefix(), owner),
            IpNetwork::V6(network) => self.v6.add(network.network().to_bits(), network.prefix(), owner),
        }
    }

    /// Adds a range of addresses, both ends included, cut into as few prefixes as possible.
    ///
    /// # Errors
    /// If the ends are of different families or in the wrong order. Nothing was changed.
    pub fn range(&mut self, first: IpAddr, last: IpAddr, origins: &[Asn]) -> Result<(), RangeError> {
        if first.is_ipv4() == last.is_ipv4() && first > last {
            return Err(RangeError::Backwards(first, last));
        }
        let owner = self.owners.number(origins);
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                let cut = cut(first.to_bits(), last.to_bits());
                cut.into_iter().for_each(|(first, bits)| self.v4.add(first, bits, owner));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                let cut = cut(first.to_bits(), last.to_bits());
                cut.into_iter().for_each(|(first, bits)| self.v6.add(first, bits, owner));
            }
            _ => return Err(RangeError::Families(first, last)),
        }
        Ok(())
    }

    /// Names an AS. Control characters are left out, and so is what goes beyond 255 bytes.
    pub fn name(&mut self, asn: Asn, name: &str) {
        let mut clean = String::new();
        for c in name.chars().filter(|c| !c.is_control()) {
            if clean.len().saturating_add(c.len_utf8()) > NAME_BYTES_MAX {
                break;
            }
            clean.push(c);
        }
        self.names.insert(asn, clean.into());
    }

    /// Adds a link between two ASes: `relation` is what `theirs` is to `ours`. A known relation
    /// replaces what was said before of the same link, an unknown one does not. A link of an AS to
    /// itself is ignored.
    pub fn link(&mut self, ours: Asn, theirs: Asn, relation: Relation) {
        let (ends, relation) = match ours.cmp(&theirs) {
            std::cmp::Ordering::Equal => return,
            std::cmp::Ordering::Less => ((ours, theirs), relation),
            std::cmp::Ordering::Greater => ((theirs, ours), relation.reversed()),
        };
        let known = self.links.entry(ends).or_insert(relation);
        if relation != Relation::Unknown {
            *known = relation;
        }
    }

    /// Makes the atlas. Takes a second or so for the whole Internet.
    pub fn build(self) -> Atlas {
        let ases = self.ases();
        let node = |asn: Asn| ases.binary_search(&asn.0).map_or(0, to_u32);
        let mut origin_sets = Vec::new();
        // By owner number minus one: the index of a single AS, or of a set behind the ASes, plus
        // one.
        let mut number = |origins: &[Asn]| match *origins {
            [single] => node(single).saturating_add(1),
            ref several => {
                origin_sets.push(several.iter().map(|&asn| node(asn)).collect());
                to_u32(ases.len().saturating_add(origin_sets.len()))
            }
        };
        let owners: Vec<Owner> = self.owners.sets.iter().map(|set| number(set)).collect();
        let renumber = |owner| owners[place(owner)];
        let (v4, prefixes_v4) = self.v4.flatten();
        let (v6, prefixes_v6) = self.v6.flatten();
        let links: Vec<(Node, Node, Relation)> =
            self.links.iter().map(|(&(a, b), &relation)| (node(a), node(b), relation)).collect();
        let name = |&number: &u32| self.names.get(&Asn(number)).map_or("", |name| name);
        Atlas {
            version: self.version,
            names: Names::new(ases.iter().map(name)).unwrap_or_default(),
            origin_sets: origin_sets.into(),
            v4: v4.renumbered(renumber),
            v6: v6.renumbered(renumber),
            prefixes_v4,
            prefixes_v6,
            graph: Graph::new(ases.len(), &links),
            ases: ases.into(),
        }
    }

    /// Every AS that something was said of, ascending.
    fn ases(&self) -> Vec<u32> {
        let origins = self.owners.sets.iter().flat_map(|set| set.iter().copied());
        let linked = self.links.keys().flat_map(|&(a, b)| [a, b]);
        let all = origins.chain(linked).chain(self.names.keys().copied());
        let mut ases: Vec<u32> = all.map(|asn| asn.0).collect();
        ases.sort_unstable();
        ases.dedup();
        debug_assert!(ases.len() < NODES_MAX, "ASes that routers tell of number a hundred thousand");
        ases
    }
}
