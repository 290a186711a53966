use std::collections::BTreeMap;

use super::*;
use crate::{
    id::ContentKey,
    input::{Candidate, Neighbour, Via},
    run_set::RunSet,
    tier::{Proximity, Tier},
};

/// Where peers are; their tags are made of their keys.
#[derive(Default)]
struct Places {
    near: BTreeMap<PeerKey, Near>,
    networks: BTreeMap<PeerKey, Network>,
}

impl HaveMaps for Places {
    fn have_map(&self, _: ContentKey, _: PeerKey) -> Option<&RunSet> {
        None
    }

    fn near(&self, peer: PeerKey) -> Option<Near> {
        self.near.get(&peer).copied()
    }

    fn network(&self, peer: PeerKey) -> Network {
        self.networks.get(&peer).copied().unwrap_or(Network::UNKNOWN)
    }
}

fn known(nears: &[Near]) -> Vec<Known> {
    let candidate = |(at, &near)| Candidate { peer: PeerKey(at as u32), near, via: Via::Directory };
    nears.iter().enumerate().map(candidate).map(Known::new).collect()
}

fn tiers(tiers: &[Tier]) -> Vec<Known> {
    known(&tiers.iter().map(|&tier| tier.into()).collect::<Vec<_>>())
}

fn near(asn: u32, proximity: Proximity) -> Near {
    Near { proximity, asn: Some(Asn(asn)) }
}

fn link(peer: u32, near: Near, ours: Locality) -> Link {
    let about = Neighbour { near, origin: false, directory: false, manifest: true, web_seed: false };
    let mut link = Link::new(PeerKey(peer), about, 4);
    link.locate(near, ours);
    link
}

const NOWHERE: Locality = Locality { asn: None, tag: 7 };
const HERE: Locality = Locality { asn: Some(Asn(1)), tag: 7 };

/// Whom `ours` chooses, with much room or little.
fn pick(
    known: &[Known],
    room: usize,
    ours: Locality,
    links: &Links,
    places: &Places,
    seed: u64,
) -> Option<usize> {
    let config = Config::default();
    let scene = Scene { links, view: places, locality: ours, config: &config };
    let ready: Vec<usize> = (0..known.len()).collect();
    choose(known, &ready, (room, false), &scene, &mut Random::new(seed))
}

#[test]
fn the_nearest_is_linked_to_first() {
    let known = tiers(&[Tier::Remote, Tier::Prefix24, Tier::SameAs]);
    let (links, places) = (Links::default(), Places::default());
    assert!((0..100).all(|seed| pick(&known, 9, NOWHERE, &links, &places, seed) == Some(1)));
}

#[test]
fn a_customer_comes_before_a_peer_and_three_hops_before_four() {
    use crate::asn::Relation::{Customer, Peer, Provider};
    let (links, places) = (Links::default(), Places::default());
    let adjacent = [Provider, Customer, Peer].map(|relation| near(2, Proximity::adjacent(relation)));
    assert_eq!(pick(&known(&adjacent), 9, HERE, &links, &places, 1), Some(1));
    let remote = [None, Some(4), Some(3), Some(5)].map(|hops| near(2, Proximity::remote(hops)));
    assert_eq!(pick(&known(&remote), 9, HERE, &links, &places, 1), Some(2));
}

#[test]
fn inside_a_step_both_ends_agree_and_everybody_prefers_somebody_else() {
    let mut first = std::collections::BTreeSet::new();
    for ours in 0..20 {
        let here = Locality { tag: mix(1_000 + ours) as u32, ..HERE };
        let known = known(&vec![near(1, Tier::SameAs.into()); 50]);
        let at = |seed| pick(&known, 9, here, &Links::default(), &Places::default(), seed);
        assert_eq!(at(1), at(2), "no dice");
        first.insert(at(1));
    }
    assert!(first.len() > 10, "{} different favourites of 20", first.len());
    assert_eq!(priority(3, 9), priority(9, 3));
}

