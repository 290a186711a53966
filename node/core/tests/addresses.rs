//! The address book against everything that strangers can say. Whatever they say, in any order:
//! what the user typed stays, no stranger fills the book, and no third party is dialled more than
//! twice a minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use nearcast_core::{
    addresses::{
        AddressBook, GIVEN_UP_FOR, Place, Plan, Rank, hearsay_max,
        places::PLACES_MAX,
        strangers_max,
        targets::{
            HEARSAY_PER_ADDRESS_MAX, HEARSAY_PER_NETWORK_MAX, TARGETS_MAX, TOLD_PER_ADDRESS_MAX,
            TOLD_PER_NETWORK_MAX, WINDOW,
        },
    },
    id::PeerKey,
    prefix::Prefix,
    random::Random,
    registry::Endpoint,
    time::Timestamp,
};
use proptest::prelude::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("the tests write addresses")
}

fn endpoint(ip: IpAddr, port: u16) -> Endpoint {
    Endpoint { ip, tcp: Some(port), udp: None }
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn hearsay(teller: &str) -> (Rank, Prefix) {
    (Rank::Hearsay, Prefix::of(ip(teller)))
}

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

/// How long thirty honest peers behind one address take until all are linked, if this many networks
/// tell of them. In milliseconds.
fn room_is_linked_ms(tellers: u16) -> u64 {
    let mut book = AddressBook::new(3);
    let word = |n: u16| hearsay(&format!("9.9.{}.9", n % tellers));
    let room: Vec<PeerKey> = (0..30)
        .map(|n| {
            book.hear(at(0), None, endpoint(ip("8.8.8.8"), 4_000 + n), word(n)).expect("the book has room")
        })
        .collect();
    let (mut linked, mut now) = (BTreeSet::new(), 0);
    let mut answers: Vec<(u64, PeerKey, Place)> = Vec::new();
    while linked.len() < room.len() {
        for &peer in room.iter().filter(|peer| !linked.contains(*peer)) {
            if answers.iter().any(|(_, dialled, _)| *dialled == peer) {
                continue;
            }
            if let Plan::Dial(places) = book.plan(at(now), peer) {
                answers.push((now + 200, peer, places[0]));
            }
        }
        now += 100;
        let (due, later): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(when, _, _)| *when <= now);
        answers = later;
        for (_, peer, place) in due {
            book.on_connected(at(now), peer, Some((place.ip, place.port)));
            linked.insert(peer);
        }
        assert!(now < 60_000, "{} of 30 after {now} ms", linked.len());
    }
    now
}

#[test]
fn a_room_of_honest_peers_behind_one_address_is_linked_within_their_round_trips() {
    // 200 ms each: with one teller one dial at a time, with two tellers two.
    assert!(room_is_linked_ms(1) < 7_000, "{}", room_is_linked_ms(1));
    assert!(room_is_linked_ms(2) < 5_000, "{}", room_is_linked_ms(2));
}

#[test]
fn a_peer_named_with_a_victims_address_is_found_at_its_own_all_the_same() {
    let mut book = AddressBook::new(3);
    // The attacker comes first, with the id of an honest peer.
    let key = book.hear(at(0), None, endpoint(ip("8.8.8.8"), 8443), hearsay("9.9.9.9")).unwrap();
    let honest = endpoint(ip("1.1.1.1"), 4001);
    assert_eq!(book.hear(at(1), Some(key), honest.clone(), hearsay("7.7.7.7")), Some(key));
    let Plan::Dial(first) = book.plan(at(2), key) else { panic!("the first word is tried") };
    assert_eq!((first.len(), first[0].ip), (1, ip("8.8.8.8")), "one address of third parties a dial");
    assert!(book.on_dial_failed(at(3), key));
    let Plan::Dial(second) = book.plan(at(600), key) else { panic!("then the other one") };
    assert_eq!(second[0].ip, ip("1.1.1.1"));
    book.on_connected(at(700), key, Some((ip("1.1.1.1"), 4001)));
    // From now on nothing that strangers say counts.
    book.on_disconnected(key);
    for n in 0..1_000 {
        book.hear(at(800), Some(key), endpoint(ip("8.8.8.8"), 2_000 + n), hearsay("9.9.9.9"));
    }
    let Plan::Dial(places) = book.plan(at(900), key) else { panic!("it is known") };
    assert_eq!(places.iter().map(|place| place.ip).collect::<BTreeSet<_>>(), BTreeSet::from([ip("1.1.1.1")]));
}

