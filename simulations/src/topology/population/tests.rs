//! Who lives where, against what the atlas says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{ASES_DEFAULT, MixError, generated},
    *,
};

fn mixed() -> Mix {
    "fibre 0.3, cable 0.4, dsl 0.2, mobile 0.1".parse().unwrap()
}

fn draw(peers: u32, seed: u64, how: Placing) -> Result<Population, TopologyError> {
    Population::draw(Arc::new(generated(1, ASES_DEFAULT)), peers, seed, how, &mixed())
}

/// Everything that is said of a peer.
fn all(population: &Population) -> Vec<(Ipv4Addr, Asn, Class)> {
    (0..population.len())
        .map(|peer| (population.ip(peer), population.asn(peer), population.class(peer)))
        .collect()
}

#[test]
fn nearness_is_what_the_atlas_says() {
    let population = draw(5_000, 1, Placing::ByAddresses).unwrap();
    let atlas = population.atlas();
    let mut views = BTreeMap::new();
    let (mut random, mut tiers) = (Random::new(1), BTreeSet::new());
    let members: Vec<&[u32]> = population.members().map(|(_, members)| members).collect();
    for turn in 0..40_000 {
        let ours = random.below(5_000) as usize;
        // Half of all pairs are of one AS, else few would be near.
        let theirs = if turn % 2 == 0 {
            random.below(5_000) as usize
        } else {
            let group = members[population.group(ours)];
            group[random.below(group.len() as u32) as usize] as usize
        };
        let (here, there) = (population.ip(ours).into(), population.ip(theirs).into());
        let from = population.asn(ours);
        let view = views.entry(from).or_insert_with(|| atlas.view_from(from));
        let expected = atlas.proximity(atlas.place(here), atlas.place(there), Some(view));
        let near = population.near(ours, theirs);
        assert_eq!(near, Near { proximity: expected, asn: atlas.origin(there) }, "{here} to {there}");
        assert_eq!(population.hops(ours, theirs), view.hops(atlas, population.asn(theirs)));
        tiers.insert(near.tier());
    }
    let met = [Tier::Prefix24, Tier::Prefix16, Tier::SameAs, Tier::AdjacentAs, Tier::Remote];
    assert_eq!(tiers, BTreeSet::from(met));
}

#[test]
fn an_as_has_peers_in_proportion_to_its_addresses() {
    const PEERS: u32 = 100_000;
    let population = draw(PEERS, 2, Placing::ByAddresses).unwrap();
    let lots = Lots::of(population.atlas());
    let counts: BTreeMap<Asn, usize> = population.members().map(|(asn, peers)| (asn, peers.len())).collect();
    assert_eq!(counts.values().sum::<usize>(), PEERS as usize);
    // The squares of the deviations, each in units of its variance, are one on average.
    let mut squares = 0.0;
    for (at, asn) in lots.ases().iter().enumerate() {
        let share = lots.addresses(at) as f64 / lots.total() as f64;
        let (expected, count) = (share * f64::from(PEERS), counts.get(asn).copied().unwrap_or(0) as f64);
        assert!((count - expected).abs() < 6.0 * expected.sqrt() + 1.0, "{asn}: {count}, not {expected}");
        squares += (count - expected).powi(2) / expected;
    }
    let mean = squares / lots.ases().len() as f64;
    assert!((0.6..1.4).contains(&mean), "{mean}");
}

#[test]
fn every_address_is_one_peers_and_some_share_a_24() {
    let population = draw(2_000, 3, Placing::ByAddresses).unwrap();
    let addresses: BTreeSet<Ipv4Addr> = (0..2_000).map(|peer| population.ip(peer)).collect();
    assert_eq!(addresses.len(), 2_000);
    let mut networks: BTreeMap<Network, u32> = BTreeMap::new();
    for peer in 0..2_000 {
        assert_eq!(population.atlas().origin(population.ip(peer).into()), Some(population.asn(peer)));
        *networks.entry(population.network(peer)).or_default() += 1;
    }
    let shared: u32 = networks.values().filter(|&&peers| peers > 1).sum();
    assert!((500..1_500).contains(&shared), "{shared} of 2,000 share a /24");
}

#[test]
fn groups_of_given_sizes_are_in_stubs() {
    let mut sizes = vec![50; 14];
    sizes.extend([400, 1, 0]);
    let population = draw(1_101, 4, Placing::Sizes(sizes.clone())).unwrap();
    let mut drawn: Vec<u32> = population.members().map(|(_, members)| members.len() as u32).collect();
    drawn.sort_unstable();
    sizes.retain(|&size| size > 0);
    sizes.sort_unstable();
    assert_eq!(drawn, sizes);
    for (asn, members) in population.members() {
        let mut around = population.atlas().neighbours(asn);
        assert!(around.all(|(_, relation)| relation != Relation::Customer), "{asn}");
        assert!(members.is_sorted() && members.iter().all(|&peer| population.asn(peer as usize) == asn));
    }
    let others = draw(1_101, 5, Placing::Sizes(sizes)).unwrap();
    assert_ne!(population.ases, others.ases, "the seed chooses the stubs");
}

#[test]
fn rows_say_who_lives_where() {
    let placing = Placing::from_rows("4200000007 3\n4200000003 2\n4200000009 0\n").unwrap();
    let population = draw(5, 1, placing).unwrap();
    let counts: Vec<(u32, usize)> = population.members().map(|(asn, some)| (asn.0, some.len())).collect();
    assert_eq!(counts, [(4_200_000_003, 2), (4_200_000_007, 3)]);
}

