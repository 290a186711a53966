//! A directory under load: bounded whatever is announced, and its answers are what they promise.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use nearcast_core::{
    id::ContentId,
    random::Random,
    registry::{Announced, Endpoint, Member, PeerName, Registry, RegistryConfig},
    tier::Tier,
    time::Timestamp,
};
use proptest::prelude::*;

const ANNOUNCES: u32 = 100_000;
const CONTENT: ContentId = ContentId([7; 32]);

fn name(number: u32) -> PeerName {
    number.to_be_bytes().into()
}

fn ip(number: u32) -> IpAddr {
    // Spread over networks: the low bytes of the number become the high bytes of the address.
    Ipv4Addr::from(number.reverse_bits() | 1).into()
}

fn endpoint(ip: IpAddr) -> Endpoint {
    Endpoint { ip, tcp: Some(4001), udp: Some(4001) }
}

/// Everybody the directory would tell of, asked often enough that chance shows all of them.
fn members(registry: &Registry, now: Timestamp, content: ContentId) -> BTreeSet<PeerName> {
    let mut random = Random::new(9);
    let mut ask = |at: u32| registry.find(now, content, b"nobody", ip(at), usize::MAX, &mut random);
    (0..400).flat_map(&mut ask).map(|member| member.name).collect()
}

#[test]
fn a_hundred_thousand_announcements_of_one_peer_are_one_entry() {
    let (mut registry, mut random) = (Registry::default(), Random::new(1));
    for number in 0..ANNOUNCES {
        let now = Timestamp::from_millis(u64::from(number));
        let stored = registry.announce(now, CONTENT, name(1), endpoint(ip(number)), &mut random);
        assert_eq!(stored, Announced::Stored);
    }
    let now = Timestamp::from_millis(u64::from(ANNOUNCES));
    let found = registry.find(now, CONTENT, b"me", ip(3), 50, &mut random);
    assert_eq!(
        found,
        [Member { name: name(1), endpoint: endpoint(ip(ANNOUNCES - 1)) }],
        "the last one counts"
    );
}

#[test]
fn a_hundred_thousand_peers_of_one_content_stay_within_the_bound() {
    let config = RegistryConfig { peers_max: 100, peers_per_prefix_max: 100, ..RegistryConfig::default() };
    let (mut registry, mut random) = (Registry::new(config), Random::new(1));
    let now = Timestamp::from_millis(1);
    for number in 0..ANNOUNCES {
        registry.announce(now, CONTENT, name(number), endpoint(ip(number)), &mut random);
    }
    let members = members(&registry, now, CONTENT);
    assert!(members.len() <= 100, "{} members", members.len());
    assert!(members.len() > 90, "{} of 100 were ever told of", members.len());
    let old = members.iter().filter(|member| ***member < *name(ANNOUNCES / 2)).count();
    assert!(old < 50, "{old} of the first half are left: newcomers find no place");
}

#[test]
fn a_hundred_thousand_contents_stay_within_the_bound_and_expire() {
    let config = RegistryConfig { contents_max: 1_000, ..RegistryConfig::default() };
    let (mut registry, mut random) = (Registry::new(config), Random::new(1));
    let content = |number: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        ContentId(hash)
    };
    let now = Timestamp::from_millis(1);
    let mut refused = 0;
    for number in 0..ANNOUNCES {
        let answer = registry.announce(now, content(number), name(1), endpoint(ip(1)), &mut random);
        refused += u32::from(answer == Announced::Full);
    }
    assert_eq!((registry.contents(), refused), (1_000, ANNOUNCES - 1_000));
    registry.sweep(now + Duration::from_secs(181));
    assert_eq!(registry.contents(), 0);
    let later = now + Duration::from_secs(182);
    let answer = registry.announce(later, content(5_000), name(1), endpoint(ip(1)), &mut random);
    assert_eq!(answer, Announced::Stored, "room again");
}

/// Something asked of a directory: (who, in which network, after how many seconds, gone again).
fn announcements() -> impl Strategy<Value = Vec<(u32, u8, u8, bool)>> {
    prop::collection::vec((0..60u32, any::<u8>(), 0..40u8, prop::bool::weighted(0.1)), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_fresh_without_the_asker_without_doubles_and_nearest_first(
        announcements in announcements(),
        asker in 0..60u32,
        asker_network in any::<u8>(),
        wanted in 0..80usize,
        seed in any::<u64>(),
    ) {
        println!("seed {seed:#x}");
        let config = RegistryConfig {
            peers_max: 40,
            peers_per_prefix_max: 15,
            answer_max: 30,
            random_share: 0.2,
            ..RegistryConfig::default()
        };
        let (mut registry, mut random) = (Registry::new(config), Random::new(seed));
        // Two /16 of four /24 each.
        let ip = |network: u8| IpAddr::from([10, network & 1, network >> 1 & 3, network]);
        let mut now = Timestamp::ZERO;
        let mut alive = std::collections::BTreeMap::new();
        for (peer, network, seconds, leaves) in announcements {
            now = now + Duration::from_secs(u64::from(seconds));
            if leaves {
                registry.withdraw(CONTENT, &name(peer));
                alive.remove(&name(peer));
            } else if registry.announce(now, CONTENT, name(peer), endpoint(ip(network)), &mut random)
                == Announced::Stored
            {
                alive.insert(name(peer), (ip(network), now));
            }
        }
        let asker_ip = ip(asker_network);
        let found = registry.find(now, CONTENT, &name(asker), asker_ip, wanted, &mut random);
        prop_assert!(found.len() <= wanted.min(30));
        let names: BTreeSet<&PeerName> = found.iter().map(|member| &member.name).collect();
        prop_assert_eq!(names.len(), found.len(), "somebody is named twice");
        prop_assert!(!names.contains(&name(asker)), "the asker is told of itself");
        for member in &found {
            let (ip, at) = alive[&member.name];
            prop_assert_eq!(member.endpoint.ip, ip);
            prop_assert!(now.since(at) < Duration::from_secs(180), "expired");
        }
        let tier = |member: &Member| Tier::by_prefix(asker_ip, member.endpoint.ip);
        let sure = found.len() - (found.len() as f32 * 0.2) as usize;
        prop_assert!(found[..sure].is_sorted_by_key(tier), "the nearest are not first");
        let furthest = found[..sure].iter().map(tier).max();
        let later = found[sure..].iter().map(tier);
        prop_assert!(later.into_iter().all(|tier| furthest.is_none_or(|furthest| tier >= furthest)),
            "somebody nearer comes later");
        if alive.len() <= 15 {
            // No limit was near: nobody is kept back.
            let fresh = alive.iter().filter(|(peer, (_, at))| {
                **peer != name(asker) && now.since(*at) < Duration::from_secs(180)
            });
            prop_assert_eq!(names.len(), fresh.count().min(wanted).min(30));
        }
    }
}
