mod told;

use super::{candidates::Word, directories::FRUITLESS_AFTER, *};
use crate::{
    NoPeers, View,
    config::FindingConfig,
    content::held::Held,
    id::ContentKey,
    input::{Candidate, Neighbour},
    place::{
        asn::Asn,
        tier::{Near, Tier},
    },
    view::Location,
};

const NOWHERE: Locality = Locality { asn: None, tag: 0 };

const SOMEBODY: Word = Word { teller: Teller::NOBODY, is_strangers: false };

fn scene<'a>(links: &'a Links, view: &'a dyn View, config: &'a Config) -> Scene<'a> {
    Scene { links, view, locality: NOWHERE, config, starving: false }
}

fn dial(discovery: &mut Discovery, now: Timestamp, random: &mut Random) -> Option<PeerKey> {
    let config = Config::default();
    let scene = Scene {
        links: &Links::default(),
        view: &NoPeers,
        locality: NOWHERE,
        config: &config,
        starving: false,
    };
    discovery.next_dial(now, &scene, random)
}

/// When something falls due while neighbours are wanted.
fn due(discovery: &Discovery, now: Timestamp) -> Timestamp {
    discovery.next_due(now, &Config::default(), true)
}

fn candidate(peer: u32, tier: Tier) -> Candidate {
    Candidate { peer: PeerKey(peer), near: tier.into(), via: Via::Directory }
}

#[test]
fn a_candidate_that_fails_is_tried_again_later_and_later() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn([candidate(1, Tier::Remote)], SOMEBODY, &mut Links::default(), &config, NOWHERE);
    let mut now = Timestamp::ZERO;
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
        assert_eq!(dial(&mut discovery, now, &mut random), None, "under way already");
        discovery.on_dial_failed(now, PeerKey(1), false, &mut random);
        let due = due(&discovery, now);
        assert!(due.since(now) > last, "{:?} after {last:?}", due.since(now));
        last = due.since(now);
        now = due;
    }
    assert_eq!(discovery.dialing(now), 0);
}

/// Dials as long as there is a peer to dial.
fn dial_all(discovery: &mut Discovery, now: Timestamp, view: &dyn View) -> Vec<PeerKey> {
    let (config, links, mut random) = (Config::default(), Links::default(), Random::new(1));
    let scene = scene(&links, view, &config);
    std::iter::from_fn(|| discovery.next_dial(now, &scene, &mut random)).collect()
}

#[test]
fn attempts_that_do_not_end_give_their_slots_to_others_after_a_moment() {
    let config = Config::default();
    let slots = usize::from(config.finding.dials_in_flight_max);
    let mut discovery = Discovery::default();
    let silent = (0..100).map(|peer| candidate(peer, Tier::Remote));
    discovery.learn(silent, SOMEBODY, &mut Links::default(), &config, NOWHERE);
    let mut now = Timestamp::ZERO;
    let mut under_way = Vec::new();
    let links = Links::default();
    let scene = scene(&links, &NoPeers, &config);
    while discovery.has_room(&scene) {
        let begun = dial_all(&mut discovery, now, &NoPeers);
        assert!((1..=slots).contains(&begun.len()), "{begun:?} at a time");
        under_way.extend(begun);
        assert_eq!(due(&discovery, now), now + ATTEMPT_DELAY);
        now = now + ATTEMPT_DELAY;
    }
    let wanted = usize::from(config.links.wanted);
    assert_eq!(under_way.len(), wanted, "no more than could become neighbours");
    discovery.on_dial_failed(now, under_way[0], false, &mut Random::new(1));
    assert_eq!(dial_all(&mut discovery, now, &NoPeers).len(), 1, "one ended, so one begins");
}

#[test]
fn who_is_connected_goes_first_and_takes_no_slot() {
    struct Connected;
    impl View for Connected {
        fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
            None
        }

        fn location(&self, peer: PeerKey) -> Location {
            Location::unknown(peer)
        }

        fn is_connected(&self, peer: PeerKey) -> bool {
            peer.0 >= 50
        }

        fn is_web_seed(&self, _: PeerKey) -> bool {
            false
        }
    }
    let config = Config::default();
    let mut discovery = Discovery::default();
    let silent = (0..40).map(|peer| candidate(peer, Tier::Lan));
    let connected = (50..53).map(|peer| candidate(peer, Tier::Remote));
    discovery.learn(silent.chain(connected), SOMEBODY, &mut Links::default(), &config, NOWHERE);
    let dialled = dial_all(&mut discovery, Timestamp::ZERO, &Connected);
    let mut first: Vec<u32> = dialled[..3].iter().map(|peer| peer.0).collect();
    first.sort_unstable();
    assert_eq!(first, [50, 51, 52]);
    assert_eq!(dialled.len(), 3 + usize::from(config.finding.dials_in_flight_max));
}

