//! What a directory asks of the atlas.

use std::net::IpAddr;

use crate::place::{
    asn::{Asn, Relation},
    atlas::Atlas,
};

/// Where addresses are and which networks adjoin: an atlas, or nothing at all.
pub trait Locator {
    /// Differs from that of any other locator: entries placed by another one are placed anew. 0 = no atlas.
    fn version(&self) -> u64;
    /// The AS that originates an address.
    fn asn(&self, ip: IpAddr) -> Option<Asn>;
    /// Adds the neighbours of an AS to `into`, ascending, and what each is to it.
    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>);
}

/// No atlas: prefixes alone tell how near somebody is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Locator for Nowhere {
    fn version(&self) -> u64 {
        0
    }

    fn asn(&self, _: IpAddr) -> Option<Asn> {
        None
    }

    fn neighbours(&self, _: Asn, _: &mut Vec<(Asn, Relation)>) {}
}

impl Locator for Atlas {
    fn version(&self) -> u64 {
        // One made of nothing, of no date, is still another thing than none.
        Atlas::version(self).max(1)
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        self.origin(ip)
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.extend(Atlas::neighbours(self, asn));
    }
}

/// Neighbours of the ASes that asked lately, so that a busy AS is looked up once.
///
/// Bounded: a list in each of so many places, and all lists together no larger than the atlas's own.
#[derive(Debug, Default)]
pub(super) struct Adjacency {
    lists: Vec<Option<List>>,
}

#[derive(Debug)]
struct List {
    of: Asn,
    around: Box<[(Asn, Relation)]>,
}

/// Lists kept.
const LISTS_MAX: usize = 4096;

impl Adjacency {
    /// Forgets what another atlas said.
    pub(super) fn clear(&mut self) {
        self.lists.clear();
    }

    /// The neighbours of an AS, ascending.
    pub(super) fn of(&mut self, asn: Asn, locator: &dyn Locator) -> &[(Asn, Relation)] {
        if self.lists.is_empty() {
            self.lists.resize_with(LISTS_MAX, || None);
        }
        let place = (asn.0.wrapping_mul(0x9e37_79b1) >> 20) as usize % LISTS_MAX;
        let list = &mut self.lists[place];
        if list.as_ref().is_none_or(|list| list.of != asn) {
            let mut around = Vec::new();
            locator.neighbours(asn, &mut around);
            *list = Some(List { of: asn, around: around.into() });
        }
        list.as_ref().map_or(&[], |list| &list.around)
    }
}
