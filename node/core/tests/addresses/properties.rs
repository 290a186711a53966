//! Whatever strangers say, in any order: bounds hold, and what others told is not forgotten.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use nearcast_core::{
    addresses::{
        AddressBook, Place, Plan, Rank, hearsay_max,
        places::PLACES_MAX,
        strangers_max,
        targets::{TOLD_PER_ADDRESS_MAX, WINDOW},
    },
    id::PeerKey,
    prefix::Prefix,
    random::Random,
    registry::Endpoint,
    time::Timestamp,
};
use proptest::prelude::*;

use crate::words::{at, endpoint, hearsay, ip};

#[derive(Clone, Copy, Debug)]
enum Step {
    Hear { teller: u8, peer: u8, ip: u16, port: u8, known: bool, directory: bool },
    Dial { peer: u8, success: bool },
    Claim { peer: u8, port: u16 },
    Disconnect { peer: u8 },
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let hear = (any::<u8>(), any::<u8>(), any::<u16>(), any::<u8>(), any::<bool>(), any::<bool>()).prop_map(
        |(teller, peer, ip, port, known, directory)| Step::Hear { teller, peer, ip, port, known, directory },
    );
    prop_oneof![
        8 => hear,
        4 => (any::<u8>(), any::<bool>()).prop_map(|(peer, success)| Step::Dial { peer, success }),
        1 => (any::<u8>(), any::<u16>()).prop_map(|(peer, port)| Step::Claim { peer, port }),
        1 => any::<u8>().prop_map(|peer| Step::Disconnect { peer }),
        2 => (0u32..100_000).prop_map(Step::Wait),
    ]
}

/// A book that strangers tell of peers, and what came of it.
struct History {
    book: AddressBook,
    typed: Vec<(PeerKey, Endpoint)>,
    /// Every peer that the book knows.
    keys: Vec<PeerKey>,
    /// The connections of each connected peer.
    connected: BTreeMap<PeerKey, u32>,
    /// The places that were dialled in vain, and when.
    failed: Vec<(Timestamp, Place)>,
    now: Timestamp,
}

impl History {
    fn new(seed: u64) -> History {
        let mut book = AddressBook::new(seed);
        let typed: Vec<(PeerKey, Endpoint)> = (0..4)
            .map(|n| {
                let place = endpoint(ip(&format!("8.8.{n}.8")), 22 + n);
                let key = book.keep_new();
                book.type_in(key, place.clone());
                (key, place)
            })
            .collect();
        let keys: Vec<PeerKey> = typed.iter().map(|(key, _)| *key).collect();
        History { book, typed, keys, connected: BTreeMap::new(), failed: Vec::new(), now: Timestamp::ZERO }
    }

    fn pick(&self, peer: u8) -> PeerKey {
        self.keys[usize::from(peer) % self.keys.len()]
    }

    fn go_on(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Hear { teller, peer, ip: host, port, known, directory } => {
                let place =
                    endpoint(ip(&format!("8.8.{}.{}", host % 4, host >> 14)), 4_000 + u16::from(port % 4));
                let rank = if directory { Rank::Directory } else { Rank::Hearsay };
                let teller = Prefix::of(ip(&format!("9.9.{}.1", teller % 5)));
                let peer = Some(self.pick(peer)).filter(|peer| known && self.book.contains(*peer));
                self.keys.extend(self.book.hear(self.now, peer, place, (rank, teller)));
            }
            Step::Dial { peer, success } => self.dial(self.pick(peer), success)?,
            Step::Claim { peer, port } => {
                let peer = self.pick(peer);
                self.book.claim(peer, endpoint(ip("8.8.9.9"), port.max(1)));
            }
            Step::Disconnect { peer } => self.disconnect(self.pick(peer)),
            Step::Wait(millis) => self.now = self.now + Duration::from_millis(millis.into()),
        }
        self.keys.retain(|key| self.book.contains(*key));
        self.book.take_forgotten();
        Ok(())
    }

    fn dial(&mut self, peer: PeerKey, success: bool) -> Result<(), TestCaseError> {
        let now = self.now;
        let Plan::Dial(places) = self.book.plan(now, peer) else { return Ok(()) };
        prop_assert!(!places.is_empty());
        if success {
            let first = places[0];
            self.book.on_connected(now, peer, Some((first.ip, first.port)));
            *self.connected.entry(peer).or_default() += 1;
            self.failed
                .extend(places[1..].iter().filter(|place| place.ip != first.ip).map(|&place| (now, place)));
        } else {
            if !self.connected.contains_key(&peer) {
                self.failed.extend(places.iter().map(|&place| (now, place)));
            }
            self.book.on_dial_failed(now, peer);
        }
        Ok(())
    }

    fn disconnect(&mut self, peer: PeerKey) {
        if let Some(open) = self.connected.get_mut(&peer) {
            *open -= 1;
            let gone = *open == 0;
            self.book.on_disconnected(peer);
            if gone {
                self.connected.remove(&peer);
            }
        }
    }

    /// What was typed stays, no peer has too many places, and no connected peer is forgotten.
    fn check(&self) -> Result<(), TestCaseError> {
        for (key, place) in &self.typed {
            let there =
                self.book.places(*key).any(|spot| spot.rank == Rank::Typed && spot.endpoint == *place);
            prop_assert!(there, "{key:?} lost {place:?}");
        }
        for key in &self.keys {
            let others = self.book.places(*key).filter(|spot| spot.rank != Rank::Typed).count();
            prop_assert!(others <= PLACES_MAX);
        }
        for key in self.connected.keys() {
            prop_assert!(self.book.contains(*key), "a connected peer was forgotten");
        }
        Ok(())
    }

    /// No address was dialled in vain more often in a window than the words of others may cause.
    fn check_dials(&self) -> Result<(), TestCaseError> {
        let counted: Vec<&(Timestamp, Place)> =
            self.failed.iter().filter(|(_, place)| place.counted).collect();
        for (at, place) in &counted {
            let same = |other: &&&(Timestamp, Place)| {
                other.1.ip == place.ip && other.0 >= *at && other.0.since(*at) < WINDOW
            };
            let dials = counted.iter().filter(same).count();
            prop_assert!(dials <= TOLD_PER_ADDRESS_MAX, "{dials} dials of {place:?}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_strangers_say_typed_places_stay_and_bounds_hold(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut history = History::new(seed);
        for step in steps {
            history.go_on(step)?;
            history.check()?;
        }
        history.check_dials()?;
    }

    #[test]
    fn no_teller_fills_the_book_and_none_makes_it_forget_what_others_told(
        seed in any::<u64>(),
        flood in 2_000u32..8_000,
    ) {
        let mut book = AddressBook::new(seed);
        let mut random = Random::new(seed);
        let honest: Vec<PeerKey> = (0..100u32)
            .filter_map(|n| {
                let teller = (Rank::Hearsay, Prefix::of(ip(&format!("7.7.{}.1", n % 10))));
                book.hear(at(0), None, endpoint(ip(&format!("6.{}.{n}.1", n % 7)), 4001), teller)
            })
            .collect();
        for n in 0..flood {
            let target = IpAddr::from((random.below(u32::MAX) | 0x0100_0000).to_be_bytes());
            let host = n % 200;
            book.hear(at(u64::from(n)), None, endpoint(target, 4001), hearsay(&format!("9.9.9.{host}")));
        }
        prop_assert!(book.told_by(Prefix::of(ip("9.9.9.9"))) <= hearsay_max());
        prop_assert!(book.len() <= strangers_max());
        let left = honest.iter().filter(|key| book.contains(**key)).count();
        prop_assert_eq!(left, honest.len());
    }
}
