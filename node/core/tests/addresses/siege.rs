//! An attacker that names a third party again and again: how often the third party is dialled.

use std::{collections::BTreeSet, net::IpAddr};

use nearcast_core::{
    addresses::{
        AddressBook, GIVEN_UP_FOR, Place, Plan, Rank,
        targets::{
            HEARSAY_PER_ADDRESS_MAX, HEARSAY_PER_NETWORK_MAX, TOLD_PER_ADDRESS_MAX, TOLD_PER_NETWORK_MAX,
            WINDOW,
        },
    },
    id::PeerKey,
    prefix::Prefix,
    registry::Endpoint,
};

use crate::words::{at, hearsay, ip};

/// An attacker against a clock: every peer it ever made up is dialled as often as the book allows.
struct Siege {
    book: AddressBook,
    peers: BTreeSet<PeerKey>,
    dialled: Vec<(u64, Place)>,
}

impl Siege {
    fn new() -> Siege {
        Siege { book: AddressBook::new(7), peers: BTreeSet::new(), dialled: Vec::new() }
    }

    fn tell(&mut self, millis: u64, ip: IpAddr, ports: (Option<u16>, Option<u16>), teller: (Rank, Prefix)) {
        let endpoint = Endpoint { ip, tcp: ports.0, udp: ports.1 };
        self.peers.extend(self.book.hear(at(millis), None, endpoint, teller));
    }

    /// Dials every peer that may be dialled; no peer answers.
    fn dial_all(&mut self, millis: u64) {
        for &peer in &self.peers.clone() {
            if let Plan::Dial(places) = self.book.plan(at(millis), peer) {
                self.dialled.extend(places.iter().map(|&place| (millis, place)));
                self.book.on_dial_failed(at(millis), peer);
            }
        }
    }

    /// The most dials in any window.
    fn most(&self) -> usize {
        let window = WINDOW.as_millis() as u64;
        let from = |(at, _): &(u64, Place)| {
            self.dialled.iter().filter(|(other, _)| (*at..*at + window).contains(other)).count()
        };
        self.dialled.iter().map(from).max().unwrap_or(0)
    }
}

#[test]
fn a_victim_named_under_256_ids_again_and_again_is_dialled_twice_a_minute_and_then_left_alone() {
    let mut siege = Siege::new();
    for round in 0..80 {
        for _ in 0..256 {
            siege.tell(round * 15_000, ip("8.8.8.8"), (Some(8443), None), hearsay("9.9.9.9"));
        }
        (0..15).for_each(|second| siege.dial_all(round * 15_000 + second * 1_000));
    }
    assert!(siege.most() <= HEARSAY_PER_ADDRESS_MAX, "{}", siege.most());
    // Twenty minutes: three attempts, then ten minutes without any, and again.
    assert!(
        siege.dialled.len() <= 3 * (1 + 1_200 / GIVEN_UP_FOR.as_secs() as usize),
        "{}",
        siege.dialled.len()
    );
}

#[test]
fn neither_ports_nor_transports_nor_forms_nor_neighbours_nor_tellers_buy_a_third_dial() {
    type Told = (IpAddr, (Option<u16>, Option<u16>), (Rank, Prefix));
    type Attack = Box<dyn Fn(u64) -> Told>;
    let attacks: [(&str, Attack); 6] = [
        ("ports", Box::new(|n| (ip("8.8.8.8"), (Some(2_000 + n as u16), None), hearsay("9.9.9.9")))),
        ("quic", Box::new(|n| (ip("8.8.8.8"), (None, Some(2_000 + n as u16)), hearsay("9.9.9.9")))),
        ("both", Box::new(|n| (ip("8.8.8.8"), (Some(2_000 + n as u16), Some(9_000)), hearsay("9.9.9.9")))),
        (
            "forms",
            Box::new(|n| {
                let forms = ["8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"];
                (ip(forms[n as usize % 3]), (Some(2_000 + n as u16), None), hearsay("9.9.9.9"))
            }),
        ),
        ("a /24", Box::new(|n| (ip(&format!("8.8.8.{}", n % 256)), (Some(8443), None), hearsay("9.9.9.9")))),
        (
            "tellers",
            Box::new(|n| (ip("8.8.8.8"), (Some(8443), None), hearsay(&format!("9.9.{}.9", n % 256)))),
        ),
    ];
    for (name, attack) in attacks {
        let mut siege = Siege::new();
        for second in 0..300 {
            if second % 15 == 0 {
                for n in 0..256 {
                    let (ip, ports, teller) = attack(second * 17 + n);
                    siege.tell(second * 1_000, ip, ports, teller);
                }
            }
            siege.dial_all(second * 1_000);
        }
        assert!(!siege.dialled.is_empty(), "{name}: somebody has to be tried");
        let most = HEARSAY_PER_ADDRESS_MAX.max(HEARSAY_PER_NETWORK_MAX);
        assert!(siege.most() <= most, "{name}: {} in a minute", siege.most());
    }
}

#[test]
fn a_directory_that_the_user_named_has_more_room_and_a_bound_as_well() {
    let (mut one, mut network) = (Siege::new(), Siege::new());
    let directory = (Rank::Directory, Prefix::of(ip("9.9.9.9")));
    for second in 0..200 {
        for n in 0..50u64 {
            one.tell(
                second * 1_000,
                ip("8.8.8.8"),
                (Some((2_000 + second * 50 + n) as u16), None),
                directory,
            );
            let host = ip(&format!("8.8.8.{}", n % 256));
            network.tell(second * 1_000, host, (Some((2_000 + second) as u16), None), directory);
        }
        one.dial_all(second * 1_000);
        network.dial_all(second * 1_000);
    }
    assert!((3..=TOLD_PER_ADDRESS_MAX).contains(&one.most()), "{}", one.most());
    assert!((TOLD_PER_ADDRESS_MAX..=TOLD_PER_NETWORK_MAX).contains(&network.most()), "{}", network.most());
}