#[test]
fn whom_nobody_can_do_without_is_tried_every_few_seconds() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let longest = |via: Via, alone: bool, random: &mut Random| {
        let mut discovery = Discovery::default();
        let somebody = Candidate { via, ..candidate(1, Tier::Remote) };
        discovery.learn([somebody], SOMEBODY, &mut Links::default(), &config, NOWHERE);
        let mut now = Timestamp::ZERO;
        let mut longest = Duration::ZERO;
        for _ in 0..12 {
            assert_eq!(dial_all(&mut discovery, now, &NoPeers), [PeerKey(1)]);
            discovery.on_dial_failed(now, PeerKey(1), alone, random);
            longest = longest.max(due(&discovery, now).since(now));
            now = due(&discovery, now);
        }
        longest.as_secs()
    };
    assert!(longest(Via::Named, false, &mut random) < 10);
    assert!(longest(Via::Directory, true, &mut random) < 10);
    assert!(longest(Via::Directory, false, &mut random) >= 30);
    assert!(longest(Via::Exchange, true, &mut random) >= 30, "a neighbour's word is not hammered");
}

#[test]
fn the_limit_drops_failed_and_far_candidates_but_never_named_ones() {
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    let named = Candidate { via: Via::Named, ..candidate(0, Tier::Unknown) };
    discovery.learn([named], SOMEBODY, &mut links, &config, NOWHERE);
    discovery.learn(
        (1..60).map(|peer| candidate(peer, Tier::Remote)),
        SOMEBODY,
        &mut links,
        &config,
        NOWHERE,
    );
    discovery.learn([candidate(99, Tier::Lan)], SOMEBODY, &mut links, &config, NOWHERE);
    assert_eq!(discovery.known.len(), 60);
    assert!(discovery.known.iter().any(|known| known.peer == PeerKey(0)));
    assert!(discovery.known.iter().any(|known| known.peer == PeerKey(99)));
}

#[test]
fn a_stranger_on_the_lan_is_tried_once_until_somebody_names_it() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    let stranger = Candidate { via: Via::Lan, ..candidate(1, Tier::Lan) };
    discovery.learn([stranger], SOMEBODY, &mut links, &config, NOWHERE);
    let mut now = Timestamp::ZERO;
    assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
    discovery.on_dial_failed(now, PeerKey(1), false, &mut random);
    // The stranger says again and again that it is there.
    for _ in 0..10 {
        now = now + Duration::from_secs(60);
        discovery.learn([stranger], SOMEBODY, &mut links, &config, NOWHERE);
        assert_eq!(dial(&mut discovery, now, &mut random), None, "{now:?}");
    }
    discovery.learn([candidate(1, Tier::Lan)], SOMEBODY, &mut links, &config, NOWHERE);
    assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
}

#[test]
fn a_directory_is_asked_once_at_a_time_and_sooner_while_neighbours_are_few() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn_directory(PeerKey(5));
    let (peer, query) = discovery.next_ask(Timestamp::ZERO).unwrap();
    assert_eq!(peer, PeerKey(5));
    assert_eq!(discovery.next_ask(Timestamp::from_millis(99_000)), None);
    discovery.on_answer(Timestamp::ZERO, query, (true, true), &config, &mut random);
    let soon = due(&discovery, Timestamp::ZERO);
    assert!(soon < Timestamp::from_millis(2_000));
    let (_, query) = discovery.next_ask(soon).unwrap();
    discovery.on_answer(soon, query, (false, true), &config, &mut random);
    assert!(due(&discovery, soon) >= soon + config.finding.ask_interval);
}

#[test]
fn a_directory_that_fails_is_asked_later_and_later_until_it_answers() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn_directory(PeerKey(5));
    let (mut now, mut last) = (Timestamp::ZERO, Duration::ZERO);
    for _ in 0..4 {
        let (_, query) = discovery.next_ask(now).unwrap();
        discovery.on_query_failed(now, query, &config, &mut random);
        let pause = due(&discovery, now).since(now);
        assert!(
            pause >= last.min(config.finding.ask_interval) && pause <= 2 * config.finding.ask_interval,
            "{pause:?}"
        );
        (now, last) = (now + pause, pause);
    }
    assert!(discovery.told().next().is_none());
    let (_, query) = discovery.next_ask(now).unwrap();
    discovery.on_answer(now, query, (true, true), &config, &mut random);
    assert_eq!(discovery.told().collect::<Vec<_>>(), [PeerKey(5)]);
}

