//! The places where one peer may be, each with the rank of the word that names it.
//!
//! Invariants: a place of a lower rank never displaces one of a higher rank; a place that the user
//! typed is never removed; there are at most [`PLACES_MAX`] other places, of which third parties
//! named at most [`THIRD_PARTY_MAX`]; one dial tries at most one of these.

use std::net::IpAddr;

use crate::{place::endpoint::Endpoint, place::prefix::Prefix, time::Timestamp};

/// Places remembered of one peer, besides those that the user typed. A peer has few addresses at a
/// time; eight is what one dial would try.
pub const PLACES_MAX: usize = 8;
/// Places of one peer that third parties named. The second one is a reserve from another network,
/// so that a teller of a false place does not silence the tellers after it.
pub const THIRD_PARTY_MAX: usize = 2;
/// Failures in a row after which a place is given up that never worked and that only hearsay names.
pub const FAILURES_HEARSAY_MAX: u8 = 3;
/// The same for a place named by a directory of the user's. At a candidate's pauses that is a
/// minute and more, in which a peer that was restarted is back.
pub const FAILURES_DIRECTORY_MAX: u8 = 8;
/// The same for a place that worked once, or that its peer named itself. At the longest pause of a
/// candidate that is about ten minutes.
pub const FAILURES_KNOWN_MAX: u8 = 16;

/// How much the word that names a place counts. A better word compares as greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A neighbour told of it, or a directory that only itself calls one.
    Hearsay,
    /// A directory that the user named told of it, or its peer announced itself on the local
    /// network.
    Directory,
    /// A link names it. The author of the link is a stranger, but the user chose the link.
    Link,
    /// The peer said so of itself: the port it claims, at the IP it was seen at.
    Own,
    /// We connected to it there, and it proved that it is this peer.
    Connected,
    /// The user typed it.
    Typed,
}

impl Rank {
    /// Whether only a third party says so, a neighbour or a directory, and nothing was proved.
    pub fn is_third_party(self) -> bool {
        self <= Rank::Directory
    }

    /// Whether dialling the place needs no tokens of its target.
    pub fn is_exempt(self) -> bool {
        self >= Rank::Connected
    }
}

/// One place of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Its address and ports.
    pub endpoint: Endpoint,
    /// The best rank of the words that named it.
    pub rank: Rank,
    /// The network of the third party that named it.
    pub(super) teller: Option<Prefix>,
    /// Failures since it worked last.
    pub(super) failures: u8,
    /// When it was tried last.
    pub(super) tried_at: Option<Timestamp>,
}

impl Spot {
    pub(super) fn new(endpoint: Endpoint, rank: Rank, teller: Option<Prefix>) -> Spot {
        Spot { endpoint, rank, teller, failures: 0, tried_at: None }
    }

    /// A peer answered there: the pause before the next attempt is the shortest.
    pub(super) fn note_alive(&mut self) {
        self.failures = 0;
    }

    /// Whether so many attempts failed that the place is removed.
    pub(super) fn is_spent(&self) -> bool {
        match self.rank {
            // The user wants these, so they are tried for as long as the user does. A link has few.
            Rank::Typed | Rank::Link => false,
            Rank::Own | Rank::Connected => self.failures >= FAILURES_KNOWN_MAX,
            Rank::Directory => self.failures >= FAILURES_DIRECTORY_MAX,
            Rank::Hearsay => self.failures >= FAILURES_HEARSAY_MAX,
        }
    }
}

/// The outcome of a word about a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The place was known.
    Known,
    /// The place is news, and displaced these places.
    News(Vec<Spot>),
    /// The word is not believed: there is something better.
    Refused,
}

/// All places of one peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<Spot>);

impl Places {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Spot> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Spot> {
        self.0.iter_mut()
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Spot> {
        self.0.get_mut(at)
    }

    pub(super) fn find_mut(&mut self, endpoint: &Endpoint) -> Option<&mut Spot> {
        self.0.iter_mut().find(|spot| spot.endpoint == *endpoint)
    }

    /// Takes out the places that failed too often.
    pub(super) fn take_spent(&mut self) -> Vec<Spot> {
        let (gone, left) = std::mem::take(&mut self.0).into_iter().partition(Spot::is_spent);
        self.0 = left;
        gone
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The best rank there is.
    pub(super) fn rank(&self) -> Option<Rank> {
        self.0.iter().map(|spot| spot.rank).max()
    }

    /// The IP of the best place.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.0.iter().max_by_key(|spot| spot.rank).map(|spot| spot.endpoint.ip)
    }

