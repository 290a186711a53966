//! The operator's own sites: offices, campuses and data centres. Each has prefixes of its own,
//! mostly private ones, and links with costs between them. In the atlas a site is an AS with a
//! private number and the site's name.
//!
//! Invariants: no two sites share a name, a number or an address. Every link is between two sites,
//! or a site and an AS, and appears once.

mod file;

use ipnetwork::IpNetwork;
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
};

pub use file::{FILE_BYTES_MAX, SITES_MAX, SitesError, parse};

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The name.
    pub name: String,
    /// The AS number, which is private (RFC 6996).
    pub asn: Asn,
    /// The address ranges.
    pub prefixes: Vec<IpNetwork>,
}

/// Who pays for traffic over a link, seen from the site that names it. If there is a choice,
/// traffic takes the cheapest link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nobody. The link carries no traffic to third sites.
    Free,
    /// This site pays, as a small site behind a larger one does.
    Ours,
    /// The other end pays.
    Theirs,
    /// Both pay: the most expensive. The link carries everything.
    Both,
}

impl Cost {
    const ALL: [(&'static str, Cost); 4] =
        [("free", Cost::Free), ("ours", Cost::Ours), ("theirs", Cost::Theirs), ("both", Cost::Both)];

    fn named(text: &str) -> Option<Cost> {
        Cost::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, cost)| cost)
    }

    /// What the other end is to this site.
    fn relation(self) -> Relation {
        match self {
            Cost::Free => Relation::Peer,
            Cost::Ours => Relation::Provider,
            Cost::Theirs => Relation::Customer,
            Cost::Both => Relation::Unknown,
        }
    }
}

/// All sites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    sites: Vec<Site>,
    /// The two ends of each link, and what the second is to the first.
    links: Vec<(Asn, Asn, Relation)>,
}

impl Sites {
    /// Whether there are no sites.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The sites, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// Lays the sites over an atlas. For their addresses the operator's word counts, however
    /// specific the atlas was.
    pub fn over(&self, atlas: &Atlas) -> Atlas {
        let mut builder = AtlasBuilder::on(atlas, atlas.version());
        for site in &self.sites {
            site.prefixes.iter().for_each(|&prefix| builder.prefix(prefix, &[site.asn]));
            builder.name(site.asn, &site.name);
        }
        self.links.iter().for_each(|&(a, b, relation)| builder.link(a, b, relation));
        builder.build()
    }
}

/// The numbers for sites without a number of their own: the private 32-bit range.
const NUMBERS: std::ops::Range<u32> = 4_200_000_000..4_294_967_295;

/// Gives a name a number that is not in `taken`. The same name gets the same number, wherever it
/// stands in the file and whatever else is there, unless two names collide.
fn number(name: &str, taken: impl Fn(Asn) -> bool) -> Asn {
    // FNV-1a, 64 bits (Fowler, Noll and Vo).
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let many = u64::from(NUMBERS.end.abs_diff(NUMBERS.start));
    let nth = |offset: u64| {
        let at = hash.wrapping_add(offset).checked_rem(many).and_then(|at| u32::try_from(at).ok());
        Asn(NUMBERS.start.saturating_add(at.unwrap_or(0)))
    };
    // There are a thousand times more numbers than sites.
    (0..many).map(nth).find(|&asn| !taken(asn)).unwrap_or(Asn(NUMBERS.start))
}

#[cfg(test)]
mod tests;