#[test]
fn a_random_slot_reaches_every_tier() {
    let known = tiers(&[Tier::Remote, Tier::Prefix24, Tier::SameAs]);
    let (config, links, places) = (Config::default(), Links::default(), Places::default());
    let scene = Scene { links: &links, view: &places, locality: NOWHERE, config: &config };
    let mut random = Random::new(1);
    let mut chosen: Vec<_> =
        (0..100).filter_map(|_| choose(&known, &[0, 1, 2], (9, true), &scene, &mut random)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    assert_eq!(chosen, [0, 1, 2]);
}

#[test]
fn failures_push_a_near_candidate_behind_a_far_one() {
    let mut known = tiers(&[Tier::Prefix24, Tier::SameAs]);
    known[0].failures = 2;
    assert_eq!(pick(&known, 9, NOWHERE, &Links::default(), &Places::default(), 1), Some(1));
}

#[test]
fn the_last_slots_go_outside_if_nobody_there_is_a_neighbour() {
    let inside = near(1, Tier::SameAs.into());
    let outside = near(2, Proximity::remote(Some(3)));
    let known = known(&[inside, inside, inside, outside]);
    let mut links = Links::default();
    let chosen = |room, links: &Links| pick(&known, room, HERE, links, &Places::default(), 1);
    assert_ne!(chosen(3, &links), Some(3), "there is time");
    assert_eq!(chosen(2, &links), Some(3));
    links.insert(link(50, outside, HERE));
    assert_ne!(chosen(2, &links), Some(3), "there is one already");
}

#[test]
fn one_network_and_one_foreign_as_take_half_of_the_slots_while_there_is_choice() {
    let places = Places {
        networks: (0..30).map(|peer| (PeerKey(peer), Network::of([192, 0, 2, 1].into()))).collect(),
        near: (0..60).map(|peer| (PeerKey(peer), near(2, Proximity::remote(Some(2))))).collect(),
    };
    let mut links = Links::default();
    (100..120).for_each(|peer| assert!(links.insert(link(peer, near(2, Proximity::UNKNOWN), HERE))));
    let mut crowded = places.near.clone();
    crowded.extend((100..120).map(|peer| (PeerKey(peer), near(2, Proximity::UNKNOWN))));
    let places = Places { near: crowded, ..places };
    // Half of forty neighbours are in AS 2: somebody further away comes first, if there is anybody.
    let two = known(&[near(2, Proximity::remote(Some(2))), near(3, Proximity::remote(Some(9)))]);
    assert_eq!(pick(&two, 1, NOWHERE, &links, &places, 1), Some(0), "not ours to judge without an atlas");
    assert_eq!(pick(&two, 1, HERE, &links, &places, 1), Some(1));
    assert_eq!(pick(&two, 2, HERE, &links, &places, 1), Some(0), "there is room for both");
    assert_eq!(pick(&two[..1], 0, HERE, &links, &places, 1), Some(0), "nobody else is there");
}

#[test]
fn the_last_quarter_of_an_origins_slots_is_kept_for_other_groups() {
    let config = Config { neighbours_max: 100, ..Config::origin() };
    let mut places = Places::default();
    let mut links = Links::default();
    for peer in 0..75 {
        let there = near(1, Tier::SameAs.into());
        places.near.insert(PeerKey(peer), there);
        links.insert(link(peer, there, HERE));
    }
    let admitted = |config: &Config, asn: u32| {
        let scene = Scene { links: &links, view: &places, locality: HERE, config };
        admits(&scene, PeerKey(900), near(asn, Proximity::UNKNOWN))
    };
    assert!(!admitted(&config, 1), "they have 75 of 100");
    assert!(admitted(&config, 2));
    let person = Config { neighbours_max: 100, ..Config::default() };
    assert!(admitted(&person, 1), "our own AS is not capped");
    assert!(admitted(&Config { neighbours_max: 104, ..config }, 1), "three quarters are not taken yet");
}