#[test]
fn what_has_no_room_is_refused() {
    let rows = |asn: u32, peers: u32| Placing::File(vec![(Asn(asn), peers)]);
    let error = |peers: u32, how: Placing| draw(peers, 1, how).unwrap_err();
    let sizes = Placing::Sizes(vec![2, 3]);
    assert_eq!(error(6, sizes), TopologyError::Count { placed: 5, peers: 6 });
    assert_eq!(error(1, rows(7, 1)), TopologyError::NoAddresses(Asn(7)));
    assert_eq!(error(u32::MAX, Placing::Sizes(vec![u32::MAX])), TopologyError::NoStub { size: u32::MAX });
    let full = error(900_000_000, rows(4_200_000_007, 900_000_000));
    assert!(matches!(full, TopologyError::Full { peers: 900_000_000, .. }), "{full}");
    let many = error(u32::MAX, Placing::ByAddresses);
    assert!(matches!(many, TopologyError::TooMany { peers: u32::MAX, .. }), "{many}");
    let atlas = Arc::new(generated(1, 4));
    let nothing = Mix { shares: Vec::new() };
    let mix = Population::draw(atlas, 1, 1, Placing::ByAddresses, &nothing).unwrap_err();
    assert_eq!(mix, TopologyError::Mix(MixError::Empty));
}

#[test]
fn an_as_that_is_full_has_a_peer_on_every_second_address() {
    let atlas = Arc::new(generated(1, 4));
    let lots = Lots::of(&atlas);
    let (asn, room) = (lots.ases()[0], lots.room(0));
    let full = Placing::File(vec![(asn, room)]);
    let population = Population::draw(Arc::clone(&atlas), room, 1, full, &mixed()).unwrap();
    let addresses: BTreeSet<Ipv4Addr> = (0..room as usize).map(|peer| population.ip(peer)).collect();
    assert_eq!(addresses.len() as u64, lots.addresses(0) / 2);
    let quarter = (lots.total() / 4) as u32;
    let everywhere = Population::draw(atlas, quarter, 1, Placing::ByAddresses, &mixed()).unwrap();
    assert_eq!(everywhere.len(), quarter as usize);
}

#[test]
fn the_same_seed_gives_the_same_population_and_another_seed_another() {
    let one = all(&draw(1_000, 7, Placing::ByAddresses).unwrap());
    assert_eq!(one, all(&draw(1_000, 7, Placing::ByAddresses).unwrap()));
    assert_ne!(one, all(&draw(1_000, 8, Placing::ByAddresses).unwrap()));
}

#[test]
fn another_mix_moves_nobody() {
    let atlas = Arc::new(generated(1, 50));
    let with = |mix: &Mix| Population::draw(Arc::clone(&atlas), 500, 1, Placing::ByAddresses, mix).unwrap();
    let (one, other) = (with(&mixed()), with(&Mix::only(Class::Server)));
    assert!((0..500).all(|peer| one.ip(peer) == other.ip(peer) && other.class(peer) == Class::Server));
    assert!(Class::NAMED[..4].iter().all(|&class| (0..500).any(|peer| one.class(peer) == class)));
}

#[test]
fn latency_is_the_same_both_ways_and_grows_with_the_hops() {
    let population = draw(1_000, 9, Placing::ByAddresses).unwrap();
    let mut random = Random::new(9);
    for _ in 0..10_000 {
        let [a, b] = [0; 2].map(|_: u32| random.below(1_000) as usize);
        let latency = population.latency(a, b);
        assert_eq!(latency, population.latency(b, a));
        let miles = population.class(a).access().latency + population.class(b).access().latency;
        assert_eq!(latency, miles + HOP_LATENCY * population.hops(a, b).unwrap().into());
    }
}

#[test]
fn ten_hops_are_assumed_where_no_route_is_known() {
    let mut builder = nearcast_core::atlas::AtlasBuilder::new(1);
    for (island, asn) in [([20, 0, 0, 0], 1), ([20, 1, 0, 0], 2)] {
        let first = Ipv4Addr::from(island);
        let last = Ipv4Addr::from_bits(first.to_bits() + 255);
        builder.range(first.into(), last.into(), &[Asn(asn)]).unwrap();
    }
    let islands = Placing::File(vec![(Asn(1), 1), (Asn(2), 1)]);
    let atlas = Arc::new(builder.build());
    let population = Population::draw(atlas, 2, 1, islands, &Mix::only(Class::Server)).unwrap();
    assert_eq!(population.hops(0, 1), None);
    assert_eq!(population.latency(0, 1), Duration::from_millis(51));
}

#[test]
fn a_directory_can_ask_where_addresses_are() {
    let population = draw(10, 1, Placing::ByAddresses).unwrap();
    let locator: &dyn Locator = &population;
    assert_ne!(locator.version(), 0);
    assert_eq!(locator.asn(population.ip(3).into()), Some(population.asn(3)));
    let mut neighbours = Vec::new();
    locator.neighbours(population.asn(3), &mut neighbours);
    assert!(!neighbours.is_empty() && neighbours.is_sorted());
}

#[test]
fn a_peer_takes_sixteen_bytes() {
    assert!(size_of::<Dweller>() + size_of::<u32>() <= 16);
}

#[test]
fn nobody_lives_in_an_empty_population() {
    let population = draw(0, 1, Placing::ByAddresses).unwrap();
    assert!(population.is_empty() && population.members().next().is_none());
}
