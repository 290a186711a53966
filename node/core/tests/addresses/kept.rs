//! Peers that the user wants: they are tried for ever, and their numbers stay theirs.

use std::collections::BTreeSet;

use nearcast_core::{
    addresses::{AddressBook, Plan},
    id::PeerKey,
};

use crate::words::{at, endpoint, ip};

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
