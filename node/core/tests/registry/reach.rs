//! Peers that others cannot reach, and addresses that are not passed on.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use nearcast_core::registry::{Announced, Announcement, Endpoint, Nowhere, Registry, RegistryConfig};

use crate::world::{CONTENT, content, endpoint, find, ip, members, millis, name, open, said};

#[test]
fn whose_connection_broke_is_told_of_only_where_hardly_anybody_else_is() {
    let mut registry = open(RegistryConfig::default());
    let other = content(1);
    for number in 1..=40 {
        registry.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere);
    }
    registry.announce(millis(0), &said(other, 7, ip(7)), &Nowhere);
    (1..=30).for_each(|number| registry.lose(&name(number)));
    assert_eq!(members(&mut registry, millis(1_000)), (31..=40).map(name).collect(), "there are others");
    (31..=39).for_each(|number| registry.lose(&name(number)));
    for _ in 0..100 {
        let told: Vec<_> = find(&mut registry, millis(2_000), 99, ip(99), 50);
        assert!(told.len() == 4 && told[0].name == name(40), "{} are told of", told.len());
    }
    let told = find(&mut registry, millis(2_000), 99, ip(99), 2);
    assert_eq!(told.len(), 2, "no more than are wanted");
    // A peer that announces again, for any content, is back.
    for number in 1..=5 {
        registry.announce(millis(3_000), &said(other, number, ip(number)), &Nowhere);
    }
    assert_eq!(members(&mut registry, millis(4_000)), [1, 2, 3, 4, 5, 40].map(name).into());
}

#[test]
fn who_takes_no_connections_is_told_of_only_near_it_and_where_hardly_anybody_else_is() {
    let mut registry = open(RegistryConfig::default());
    for number in 1..=40 {
        registry.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere);
    }
    let place = |number| endpoint(ip(number));
    for number in 16..=29 {
        let at = registry.to_try(millis(1), &name(number), &place(number)).unwrap();
        assert_eq!((at.ip(), at.port()), (ip(number), 4001), "nowhere else");
        assert_eq!(registry.to_try(millis(2), &name(number), &place(number)), None, "it is being tried");
        registry.tried(millis(3), &name(number), at, Some(false));
    }
    assert_eq!(members(&mut registry, millis(1_000)).len(), 40, "it may be we who reach nobody");
    let at = registry.to_try(millis(1_000), &name(40), &place(40)).unwrap();
    registry.tried(millis(1_000), &name(40), at, Some(true));
    let others: BTreeSet<_> = (1..=15).chain(30..=40).map(name).collect();
    assert_eq!(members(&mut registry, millis(2_000)), others);
    // A peer behind the same firewall may reach it. A newcomer of that network need not be behind
    // the firewall.
    let IpAddr::V4(wall) = ip(17) else { unreachable!() };
    let neighbour = Ipv4Addr::from_bits(wall.to_bits() ^ 64).into();
    let is_told = |registry: &mut Registry| {
        let told = find(registry, millis(2_000), 99, neighbour, 50);
        told.iter().any(|member| member.name == name(17))
    };
    registry.announce(millis(2_000), &said(CONTENT, 99, neighbour), &Nowhere);
    assert!(!is_told(&mut registry));
    let at = registry.to_try(millis(2_000), &name(99), &endpoint(neighbour)).unwrap();
    registry.tried(millis(2_000), &name(99), at, Some(false));
    assert!(is_told(&mut registry));
    registry.withdraw(&CONTENT, &name(99), &Nowhere);
    // An announcement does not open a port. After ten minutes the directory may try the peer again.
    registry.announce(millis(60_000), &said(CONTENT, 17, ip(17)), &Nowhere);
    assert_eq!(registry.to_try(millis(60_000), &name(17), &place(17)), None);
    assert!(!members(&mut registry, millis(60_000)).contains(&name(17)));
    let later = millis(11 * 60_000);
    registry.announce(later, &said(CONTENT, 17, ip(17)), &Nowhere);
    let at = registry.to_try(later, &name(17), &place(17)).unwrap();
    registry.tried(later, &name(17), at, None);
    assert!(registry.to_try(later, &name(17), &place(17)).is_some(), "nobody had time for it");
    registry.tried(later, &name(17), at, Some(true));
    assert!(members(&mut registry, later).contains(&name(17)));
    // The directory tries only listed peers.
    assert_eq!(registry.to_try(later, &name(99), &place(99)), None);
}

#[test]
fn an_address_that_is_nobodys_or_a_port_of_another_service_is_not_passed_on() {
    let mut registry = open(RegistryConfig::default());
    let mut announce = |ip: &str, tcp, udp| {
        let endpoint = Endpoint { ip: ip.parse().unwrap(), tcp, udp };
        registry.announce(millis(1), &Announcement { endpoint, ..said(CONTENT, 1, self::ip(1)) }, &Nowhere)
    };
    for (ip, tcp, udp) in [
        ("8.8.8.8", None, None),
        ("8.8.8.8", Some(22), None),
        ("8.8.8.8", Some(25), Some(53)),
        ("224.0.0.1", Some(4001), None),
        ("0.0.0.0", Some(4001), None),
        ("192.0.2.1", Some(4001), None),
    ] {
        assert_eq!(announce(ip, tcp, udp), Announced::Unreachable, "{ip} {tcp:?} {udp:?}");
    }
    assert_eq!(announce("8.8.8.8", Some(22), Some(4001)), Announced::Stored);
    let found = find(&mut registry, millis(1), 2, ip(2), 50);
    assert_eq!((found[0].endpoint.tcp, found[0].endpoint.udp), (None, Some(4001)));
}

#[test]
fn inner_addresses_are_told_only_inside() {
    let mut registry = open(RegistryConfig::default());
    for (number, ip) in ["8.8.8.8", "10.0.0.1", "127.0.0.1"].into_iter().enumerate() {
        registry.announce(millis(1), &said(CONTENT, number as u32, ip.parse().unwrap()), &Nowhere);
    }
    let mut told = |ip: &str| find(&mut registry, millis(1), 9, ip.parse().unwrap(), 50).len();
    assert_eq!([told("1.1.1.1"), told("192.168.1.1"), told("127.9.9.9")], [1, 2, 2]);
}
