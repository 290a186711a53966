//! How near the peers of an answer are: by prefix, by AS, and as the atlas says.

use std::net::IpAddr;

use nearcast_core::{
    asn::{Asn, Relation},
    registry::{Announced, Nowhere, Registry, RegistryConfig},
    tier::{Proximity, Tier},
};

use crate::world::{CONTENT, World, ask, millis, name, open, said, search};

#[test]
fn the_nearest_come_first_by_prefix_then_as_then_adjacency_and_some_by_chance() {
    let mut registry = open(RegistryConfig::default());
    let world = World(1);
    // The asker is 20.5.1.9. Adds ten peers of each kind.
    let mut number = 0;
    let mut add = |registry: &mut Registry, ip: [u8; 4]| {
        number += 1;
        assert_eq!(
            registry.announce(millis(1), &said(CONTENT, number, ip.into()), &world),
            Announced::Stored
        );
    };
    for host in 0..10 {
        add(&mut registry, [20, 5, 1, 10 + host]);
        add(&mut registry, [20, 5, 10 + host, 1]);
        add(&mut registry, [30 + host, 5, 1, 1]);
        add(&mut registry, [20, 4, host, 1]);
        add(&mut registry, [20, 6, host, 1]);
        (0..20).for_each(|far| add(&mut registry, [20, 20 + far, host, 1]));
    }
    let asking = search(CONTENT, 9_999, [20, 5, 1, 9].into(), 50);
    let (found, census) = ask(&mut registry, millis(2), asking, &world);
    assert_eq!((found.len(), census.members, census.members_in_as), (50, 250, 30));
    assert!(found[..40].is_sorted_by_key(|member| member.proximity));
    let of = |proximity: Proximity| found[..40].iter().filter(|member| member.proximity == proximity).count();
    let tiers = [Tier::Prefix24, Tier::Prefix16, Tier::SameAs].map(|tier| of(tier.into()));
    assert_eq!(tiers, [10, 10, 10], "{found:?}");
    assert_eq!(of(Proximity::adjacent(Relation::Peer)), 10);
    let far = found[40..].iter().filter(|member| member.proximity.tier() == Tier::Remote).count();
    assert!(far >= 5, "{far} of ten random ones are far");
}

#[test]
fn another_atlas_places_everybody_anew() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..40 {
        registry.announce(
            millis(1),
            &said(CONTENT, number, [20, number as u8 % 4, 1, number as u8].into()),
            &World(1),
        );
    }
    for world in [World(1), World(2), World(3)] {
        let asking = search(CONTENT, 99, [21, 2, 1, 1].into(), 30);
        let (found, census) = ask(&mut registry, millis(2), asking, &world);
        assert_eq!((census.members_in_as, found.len()), (10, 30));
        assert!(found[..10].iter().all(|member| member.proximity.tier() == Tier::SameAs));
    }
    let (found, census) =
        ask(&mut registry, millis(2), search(CONTENT, 99, [21, 2, 1, 1].into(), 30), &Nowhere);
    assert!(census.members_in_as == 0 && found.iter().all(|member| member.proximity.tier() == Tier::Remote));
    for number in 0..40 {
        registry.withdraw(&CONTENT, &name(number), &World(4));
    }
    assert_eq!(registry.entries(), 0);
}

#[test]
fn answers_are_as_near_as_the_atlas_says() {
    let mut builder = nearcast_core::atlas::AtlasBuilder::new(7);
    for asn in 0..200u32 {
        builder.prefix(format!("20.{asn}.0.0/16").parse().unwrap(), &[Asn(100 + asn)]);
        if asn > 0 {
            let relation =
                [Relation::Customer, Relation::Peer, Relation::Provider, Relation::Unknown][asn as usize % 4];
            builder.link(Asn(100), Asn(100 + asn), relation);
            builder.link(Asn(100 + asn), Asn(100 + asn * 7 % 200), Relation::Peer);
        }
    }
    let atlas = builder.build();
    let mut registry = open(RegistryConfig { answer_max: 400, ..RegistryConfig::default() });
    let address =
        |number: u32| IpAddr::from([20, (number % 210) as u8, (number / 40) as u8, 1 + (number % 7) as u8]);
    (0..900).for_each(|number| {
        registry.announce(millis(1), &said(CONTENT, number, address(number)), &atlas);
    });
    for asker in [0, 5, 6, 63, 199, 205] {
        let ip = address(asker);
        for wanted in [20, 50, 400] {
            let (found, _) = ask(&mut registry, millis(1), search(CONTENT, asker, ip, wanted), &atlas);
            assert_eq!(found.len(), wanted);
            for member in &found {
                let near = atlas.proximity(atlas.place(ip), atlas.place(member.endpoint.ip), None);
                assert_eq!(member.proximity, near, "{} seen from {ip}", member.endpoint.ip);
            }
            assert!(found[..wanted * 4 / 5].is_sorted_by_key(|member| member.proximity));
        }
    }
}
