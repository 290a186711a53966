use std::collections::HashMap;

use bgpkit_parser::models::AsPath;
use proptest::prelude::*;

use super::*;

fn path(ases: &[u32]) -> Path {
    Path::clean(&AsPath::from_sequence(ases), Asn(0)).expect("the path is usable")
}

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a network")
}

fn source(session: u32, number: u32) -> Source {
    Source { session: SessionId(session), number }
}

fn frozen(rib: &mut Rib) -> nearcast_core::atlas::Atlas {
    let mut builder = AtlasBuilder::new(1);
    rib.freeze(&mut builder);
    builder.build()
}

#[test]
fn a_route_is_announced_replaced_and_withdrawn() {
    let mut rib = Rib::new(RibLimits::default());
    let (a, network) = (source(1, 0), net("45.51.100.0/24"));
    assert_eq!(rib.announce(a, network, 0, &path(&[1, 2, 3])), Announced::New);
    assert_eq!(rib.announce(a, network, 0, &path(&[1, 2, 3])), Announced::Same);
    assert_eq!(rib.announce(a, network, 0, &path(&[1, 4])), Announced::Changed);
    assert_eq!(rib.origins(network), [Asn(4)]);
    assert_eq!(rib.counts().routes, 1);
    assert_eq!(rib.links(), BTreeMap::from([((Asn(1), Asn(4)), 1)]));
    assert!(rib.withdraw(a, network, 0));
    assert!(!rib.withdraw(a, network, 0));
    let counts = rib.counts();
    assert_eq!((counts.routes, counts.prefixes_v4, counts.paths, counts.links), (0, 0, 0, 0));
}

#[test]
fn the_origin_told_by_most_comes_first_and_the_lower_number_among_equals() {
    let network = net("2a01:db8::/32");
    let told = [(0, 9), (1, 7), (2, 9), (3, 8), (4, 7)];
    for turn in 0..told.len() {
        let mut rib = Rib::new(RibLimits::default());
        for (number, origin) in told.iter().cycle().skip(turn).take(told.len()) {
            rib.announce(source(1, *number), network, 0, &path(&[100, *origin]));
        }
        assert_eq!(rib.origins(network), [Asn(7), Asn(9), Asn(8)], "whatever the order");
    }
}

#[test]
fn several_paths_of_one_source_are_told_apart_by_their_id() {
    let mut rib = Rib::new(RibLimits::default());
    let (a, network) = (source(1, 0), net("45.51.100.0/24"));
    for id in 1..=3 {
        assert_eq!(rib.announce(a, network, id, &path(&[1, id + 10])), Announced::New);
    }
    rib.withdraw(a, network, 2);
    assert_eq!(rib.origins(network), [Asn(11), Asn(13)]);
}

#[test]
fn who_is_forgotten_counts_no_more_and_leaves_nothing_behind() {
    let mut rib = Rib::new(RibLimits::default());
    let (a, b) = (source(1, 0), source(2, 0));
    for third in 0..100 {
        let network = net(&format!("45.51.{third}.0/24"));
        rib.announce(a, network, 0, &path(&[1, 2, 100 + third]));
        rib.announce(b, network, 0, &path(&[5, 100]));
    }
    assert_eq!(rib.forget(a), 100);
    assert_eq!((rib.counts().routes, rib.counts().forgotten), (100, 100));
    assert_eq!(rib.origins(net("45.51.7.0/24")), [Asn(100)], "before the sweep as after it");
    let atlas = frozen(&mut rib);
    assert_eq!(atlas.origin("45.51.7.1".parse().unwrap()), Some(Asn(100)));
    assert_eq!(atlas.relation(Asn(1), Asn(2)), None);
    assert_eq!(atlas.relation(Asn(5), Asn(100)), Some(Relation::Unknown));
    assert_eq!(rib.forget_session(SessionId(2)), 100);
    rib.sweep();
    assert_eq!(rib.counts(), RibCounts::default());
}

#[test]
fn who_comes_back_is_somebody_new() {
    let mut rib = Rib::new(RibLimits::default());
    let (a, network) = (source(1, 0), net("45.51.100.0/24"));
    rib.announce(a, network, 0, &path(&[1, 2]));
    rib.forget(a);
    assert_eq!(rib.announce(a, network, 0, &path(&[1, 3])), Announced::New);
    assert_eq!(rib.origins(network), [Asn(3)]);
    rib.sweep();
    assert_eq!(rib.origins(network), [Asn(3)]);
    assert_eq!(rib.counts().routes, 1);
}