#[test]
fn a_pause_is_heeded_up_to_an_hour() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn_directory(PeerKey(5));
    let mut now = Timestamp::ZERO;
    for (asked, least, most) in [(0, 1, 2), (240, 240, 300), (u64::MAX, 3_600, 4_500)] {
        let (_, query) = discovery.next_ask(now).unwrap();
        discovery.on_pause(now, query, Duration::from_secs(asked).into(), &mut random);
        discovery.on_answer(now, query, (true, true), &config, &mut random);
        let due = due(&discovery, now);
        assert!((least..=most).contains(&due.since(now).as_secs()), "{asked}: {due:?} after {now:?}");
        now = due;
    }
}

#[test]
fn dead_and_useless_directories_make_room_and_named_ones_never_do() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    (100..110).for_each(|peer| discovery.name_directory(PeerKey(peer)));
    (0..20).for_each(|peer| discovery.learn_directory(PeerKey(peer)));
    let known = |discovery: &Discovery| -> Vec<u32> {
        discovery.directories.iter().map(|directory| directory.peer.0).collect()
    };
    assert_eq!(known(&discovery)[10..], [0, 1, 2, 3, 4, 5, 6, 7], "no room while all may be good");
    // The named ones fail as well. 0 is dead, 1 names no peer, the others name peers.
    let mut now = Timestamp::ZERO;
    for _ in 0..FRUITLESS_AFTER {
        while let Some((peer, query)) = discovery.next_ask(now) {
            match peer.0 {
                0 | 100.. => discovery.on_query_failed(now, query, &config, &mut random),
                peer => discovery.on_answer(now, query, (true, peer != 1), &config, &mut random),
            }
        }
        now = now + Duration::from_secs(600);
    }
    (200..220).for_each(|peer| discovery.learn_directory(PeerKey(peer)));
    let left = known(&discovery);
    assert!((100..110).all(|peer| left.contains(&peer)), "{left:?}");
    assert_eq!(left[10..], [2, 3, 4, 5, 6, 7, 200, 201]);
}

#[test]
fn an_attempt_that_is_put_off_is_no_failure() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn([candidate(1, Tier::Remote)], SOMEBODY, &mut Links::default(), &config, NOWHERE);
    let mut now = Timestamp::ZERO;
    for _ in 0..20 {
        assert_eq!(dial(&mut discovery, now, &mut random), Some(PeerKey(1)));
        discovery.on_dial_later(now, PeerKey(1), Duration::from_millis(100), &mut random);
        assert_eq!((discovery.dialing(now), dial(&mut discovery, now, &mut random)), (0, None));
        let pause = due(&discovery, now).since(now);
        assert!(pause <= Duration::from_millis(150), "{pause:?}");
        now = now + pause;
    }
    assert_eq!(discovery.known[0].failures, 0);
}

fn link(peer: u32) -> Link {
    let about = Neighbour {
        near: Tier::Lan.into(),
        origin: false,
        directory: false,
        manifest: true,
        web_seed: false,
    };
    Link::new(PeerKey(peer), about, 4)
}

#[test]
fn somebody_who_came_to_us_is_forgotten_when_gone() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let (mut discovery, mut link) = (Discovery::default(), link(3));
    discovery.on_linked(&mut link);
    discovery.on_unlinked(Timestamp::ZERO, (&link, Teller::NOBODY), &config, NOWHERE, &mut random);
    assert_eq!(due(&discovery, Timestamp::ZERO), Timestamp::NEVER);
}

#[test]
fn a_neighbour_is_no_candidate_until_its_link_ends() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    links.insert(link(3));
    discovery.learn([candidate(3, Tier::Remote)], SOMEBODY, &mut links, &config, NOWHERE);
    assert_eq!(dial(&mut discovery, Timestamp::ZERO, &mut random), None);
    let link = links.remove(PeerKey(3)).unwrap();
    discovery.on_unlinked(Timestamp::ZERO, (&link, Teller::NOBODY), &config, NOWHERE, &mut random);
    let later = Timestamp::from_millis(800);
    assert_eq!(dial(&mut discovery, later, &mut random), Some(PeerKey(3)));
}

#[test]
fn a_large_group_does_not_make_us_forget_who_is_outside() {
    let here = Locality { asn: Some(Asn(1)), tag: 0 };
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    let there = |peer: u32, asn: u32| {
        let tier = if asn == 1 { Tier::SameAs } else { Tier::Remote };
        let near = Near { asn: Some(Asn(asn)), ..tier.into() };
        Candidate { near, ..candidate(peer, tier) }
    };
    discovery.learn((0..40).map(|peer| there(peer, 2)), SOMEBODY, &mut links, &config, here);
    discovery.learn((100..400).map(|peer| there(peer, 1)), SOMEBODY, &mut links, &config, here);
    let outside = discovery.known.iter().filter(|known| here.is_outside(known.near)).count();
    assert_eq!((discovery.known.len(), outside), (60, 15));
    discovery.learn((500..600).map(|peer| there(peer, 2)), SOMEBODY, &mut links, &config, here);
    let outside = discovery.known.iter().filter(|known| here.is_outside(known.near)).count();
    assert!((15..=16).contains(&outside), "{outside}");
}

