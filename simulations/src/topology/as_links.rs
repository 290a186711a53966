//! Links between ASes that carry only so much, and the links that traffic takes from AS to AS.
//!
//! Each way of a link is a link of its own here. Traffic takes the route that
//! [`Atlas::path`] says, on the map as it is at the moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{Atlas, AtlasBuilder},
};

/// Which links between ASes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// All.
    All,
    /// Those between ASes that peer.
    Peering,
    /// Those over which one of the two buys transit.
    Transit,
    /// Those between these two ASes.
    Between(Asn, Asn),
}

impl Which {
    fn has(self, ours: Asn, theirs: Asn, relation: Relation) -> bool {
        match self {
            Which::All => true,
            Which::Peering => relation == Relation::Peer,
            Which::Transit => matches!(relation, Relation::Customer | Relation::Provider),
            Which::Between(a, b) => (a, b) == (ours, theirs) || (b, a) == (ours, theirs),
        }
    }
}

/// What some links carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Which links.
    pub which: Which,
    /// What each of them carries each way, in bytes a second.
    pub rate: u64,
}

/// The links that have a limit.
#[derive(Debug)]
pub struct AsLinks {
    atlas: Arc<Atlas>,
    /// Each way of each limited link.
    ids: BTreeMap<(Asn, Asn), usize>,
    rates: Vec<u64>,
    /// The limited links on each route that somebody asked for.
    routes: BTreeMap<(Asn, Asn), Arc<[usize]>>,
}

impl AsLinks {
    /// The links of a map that have a limit. Of several limits of a link the most special counts:
    /// that of two ASes before that of a kind before that of all; of equals the last.
    pub fn new(atlas: Arc<Atlas>, limits: &[Limit]) -> AsLinks {
        let mut limits = limits.to_vec();
        limits.sort_by_key(|limit| match limit.which {
            Which::All => 0,
            Which::Peering | Which::Transit => 1,
            Which::Between(..) => 2,
        });
        let (mut ids, mut rates) = (BTreeMap::new(), Vec::new());
        for (a, b, relation) in atlas.links().filter(|_| !limits.is_empty()) {
            let Some(limit) = limits.iter().rev().find(|limit| limit.which.has(a, b, relation)) else {
                continue;
            };
            for ends in [(a, b), (b, a)] {
                ids.insert(ends, rates.len());
                rates.push(limit.rate);
            }
        }
        AsLinks { atlas, ids, rates, routes: BTreeMap::new() }
    }

    /// What each way of each limited link carries, in bytes a second.
    pub fn rates(&self) -> &[u64] {
        &self.rates
    }

    /// The two ASes of each, by the same positions: from and to.
    pub fn ends(&self) -> Vec<(Asn, Asn)> {
        let mut ends: Vec<((Asn, Asn), usize)> = self.ids.iter().map(|(&ends, &id)| (ends, id)).collect();
        ends.sort_unstable_by_key(|&(_, id)| id);
        ends.into_iter().map(|(ends, _)| ends).collect()
    }

    /// The limited links on the route from one AS to another, as positions in [`AsLinks::rates`].
    /// None inside an AS, or where there is no route. The first question about two ASes searches the
    /// map.
    pub fn on_route(&mut self, from: Asn, to: Asn) -> Arc<[usize]> {
        if from == to || self.ids.is_empty() {
            return Arc::new([]);
        }
        let (atlas, ids) = (&self.atlas, &self.ids);
        let search = || {
            let path = atlas.path(from, to).unwrap_or_default();
            path.windows(2).filter_map(|hop| ids.get(&(hop[0], hop[1])).copied()).collect()
        };
        self.routes.entry((from, to)).or_insert_with(search).clone()
    }

    /// From now on traffic takes the routes of this map.
    pub fn reroute(&mut self, atlas: Arc<Atlas>) {
        self.atlas = atlas;
        self.routes.clear();
    }
}

/// A map without some ASes' links, and without some links. Only good for routes: it has no addresses.
pub fn without(atlas: &Atlas, ases: &BTreeSet<Asn>, links: &BTreeSet<(Asn, Asn)>) -> Atlas {
    let mut left = AtlasBuilder::new(1);
    for (a, b, relation) in atlas.links() {
        let is_lost = ases.contains(&a) || ases.contains(&b) || links.contains(&(a.min(b), a.max(b)));
        if !is_lost {
            left.link(a, b, relation);
        }
    }
    left.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two stubs under one provider, and a second provider of the first that peers with the other.
    fn map() -> Arc<Atlas> {
        let mut map = AtlasBuilder::new(1);
        map.link(Asn(1), Asn(10), Relation::Provider);
        map.link(Asn(2), Asn(10), Relation::Provider);
        map.link(Asn(1), Asn(11), Relation::Provider);
        map.link(Asn(10), Asn(11), Relation::Peer);
        Arc::new(map.build())
    }

    #[test]
    fn the_most_special_limit_counts_and_each_way_has_its_own() {
        let limit = |which, rate| Limit { which, rate };
        let limits =
            [limit(Which::Between(Asn(10), Asn(1)), 3), limit(Which::All, 1), limit(Which::Transit, 2)];
        let mut links = AsLinks::new(map(), &limits);
        let rates = |route: &[usize], links: &AsLinks| -> Vec<u64> {
            route.iter().map(|&link| links.rates()[link]).collect()
        };
        let (there, back) = (links.on_route(Asn(1), Asn(2)), links.on_route(Asn(2), Asn(1)));
        assert_eq!((rates(&there, &links), rates(&back, &links)), (vec![3, 2], vec![2, 3]));
        assert!(there.iter().all(|link| !back.contains(link)));
        assert_eq!(links.ends()[there[0]], (Asn(1), Asn(10)));
        assert_eq!(rates(&links.on_route(Asn(10), Asn(11)), &links), [1]);
        assert!(links.on_route(Asn(1), Asn(1)).is_empty());
        assert!(AsLinks::new(map(), &[]).on_route(Asn(1), Asn(2)).is_empty());
    }

    #[test]
    fn what_is_lost_is_gone_around_or_not_at_all() {
        let lost = BTreeSet::from([(Asn(1), Asn(10))]);
        let around = Arc::new(without(&map(), &BTreeSet::new(), &lost));
        assert_eq!(around.path(Asn(1), Asn(2)), Some(vec![Asn(1), Asn(11), Asn(10), Asn(2)]));
        let mut links = AsLinks::new(map(), &[Limit { which: Which::Peering, rate: 5 }]);
        assert!(links.on_route(Asn(1), Asn(2)).is_empty());
        links.reroute(around);
        assert_eq!(links.on_route(Asn(1), Asn(2)).len(), 1);
        let cut = without(&map(), &BTreeSet::from([Asn(10)]), &BTreeSet::new());
        assert_eq!(cut.path(Asn(1), Asn(2)), None);
    }
}
