//! Whose word about candidates counts, and how much of the table it fills.

use super::*;

/// The word of a neighbour with this number, whose network is not known.
fn neighbour(number: u32) -> Word {
    Word { teller: Teller::of(&NoPeers, PeerKey(number)), is_strangers: true }
}

fn told(peers: std::ops::Range<u32>, tier: Tier, via: Via) -> impl Iterator<Item = Candidate> {
    peers.map(move |peer| Candidate { via, ..candidate(peer, tier) })
}

fn among(discovery: &Discovery, peers: std::ops::Range<u32>) -> usize {
    discovery.known.iter().filter(|known| peers.contains(&known.peer.0)).count()
}

#[test]
fn whoever_tells_of_many_displaces_nobody_that_others_told_of() {
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let mut links = Links::default();
    for via in [Via::Exchange, Via::Directory] {
        let mut discovery = Discovery::default();
        discovery.learn(told(0..5, Tier::Remote, via), neighbour(1), &mut links, &config, NOWHERE);
        for round in 1..50 {
            let nobodies = told(round * 100..round * 100 + 50, Tier::Lan, Via::Directory);
            discovery.learn(nobodies, neighbour(2), &mut links, &config, NOWHERE);
        }
        assert_eq!((among(&discovery, 0..5), discovery.known.len()), (5, 60), "{via:?}");
    }
}

#[test]
fn a_full_table_is_shared_evenly_by_those_who_tell_much() {
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    for teller in [1, 2, 3, 1, 2, 3] {
        let peers = told(teller * 100..teller * 100 + 50, Tier::Remote, Via::Exchange);
        discovery.learn(peers, neighbour(teller), &mut links, &config, NOWHERE);
    }
    let shares = [100..200, 200..300, 300..400].map(|of| among(&discovery, of));
    assert!(shares.iter().all(|share| (19..=21).contains(share)), "{shares:?}");
}

#[test]
fn what_a_named_directory_told_of_is_not_displaced_by_strangers_however_many_they_are() {
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    discovery.name_directory(PeerKey(7));
    let word = discovery.word(&NoPeers, (None, Some(PeerKey(7))));
    discovery.learn(told(0..50, Tier::Remote, Via::Directory), word, &mut links, &config, NOWHERE);
    for teller in 1..40 {
        let peers = told(teller * 100..teller * 100 + 50, Tier::Lan, Via::Directory);
        let word = discovery.word(&NoPeers, (None, Some(PeerKey(1_000 + teller))));
        discovery.learn(peers, word, &mut links, &config, NOWHERE);
    }
    assert_eq!(among(&discovery, 0..50), 50);
}

#[test]
fn whom_two_told_of_goes_over_to_the_one_who_told_of_fewer() {
    let config = Config {
        finding: FindingConfig { candidates_max: 60, ..Config::default().finding },
        ..Config::default()
    };
    let (mut discovery, mut links) = (Discovery::default(), Links::default());
    // A liar is the first to name an honest peer, and then names nearer peers that do not exist.
    discovery.learn(told(0..1, Tier::Remote, Via::Exchange), neighbour(1), &mut links, &config, NOWHERE);
    discovery.learn(told(0..2, Tier::Remote, Via::Exchange), neighbour(2), &mut links, &config, NOWHERE);
    discovery.learn(told(100..500, Tier::Lan, Via::Exchange), neighbour(1), &mut links, &config, NOWHERE);
    assert_eq!(among(&discovery, 0..2), 2);
}

/// How many dials bring no link before this peer is dialled.
fn dials_before(discovery: &mut Discovery, wanted: PeerKey) -> Option<usize> {
    let (mut now, mut random) = (Timestamp::ZERO, Random::new(1));
    for dials in 0..200 {
        let peer = dial(discovery, now, &mut random)?;
        if peer == wanted {
            return Some(dials);
        }
        now = now + Duration::from_millis(100);
        discovery.on_dial_failed(now, peer, false, &mut random);
        // Liars go on naming peers that do not exist.
        let nobodies = told(10_000 + dials as u32..10_001 + dials as u32, Tier::Lan, Via::Directory);
        let (mut links, config) = (Links::default(), Config::default());
        discovery.learn(nobodies, neighbour(dials as u32 % 20), &mut links, &config, NOWHERE);
    }
    None
}

#[test]
fn whoever_was_overtaken_has_its_turn_when_dials_bring_nobody() {
    let (config, mut links) = (Config::default(), Links::default());
    let mut discovery = Discovery::default();
    for teller in 0..10 {
        let nobodies = told(100 * (teller + 1)..100 * (teller + 1) + 15, Tier::Lan, Via::Directory);
        discovery.learn(nobodies, neighbour(teller), &mut links, &config, NOWHERE);
    }
    discovery.learn(told(0..1, Tier::Remote, Via::Exchange), neighbour(99), &mut links, &config, NOWHERE);
    let dials = dials_before(&mut discovery, PeerKey(0)).expect("it is dialled");
    assert!(dials <= 11, "ten tellers were before it: {dials}");
}

#[test]
fn directories_that_were_named_have_every_second_turn_among_many_strangers() {
    let (config, mut links) = (Config::default(), Links::default());
    let mut discovery = Discovery::default();
    discovery.name_directory(PeerKey(7));
    for teller in 0..10 {
        let nobodies = told(100 * (teller + 1)..100 * (teller + 1) + 15, Tier::Lan, Via::Exchange);
        discovery.learn(nobodies, neighbour(teller), &mut links, &config, NOWHERE);
    }
    let word = discovery.word(&NoPeers, (None, Some(PeerKey(7))));
    discovery.learn(told(0..1, Tier::Remote, Via::Directory), word, &mut links, &config, NOWHERE);
    let dials = dials_before(&mut discovery, PeerKey(0)).expect("it is dialled");
    assert!(dials <= 2, "{dials}");
}

#[test]
fn as_long_as_dials_lead_to_somebody_the_nearest_comes_first_whoever_told_of_it() {
    let (config, mut links, mut random) = (Config::default(), Links::default(), Random::new(1));
    let mut discovery = Discovery::default();
    discovery.learn(told(0..20, Tier::Remote, Via::Exchange), neighbour(1), &mut links, &config, NOWHERE);
    discovery.learn(told(100..120, Tier::Lan, Via::Exchange), neighbour(2), &mut links, &config, NOWHERE);
    for _ in 0..6 {
        let peer = dial(&mut discovery, Timestamp::ZERO, &mut random).expect("there is somebody");
        assert!(discovery.known.iter().any(|known| known.peer == peer && known.is_dialing()));
        discovery.on_linked(&mut link(peer.0));
    }
    assert!(among(&discovery, 100..120) <= 16, "near ones were dialled, but for the random slots");
}
