//! Where newer atlases are said to be had, by whom. Anybody may say anything: this only sees to it that whoever says much,
//! or last, does not keep the others from being heard.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::net::IpAddr;

use nearcast_core::prefix::Prefix;

use crate::directory::AtlasOffer;

/// Offers remembered. Each costs a link of up to 2 KiB, and whoever judges them a try.
const OFFERS_MAX: usize = 32;
/// Tellers heard in one network, unless the user named them: addresses there are cheap for its owner.
const TELLERS_PER_NETWORK_MAX: usize = 2;

/// Who told of an atlas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Teller {
    /// The same number for the same peer.
    pub(crate) peer: u64,
    /// Where it was seen.
    pub(crate) ip: Option<IpAddr>,
    /// The user named it.
    pub(crate) named: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    teller: Teller,
    offer: AtlasOffer,
}

/// The newest offer of each directory that made one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AtlasOffers {
    /// The longest unchanged first.
    heard: Vec<Heard>,
}

impl AtlasOffers {
    /// Takes in what somebody offers; whether that is anything new.
    pub(crate) fn hear(&mut self, teller: Teller, offer: AtlasOffer) -> bool {
        let heard = Heard { teller, offer };
        if self.heard.iter().any(|known| known.teller.peer == teller.peer && known.offer == heard.offer) {
            return false;
        }
        self.heard.retain(|known| known.teller.peer != teller.peer);
        let network = |teller: &Teller| teller.ip.map(Prefix::of);
        let near = |known: &Heard| !known.teller.named && network(&known.teller) == network(&teller);
        if !teller.named && self.heard.iter().filter(|known| near(known)).count() >= TELLERS_PER_NETWORK_MAX {
            self.forget_first(near);
        }
        if self.heard.len() >= OFFERS_MAX {
            self.forget_first(|known| !known.teller.named);
        }
        if self.heard.len() < OFFERS_MAX {
            self.heard.push(heard);
        }
        true
    }

    fn forget_first(&mut self, which: impl Fn(&Heard) -> bool) {
        if let Some(at) = self.heard.iter().position(which) {
            self.heard.remove(at);
        }
    }

    /// Nobody offered anything.
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    /// In the order in which they should be judged: the highest of those whom the user named, then all by version, the highest
    /// first. So whoever lies about a version never comes before everybody else.
    pub fn in_order(&self) -> Vec<AtlasOffer> {
        let mut heard: Vec<&Heard> = self.heard.iter().collect();
        heard.sort_by_key(|heard| (std::cmp::Reverse(heard.offer.version), !heard.teller.named));
        if let Some(first) = heard.iter().position(|heard| heard.teller.named) {
            heard[..=first].rotate_right(1);
        }
        heard.into_iter().map(|heard| heard.offer.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teller(peer: u64, ip: [u8; 4]) -> Teller {
        Teller { peer, ip: Some(ip.into()), named: false }
    }

    fn offer(version: u64) -> AtlasOffer {
        AtlasOffer { version, link: format!("magnet:{version}") }
    }

    fn versions(offers: &AtlasOffers) -> Vec<u64> {
        offers.in_order().into_iter().map(|offer| offer.version).collect()
    }

    #[test]
    fn a_directory_is_heard_once_and_the_last_word_of_another_hides_nothing() {
        let mut offers = AtlasOffers::default();
        assert!(offers.is_empty());
        assert!(offers.hear(teller(1, [192, 0, 2, 1]), offer(7)));
        assert!(!offers.hear(teller(1, [192, 0, 2, 1]), offer(7)), "nothing new");
        assert!(offers.hear(teller(2, [198, 51, 100, 1]), offer(5)));
        assert_eq!(versions(&offers), [7, 5]);
        assert!(offers.hear(teller(1, [192, 0, 2, 1]), offer(9)));
        assert_eq!(versions(&offers), [9, 5], "one offer of each");
    }

    #[test]
    fn one_network_does_not_crowd_out_the_others_and_nobody_those_whom_the_user_named() {
        let mut offers = AtlasOffers::default();
        let tracker = Teller { named: true, ..teller(1, [192, 0, 2, 1]) };
        offers.hear(tracker, offer(7));
        offers.hear(teller(2, [198, 51, 100, 1]), offer(6));
        for peer in 10..1_000 {
            offers.hear(teller(peer, [203, 0, 113, peer as u8]), offer(1_000 + peer));
        }
        assert_eq!(versions(&offers), [7, 1_999, 1_998, 6], "the named one first");
        for peer in 1_000..2_000u64 {
            let [high, low] = (peer as u16).to_be_bytes();
            offers.hear(teller(peer, [10, high, low, 1]), offer(1_000 + peer));
        }
        assert_eq!(versions(&offers).len(), OFFERS_MAX);
        assert_eq!(versions(&offers)[0], 7);
    }

    #[test]
    fn there_is_a_bound_also_when_all_are_named() {
        let mut offers = AtlasOffers::default();
        for peer in 0..100u8 {
            offers.hear(Teller { named: true, ..teller(peer.into(), [10, peer, 0, 1]) }, offer(peer.into()));
        }
        assert_eq!(versions(&offers).len(), OFFERS_MAX);
    }
}