#[test]
fn candidates_are_where_a_later_atlas_says() {
    struct Atlas;
    impl View for Atlas {
        fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
            None
        }

        fn location(&self, peer: PeerKey) -> Location {
            let near = Near { proximity: Tier::SameAs.into(), asn: Some(Asn(64_500)) };
            Location { near: (peer.0 == 1).then_some(near), ..Location::unknown(peer) }
        }

        fn is_connected(&self, _: PeerKey) -> bool {
            false
        }

        fn is_web_seed(&self, _: PeerKey) -> bool {
            false
        }
    }
    let config = Config::default();
    let mut discovery = Discovery::default();
    let candidates = [candidate(1, Tier::Remote), candidate(2, Tier::Remote)];
    discovery.learn(candidates, SOMEBODY, &mut Links::default(), &config, NOWHERE);
    let ours = Locality { asn: Some(Asn(64_500)), tag: 0 };
    assert_eq!(discovery.inside(ours).count(), 0, "no AS is known of anybody");
    discovery.relocate(&Atlas);
    assert_eq!(discovery.inside(ours).collect::<Vec<_>>(), [PeerKey(1)]);
}

#[test]
fn who_starves_asks_directories_that_answer_soon_and_no_other_sooner() {
    let (config, mut random) = (Config::default(), Random::new(1));
    let mut discovery = Discovery::default();
    (1..=3).for_each(|peer| discovery.learn_directory(PeerKey(peer)));
    let now = Timestamp::ZERO;
    while let Some((peer, query)) = discovery.next_ask(now) {
        match peer {
            PeerKey(1) => discovery.on_answer(now, query, (false, true), &config, &mut random),
            PeerKey(2) => discovery.on_query_failed(now, query, &config, &mut random),
            _ => {
                discovery.on_pause(now, query, Duration::from_secs(30).into(), &mut random);
                discovery.on_answer(now, query, (false, true), &config, &mut random);
            }
        }
    }
    let next =
        |discovery: &Discovery| discovery.directories.iter().map(|it| it.next).collect::<Vec<Timestamp>>();
    let before = next(&discovery);
    discovery.ask_soon(now, Duration::from_secs(6), &mut random);
    let after = next(&discovery);
    assert!(before[0] >= now + config.finding.ask_interval && after[0] <= now + Duration::from_secs(6));
    assert_eq!(after[1..], before[1..], "one is away, and one asked for a pause");
}

#[test]
fn who_starves_dials_beyond_the_wanted_number_and_not_by_nearness() {
    let config = Config::default();
    let mut links = Links::default();
    (0..u32::from(config.links.wanted)).for_each(|peer| _ = links.insert(link(peer)));
    let mut discovery = Discovery::default();
    discovery.learn(
        (100..200).map(|peer| candidate(peer, Tier::Lan)),
        SOMEBODY,
        &mut links,
        &config,
        NOWHERE,
    );
    discovery.learn([candidate(500, Tier::Remote)], SOMEBODY, &mut links, &config, NOWHERE);
    links.iter_mut().for_each(Link::set_chosen);
    let fed = scene(&links, &NoPeers, &config);
    assert_eq!(discovery.next_dial(Timestamp::ZERO, &fed, &mut Random::new(1)), None);
    let starving = Scene { starving: true, ..fed };
    let dials_it = |seed: u64| {
        let (mut discovery, mut random) = (Discovery::default(), Random::new(seed));
        let far = std::iter::once(candidate(500, Tier::Remote));
        let near = (100..120).map(|peer| candidate(peer, Tier::Lan));
        let candidates: Vec<Candidate> = near.chain(far).collect();
        discovery.learn(candidates, SOMEBODY, &mut Links::default(), &config, NOWHERE);
        discovery.next_dial(Timestamp::ZERO, &starving, &mut random) == Some(PeerKey(500))
    };
    assert!((0..200).any(dials_it), "it is one of twenty-one");
    let mut random = Random::new(1);
    let mut now = Timestamp::ZERO;
    let mut dialled = 0;
    while dialled < 200 && discovery.has_room(&starving) {
        dialled += usize::from(discovery.next_dial(now, &starving, &mut random).is_some());
        now = now + ATTEMPT_DELAY;
    }
    assert_eq!(dialled, usize::from(config.links.most - config.links.wanted));
}