#[test]
fn routes_of_a_session_that_is_over_count_only_where_there_are_no_others() {
    let mut rib = Rib::new(RibLimits::default());
    let (both, one) = (net("45.51.100.0/24"), net("45.0.113.0/24"));
    rib.announce(source(1, 0), both, 0, &path(&[1, 2]));
    rib.announce(source(1, 0), one, 0, &path(&[1, 2]));
    rib.age(SessionId(1));
    rib.announce(source(2, 0), both, 0, &path(&[1, 9]));
    assert_eq!(rib.origins(both), [Asn(9)]);
    assert_eq!(rib.origins(one), [Asn(2)]);
    rib.revive(SessionId(1));
    assert_eq!(rib.origins(both), [Asn(2), Asn(9)], "it was not over");
    rib.forget_session(SessionId(1));
    assert_eq!(rib.origins(one), []);
}

#[test]
fn one_session_cannot_take_the_room_of_another() {
    let limits = RibLimits { routes_max: 30, routes_per_session_max: 10, ..RibLimits::default() };
    let mut rib = Rib::new(limits);
    let network = |number: u32| net(&format!("11.{}.{}.0/24", number / 256, number % 256));
    for number in 0..1_000 {
        rib.announce(source(1, 0), network(number), 0, &path(&[1, 2]));
    }
    assert_eq!((rib.counts().routes, rib.counts().refused), (10, 990));
    assert_eq!(rib.announce(source(2, 0), network(0), 0, &path(&[3, 4])), Announced::New);
    assert_eq!(
        rib.announce(source(1, 0), network(0), 0, &path(&[1, 3])),
        Announced::Changed,
        "what is held may change"
    );
    assert_eq!(rib.announce(source(1, 1), network(0), 0, &path(&[1, 3])), Announced::Refused(Full::Session));
}

#[test]
fn a_full_table_refuses_and_has_room_again_once_somebody_goes() {
    let limits = RibLimits { routes_max: 100, routes_per_session_max: 60, ..RibLimits::default() };
    let mut rib = Rib::new(limits);
    let tell = |rib: &mut Rib, session: u32| -> usize {
        let told = (0..60).map(|third| {
            rib.announce(source(session, 0), net(&format!("11.{session}.{third}.0/24")), 0, &path(&[7]))
        });
        told.filter(|told| *told == Announced::New).count()
    };
    assert_eq!((tell(&mut rib, 1), tell(&mut rib, 2)), (60, 40));
    assert!(rib.is_full());
    rib.forget_session(SessionId(1));
    assert!(!rib.is_full());
    assert_eq!(tell(&mut rib, 3), 60, "what was forgotten is swept out for it");
}

#[test]
fn sources_are_bounded_and_slots_used_again() {
    let mut rib = Rib::new(RibLimits { sources_max: 4, ..RibLimits::default() });
    let network = net("45.51.100.0/24");
    let tell = |rib: &mut Rib, number| rib.announce(source(1, number), network, 0, &path(&[1, 2]));
    assert!((0..4).all(|number| tell(&mut rib, number) == Announced::New));
    assert_eq!(tell(&mut rib, 4), Announced::Refused(Full::Sources));
    for round in 0..1_000 {
        rib.forget(source(1, round));
        assert_eq!(tell(&mut rib, round + 4), Announced::New, "round {round}");
    }
    assert_eq!(rib.counts().routes, 4);
}

#[test]
fn different_paths_and_links_of_a_session_are_bounded() {
    let limits =
        RibLimits { path_words_per_session_max: 30, links_per_session_max: 3, ..RibLimits::default() };
    let mut rib = Rib::new(limits);
    let tell = |rib: &mut Rib, session, last: u32| {
        rib.announce(source(session, 0), net(&format!("11.{session}.{last}.0/24")), 0, &path(&[1, 2, last]))
    };
    // A path of three takes four words; it has two links, one of which is shared.
    let told: Vec<Announced> = (10..20).map(|last| tell(&mut rib, 1, last)).collect();
    assert_eq!(told.iter().filter(|told| **told == Announced::New).count(), 7);
    assert_eq!((rib.counts().links, rib.counts().links_refused), (3, 5));
    assert_eq!(tell(&mut rib, 2, 30), Announced::New, "another session has its own share");
    rib.forget_session(SessionId(1));
    rib.sweep();
    assert_eq!(rib.links(), BTreeMap::from([((Asn(1), Asn(2)), 1), ((Asn(2), Asn(30)), 1)]));
    rib.forget_session(SessionId(2));
    rib.sweep();
    assert_eq!((rib.counts().links, rib.counts().paths), (0, 0));
}

