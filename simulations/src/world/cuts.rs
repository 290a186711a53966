//! Who cannot reach whom: what outages of ASes, of links between them, and partitions come to.
//!
//! Where peers have homes on an Internet, traffic goes around what is lost, as far as routes allow.
//! Else any two ASes are neighbours: a lost AS is cut off from all others, a lost link cuts two ASes
//! from each other. Delays stay as they were. Whoever cannot be reached is as behind a clogged link
//! (`clog`): what is sent is held back, and after a while the link is taken for dead.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use nearcast_core::{asn::Asn, atlas::Atlas, id::PeerKey};

use super::{World, place::Places};
use crate::topology::without;

/// What is cut now.
#[derive(Debug, Default)]
pub(super) struct Cuts {
    /// By outage: the peers that are cut off from all others.
    sides: BTreeMap<u32, Vec<bool>>,
    /// By outage: ASes and links that are lost.
    lost: BTreeMap<u32, Lost>,
    /// Pairs of ASes in use, by their places among those, between which no route is left.
    unrouted: BTreeSet<(u32, u32)>,
    /// Pairs of peers whose links are clogged for that.
    clogged: BTreeSet<(PeerKey, PeerKey)>,
}

/// ASes and links that are lost.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    pub(super) ases: BTreeSet<Asn>,
    /// The lower AS first.
    pub(super) links: BTreeSet<(Asn, Asn)>,
}

impl Cuts {
    /// Whether anything is cut.
    pub(super) fn are_any(&self) -> bool {
        !self.sides.is_empty() || !self.lost.is_empty()
    }

    fn lost(&self) -> Lost {
        let mut all = Lost::default();
        for lost in self.lost.values() {
            all.ases.extend(&lost.ases);
            all.links.extend(&lost.links);
        }
        all
    }

    /// Whether two ASes cannot reach each other, where any two are neighbours. `None`: not known, so it
    /// is none of those that are lost.
    fn separates(&self, ours: Option<Asn>, theirs: Option<Asn>) -> bool {
        let is_lost = |lost: &Lost| {
            let is_link = ours.zip(theirs).is_some_and(|(a, b)| lost.links.contains(&(a.min(b), a.max(b))));
            is_link || [ours, theirs].into_iter().flatten().any(|asn| lost.ases.contains(&asn))
        };
        ours != theirs && self.lost.values().any(is_lost)
    }
}

impl World {
    /// Whether two peers cannot reach each other.
    pub(super) fn is_cut(&self, a: PeerKey, b: PeerKey) -> bool {
        let cuts = &self.net.cuts;
        if cuts.sides.values().any(|side| side[a.0 as usize] != side[b.0 as usize]) {
            return true;
        }
        if cuts.lost.is_empty() {
            return false;
        }
        match &self.places {
            Places::Plain(_) => cuts.separates(self.places.asn(a), self.places.asn(b)),
            Places::Internet(homes, _) => {
                let group = |peer: PeerKey| homes.population.group(homes.dweller(peer)) as u32;
                let (ours, theirs) = (group(a), group(b));
                cuts.unrouted.contains(&(ours.min(theirs), ours.max(theirs)))
            }
        }
    }

    /// From now on these peers are cut off from all others, by this outage.
    pub(super) fn cut_off(&mut self, outage: u32, side: Vec<bool>) {
        self.net.cuts.sides.insert(outage, side);
        self.note_cuts();
    }

    /// From now on these ASes and links are lost, by this outage.
    pub(super) fn cut_routes(&mut self, outage: u32, lost: Lost) {
        self.net.cuts.lost.insert(outage, lost);
        self.find_routes();
        self.note_cuts();
    }

    /// What an outage cut works again.
    pub(super) fn mend(&mut self, outage: u32) {
        self.net.cuts.sides.remove(&outage);
        if self.net.cuts.lost.remove(&outage).is_some() {
            self.find_routes();
        }
        self.note_cuts();
    }

    /// Finds out which ASes no route leads between any more.
    fn find_routes(&mut self) {
        let Places::Internet(homes, _) = &self.places else { return };
        let population = homes.population.clone();
        let lost = self.net.cuts.lost();
        let whole = population.atlas();
        let atlas = match self.net.cuts.lost.is_empty() {
            true => whole.clone(),
            false => Arc::new(without(whole, &lost.ases, &lost.links)),
        };
        let ases: Vec<Asn> = population.members().map(|(asn, _)| asn).collect();
        self.net.cuts.unrouted.clear();
        if !self.net.cuts.lost.is_empty() {
            self.net.cuts.unrouted = unrouted(whole, &atlas, &ases, &lost.ases);
        }
        self.reroute(&atlas);
    }

    /// Clogs links between peers that cannot reach each other any more, and frees those between
    /// peers that can again.
    fn note_cuts(&mut self) {
        let healed: Vec<(PeerKey, PeerKey)> =
            self.net.cuts.clogged.iter().copied().filter(|&(a, b)| !self.is_cut(a, b)).collect();
        for (a, b) in healed {
            self.net.cuts.clogged.remove(&(a, b));
            self.forget_earlier_lives(a, b);
            self.unclog(a.0, b.0);
        }
        if !self.net.cuts.are_any() {
            return;
        }
        let linked =
            |me: PeerKey| self.peer(me).links.iter().map(move |link| (me.min(link.peer), me.max(link.peer)));
        let pairs: BTreeSet<(PeerKey, PeerKey)> =
            self.keys().flat_map(linked).filter(|&(a, b)| self.is_cut(a, b)).collect();
        pairs.into_iter().for_each(|(a, b)| self.clog_for_cut(a, b));
    }

    /// Clogs the link of two peers that cannot reach each other.
    pub(super) fn clog_for_cut(&mut self, a: PeerKey, b: PeerKey) {
        let pair = (a.min(b), a.max(b));
        if self.net.cuts.clogged.insert(pair) {
            self.clog(a.0, b.0);
        }
    }
}

/// Pairs of ASes, by their places in `ases`, that a route led between on the whole map and none does
/// on what is left. ASes that are lost are cut off from all others in any case.
fn unrouted(whole: &Atlas, left: &Atlas, ases: &[Asn], lost: &BTreeSet<Asn>) -> BTreeSet<(u32, u32)> {
    let mut pairs = BTreeSet::new();
    for (ours, &from) in ases.iter().enumerate() {
        let (before, after) = (whole.view_from(from), left.view_from(from));
        for (theirs, &to) in ases.iter().enumerate().skip(ours + 1) {
            let had = before.hops(whole, to).is_some();
            let is_lost = lost.contains(&from) || lost.contains(&to);
            if is_lost || (had && after.hops(left, to).is_none()) {
                pairs.insert((ours as u32, theirs as u32));
            }
        }
    }
    pairs
}