/// Dials this peer as often as the book allows for a minute; no peer answers. Returns whether the
/// peer has no address left.
fn fails_for_a_minute(book: &mut AddressBook, from: u64, peer: PeerKey) -> bool {
    for millis in (from..from + 60_000).step_by(500) {
        match book.plan(at(millis), peer) {
            Plan::Dial(_) if !book.on_dial_failed(at(millis), peer) => return true,
            Plan::Nowhere => return true,
            _ => {}
        }
    }
    false
}

fn directory() -> (Rank, Prefix) {
    (Rank::Directory, Prefix::of(ip("5.5.5.5")))
}

#[test]
fn a_door_that_failed_on_hearsay_is_tried_all_the_same_on_the_word_of_a_directory() {
    let mut book = AddressBook::new(3);
    let door = endpoint(ip("1.1.1.1"), 4001);
    let known = book.hear(at(0), None, door.clone(), directory()).unwrap();
    // Strangers name peers that are not there, from as many networks as needed. The honest peer is
    // away for now.
    for teller in 0..6 {
        let word = hearsay(&format!("9.9.{teller}.9"));
        if let Some(nobody) = book.hear(at(teller * 60_000), None, door.clone(), word) {
            fails_for_a_minute(&mut book, teller * 60_000, nobody);
        }
    }
    let refused = book.hear(at(400_000), None, door.clone(), hearsay("9.9.99.9"));
    assert_eq!(refused, None, "the door was given up for hearsay");
    assert!(book.contains(known), "what a directory said of it stays");
    let Plan::Dial(places) = book.plan(at(400_000), known) else { panic!("and is tried") };
    assert_eq!(places[0].ip, ip("1.1.1.1"));
    assert!(book.on_dial_failed(at(400_001), known));
    assert!(book.hear(at(400_002), None, door, directory()).is_some(), "its next word counts, too");
}

#[test]
fn names_that_strangers_put_at_a_door_leave_room_for_the_word_of_a_directory() {
    let mut book = AddressBook::new(3);
    let door = endpoint(ip("1.1.1.1"), 4001);
    for teller in 0..2 {
        assert!(book.hear(at(0), None, door.clone(), hearsay(&format!("9.9.{teller}.9"))).is_some());
    }
    assert_eq!(book.hear(at(0), None, door.clone(), hearsay("9.9.7.9")), None, "there are two names");
    let real = book.hear(at(0), None, door, directory()).expect("a directory's word displaces one of them");
    assert!(matches!(book.plan(at(0), real), Plan::Dial(_)));
}

#[test]
fn what_failed_on_a_directorys_word_is_not_believed_of_strangers_either() {
    let mut book = AddressBook::new(3);
    let door = endpoint(ip("1.1.1.1"), 4001);
    let key = book.hear(at(0), None, door.clone(), directory()).unwrap();
    let gone = (0..20).find(|minute| fails_for_a_minute(&mut book, minute * 60_000, key)).expect("given up");
    let soon = at((gone + 1) * 60_000 - 1_000);
    // The end depends on the moment the address was given up, which lies within that minute.
    assert!(!book.contains(key));
    assert_eq!(book.hear(soon, None, door.clone(), hearsay("9.9.9.9")), None);
    let later = at((gone + 2) * 60_000);
    assert!(book.hear(later, None, door, directory()).is_some(), "a minute later it may know better");
}

#[test]
fn where_somebody_else_answers_only_the_wrong_name_is_spent() {
    let mut book = AddressBook::new(3);
    let door = endpoint(ip("1.1.1.1"), 4001);
    let mut wrong = Vec::new();
    for teller in 0..20 {
        // Another network names each one; the right peer answers there and says who it is.
        let now = teller * 60_000;
        let Some(name) = book.hear(at(now), None, door.clone(), hearsay(&format!("9.9.{teller}.9"))) else {
            panic!("the door is open, {teller}")
        };
        let Plan::Dial(places) = book.plan(at(now), name) else { panic!("it is tried") };
        book.on_other_found(name, (places[0].ip, places[0].port));
        assert!(!book.on_dial_failed(at(now + 10), name), "once is enough for a wrong name");
        assert!(!book.contains(name));
        wrong.push(name);
    }
    let honest = book.hear(at(1_260_000), None, door, hearsay("7.7.7.7")).expect("the door is good");
    assert!(matches!(book.plan(at(1_260_000), honest), Plan::Dial(_)));
}

