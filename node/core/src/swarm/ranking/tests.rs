use std::collections::BTreeMap;

use super::*;
use crate::{
    config::LinkConfig,
    content::held::Held,
    id::ContentKey,
    input::{Candidate, Neighbour, Via},
    place::tier::{Proximity, Tier},
    swarm::candidate::Teller,
    view::Location,
};

/// Where peers are; their tags are made of their keys.
#[derive(Default)]
struct Places {
    near: BTreeMap<PeerKey, Near>,
    networks: BTreeMap<PeerKey, Network>,
}

impl View for Places {
    fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
        None
    }

    fn location(&self, peer: PeerKey) -> Location {
        let network = self.networks.get(&peer).copied().unwrap_or(Network::UNKNOWN);
        Location { near: self.near.get(&peer).copied(), network, ..Location::unknown(peer) }
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}

fn known(nears: &[Near]) -> Vec<Known> {
    let candidate = |(at, &near)| Candidate { peer: PeerKey(at as u32), near, via: Via::Directory };
    nears.iter().enumerate().map(candidate).map(|candidate| Known::new(candidate, Teller::NOBODY)).collect()
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

/// The candidate that `ours` chooses, with much room or little.
fn pick(
    known: &[Known],
    room: usize,
    ours: Locality,
    links: &Links,
    places: &Places,
    seed: u64,
) -> Option<usize> {
    let config = Config::default();
    let scene = Scene { links, view: places, locality: ours, config: &config, starving: false };
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
    use crate::place::asn::Relation::{Customer, Peer, Provider};
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
    let scene = Scene { links: &links, view: &places, locality: NOWHERE, config: &config, starving: false };
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
    // Half of forty neighbours are in AS 2: a peer further away comes first, if there is one.
    let two = known(&[near(2, Proximity::remote(Some(2))), near(3, Proximity::remote(Some(9)))]);
    assert_eq!(pick(&two, 1, NOWHERE, &links, &places, 1), Some(0), "not ours to judge without an atlas");
    assert_eq!(pick(&two, 1, HERE, &links, &places, 1), Some(1));
    assert_eq!(pick(&two, 2, HERE, &links, &places, 1), Some(0), "there is room for both");
    assert_eq!(pick(&two[..1], 0, HERE, &links, &places, 1), Some(0), "nobody else is there");
}

#[test]
fn the_last_quarter_of_an_origins_slots_is_kept_for_other_groups() {
    let config = Config { links: LinkConfig { most: 100, ..Config::origin().links }, ..Config::origin() };
    let mut places = Places::default();
    let mut links = Links::default();
    for peer in 0..75 {
        let there = near(1, Tier::SameAs.into());
        places.near.insert(PeerKey(peer), there);
        links.insert(link(peer, there, HERE));
    }
    let admitted = |config: &Config, asn: u32| {
        let scene = Scene { links: &links, view: &places, locality: HERE, config, starving: false };
        admits(&scene, PeerKey(900), near(asn, Proximity::UNKNOWN))
    };
    assert!(!admitted(&config, 1), "they have 75 of 100");
    assert!(admitted(&config, 2));
    let person = Config { links: LinkConfig { most: 100, ..Config::default().links }, ..Config::default() };
    assert!(admitted(&person, 1), "our own AS is not capped");
    assert!(
        admitted(&Config { links: LinkConfig { most: 104, ..config.links.clone() }, ..config.clone() }, 1),
        "three quarters are not taken yet"
    );
}

/// A link of a table: its peer, whether it is outside, and what is done to it.
type Row = (u32, bool, fn(&mut Link));

/// A table of links, some of them idle.
fn table(rows: &[Row]) -> Links {
    let mut links = Links::default();
    for &(peer, outside, make) in rows {
        let place = near(if outside { 2 } else { 1 }, Proximity::remote(Some(2)));
        let mut link = link(peer, place, HERE);
        assert_eq!(link.is_outside(), outside);
        (1..=60).for_each(|window| link.pass_window(window, true));
        make(&mut link);
        links.insert(link);
    }
    links
}

#[test]
fn who_is_of_use_or_chosen_or_random_or_the_only_one_outside_never_gives_way_to_somebody_who_came() {
    let kept: [Row; 5] = [
        (1, false, |link| link.note_given(1 << 20)),
        (2, false, |link| link.note_taken(1 << 20)),
        (3, false, Link::set_chosen),
        (4, false, |link| link.set_random(true)),
        (5, true, |_| ()),
    ];
    let (places, config) = (Places::default(), Config::default());
    let way = |links: &Links| {
        idlest_who_came(&Scene { links, view: &places, locality: HERE, config: &config, starving: false })
    };
    let mut links = table(&kept);
    assert_eq!(way(&links), None);
    links.insert(table(&[(6, false, |_| ())]).remove(PeerKey(6)).unwrap());
    assert_eq!(way(&links), Some(PeerKey(6)));
    links.insert(table(&[(7, true, |_| ())]).remove(PeerKey(7)).unwrap());
    assert_eq!(way(&links), Some(PeerKey(7)), "two are outside now");
}

#[test]
fn of_those_who_are_idle_one_of_the_fullest_network_gives_way() {
    let links = table(&[(1, false, |_| ()), (2, false, |_| ()), (3, false, |_| ())]);
    let network = |last: u8| Network::of(std::net::Ipv4Addr::new(192, 0, last, 1).into());
    let networks = [(1, 7), (2, 7), (3, 8)].map(|(peer, last)| (PeerKey(peer), network(last)));
    let places = Places { networks: networks.into(), ..Places::default() };
    let config = Config::default();
    let scene = Scene { links: &links, view: &places, locality: HERE, config: &config, starving: false };
    assert_eq!(idlest_who_came(&scene), Some(PeerKey(2)));
}

#[test]
fn a_stranger_who_came_a_moment_ago_gives_way_before_who_was_named_and_idle_for_long() {
    let (places, config) = (Places::default(), Config::default());
    let mut links = table(&[(1, false, |link| link.note_via(Via::Directory))]);
    // The stranger has not had the time to be idle.
    let about = Neighbour {
        near: Tier::Remote.into(),
        origin: false,
        directory: false,
        manifest: false,
        web_seed: false,
    };
    links.insert(Link::new(PeerKey(3), about, 4));
    let scene = Scene { links: &links, view: &places, locality: HERE, config: &config, starving: false };
    assert_eq!(least_of_those_who_came(&scene), Some(PeerKey(3)));
}

#[test]
fn a_stranger_gives_way_to_somebody_we_have_heard_of_but_no_one_who_was_named_or_gives() {
    let (places, config) = (Places::default(), Config::default());
    let way = |links: &Links| {
        least_of_strangers(&Scene { links, view: &places, locality: HERE, config: &config, starving: false })
    };
    let named = |link: &mut Link| link.note_via(Via::Directory);
    let mut links = table(&[(1, false, named), (2, false, |link| link.note_given(1 << 20))]);
    assert_eq!(way(&links), None);
    links.insert(table(&[(3, false, |_| ())]).remove(PeerKey(3)).unwrap());
    assert_eq!(way(&links), Some(PeerKey(3)));
}

#[test]
fn who_starves_gives_up_whom_it_chose_and_who_is_of_no_use() {
    let (config, places) = (Config::default(), Places::default());
    let mut links = Links::default();
    let mut add = |peer: u32, change: &dyn Fn(&mut Link)| {
        let mut link = link(peer, Tier::Remote.into(), NOWHERE);
        link.set_chosen();
        change(&mut link);
        links.insert(link);
    };
    add(1, &|link| link.set_interests_us(true));
    add(2, &|link| link.set_interested(true));
    add(3, &|link| link.set_random(true));
    add(4, &|_| {});
    add(5, &|link| (1..=9).for_each(|window| link.pass_window(window, true)));
    links.insert(link(6, Tier::Remote.into(), NOWHERE));
    let next = |links: &Links| {
        most_useless(&Scene { links, view: &places, locality: NOWHERE, config: &config, starving: true })
    };
    let mut given_up = Vec::new();
    while let Some(peer) = next(&links) {
        links.remove(peer);
        given_up.push(peer.0);
    }
    assert_eq!(given_up, [5, 4]);
}
