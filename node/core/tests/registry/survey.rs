//! What a directory says that it knows, for the hash table.

use std::{collections::BTreeMap, net::IpAddr};

use nearcast_core::{asn::Asn, registry::RegistryConfig};

use crate::world::{World, content, millis, open, said};

#[test]
fn every_content_is_told_once_with_the_ases_that_have_enough_members() {
    let mut registry = open(RegistryConfig::default());
    let world = World(1);
    for of in 0..6_000_u32 {
        for number in 0..(of % 5) {
            // The first two are in AS 1001, the others in AS 1002.
            let ip = IpAddr::from([20, if number < 2 { 1 } else { 2 }, 1, number as u8 + 1]);
            registry.announce(millis(1), &said(content(of), of * 10 + number, ip), &world);
        }
    }
    let (mut seen, mut from, mut calls) = (Vec::new(), Some(0), 0);
    while let Some(at) = from {
        from = registry.survey(millis(2), at, 2, &mut seen);
        calls += 1;
    }
    assert!(calls > 1, "a part at a time");
    let told: BTreeMap<_, _> = seen.iter().map(|seen| (seen.content, seen)).collect();
    assert_eq!((told.len(), seen.len()), (4_800, 4_800));
    for of in 0..6_000 {
        let seen = told.get(&content(of)).map(|seen| (seen.members, seen.ases.clone()));
        let wanted = match of % 5 {
            0 => None,
            1 => Some((1, vec![])),
            2 => Some((2, vec![Asn(1_001)])),
            3 => Some((3, vec![Asn(1_001)])),
            _ => Some((4, vec![Asn(1_001), Asn(1_002)])),
        };
        assert_eq!(seen, wanted, "{of}");
    }
    let mut late = Vec::new();
    registry.survey(millis(10_000_000), 0, 2, &mut late);
    assert!(late.is_empty(), "what has expired is not told");
}