#[test]
fn a_wrong_name_does_not_cost_what_is_known_better() {
    let mut book = AddressBook::new(3);
    let key = book.keep_new();
    book.type_in(key, endpoint(ip("1.1.1.1"), 4001));
    for round in 0..20 {
        let now = at(round * 60_000);
        assert!(matches!(book.plan(now, key), Plan::Dial(_)));
        book.on_other_found(key, (ip("1.1.1.1"), 4001));
        assert!(book.on_dial_failed(now, key), "what the user typed stays");
    }
    assert_eq!(book.places(key).count(), 1);
}

#[test]
fn one_teller_does_not_use_up_what_an_address_or_its_network_may_be_dialled() {
    for neighbours in [false, true] {
        let mut book = AddressBook::new(3);
        let mut dialled = 0;
        for second in 0..60 {
            let host = if neighbours { second % 200 } else { 8 };
            let place = endpoint(ip(&format!("8.8.8.{host}")), 2_000 + second as u16);
            let word = hearsay(&format!("9.9.9.{second}"));
            let Some(nobody) = book.hear(at(second * 1_000), None, place, word) else { continue };
            if matches!(book.plan(at(second * 1_000), nobody), Plan::Dial(_)) {
                dialled += 1;
                book.on_dial_failed(at(second * 1_000), nobody);
            }
        }
        assert_eq!(dialled, 1, "one network has one dial of two, {neighbours}");
        let honest = book.hear(at(59_000), None, endpoint(ip("8.8.8.8"), 4_001), hearsay("7.7.7.7")).unwrap();
        assert!(matches!(book.plan(at(59_000), honest), Plan::Dial(_)), "the other one is another teller's");
    }
}

#[test]
fn dials_that_strangers_cause_do_not_stop_those_of_a_link() {
    let mut book = AddressBook::new(3);
    for teller in 0..2 {
        let place = endpoint(ip("8.8.8.8"), 2_000 + teller);
        let nobody = book.hear(at(0), None, place, hearsay(&format!("9.9.{teller}.9"))).unwrap();
        assert!(matches!(book.plan(at(0), nobody), Plan::Dial(_)));
        book.on_dial_failed(at(0), nobody);
    }
    let key = book.keep_new();
    book.link(key, endpoint(ip("8.8.8.8"), 4_001));
    assert!(matches!(book.plan(at(1), key), Plan::Dial(_)));
}

#[test]
fn a_full_table_of_targets_stops_neither_better_words_nor_those_who_told_little() {
    let mut book = AddressBook::new(3);
    let mut dialled = 0;
    for n in 0..3 * TARGETS_MAX as u32 {
        let target = IpAddr::from((0x0800_0000 + (n << 8)).to_be_bytes());
        let word = hearsay(&format!("9.9.{}.9", n % 7));
        let Some(nobody) = book.hear(at(0), None, endpoint(target, 4_001), word) else { continue };
        if matches!(book.plan(at(0), nobody), Plan::Dial(_)) {
            dialled += 1;
            book.on_dial_failed(at(0), nobody);
        }
    }
    assert!(dialled >= TARGETS_MAX / 2, "{dialled}: the table is full");
    let modest = book.hear(at(1), None, endpoint(ip("1.1.1.1"), 4_001), hearsay("7.7.7.7")).unwrap();
    let told = book.hear(at(1), None, endpoint(ip("2.2.2.2"), 4_001), directory()).unwrap();
    let linked = book.keep_new();
    book.link(linked, endpoint(ip("3.3.3.3"), 4_001));
    for (who, key) in [("another teller", modest), ("a directory", told), ("a link", linked)] {
        assert!(matches!(book.plan(at(1), key), Plan::Dial(_)), "{who}");
    }
    let mut more = 0;
    for n in 0..50 {
        let place = endpoint(ip(&format!("4.4.{n}.4")), 4_001);
        let Some(nobody) = book.hear(at(1), None, place, hearsay("9.9.1.9")) else { continue };
        if matches!(book.plan(at(1), nobody), Plan::Dial(_)) {
            more += 1;
            book.on_dial_failed(at(1), nobody);
        }
    }
    assert!(more <= 3, "who told most waits, but for what others of the kind make up for: {more}");
}

#[test]
fn what_the_user_typed_is_tried_for_ever_and_with_pauses() {
    let mut book = AddressBook::new(3);
    let key = book.keep_new();
    book.type_in(key, endpoint(ip("8.8.8.8"), 25));
    let mut tries = Vec::new();
    for millis in (0..3_600_000).step_by(50) {
        if let Plan::Dial(places) = book.plan(at(millis), key) {
            assert!(places.iter().all(|place| !place.counted));
            assert!(book.on_dial_failed(at(millis), key), "never given up");
            tries.push(millis);
        }
    }
    assert!(tries.len() <= 10 + 3_600 / 5, "{} tries in an hour", tries.len());
    assert!(tries.last().is_some_and(|last| *last > 3_580_000), "{:?}", tries.last());
}

