//! Whom an answer names, and that answers are spread over peers and askers.

use std::collections::BTreeMap;

use nearcast_core::registry::{
    Admission, Announcement, Member, Nowhere, PeerName, Registry, RegistryConfig, Search,
};

use crate::world::{CONTENT, World, ask, find, ip, millis, open, said, search};

#[test]
fn those_who_have_everything_are_not_told_of_each_other() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..20 {
        let complete = number % 2 == 0;
        registry.announce(
            millis(1),
            &Announcement { complete, ..said(CONTENT, number, ip(number)) },
            &Nowhere,
        );
    }
    let asking = Search { complete: true, ..search(CONTENT, 0, ip(0), 50) };
    let (found, _) = ask(&mut registry, millis(1), asking, &Nowhere);
    assert!(found.len() == 10 && found.iter().all(|member| !member.complete));
    assert_eq!(find(&mut registry, millis(1), 0, ip(0), 50).len(), 19);
}

#[test]
fn an_answer_of_a_crowded_network_still_names_others() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..250 {
        registry.announce(millis(0), &said(CONTENT, number, [8, 8, 8, number as u8].into()), &Nowhere);
    }
    (300..400).for_each(|number| {
        registry.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere);
    });
    let crowded = |members: &[Member]| {
        members.iter().filter(|member| member.endpoint.ip.to_string().starts_with("8.8.8.")).count()
    };
    let far = find(&mut registry, millis(1), 999, [9, 9, 9, 9].into(), 50);
    assert!(far.len() == 50 && crowded(&far) <= 8, "{} of 50", crowded(&far));
    let near = find(&mut registry, millis(1), 999, [8, 8, 8, 255].into(), 50);
    assert!(near.len() == 50 && crowded(&near) <= 30, "{} of 50", crowded(&near));
}

#[test]
fn equals_are_spread_over_askers() {
    let mut registry = open(RegistryConfig::default());
    (0..1_000).for_each(|number| {
        registry.announce(millis(0), &said(CONTENT, number, ip(number)), &Nowhere);
    });
    let mut named = BTreeMap::<PeerName, u32>::new();
    for asker in 0..1_000 {
        let found = find(&mut registry, millis(1), asker, ip(asker), 40);
        found.into_iter().for_each(|member| *named.entry(member.name).or_default() += 1);
    }
    let most = named.values().max().unwrap();
    assert!(named.len() > 990 && *most < 160, "{} named, one of them {most} times", named.len());
}

#[test]
fn the_same_seed_and_calls_give_the_same_answers() {
    let run = |seed| {
        let mut registry = Registry::new(
            RegistryConfig { peers_max: 50, ..RegistryConfig::default() },
            Admission::Open,
            seed,
        );
        let mut told = Vec::new();
        for number in 0..2_000 {
            registry.announce(millis(number.into()), &said(CONTENT, number, ip(number)), &World(1));
            told.extend(
                ask(&mut registry, millis(number.into()), search(CONTENT, number, ip(number), 10), &World(1))
                    .0,
            );
        }
        told
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