#[test]
fn a_route_takes_little_memory() {
    const ROUTES: u32 = 200_000;
    let mut rib = Rib::new(RibLimits::default());
    for number in 0..ROUTES {
        let network = net(&format!("{}.{}.{}.0/24", 1 + (number >> 16), number >> 8 & 255, number & 255));
        // As in a real table: an origin has about ten prefixes, and a path three.
        rib.announce(source(1, 0), network, 0, &path(&[1, 2, 3 + number / 3 % 50, 100_000 + number / 9]));
    }
    let bytes = rib.resident_bytes() / ROUTES as usize;
    println!("{bytes} bytes for each of {ROUTES} routes of one router");
    assert!(bytes <= 128, "{bytes} bytes a route");
}

#[derive(Clone, Debug)]
enum Step {
    Announce(Source, u8, u32, u8),
    Withdraw(Source, u8, u32),
    Forget(Source),
    ForgetSession(SessionId),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let source = || (0..3u32, 0..3u32).prop_map(|(session, number)| source(session, number));
    let step = prop_oneof![
        6 => (source(), 0..12u8, 0..2u32, 0..6u8).prop_map(|(a, b, c, d)| Step::Announce(a, b, c, d)),
        3 => (source(), 0..12u8, 0..2u32).prop_map(|(a, b, c)| Step::Withdraw(a, b, c)),
        1 => source().prop_map(Step::Forget),
        1 => (0..3u32).prop_map(|session| Step::ForgetSession(SessionId(session))),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// A plain map of all announcements agrees with the table.
    #[test]
    fn the_table_agrees_with_a_plain_map(steps in steps()) {
        let network = |number: u8| net(&if number < 8 {
            format!("11.0.0.0/{}", 8 + number)
        } else {
            format!("2a01:db8::/{}", 32 + number)
        });
        let by = |number: u8| path(&[1, 2, 3, 10 + u32::from(number)][usize::from(number % 3)..]);
        let mut rib = Rib::new(RibLimits::default());
        let mut model: HashMap<(Source, u8, u32), u8> = HashMap::new();
        for step in steps {
            match step {
                Step::Announce(source, number, id, way) => {
                    let told = rib.announce(source, network(number), id, &by(way));
                    let expected = match model.insert((source, number, id), way) {
                        None => Announced::New,
                        Some(before) if before == way => Announced::Same,
                        Some(_) => Announced::Changed,
                    };
                    prop_assert_eq!(told, expected);
                }
                Step::Withdraw(source, number, id) => {
                    let was = rib.withdraw(source, network(number), id);
                    prop_assert_eq!(was, model.remove(&(source, number, id)).is_some());
                }
                Step::Forget(source) => {
                    let before = model.len();
                    model.retain(|(of, ..), _| *of != source);
                    prop_assert_eq!(rib.forget(source), before - model.len());
                }
                Step::ForgetSession(session) => {
                    let before = model.len();
                    model.retain(|(of, ..), _| of.session != session);
                    prop_assert_eq!(rib.forget_session(session), before - model.len());
                }
                Step::Sweep => rib.sweep(),
            }
            prop_assert_eq!(rib.counts().routes, model.len());
        }
        rib.sweep();
        prop_assert_eq!(rib.counts().forgotten, 0);
        let mut links: BTreeMap<(Asn, Asn), u32> = BTreeMap::new();
        let mut ways: Vec<u8> = model.values().copied().collect();
        ways.sort_unstable();
        ways.dedup();
        for way in &ways {
            for (a, b) in by(*way).links() {
                *links.entry((a.min(b), a.max(b))).or_default() += 1;
            }
        }
        prop_assert_eq!(rib.links(), links);
        prop_assert_eq!(rib.counts().paths, ways.len());
        for number in 0..12 {
            let mut tally: BTreeMap<Asn, u32> = BTreeMap::new();
            for (_, way) in model.iter().filter(|((_, of, _), _)| *of == number) {
                *tally.entry(by(*way).origins()[0]).or_default() += 1;
            }
            let mut expected: Vec<(Asn, u32)> = tally.into_iter().collect();
            expected.sort_by_key(|&(asn, votes)| (std::cmp::Reverse(votes), asn));
            let expected: Vec<Asn> = expected.into_iter().map(|(asn, _)| asn).collect();
            prop_assert_eq!(rib.origins(network(number)), expected);
        }
    }
}
