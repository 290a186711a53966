//! Entries that go from one directory to another: whole ASes, and hearsay until the peers speak for themselves.

use std::{net::IpAddr, time::Duration};

use nearcast_core::{
    asn::Asn,
    registry::{HEARSAY_LIFE_MAX, Nowhere, PeerName, Registry, RegistryConfig, Saved},
};

use crate::world::{CONTENT, World, content, find, ip, members, millis, name, open, said};

const ATLAS: World = World(1);

/// An address in the AS of this number.
fn in_as(asn: u8, host: u8) -> IpAddr {
    [20, asn, 7, host].into()
}

fn everybody(_: &PeerName) -> bool {
    true
}

/// A directory with ten peers in AS 1,001, six in AS 1,002, and four in AS 1,003, in two contents each.
fn filled() -> Registry {
    let mut registry = open(RegistryConfig::default());
    for (asn, count) in [(1, 10), (2, 6), (3, 4)] {
        for host in 1..=count {
            for of in [CONTENT, content(5)] {
                let number = u32::from(asn) * 100 + u32::from(host);
                registry.announce(millis(0), &said(of, number, in_as(asn, host)), &ATLAS);
            }
        }
    }
    assert_eq!(registry.entries(), 40);
    registry
}

#[test]
fn whole_ases_go_and_nothing_else_and_the_other_directory_tells_of_them() {
    let mut giver = filled();
    let carved = giver.carve(millis(1), &[Asn(1_002), Asn(1_003)], 100, &everybody, &ATLAS);
    assert_eq!((carved.len(), giver.entries(), giver.peers()), (20, 20, 10));
    let mut taker = open(RegistryConfig::default());
    assert_eq!(taker.adopt(millis(2), name(1), &carved, &ATLAS), 20);
    let told = members(&mut taker, millis(3));
    assert_eq!(told.len(), 10);
    assert!(told.contains(&name(201)) && told.contains(&name(304)) && !told.contains(&name(101)));
}

#[test]
fn an_as_that_is_too_large_stays_whole_and_peers_that_stay_are_left_out() {
    let mut giver = filled();
    let carved = giver.carve(millis(1), &[Asn(1_001), Asn(1_003)], 10, &everybody, &ATLAS);
    assert_eq!((carved.len(), giver.entries()), (8, 32), "twenty do not fit into ten");
    let carved = giver.carve(millis(1), &[Asn(1_002)], 100, &|peer| *peer != name(202), &ATLAS);
    assert_eq!((carved.len(), giver.entries()), (10, 22));
}

#[test]
fn hearsay_lives_for_a_minute_unless_the_peer_announces_itself() {
    let (mut giver, mut taker) = (filled(), open(RegistryConfig::default()));
    let carved = giver.carve(millis(0), &[Asn(1_003)], 100, &everybody, &ATLAS);
    taker.adopt(millis(0), name(1), &carved, &ATLAS);
    let own = said(CONTENT, 301, in_as(3, 1));
    taker.announce(millis(30_000), &own, &ATLAS);
    let end = millis(u64::try_from(HEARSAY_LIFE_MAX.as_millis()).unwrap() + 15_000);
    assert_eq!(members(&mut taker, end).into_iter().collect::<Vec<_>>(), [name(301)]);
}

#[test]
fn a_giver_that_names_a_victim_is_believed_a_bounded_number_of_times_a_minute() {
    let config = RegistryConfig { hearsay_per_giver_max: 100, ..RegistryConfig::default() };
    let mut taker = open(config);
    let victim = IpAddr::from([30, 1, 2, 3]);
    let lies: Vec<Saved> = (0..1_000)
        .map(|number| Saved {
            said: said(content(number), 7_000 + number, victim),
            left: Duration::from_secs(3_600),
        })
        .collect();
    let by_liar = |taker: &mut Registry, at: u64| taker.adopt(millis(at), name(666), &lies, &Nowhere);
    assert_eq!((by_liar(&mut taker, 0), by_liar(&mut taker, 30_000)), (100, 0));
    assert_eq!(
        taker.adopt(millis(30_000), name(7), &lies[500..], &Nowhere),
        100,
        "others have their own share"
    );
    while !taker.sweep(millis(100_000)) {}
    assert_eq!(taker.entries(), 0, "nobody is told of the victim any more");
    assert_eq!(by_liar(&mut taker, 100_000), 100);
}

#[test]
fn hearsay_displaces_nobody_and_contradicts_nobody() {
    let config = RegistryConfig { peers_max: 50, ..RegistryConfig::default() };
    let mut taker = open(config);
    (0..49).for_each(|number| _ = taker.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere));
    let before = members(&mut taker, millis(1));
    let elsewhere = (0..500).map(|number| Saved {
        said: said(CONTENT, number, ip(number + 9_000)),
        left: Duration::from_secs(60),
    });
    assert_eq!(taker.adopt(millis(1), name(666), &elsewhere.collect::<Vec<_>>(), &Nowhere), 1);
    assert!(members(&mut taker, millis(2)).is_superset(&before));
    let found = find(&mut taker, millis(2), 99_999, ip(99_999), usize::MAX);
    let moved = found.iter().filter(|member| member.endpoint.ip == ip(9_001));
    assert_eq!(moved.count(), 0, "who spoke for itself stays where it said");
}
