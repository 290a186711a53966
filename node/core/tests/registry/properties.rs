//! Whatever peers announce, answers keep their promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use nearcast_core::{
    registry::{Admission, PeerName, Registry, RegistryConfig},
    tier::Tier,
    time::Timestamp,
};
use proptest::prelude::*;

use crate::world::{CONTENT, World, ask, name, said, search};

/// Announcements: the peer, its network, the seconds since the one before, and whether the peer
/// leaves.
fn announcements() -> impl Strategy<Value = Vec<(u32, u8, u8, bool)>> {
    prop::collection::vec((0..60u32, any::<u8>(), 0..40u8, prop::bool::weighted(0.1)), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_fresh_without_the_asker_without_doubles_and_as_full_as_can_be(
        announcements in announcements(),
        asker in 0..60u32,
        asker_network in any::<u8>(),
        wanted in 0..80usize,
        seed in any::<u64>(),
        world in 0..3u64,
    ) {
        let config = RegistryConfig {
            peers_max: 40,
            peers_per_prefix_max: 15,
            answer_max: 30,
            ..RegistryConfig::default()
        };
        let mut registry = Registry::new(config, Admission::Open, seed);
        // Two ASes of four /24 each, or one network without an AS.
        let ip = |network: u8| IpAddr::from([10 + world as u8, network & 1, network >> 1 & 3, network]);
        let world = World(world);
        let mut now = Timestamp::ZERO;
        let mut alive = BTreeMap::new();
        for (peer, network, seconds, leaves) in announcements {
            now = now + Duration::from_secs(u64::from(seconds));
            if leaves {
                registry.withdraw(&CONTENT, &name(peer), &world);
                alive.remove(&name(peer));
            } else {
                registry.announce(now, &said(CONTENT, peer, ip(network)), &world);
                alive.insert(name(peer), (ip(network), now));
            }
            prop_assert!(registry.entries() <= 40 && registry.peers() <= 40);
        }
        let asker_ip = ip(asker_network);
        let (found, census) = ask(&mut registry, now, search(CONTENT, asker, asker_ip, wanted), &world);
        prop_assert!(found.len() <= wanted.min(30));
        let names: BTreeSet<&PeerName> = found.iter().map(|member| &member.name).collect();
        prop_assert_eq!(names.len(), found.len(), "somebody is named twice");
        prop_assert!(!names.contains(&name(asker)), "the asker is told of itself");
        for member in &found {
            let (ip, at) = alive[&member.name];
            prop_assert_eq!(member.endpoint.ip, ip);
            prop_assert!(now.since(at) <= Duration::from_secs(180), "expired");
            if Tier::by_prefix(asker_ip, ip) == Tier::Prefix24 {
                prop_assert_eq!(member.proximity.tier(), Tier::Prefix24);
            }
        }
        let sure = found.len() - (found.len() as f32 * 0.2) as usize;
        prop_assert!(found[..sure].is_sorted_by_key(|member| member.proximity), "the nearest are not first");
        prop_assert!(census.members_in_as <= census.members);
        if alive.len() <= 15 {
            // No limit was near, so the answer leaves no peer out.
            let fresh = alive.iter().filter(|(peer, (_, at))| {
                **peer != name(asker) && now.since(*at) < Duration::from_secs(179)
            });
            prop_assert!(names.len() >= fresh.count().min(wanted).min(30));
        }
    }
}
