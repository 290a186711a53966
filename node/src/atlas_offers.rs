//! Offers of newer atlases, by directory. Any directory may offer anything. The bounds here keep a
//! directory that offers often, or last, from crowding out the others.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::net::IpAddr;

use nearcast_core::prefix::Prefix;

use crate::directory::AtlasOffer;

/// Offers remembered. Each costs the memory of a link of up to 2 KiB, and one try to fetch it.
const OFFERS_MAX: usize = 32;
/// Tellers remembered in one network, apart from those the user named: an owner of a network has
/// many cheap addresses.
const TELLERS_PER_NETWORK_MAX: usize = 2;

/// A directory that offered an atlas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Teller {
    /// A number that stays the same for the same peer.
    pub(crate) peer: u64,
    /// The IP at which the directory was seen.
    pub(crate) ip: Option<IpAddr>,
    /// The user named this directory.
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
    /// The offer unchanged longest comes first.
    heard: Vec<Heard>,
}

impl AtlasOffers {
    /// Takes in an offer. False: this directory had made the same offer before.
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

    /// Whether there are no offers.
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }

    /// The offers in the order in which to judge them: first the highest version from a directory
    /// the user named, then all others by version, the highest first. A directory that lies about
    /// its version thus never comes before the best offer of a named one.
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