    /// A place is named.
    pub(super) fn tell(&mut self, told: Spot) -> Told {
        let whole = |known: &&mut Spot| same(&known.endpoint, &told.endpoint) || completes(known, &told);
        if let Some(known) = self.0.iter_mut().find(whole) {
            if completes(known, &told) {
                known.endpoint.tcp = known.endpoint.tcp.or(told.endpoint.tcp);
                known.endpoint.udp = known.endpoint.udp.or(told.endpoint.udp);
            }
            if known.rank < told.rank {
                known.rank = told.rank;
                known.teller = told.teller;
                known.endpoint = told.endpoint;
            }
            return Told::Known;
        }
        match told.rank {
            Rank::Typed => {
                self.0.push(told);
                Told::News(Vec::new())
            }
            Rank::Link | Rank::Own | Rank::Connected => self.tell_chosen(told),
            Rank::Hearsay | Rank::Directory => self.tell_third_party(told),
        }
    }

    /// A place is proved, or the peer itself or a link names it. A peer's newest word replaces its
    /// last one of the same family.
    fn tell_chosen(&mut self, told: Spot) -> Told {
        let v4 = told.endpoint.ip.is_ipv4();
        let former = |spot: &Spot| spot.rank == Rank::Own && spot.endpoint.ip.is_ipv4() == v4;
        let mut gone = Vec::new();
        if told.rank == Rank::Own
            && let Some(at) = self.0.iter().position(former)
        {
            gone.push(self.0.remove(at));
        }
        while self.0.iter().filter(|spot| spot.rank != Rank::Typed).count() >= PLACES_MAX {
            let worst = |(_, spot): &(usize, &Spot)| (spot.rank, u8::MAX.saturating_sub(spot.failures));
            let found = self.0.iter().enumerate().min_by_key(worst).map(|(at, spot)| (at, spot.rank));
            match found {
                Some((at, rank)) if rank <= told.rank => gone.push(self.0.remove(at)),
                _ => return Told::Refused,
            }
        }
        self.0.push(told);
        Told::News(gone)
    }

    /// Whether a place is known that needs no third party's word, and works as far as is known.
    fn has_better(&self) -> bool {
        let works = |spot: &Spot| !spot.rank.is_third_party() && spot.failures < FAILURES_HEARSAY_MAX;
        self.0.iter().any(works)
    }

    /// A third party names a place. It counts only while the peer has nothing better that works.
    fn tell_third_party(&mut self, told: Spot) -> Told {
        if self.has_better() {
            return Told::Refused;
        }
        let others = || self.0.iter().enumerate().filter(|(_, spot)| spot.rank.is_third_party());
        let same_teller = others().find(|(_, spot)| spot.rank == told.rank && spot.teller == told.teller);
        let (mine, full) = (same_teller.map(|(at, _)| at), others().count() >= THIRD_PARTY_MAX);
        let yields = |spot: &Spot| {
            // A directory that the user named may correct itself; a stranger's word stands until it
            // proves false.
            let corrects = told.rank == Rank::Directory && spot.rank == Rank::Directory && mine.is_some();
            spot.rank < told.rank || (spot.rank == told.rank && (spot.failures > 0 || corrects))
        };
        let room = self.0.iter().filter(|spot| spot.rank != Rank::Typed).count() < PLACES_MAX;
        let at = match mine {
            Some(at) => Some(at).filter(|&at| yields(&self.0[at])),
            None if !full && room => {
                self.0.push(told);
                return Told::News(Vec::new());
            }
            None => {
                let worst = others().filter(|(_, spot)| yields(spot));
                worst
                    .min_by_key(|(_, spot)| (spot.rank, u8::MAX.saturating_sub(spot.failures)))
                    .map(|(at, _)| at)
            }
        };
        let Some(at) = at else { return Told::Refused };
        Told::News(vec![std::mem::replace(&mut self.0[at], told)])
    }

    /// A connection to this place came about: the place is proved. Places that were never named are
    /// not learned here.
    pub(super) fn on_connected(&mut self, ip: IpAddr, port: u16) {
        let here = |spot: &&mut Spot| {
            let ports = [spot.endpoint.tcp, spot.endpoint.udp];
            spot.endpoint.ip.to_canonical() == ip.to_canonical() && ports.contains(&Some(port))
        };
        if let Some(spot) = self.0.iter_mut().find(here) {
            spot.rank = spot.rank.max(Rank::Connected);
            spot.failures = 0;
        }
    }

    /// Takes out a place.
    pub(super) fn remove(&mut self, endpoint: &Endpoint) -> Option<Spot> {
        let at = self.0.iter().position(|spot| spot.endpoint == *endpoint)?;
        Some(self.0.remove(at))
    }

