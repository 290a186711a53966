//! An address and port that honest peers have, and what false words about it cost them.

use std::collections::BTreeSet;

use nearcast_core::{
    addresses::{AddressBook, Plan},
    id::PeerKey,
};

use crate::words::{at, directory, endpoint, hearsay, ip};

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
