//! The atlas: where every address is, compiled from what routers tell each other (BGP). It maps
//! addresses to the AS that originates them, and says what ASes are to each other: linked or not,
//! who pays whom, and how many links a route takes.
//!
//! Nothing here does any I/O: a file's bytes come in ([`Atlas::decode`]) and go out
//! ([`Atlas::encode`]). An atlas does not change; a newer one replaces it.

mod builder;
mod file;
mod graph;
mod names;
mod ranges;
mod reserved;
#[cfg(test)]
mod tests;
mod worth;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

pub use builder::{AtlasBuilder, RangeError};
pub use file::{ATLAS_BYTES_MAX, AtlasError};
pub use reserved::is_reserved;
pub use worth::Loss;

use crate::{
    place::{
        asn::{Asn, Relation},
        tier::{Proximity, Tier},
    },
    saturate::{to_u8, to_u32},
};
use graph::{Graph, Node};
use names::Names;
use ranges::{Owner, Ranges};

/// A place in the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address, as seen on its connection.
    pub ip: IpAddr,
    /// The AS that originates it. `None`: not known.
    pub asn: Option<Asn>,
}

/// What the atlas knows of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The first address of the range it lies in. A range is a prefix, or what more specific
    /// prefixes left of one, or several of these in a row with the same origin.
    pub first: IpAddr,
    /// The last address of that range.
    pub last: IpAddr,
    /// The ASes that originate it, the most often seen first. At least one.
    pub origins: Vec<Asn>,
}

/// How much an atlas knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// IPv4 prefixes it was made of.
    pub prefixes_v4: u64,
    /// IPv6 prefixes it was made of.
    pub prefixes_v6: u64,
    /// IPv4 ranges, of one owner each, that these prefixes became.
    pub ranges_v4: u64,
    /// IPv6 ranges.
    pub ranges_v6: u64,
    /// ASes that originate something, have a link or a name.
    pub ases: u64,
    /// ASes with a name.
    pub names: u64,
    /// Different sets of two or more ASes that originate the same prefix.
    pub origin_sets: u64,
    /// Links between a provider and its customer.
    pub links_transit: u64,
    /// Links between peers.
    pub links_peering: u64,
    /// Links that exist, but whose relation is not known.
    pub links_unknown: u64,
}

/// Where every address is. Some ten megabytes for the whole Internet: share it, do not copy it.
#[derive(Clone, PartialEq, Eq)]
pub struct Atlas {
    version: u64,
    /// Every AS that the atlas knows something of, ascending. Elsewhere an AS is its index here.
    ases: Box<[u32]>,
    names: Names,
    /// Sets of two or more origins. An owner beyond the last AS means one of these.
    origin_sets: Box<[Box<[Node]>]>,
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    prefixes_v4: u64,
    prefixes_v6: u64,
    graph: Graph,
}

/// Distances from one AS to all others, computed once: a byte for each AS of the atlas.
#[derive(Clone)]
pub struct Viewpoint {
    from: Asn,
    /// The atlas it was made of, by version and number of ASes.
    of: (u64, usize),
    hops: Box<[u8]>,
}

impl fmt::Debug for Atlas {
    /// Shows only how much is in it: the whole would fill a book.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atlas").field("version", &self.version).field("counts", &self.counts()).finish()
    }
}

impl fmt::Debug for Viewpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Viewpoint({})", self.from)
    }
}

impl Viewpoint {
    /// The AS that it is the view of.
    pub fn from(&self) -> Asn {
        self.from
    }

    /// Links on the shortest valley-free route to an AS; 0 to itself. `None`: there is no route, or
    /// this is the view of another atlas.
    pub fn hops(&self, atlas: &Atlas, to: Asn) -> Option<u8> {
        if self.of != (atlas.version, atlas.ases.len()) {
            return None;
        }
        graph::reached(self.hops[atlas.node(to)? as usize])
    }
}

