//! The children of a supernode.
//!
//! Invariants: those that it serves are sorted by AS, so that whole ASes can be handed over; nobody is served and kept
//! in reserve at once; all lists are bounded.

use std::collections::BTreeSet;

use super::contact::{Caller, Standing};
use crate::{
    id::PeerKey,
    place::asn::Asn,
    place::prefix::Network,
    random::Random,
    saturate::{to_u16, to_u32},
};

/// Children whose connection broke, and that are known when they come back.
const AWAY_MAX: usize = 64;
/// They are known for so many seconds.
const AWAY_SECONDS: u32 = 120;
/// What was handed over is hearsay: whoever does not ask within so many seconds is expected no longer.
pub(super) const HEARSAY_SECONDS: u32 = 60;
/// Lists grow by so many places, so that little of a bounded memory is empty.
const GROWN_AT_ONCE: usize = 32;

/// A child that is served: 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Child {
    asn: Asn,
    peer: PeerKey,
    /// The number of its network, of which the lowest bit says whether it is to be asked to move.
    network: u32,
}

/// Networks that are known have odd numbers, so this bit says nothing of them.
const GOING: u32 = 1;

impl Child {
    fn is_going(&self) -> bool {
        self.network & GOING != 0
    }

    fn is_of(&self, network: Network) -> bool {
        self.network | GOING == network.number() | GOING
    }

    fn key(&self) -> (Asn, PeerKey) {
        (self.asn, self.peer)
    }
}

/// Stands for an AS that is not known.
const NO_AS: Asn = Asn(0);

/// Children that go to another supernode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Whole ASes, but for the last, of which it may be a part.
    pub(super) ases: Vec<Asn>,
    /// The children.
    pub(super) children: Vec<PeerKey>,
}

/// The children of a supernode.
#[derive(Debug, Default)]
pub(super) struct Children {
    served: Vec<Child>,
    warm: Vec<PeerKey>,
    away: Vec<(PeerKey, u32)>,
    expected: Vec<PeerKey>,
    expected_until: u32,
}

impl Children {
    /// Children that are served.
    pub(super) fn len(&self) -> u16 {
        to_u16(self.served.len())
    }

    /// Children that keep us in reserve.
    pub(super) fn warm(&self) -> &[PeerKey] {
        &self.warm
    }

    /// Children that are served.
    pub(super) fn served(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.served.iter().map(|child| child.peer)
    }