#[test]
fn numbers_wrap_around_those_that_are_in_use() {
    let mut book = AddressBook::new(3);
    let tracker = book.keep_new();
    book.type_in(tracker, endpoint(ip("8.8.8.8"), 4810));
    book.pretend_used(u32::MAX - 2);
    let mut seen = BTreeSet::from([tracker]);
    for _ in 0..10 {
        assert!(seen.insert(book.keep_new()), "a number in use is given to nobody else");
    }
    assert!(seen.contains(&PeerKey(u32::MAX)) && seen.contains(&PeerKey(1)));
    assert_eq!(book.places(tracker).count(), 1);
}

#[derive(Clone, Debug)]
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_strangers_say_typed_places_stay_and_bounds_hold(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut book = AddressBook::new(seed);
        let typed: Vec<(PeerKey, Endpoint)> = (0..4)
            .map(|n| {
                let place = endpoint(ip(&format!("8.8.{n}.8")), 22 + n);
                let key = book.keep_new();
                book.type_in(key, place.clone());
                (key, place)
            })
            .collect();
        let mut keys: Vec<PeerKey> = typed.iter().map(|(key, _)| *key).collect();
        let mut connected: BTreeMap<PeerKey, u32> = BTreeMap::new();
        let mut failed: Vec<(Timestamp, Place)> = Vec::new();
        let mut now = Timestamp::ZERO;
        for step in steps {
            let pick = |peer: u8| keys[usize::from(peer) % keys.len()];
            match step {
                Step::Hear { teller, peer, ip: host, port, known, directory } => {
                    let place = endpoint(ip(&format!("8.8.{}.{}", host % 4, host >> 14)), 4_000 + u16::from(port % 4));
                    let rank = if directory { Rank::Directory } else { Rank::Hearsay };
                    let teller = Prefix::of(ip(&format!("9.9.{}.1", teller % 5)));
                    let peer = Some(pick(peer)).filter(|peer| known && book.contains(*peer));
                    keys.extend(book.hear(now, peer, place, (rank, teller)));
                }
                Step::Dial { peer, success } => {
                    let peer = pick(peer);
                    if let Plan::Dial(places) = book.plan(now, peer) {
                        prop_assert!(!places.is_empty());
                        if success {
                            let first = places[0];
                            book.on_connected(now, peer, Some((first.ip, first.port)));
                            *connected.entry(peer).or_default() += 1;
                            failed.extend(places[1..].iter().filter(|place| place.ip != first.ip).map(|&place| (now, place)));
                        } else {
                            if !connected.contains_key(&peer) {
                                failed.extend(places.iter().map(|&place| (now, place)));
                            }
                            book.on_dial_failed(now, peer);
                        }
                    }
                }
                Step::Claim { peer, port } => book.claim(pick(peer), endpoint(ip("8.8.9.9"), port.max(1))),
                Step::Disconnect { peer } => {
                    let peer = pick(peer);
                    if let Some(open) = connected.get_mut(&peer) {
                        *open -= 1;
                        let gone = *open == 0;
                        book.on_disconnected(peer);
                        if gone { connected.remove(&peer); }
                    }
                }
                Step::Wait(millis) => now = now + Duration::from_millis(millis.into()),
            }
            keys.retain(|key| book.contains(*key));
            book.take_forgotten();
            for (key, place) in &typed {
                let there = book.places(*key).any(|spot| spot.rank == Rank::Typed && spot.endpoint == *place);
                prop_assert!(there, "{key:?} lost {place:?}");
            }
            for key in &keys {
                let others = book.places(*key).filter(|spot| spot.rank != Rank::Typed).count();
                prop_assert!(others <= PLACES_MAX);
            }
            for key in connected.keys() {
                prop_assert!(book.contains(*key), "a connected peer was forgotten");
            }
        }
        let counted: Vec<&(Timestamp, Place)> = failed.iter().filter(|(_, place)| place.counted).collect();
        for (at, place) in &counted {
            let same = |other: &&&(Timestamp, Place)| other.1.ip == place.ip && other.0 >= *at && other.0.since(*at) < WINDOW;
            let dials = counted.iter().filter(same).count();
            prop_assert!(dials <= TOLD_PER_ADDRESS_MAX, "{dials} dials of {place:?}");
        }
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