impl Atlas {
    /// When the data it was made of was collected, in seconds since 1970. Of two atlases the one
    /// with the higher version is newer.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn node(&self, asn: Asn) -> Option<Node> {
        self.ases.binary_search(&asn.0).ok().map(to_u32)
    }

    fn asn(&self, node: Node) -> Asn {
        Asn(self.ases[node as usize])
    }

    /// The several origins an owner stands for. `None`: it is one AS, or nobody.
    fn origin_set(&self, owner: Owner) -> Option<&[Node]> {
        let set = (owner as usize).checked_sub(self.ases.len())?.checked_sub(1)?;
        Some(&self.origin_sets[set])
    }

    fn first_origin(&self, owner: Owner) -> Option<Asn> {
        let single = owner.checked_sub(1)?;
        Some(self.asn(self.origin_set(owner).map_or(single, |set| set[0])))
    }

    /// The AS that originates the longest prefix that covers an address; of several ASes the most
    /// often seen. Takes some tens of nanoseconds.
    pub fn origin(&self, ip: IpAddr) -> Option<Asn> {
        self.first_origin(self.owner(ip))
    }

    fn owner(&self, ip: IpAddr) -> Owner {
        match ip.to_canonical() {
            IpAddr::V4(ip) => self.v4.owner(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.owner(ip.to_bits()),
        }
    }

    /// All that is known of an address. `None`: nobody originates it.
    pub fn lookup(&self, ip: IpAddr) -> Option<Found> {
        let (first, last, owner) = match ip.to_canonical() {
            IpAddr::V4(ip) => ends(self.v4.range(ip.to_bits())),
            IpAddr::V6(ip) => ends(self.v6.range(ip.to_bits())),
        };
        let origins = match self.origin_set(owner) {
            Some(several) => several.iter().map(|&node| self.asn(node)).collect(),
            None => vec![self.first_origin(owner)?],
        };
        Some(Found { first, last, origins })
    }

    /// An address and the AS that originates it.
    pub fn place(&self, ip: IpAddr) -> Place {
        Place { ip, asn: self.origin(ip) }
    }

    /// The name of an AS.
    pub fn name(&self, asn: Asn) -> Option<&str> {
        self.names.get(self.node(asn)? as usize)
    }

    /// What `theirs` is to `ours`. `None`: no link between them is known.
    pub fn relation(&self, ours: Asn, theirs: Asn) -> Option<Relation> {
        self.graph.relation(self.node(ours)?, self.node(theirs)?)
    }

    /// Every link once, the lower AS first, with what the second is to the first.
    pub fn links(&self) -> impl Iterator<Item = (Asn, Asn, Relation)> {
        self.graph.links().map(|(a, b, relation)| (self.asn(a), self.asn(b), relation))
    }

    /// The neighbours of an AS, ascending, and what each is to it.
    pub fn neighbours(&self, asn: Asn) -> impl Iterator<Item = (Asn, Relation)> {
        let around = self.node(asn).into_iter().flat_map(|node| self.graph.neighbours(node));
        around.map(|(node, relation)| (self.asn(node), relation))
    }

    /// Every AS that the atlas knows something of, ascending.
    pub fn ases(&self) -> impl Iterator<Item = Asn> {
        self.ases.iter().map(|&number| Asn(number))
    }

    /// Links on the shortest valley-free route. `None`: there is no route. Searches the whole
    /// graph: for many questions from one AS see [`Atlas::view_from`].
    pub fn hops(&self, a: Asn, b: Asn) -> Option<u8> {
        Some(to_u8(self.path(a, b)?.len().saturating_sub(1)))
    }

    /// One shortest valley-free route, both ends included; the same each time.
    pub fn path(&self, a: Asn, b: Asn) -> Option<Vec<Asn>> {
        let nodes = self.graph.path(self.node(a)?, self.node(b)?)?;
        Some(nodes.into_iter().map(|node| self.asn(node)).collect())
    }

    /// The distances from an AS to all others. Takes some milliseconds.
    pub fn view_from(&self, asn: Asn) -> Viewpoint {
        let hops = match self.node(asn) {
            Some(node) => self.graph.hops_from(node),
            None => vec![u8::MAX; self.ases.len()].into(),
        };
        Viewpoint { from: asn, of: (self.version, self.ases.len()), hops }
    }

    /// How near `theirs` is to `ours`, cheapest first: same /24 (IPv6: /48); same /16 (/32) in the
    /// same AS; same AS; adjacent ASes by relation; others by hops, if `view` is from our AS. If
    /// one AS is unknown, only the prefixes count. Whether an address is on the same LAN is not
    /// known here.
    pub fn proximity(&self, ours: Place, theirs: Place, view: Option<&Viewpoint>) -> Proximity {
        let by_prefix = Tier::by_prefix(ours.ip, theirs.ip);
        let (Some(our_as), Some(their_as)) = (ours.asn, theirs.asn) else {
            return by_prefix.into();
        };
        if by_prefix <= Tier::Prefix24 {
            return by_prefix.into();
        }
        if our_as == their_as {
            // Also if the addresses are of different families: that they share no prefix says
            // nothing.
            return if by_prefix == Tier::Prefix16 { by_prefix.into() } else { Tier::SameAs.into() };
        }
        match self.relation(our_as, their_as) {
            Some(relation) => Proximity::adjacent(relation),
            None => {
                let view = view.filter(|view| view.from == our_as);
                Proximity::remote(view.and_then(|view| view.hops(self, their_as)))
            }
        }
    }

    /// The same atlas, but addresses that belong to nobody in the Internet (see [`is_reserved`])
    /// have no origins, unless all of their origins are private themselves ([`Asn::is_local`]).
    /// Whatever a leak or a mistake says of these, two private networks are not one. An atlas read
    /// from a file is already like this.
    #[must_use]
    pub fn without_reserved(mut self) -> Atlas {
        let local: Vec<bool> = self.ases.iter().map(|&number| Asn(number).is_local()).collect();
        let is_local = |node: Node| local[node as usize];
        let ases = self.ases.len();
        let sets = &self.origin_sets;
        let stays = |owner: Owner| {
            let Some(place) = (owner as usize).checked_sub(1) else { return true };
            match place.checked_sub(ases) {
                Some(set) => sets[set].iter().all(|&node| is_local(node)),
                None => local[place],
            }
        };
        let v4 = self.v4.cleared(&reserved::RESERVED_V4, stays);
        let v6 = self.v6.cleared(&reserved::RESERVED_V6, stays);
        (self.v4, self.v6) = (v4.unwrap_or(self.v4), v6.unwrap_or(self.v6));
        self
    }

    /// Every range of IPv4 addresses that somebody originates, ascending: its first and its last
    /// address, and the AS that [`Atlas::origin`] answers for all of them.
    pub fn ranges_v4(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Asn)> {
        self.v4.spans().filter_map(|(first, last, owner)| {
            let (first, last) = (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            Some((first, last, self.first_origin(owner)?))
        })
    }

    /// How much the atlas knows.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            prefixes_v4: self.prefixes_v4,
            prefixes_v6: self.prefixes_v6,
            ranges_v4: self.v4.owned() as u64,
            ranges_v6: self.v6.owned() as u64,
            ases: self.ases.len() as u64,
            names: self.names.count() as u64,
            origin_sets: self.origin_sets.len() as u64,
            ..Counts::default()
        };
        for (_, _, relation) in self.graph.links() {
            let links = match relation {
                Relation::Customer | Relation::Provider => &mut counts.links_transit,
                Relation::Peer => &mut counts.links_peering,
                Relation::Unknown => &mut counts.links_unknown,
            };
            *links = links.saturating_add(1);
        }
        counts
    }

    /// Memory it takes, in bytes.
    pub fn resident_bytes(&self) -> usize {
        let sets = self.origin_sets.iter().map(|set| size_of_val(&**set)).sum();
        let lists = [size_of_val(&*self.ases), size_of_val(&*self.origin_sets), sets];
        let parts = [
            self.names.heap_bytes(),
            self.v4.heap_bytes(),
            self.v6.heap_bytes(),
            self.graph.heap_bytes(),
            size_of::<Atlas>(),
        ];
        lists.into_iter().chain(parts).sum()
    }
}

fn ends<K: ranges::Address>((first, last, owner): (K, K, Owner)) -> (IpAddr, IpAddr, Owner) {
    (first.to_ip(), last.to_ip(), owner)
}