    /// Takes out a place that only third parties name.
    pub(super) fn remove_told(&mut self, endpoint: &Endpoint) -> Option<Spot> {
        let told = |spot: &Spot| spot.endpoint == *endpoint && spot.rank.is_third_party();
        let at = self.0.iter().position(told)?;
        Some(self.0.remove(at))
    }

    /// The indices of the places to try, best first: those that need no third party's word, and, if
    /// none of them works, one that a third party named.
    pub(super) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        let key = |&at: &usize| {
            let spot = &self.0[at];
            // A stranger's word is tried last, whatever it promises: it must not hold up what is
            // known.
            let third = spot.rank.is_third_party();
            (third, spot.failures.min(FAILURES_HEARSAY_MAX), std::cmp::Reverse(spot.rank))
        };
        order.sort_by_key(key);
        let mut room = usize::from(!self.has_better());
        order.retain(|&at| {
            let third = self.0[at].rank.is_third_party();
            let fits = !third || room > 0;
            room = room.saturating_sub((third && fits).into());
            fits
        });
        order
    }
}

/// Whether two words mean one place: the same IP, a port in common, and no port that differs.
fn same(a: &Endpoint, b: &Endpoint) -> bool {
    let agree = |a: Option<u16>, b: Option<u16>| a.is_none() || b.is_none() || a == b;
    let share = (a.tcp.is_some() && a.tcp == b.tcp) || (a.udp.is_some() && a.udp == b.udp);
    a.ip.to_canonical() == b.ip.to_canonical() && share && agree(a.tcp, b.tcp) && agree(a.udp, b.udp)
}

/// Whether the user or a link named the other transport of a known place.
fn completes(known: &Spot, told: &Spot) -> bool {
    let (a, b) = (&known.endpoint, &told.endpoint);
    let disjoint = (a.tcp.is_none() && b.udp.is_none()) || (a.udp.is_none() && b.tcp.is_none());
    let chosen = matches!(told.rank, Rank::Link | Rank::Typed);
    chosen && known.rank == told.rank && disjoint && a.ip.to_canonical() == b.ip.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: u8, port: u16) -> Endpoint {
        Endpoint { ip: [192, 0, 2, host].into(), tcp: Some(port), udp: None }
    }

    fn told(rank: Rank, host: u8, port: u16, teller: u8) -> Spot {
        let teller = rank.is_third_party().then(|| Prefix::of([198, 51, teller, 1].into()));
        Spot::new(endpoint(host, port), rank, teller)
    }

    #[test]
    fn no_word_of_others_displaces_what_the_user_typed_or_what_was_proved() {
        let mut places = Places::default();
        assert_eq!(places.tell(told(Rank::Typed, 1, 4001, 0)), Told::News(Vec::new()));
        for port in 0..100 {
            assert_eq!(places.tell(told(Rank::Hearsay, 9, 9_000 + port, 7)), Told::Refused);
        }
        for port in 0..100 {
            places.tell(told(Rank::Own, 9, 9_000 + port, 7));
        }
        assert_eq!(places.iter().count(), 2, "its own newest word is the only one that counts");
        assert!(places.iter().any(|spot| spot.endpoint == endpoint(1, 4001)));
    }

    #[test]
    fn a_strangers_word_stands_until_it_proves_false_and_another_network_is_kept_in_reserve() {
        let mut places = Places::default();
        places.tell(told(Rank::Hearsay, 1, 4001, 1));
        assert_eq!(places.tell(told(Rank::Hearsay, 2, 4001, 1)), Told::Refused, "the same teller");
        assert_eq!(places.tell(told(Rank::Hearsay, 3, 4001, 2)), Told::News(Vec::new()));
        assert_eq!(places.tell(told(Rank::Hearsay, 4, 4001, 3)), Told::Refused, "there are two");
        assert_eq!(places.order().len(), 1, "one dial tries one of them");
        places.get_mut(0).unwrap().failures = 1;
        assert_eq!(places.order(), [1], "the reserve comes next");
        assert!(matches!(places.tell(told(Rank::Hearsay, 4, 4001, 3)), Told::News(gone) if gone.len() == 1));
        assert!(
            matches!(places.tell(told(Rank::Directory, 5, 4001, 4)), Told::News(gone) if gone.len() == 1)
        );
    }

    #[test]
    fn what_strangers_say_is_tried_last() {
        let mut places = Places::default();
        places.tell(told(Rank::Hearsay, 1, 4001, 1));
        places.tell(told(Rank::Typed, 2, 4001, 1));
        places.get_mut(1).unwrap().failures = 9;
        let first = places.order()[0];
        assert_eq!(places.iter().nth(first).unwrap().rank, Rank::Typed);
    }
}
