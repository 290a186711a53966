//! A directory under load: it stays bounded whatever peers announce, and its answers keep their
//! promises.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use nearcast_core::{
    asn::{Asn, Relation},
    id::ContentId,
    registry::{
        Admission, Announced, Announcement, Census, Endpoint, Locator, Member, Nowhere, PeerName, Registry,
        RegistryConfig, Search,
    },
    tier::{Proximity, Tier},
    time::Timestamp,
};
use proptest::prelude::*;

const MANY: u32 = 100_000;
const CONTENT: ContentId = ContentId([7; 32]);

/// The second byte of an address gives its AS; addresses in 10.0.0.0/8 have no AS. ASes with
/// consecutive numbers are adjacent.
#[derive(Clone, Copy)]
struct World(u64);

impl Locator for World {
    fn version(&self) -> u64 {
        self.0
    }

    fn asn(&self, ip: IpAddr) -> Option<Asn> {
        let IpAddr::V4(ip) = ip else { return None };
        let [first, second, ..] = ip.octets();
        (first != 10).then(|| Asn(1000 * self.0 as u32 + u32::from(second)))
    }

    fn neighbours(&self, asn: Asn, into: &mut Vec<(Asn, Relation)>) {
        into.extend([(Asn(asn.0 - 1), Relation::Peer), (Asn(asn.0 + 1), Relation::Provider)]);
    }
}

fn name(number: u32) -> PeerName {
    let mut key = [9; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    PeerName(key)
}

fn content(number: u32) -> ContentId {
    ContentId(name(number).0)
}

/// Internet addresses, spread over many networks.
fn ip(number: u32) -> IpAddr {
    let [a, b, c, d] = number.reverse_bits().to_be_bytes();
    Ipv4Addr::new(20 + a % 60, b, c, d | 1).into()
}

fn endpoint(ip: IpAddr) -> Endpoint {
    Endpoint { ip, tcp: Some(4001), udp: Some(4001) }
}

fn said(content: ContentId, number: u32, ip: IpAddr) -> Announcement {
    Announcement { content, name: name(number), endpoint: endpoint(ip), complete: false }
}

fn open(config: RegistryConfig) -> Registry {
    Registry::new(config, Admission::Open, 1)
}

fn millis(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn ask(
    registry: &mut Registry,
    now: Timestamp,
    search: Search,
    locator: &dyn Locator,
) -> (Vec<Member>, Census) {
    let mut members = Vec::new();
    let census = registry.find(now, &search, locator, &mut members);
    (members, census)
}

fn search(content: ContentId, asker: u32, ip: IpAddr, wanted: usize) -> Search {
    Search { content, name: name(asker), ip, wanted, complete: false }
}

fn find(registry: &mut Registry, now: Timestamp, asker: u32, ip: IpAddr, wanted: usize) -> Vec<Member> {
    ask(registry, now, search(CONTENT, asker, ip, wanted), &Nowhere).0
}

/// All peers that the directory names. Asks often enough that chance shows every peer.
fn members(registry: &mut Registry, now: Timestamp) -> BTreeSet<PeerName> {
    let all = (0..400).flat_map(|at| find(registry, now, u32::MAX, ip(at * 7919), usize::MAX));
    all.map(|member| member.name).collect()
}

fn sweep_all(registry: &mut Registry, now: Timestamp) {
    while !registry.sweep(now) {}
}

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
fn nobody_is_told_of_itself_nor_of_the_expired() {
    let mut registry = open(RegistryConfig::default());
    registry.announce(millis(0), &said(CONTENT, 1, ip(1)), &Nowhere);
    registry.announce(millis(100_000), &said(CONTENT, 2, ip(2)), &Nowhere);
    assert_eq!(find(&mut registry, millis(101_000), 1, ip(1), 50).len(), 1);
    assert_eq!(find(&mut registry, millis(181_000), 3, ip(3), 50).len(), 1);
    sweep_all(&mut registry, millis(300_000));
    assert_eq!((registry.contents(), registry.entries(), registry.peers()), (0, 0, 0));
}

#[test]
fn who_leaves_is_gone_and_who_moves_is_told_at_its_new_address_only() {
    let mut registry = open(RegistryConfig::default());
    registry.announce(millis(0), &said(CONTENT, 1, ip(1)), &Nowhere);
    registry.announce(millis(0), &said(CONTENT, 2, ip(2)), &Nowhere);
    registry.announce(millis(1), &said(CONTENT, 1, ip(77)), &Nowhere);
    let found = find(&mut registry, millis(2), 9, ip(9), 50);
    let one: Vec<_> = found.iter().filter(|member| member.name == name(1)).collect();
    assert_eq!((found.len(), one.len(), one[0].endpoint.ip), (2, 1, ip(77)));
    registry.withdraw(&CONTENT, &name(1), &Nowhere);
    registry.withdraw(&CONTENT, &name(5), &Nowhere);
    assert_eq!(find(&mut registry, millis(3), 9, ip(9), 50).len(), 1);
    registry.withdraw(&CONTENT, &name(2), &Nowhere);
    assert_eq!((registry.contents(), registry.peers()), (0, 0));
}

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
fn what_was_saved_comes_back_with_the_life_it_had_and_within_the_bounds() {
    let mut registry = open(RegistryConfig::default());
    for number in 0..20_000 {
        let now = millis(u64::from(number));
        let complete = number % 3 == 0;
        registry.announce(
            now,
            &Announcement { complete, ..said(content(number / 4), number, ip(number)) },
            &Nowhere,
        );
    }
    let (mut saved, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        from = registry.snapshot(millis(30_000), at, &mut saved);
    }
    assert_eq!(saved.len(), 20_000);
    let mut again = open(RegistryConfig { entries_max: 15_000, ..RegistryConfig::default() });
    // The clock begins anew, and one of the saved peers has already announced itself.
    again.announce(millis(10), &saved[7].said, &Nowhere);
    saved.iter().for_each(|entry| {
        again.restore(millis(10), entry, &Nowhere);
    });
    assert_eq!(again.entries(), 15_000);
    sweep_all(&mut again, millis(175_000));
    let left = again.entries();
    assert!(left > 4_000 && left < 7_000, "{left}: those who have everything last longer");
    let forged = nearcast_core::registry::Saved { left: Duration::MAX, ..saved[1].clone() };
    again.restore(millis(175_000), &forged, &Nowhere);
    sweep_all(&mut again, millis(1_000_000));
    assert_eq!(again.entries(), 0, "nothing lasts longer than an announcement");
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