    /// Children that are served, each with its AS, AS by AS.
    pub(super) fn by_as(&self) -> impl Iterator<Item = (Asn, PeerKey)> + '_ {
        self.served.iter().map(Child::key)
    }

    /// Children that other supernodes handed over, and that did not ask yet.
    pub(super) fn expected(&self, now: u32) -> u16 {
        if now < self.expected_until { to_u16(self.expected.len()) } else { 0 }
    }

    pub(super) fn of_network(&self, network: Network) -> u16 {
        let same = |child: &&Child| child.is_of(network) && network != Network::UNKNOWN;
        to_u16(self.served.iter().filter(same).count())
    }

    pub(super) fn is_served(&self, peer: PeerKey) -> bool {
        self.served.iter().any(|child| child.peer == peer)
    }

    pub(super) fn is_warm(&self, peer: PeerKey) -> bool {
        self.warm.binary_search(&peer).is_ok()
    }

    /// Whether a node was a child lately, or another supernode handed it over.
    pub(super) fn is_known(&self, now: u32, peer: PeerKey) -> bool {
        let away =
            |&(known, since): &(PeerKey, u32)| known == peer && now.saturating_sub(since) <= AWAY_SECONDS;
        self.is_warm(peer) || self.is_expected(now, peer) || self.away.iter().any(away)
    }

    fn is_expected(&self, now: u32, peer: PeerKey) -> bool {
        now < self.expected_until && self.expected.binary_search(&peer).is_ok()
    }

    pub(super) fn serve(&mut self, caller: &Caller) {
        self.forget(caller.peer);
        let network = caller.network.number() & !GOING;
        let child = Child { asn: caller.asn.unwrap_or(NO_AS), peer: caller.peer, network };
        if let Err(at) = self.served.binary_search_by_key(&child.key(), Child::key) {
            make_room(&mut self.served);
            self.served.insert(at, child);
        }
    }

    pub(super) fn keep_warm(&mut self, peer: PeerKey) {
        self.forget(peer);
        if let Err(at) = self.warm.binary_search(&peer) {
            make_room(&mut self.warm);
            self.warm.insert(at, peer);
        }
    }

    /// A child went, or its connection broke: it is known when it comes back soon.
    pub(super) fn lose(&mut self, now: u32, peer: PeerKey) -> Option<Standing> {
        let was = self.forget(peer)?;
        self.away.retain(|&(_, since)| now.saturating_sub(since) <= AWAY_SECONDS);
        if self.away.len() >= AWAY_MAX {
            self.away.remove(0);
        }
        make_room(&mut self.away);
        self.away.push((peer, now));
        Some(was)
    }

    /// Takes a node off every list.
    fn forget(&mut self, peer: PeerKey) -> Option<Standing> {
        self.away.retain(|&(known, _)| known != peer);
        if let Ok(at) = self.expected.binary_search(&peer) {
            self.expected.remove(at);
        }
        if let Some(at) = self.served.iter().position(|child| child.peer == peer) {
            self.served.remove(at);
            return Some(Standing::Primary);
        }
        let at = self.warm.binary_search(&peer).ok()?;
        self.warm.remove(at);
        Some(Standing::Warm)
    }

    /// Another supernode hands children over: at most `most` of them have their place kept.
    pub(super) fn expect(&mut self, now: u32, children: &[PeerKey], most: u16) {
        if now >= self.expected_until {
            self.expected = Vec::new();
        }
        for &peer in children.iter().take(most.into()) {
            if let Err(at) = self.expected.binary_search(&peer) {
                make_room(&mut self.expected);
                self.expected.insert(at, peer);
            }
        }
        self.expected_until = now.saturating_add(HEARSAY_SECONDS);
    }

    /// These are to be asked to move, and no others.
    pub(super) fn set_going(&mut self, going: &BTreeSet<PeerKey>) {
        for child in &mut self.served {
            child.network &= !GOING;
            child.network |= if going.contains(&child.peer) { GOING } else { 0 };
        }
    }

    /// The next of those that are to be asked to move, AS by AS: they are asked once.
    pub(super) fn next_going(&mut self, most: usize) -> Vec<PeerKey> {
        let going = self.served.iter_mut().filter(|child| child.is_going()).take(most);
        going
            .map(|child| {
                child.network &= !GOING;
                child.peer
            })
            .collect()
    }

    /// Gives back the memory of what is past.
    pub(super) fn tidy(&mut self, now: u32) {
        if now >= self.expected_until && !self.expected.is_empty() {
            self.expected = Vec::new();
        }
    }

    /// A few of those that are served, drawn.
    pub(super) fn sample(&self, count: usize, random: &mut Random) -> Vec<PeerKey> {
        let all = self.served.len();
        if all <= count {
            return self.served().collect();
        }
        let draw = |_| self.served.get(random.below(to_u32(all)) as usize).map(|child| child.peer);
        let mut drawn: Vec<PeerKey> = (0..count).filter_map(draw).collect();
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }

    /// Whole ASes with `most` children together, or a little less: the largest first. If one AS has nearly everybody,
    /// a part of it. `but` stays.
    pub(super) fn share(&self, most: usize, but: Option<PeerKey>) -> Share {
        let mut groups: Vec<&[Child]> = self.served.chunk_by(|a, b| a.asn == b.asn).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let mut share = Share::default();
        let take = |share: &mut Share, group: &[Child], count: usize| {
            share.ases.extend(group.first().map(|child| child.asn));
            let goes = group.iter().map(|child| child.peer).filter(|&peer| Some(peer) != but);
            share.children.extend(goes.take(count));
        };
        for group in &groups {
            // Those whose AS is not known belong together only by chance.
            let whole = group.first().is_some_and(|child| child.asn != NO_AS);
            if whole && share.children.len().saturating_add(group.len()) <= most {
                take(&mut share, group, group.len());
            }
        }
        let left = most.saturating_sub(share.children.len());
        let rest =
            groups.iter().find(|group| group.first().is_some_and(|child| !share.ases.contains(&child.asn)));
        if let Some(group) = rest.filter(|_| left > most / 2) {
            take(&mut share, group, left);
        }
        share
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let served = self.served.capacity().saturating_mul(size_of::<Child>());
        let peers = self.warm.capacity().saturating_add(self.expected.capacity());
        let away = self.away.capacity().saturating_mul(size_of::<(PeerKey, u32)>());
        served.saturating_add(peers.saturating_mul(size_of::<PeerKey>())).saturating_add(away)
    }

    pub(super) fn check(&self) {
        assert!(self.served.is_sorted_by_key(Child::key), "children are sorted by AS");
        assert!(self.warm.is_sorted() && self.expected.is_sorted());
        assert!(self.away.len() <= AWAY_MAX);
    }
}

fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(GROWN_AT_ONCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: u32, asn: u32) -> Caller {
        let network = Network::of(std::net::Ipv4Addr::from_bits(number << 8).into());
        Caller { peer: PeerKey(number), asn: Some(Asn(asn)).filter(|asn| *asn != NO_AS), network, version: 1 }
    }

    fn children(of: &[(u32, u32)]) -> Children {
        let mut children = Children::default();
        let mut number = 0;
        for &(asn, count) in of {
            for _ in 0..count {
                number += 1;
                children.serve(&caller(number, asn));
            }
        }
        children.check();
        children
    }

    #[test]
    fn whole_ases_go_the_largest_that_fit_first() {
        let share = children(&[(1, 60), (2, 30), (3, 15), (4, 5)]).share(55, None);
        assert_eq!(share.ases, [Asn(2), Asn(3), Asn(4)]);
        assert_eq!(share.children.len(), 50);
    }

    #[test]
    fn an_as_with_nearly_everybody_is_parted_and_the_elected_child_stays() {
        let share = children(&[(1, 96), (2, 4)]).share(50, Some(PeerKey(1)));
        assert_eq!((share.ases, share.children.len()), (vec![Asn(2), Asn(1)], 50));
        assert!(!children(&[(1, 96)]).share(50, Some(PeerKey(1))).children.contains(&PeerKey(1)));
        let unknown = children(&[(0, 100)]).share(50, None);
        assert_eq!((unknown.ases, unknown.children.len()), (vec![NO_AS], 50));
    }

    #[test]
    fn those_that_are_to_move_are_asked_once_and_their_networks_stay_known() {
        let mut children = children(&[(1, 6)]);
        let network = caller(3, 1).network;
        children.set_going(&[PeerKey(3), PeerKey(5), PeerKey(99)].into());
        assert_eq!((children.of_network(network), children.of_network(Network::UNKNOWN)), (1, 0));
        assert_eq!(children.next_going(1), [PeerKey(3)]);
        assert_eq!((children.next_going(9), children.next_going(9)), (vec![PeerKey(5)], Vec::new()));
        children.set_going(&(1..7).map(PeerKey).collect());
        children.set_going(&BTreeSet::new());
        assert_eq!(children.next_going(9), []);
        assert_eq!(children.of_network(network), 1);
    }

    #[test]
    fn who_comes_back_is_known_for_a_while_and_is_on_one_list() {
        let mut children = children(&[(1, 3)]);
        assert_eq!(children.lose(10, PeerKey(2)), Some(Standing::Primary));
        assert_eq!(children.lose(10, PeerKey(9)), None);
        assert!(children.is_known(130, PeerKey(2)) && !children.is_known(131, PeerKey(2)));
        children.keep_warm(PeerKey(2));
        children.serve(&caller(2, 1));
        assert!(!children.is_warm(PeerKey(2)) && children.is_served(PeerKey(2)));
        children.expect(20, &[PeerKey(7), PeerKey(8)], 1);
        assert_eq!((children.expected(79), children.expected(80)), (1, 0));
        assert!(children.is_known(79, PeerKey(7)) && !children.is_known(80, PeerKey(7)));
        children.check();
    }
}
