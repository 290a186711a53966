//! Infers from AS paths who pays whom.
//!
//! A route climbs from customers to providers, crosses at most one link between peers, and descends
//! to customers (Gao, 2001). The ASes that buy from nobody are few and well known. Where a path
//! passes one of them, everything before it climbs and everything after it descends, and each link
//! gets a vote. One vote is weak: of the two links beside a single such AS, one may be the
//! crossing. Links without votes were seen only away from the top, where most links are crossings.
//!
//! Invariant: memory is bounded by links, not by paths. That two ASes are linked is always
//! observed, never inferred.

use std::collections::{HashMap, HashSet};

use nearcast_core::asn::{Asn, Relation};

/// The most links: three times as many as all public collectors together saw in 2026. Further ones
/// are counted and left out.
pub const LINKS_MAX: usize = 1 << 21;

/// ASes that bought transit from nobody for most of the last twenty years. Some were sold to others
/// of the list; their numbers live on in old data.
pub const TIER_1: [u32; 21] = [
    174, 209, 286, 701, 1239, 1273, 1299, 2828, 2914, 3257, 3320, 3356, 3491, 3549, 5511, 6453, 6461, 6762,
    6830, 7018, 12_956,
];

/// ASes that buy from few or nobody, too, but peer with thousands. Votes do not distinguish their
/// peers from their customers, so a weak vote on their links counts as a crossing.
pub const OPEN_PEERING: [u32; 1] = [6939];

/// An AS with this many certain providers does not get another one by a weak vote alone.
const PROVIDERS_ENOUGH: u32 = 2;

/// The votes of paths on one link, seen from the lower of its two ASes. Counters saturate.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    /// `down`: the higher AS is a customer of the lower. `up`: the higher AS is a provider.
    down: u32,
    up: u32,
    weak_down: u32,
    weak_up: u32,
}

/// Every observed link.
#[derive(Clone, Debug)]
pub struct Links {
    votes: HashMap<(Asn, Asn), Votes>,
    tops: HashSet<Asn>,
    open_peering: HashSet<Asn>,
    /// Whether any path passed the top. Without one, no relation is known.
    top_seen: bool,
    left_out: u64,
}

impl Default for Links {
    fn default() -> Links {
        let set = |numbers: &[u32]| numbers.iter().copied().map(Asn).collect();
        Links::below(set(&TIER_1), set(&OPEN_PEERING))
    }
}

impl Links {
    /// For an Internet with other ASes at its top. `tier_1` buy from nobody; `open_peering` do not
    /// either, and peer with most of their neighbours.
    pub fn below(tier_1: HashSet<Asn>, open_peering: HashSet<Asn>) -> Links {
        let mut tops = tier_1;
        tops.extend(&open_peering);
        Links { votes: HashMap::new(), tops, open_peering, top_seen: false, left_out: 0 }
    }

    /// Notes a cleaned path, the AS of the reporting router first.
    pub fn path(&mut self, hops: &[Asn]) {
        let is_top = |asn: &Asn| self.tops.contains(asn);
        let ends = hops.iter().position(is_top).zip(hops.iter().rposition(is_top));
        self.top_seen |= ends.is_some();
        for (at, pair) in hops.windows(2).enumerate() {
            let Some((first, last)) = ends else {
                self.seen(pair[0], pair[1]);
                continue;
            };
            let alone = first == last;
            if at < first {
                // The route came from the second to the first, so the path climbs in reading order.
                self.vote(pair[1], pair[0], alone && at.saturating_add(1) == first);
            } else if at >= last {
                self.vote(pair[0], pair[1], alone && at == last);
            } else {
                self.seen(pair[0], pair[1]);
            }
        }
    }

    fn seen(&mut self, a: Asn, b: Asn) -> Option<&mut Votes> {
        let ends = (a.min(b), a.max(b));
        if self.votes.len() >= LINKS_MAX && !self.votes.contains_key(&ends) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        Some(self.votes.entry(ends).or_default())
    }

    fn vote(&mut self, provider: Asn, customer: Asn, weak: bool) {
        if let Some(votes) = self.seen(provider, customer) {
            let counter = match (provider < customer, weak) {
                (true, false) => &mut votes.down,
                (false, false) => &mut votes.up,
                (true, true) => &mut votes.weak_down,
                (false, true) => &mut votes.weak_up,
            };
            *counter = counter.saturating_add(1);
        }
    }

    /// The number of observed links.
    pub fn count(&self) -> usize {
        self.votes.len()
    }

    /// Observations of links beyond [`LINKS_MAX`].
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Every link in order, the lower AS first, and what the second is to the first.
    pub fn into_relations(self) -> impl Iterator<Item = (Asn, Asn, Relation)> {
        let mut providers: HashMap<Asn, u32> = HashMap::new();
        for (&(lower, higher), votes) in &self.votes {
            let customer = match self.strong(lower, higher, votes) {
                Some(Relation::Customer) => higher,
                Some(Relation::Provider) => lower,
                _ => continue,
            };
            let count = providers.entry(customer).or_default();
            *count = count.saturating_add(1);
        }
        let mut all: Vec<(Asn, Asn, Relation)> = self
            .votes
            .iter()
            .map(|(&(lower, higher), votes)| (lower, higher, self.relation(lower, higher, votes, &providers)))
            .collect();
        all.sort_unstable_by_key(|&(lower, higher, _)| (lower, higher));
        all.into_iter()
    }

    /// The relation as far as it does not depend on other links: tops peer, and strong votes
    /// decide.
    fn strong(&self, lower: Asn, higher: Asn, votes: &Votes) -> Option<Relation> {
        if self.tops.contains(&lower) && self.tops.contains(&higher) {
            return Some(Relation::Peer);
        }
        match (votes.down, votes.up) {
            (0, 0) => None,
            (down, up) if down >= up => Some(Relation::Customer),
            _ => Some(Relation::Provider),
        }
    }

    fn relation(&self, lower: Asn, higher: Asn, votes: &Votes, providers: &HashMap<Asn, u32>) -> Relation {
        if let Some(relation) = self.strong(lower, higher, votes) {
            return relation;
        }
        if !self.top_seen {
            return Relation::Unknown;
        }
        if votes.weak_down == 0 && votes.weak_up == 0 {
            return Relation::Peer;
        }
        let (relation, customer) = if votes.weak_down >= votes.weak_up {
            (Relation::Customer, higher)
        } else {
            (Relation::Provider, lower)
        };
        let beside_open_peering = self.open_peering.contains(&lower) || self.open_peering.contains(&higher);
        let has_enough = providers.get(&customer).is_some_and(|&count| count >= PROVIDERS_ENOUGH);
        if beside_open_peering || has_enough { Relation::Peer } else { relation }
    }
}

#[cfg(test)]
mod tests;
