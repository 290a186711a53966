//! The bounds of a directory: of one peer, one network, one AS, one content, and of the whole.

use std::net::IpAddr;

use nearcast_core::registry::{Admission, Announced, Nowhere, Registry, RegistryConfig};

use crate::world::{
    CONTENT, World, ask, content, endpoint, find, ip, members, millis, name, open, said, search, sweep_all,
};

const MANY: u32 = 100_000;

#[test]
fn one_network_cannot_fill_a_swarm_and_nobody_of_it_stays_for_good() {
    let config = RegistryConfig { peers_per_prefix_max: 3, peers_max: 10, ..RegistryConfig::default() };
    let mut registry = open(config);
    for number in 0..100 {
        let ip = IpAddr::from([8, 8, 8, 1 + number as u8]);
        assert_eq!(registry.announce(millis(0), &said(CONTENT, number, ip), &Nowhere), Announced::Stored);
    }
    assert_eq!(registry.entries(), 3);
    assert!(members(&mut registry, millis(0)).iter().any(|member| *member >= name(50)));
    // A peer that moves into the network from elsewhere does not get around the bound.
    for number in 200..210 {
        registry.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere);
        registry.announce(millis(0), &said(CONTENT, number, [8, 8, 8, number as u8].into()), &Nowhere);
    }
    assert_eq!(registry.entries(), 3);
}

#[test]
fn one_as_cannot_fill_a_swarm_that_others_want_to_be_in() {
    let config = RegistryConfig { peers_max: 100, share_per_as_max: 0.5, ..RegistryConfig::default() };
    let mut registry = open(config);
    let mut announce = |number: u32, asn: u8| {
        let [.., c, d] = number.to_be_bytes();
        registry.announce(millis(0), &said(CONTENT, number, [20, asn, c, d].into()), &World(1));
    };
    (0..400).for_each(|number| announce(number, 5));
    (0..20).for_each(|_| (400..450).for_each(|number| announce(number, 6)));
    (1_000..2_000).for_each(|number| announce(number, 5));
    let (_, census) = ask(&mut registry, millis(0), search(CONTENT, 9, [20, 6, 0, 1].into(), 1), &World(1));
    let (_, of_five) = ask(&mut registry, millis(0), search(CONTENT, 9, [20, 5, 0, 1].into(), 1), &World(1));
    assert_eq!(registry.entries(), 100);
    let share = f64::from(of_five.members_in_as) / f64::from(census.members);
    assert!(share < 0.65, "{share}: {of_five:?}");
}

#[test]
fn a_hundred_thousand_announcements_of_one_peer_are_one_entry() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..MANY {
        let now = millis(u64::from(number));
        let stored = registry.announce(now, &said(CONTENT, 1, ip(number)), &Nowhere);
        assert_eq!(stored, Announced::Stored);
    }
    let found = find(&mut registry, millis(u64::from(MANY)), 2, ip(3), 50);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].endpoint, endpoint(ip(MANY - 1)), "the last one counts");
}

#[test]
fn one_peer_in_a_million_contents_stays_within_its_quota() {
    let mut registry = open(RegistryConfig::default());
    let mut refused = 0;
    let mut heap = 0;
    for number in 0..1_000_000 {
        let answer = registry.announce(millis(1), &said(content(number), 1, ip(1)), &Nowhere);
        refused += u32::from(answer == Announced::PeerFull);
        if number == 40_000 {
            heap = registry.heap_bytes();
        }
    }
    assert_eq!((registry.entries(), refused), (32_768, 1_000_000 - 32_768));
    assert_eq!(registry.heap_bytes(), heap, "memory grew after the quota was reached");
    assert_eq!(registry.announce(millis(2), &said(content(5), 2, ip(2)), &Nowhere), Announced::Stored);
}

#[test]
fn a_network_of_many_peers_stays_within_its_quota() {
    let config = RegistryConfig { entries_per_prefix_max: 1_000, ..RegistryConfig::default() };
    let mut registry = open(config);
    for number in 0..MANY {
        registry.announce(
            millis(1),
            &said(content(number / 100), number, [8, 8, 8, number as u8].into()),
            &Nowhere,
        );
    }
    assert_eq!(registry.entries(), 1_000);
    let elsewhere = said(content(MANY), 1, [8, 8, 9, 1].into());
    assert_eq!(registry.announce(millis(1), &elsewhere, &Nowhere), Announced::Stored);
}

#[test]
fn a_hundred_thousand_peers_of_one_content_stay_within_the_bound_and_are_estimated() {
    let config = RegistryConfig { peers_max: 100, ..RegistryConfig::default() };
    let mut registry = open(config);
    for number in 0..MANY {
        registry.announce(millis(1), &said(CONTENT, number, ip(number)), &Nowhere);
    }
    assert_eq!(registry.entries(), 100);
    let known = members(&mut registry, millis(1));
    assert!(known.len() > 90, "{} of 100 were ever told of", known.len());
    let old = known.iter().filter(|member| **member < name(MANY / 2)).count();
    assert!(old < 50, "{old} of the first half are left: newcomers find no place");
    // A thousand peers announce again and again.
    for round in 0..20 {
        for number in 0..1_000 {
            registry.announce(millis(2 + round), &said(CONTENT, number, ip(number)), &Nowhere);
        }
    }
    let (_, census) = ask(&mut registry, millis(30), search(CONTENT, 1, ip(1), 1), &Nowhere);
    assert!((600..1_700).contains(&census.members), "a thousand are estimated as {}", census.members);
}

#[test]
fn contents_and_entries_stay_within_their_bounds_and_hogs_give_way() {
    let config = RegistryConfig { contents_max: 1_000, entries_max: 1_500, ..RegistryConfig::default() };
    let mut registry = open(config);
    // Two hundred contents of two peers each, in networks of their own. Then one network announces
    // many contents.
    for number in 0..400 {
        registry.announce(millis(1), &said(content(number / 2), number, ip(number * 7919)), &Nowhere);
    }
    for number in 0..MANY {
        let hog = said(content(1_000 + number), 1_000 + number, [8, 8, 8, 8].into());
        assert_eq!(registry.announce(millis(1), &hog, &Nowhere), Announced::Stored);
        assert!(registry.contents() <= 1_000 && registry.entries() <= 1_500);
    }
    let asked = |number| search(content(number), 9_999, ip(5), 9);
    let left: usize =
        (0..200).map(|number| ask(&mut registry, millis(1), asked(number), &Nowhere).0.len()).sum();
    assert_eq!(left, 400, "others gave way to a hog");
    sweep_all(&mut registry, millis(1_000_000));
    assert_eq!((registry.contents(), registry.entries(), registry.peers()), (0, 0, 0));
}

#[test]
fn only_admitted_contents_are_taken() {
    let mut registry = Registry::new(RegistryConfig::default(), Admission::Own, 1);
    let (one, two) = (content(1), content(2));
    let announce =
        |registry: &mut Registry, content| registry.announce(millis(1), &said(content, 1, ip(1)), &Nowhere);
    assert_eq!(announce(&mut registry, one), Announced::NotAdmitted);
    registry.add_own(one);
    assert_eq!(announce(&mut registry, one), Announced::Stored);
    registry.set_admission(Admission::Listed([two].into()));
    assert_eq!(announce(&mut registry, two), Announced::Stored);
    registry.remove_own(&one);
    assert_eq!(announce(&mut registry, one), Announced::NotAdmitted);
}
