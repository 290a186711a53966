//! Addresses and networks as targets of dials: what strangers cause leaves room for everybody else.

use std::{collections::BTreeSet, net::IpAddr};

use nearcast_core::{
    addresses::{AddressBook, Place, Plan, targets::TARGETS_MAX},
    id::PeerKey,
};

use crate::words::{at, directory, endpoint, hearsay, ip};

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
