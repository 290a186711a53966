//! What scenarios say of the network: outages, limits of links, and max-min fair rates. Whatever
//! fails, every byte is accounted for, and the same seed gives the same trace.

use nearcast_core::random::Random;
use nearcast_sim::{
    outcome::Outcome,
    run::{Fidelity, RunOptions, run},
    scenario::Scenario,
};

/// What holds of every world, whatever its scenario expects.
const ALWAYS: [&str; 4] =
    ["bytes_conserved", "uplinks_within_rate", "engines_know_what_they_hold", "network_within_rate"];

fn scenario(settings: &[&str]) -> Scenario {
    let mut scenario = Scenario::default();
    settings.iter().for_each(|setting| scenario.set(setting).expect("a valid setting"));
    scenario
}

fn run_with(scenario: &Scenario, seed: u64, fidelity: Fidelity) -> Outcome {
    let options = RunOptions { fidelity, ..RunOptions::default() };
    let outcome = run(scenario, seed, &options, &mut |_| {}).expect("a scenario that can be run");
    for name in ALWAYS {
        assert_eq!(outcome.summary.checks.get(name), Some(&true), "{name}: {:?}", scenario.options());
    }
    assert_ne!(outcome.summary.checks.get("not_below_the_bound"), Some(&false), "{:?}", scenario.options());
    outcome
}

fn outcome(settings: &[&str]) -> Outcome {
    run_with(&scenario(settings), 1, Fidelity::Exact)
}

/// Forty peers in groups, that need 25 s at least.
const CROWD: [&str; 5] =
    ["peers=40", "runs=100", "uplinks=1MiB", "groups.sizes=[20, 12, 8]", "sessions.patience_seconds=300"];

fn crowd(more: &[&str]) -> Outcome {
    outcome(&[&CROWD[..], more].concat())
}

fn done(outcome: &Outcome) -> u32 {
    outcome.summary.completed
}

#[test]
fn machines_that_come_back_go_on_with_what_they_held() {
    let calm = crowd(&[]);
    let struck = crowd(&["network.outages=[\"hosts 50% at 8 for 12\"]"]);
    assert_eq!((done(&calm), done(&struck)), (40, 40));
    let last = |outcome: &Outcome| outcome.summary.completion_seconds.last;
    assert!(last(&struck) > last(&calm) + 3.0, "{} and {}", last(&struck), last(&calm));
    // Nobody began again from nothing: that would be a quarter of all more.
    let received = |outcome: &Outcome| outcome.peers.iter().map(|row| row.received).sum::<u64>() as f64;
    assert!(received(&struck) < 1.1 * received(&calm), "{} and {}", received(&struck), received(&calm));
    // They come back although all others are done.
    let late = crowd(&["network.outages=[\"hosts 1 at 8 for 300\"]", "until_seconds=900"]);
    assert_eq!(done(&late), 40);
    assert!(last(&late) > 300.0);
}

#[test]
fn machines_that_do_not_come_back_are_not_waited_for() {
    let struck = crowd(&["network.outages=[\"hosts 10 at 8\"]"]);
    assert_eq!(done(&struck), 30);
    assert_eq!(struck.summary.checks.get("everybody_finishes"), Some(&true));
    assert!(struck.summary.simulated_seconds < 300.0);
}

#[test]
fn a_lost_as_is_cut_off_until_it_is_back_and_the_others_go_on() {
    let calm = crowd(&["until_seconds=60"]);
    let lost = crowd(&["network.outages=[\"as #2 at 5\"]", "until_seconds=100"]);
    let done_in = |outcome: &Outcome, asn: u32| {
        outcome.peers.iter().filter(|row| row.asn == asn && row.completed.is_some()).count()
    };
    let counts = |outcome: &Outcome| [1, 2, 3].map(|asn| done_in(outcome, asn));
    assert_eq!(counts(&calm), [20, 12, 8]);
    assert_eq!(counts(&lost), [20, 0, 8]);
    let back = crowd(&["network.outages=[\"as #2 at 5 for 60\"]"]);
    assert_eq!(counts(&back), [20, 12, 8]);
    assert!(back.peers.iter().filter(|row| row.asn == 2).all(|row| row.completed > Some(65.0)));
}

#[test]
fn halves_that_cannot_reach_each_other_do_so_again_when_the_partition_heals() {
    let split = crowd(&["network.outages=[\"split #1 at 5 for 50\"]"]);
    let of = |inside: bool| {
        let rows = split.peers.iter().filter(move |row| (row.asn == 1) == inside);
        rows.map(|row| row.completed.expect("all are done")).fold(0.0, f64::max)
    };
    // The origin is with the others.
    assert!(of(true) > 55.0 && of(false) < 55.0, "{} and {}", of(true), of(false));
}

#[test]
fn links_of_a_map_that_are_lost_are_gone_around() {
    let map = ["network.model=internet", "groups.by_address=true", "peers=60", "runs=60"];
    let with = |more: &[&str]| outcome(&[&map[..], &["sessions.patience_seconds=400"], more].concat());
    let all = with(&["network.outages=[\"links 20% at 3\"]", "until_seconds=300"]);
    let calm = with(&[]);
    // Most ASes buy from more than one, so most peers still reach each other.
    assert_eq!(done(&calm), 60);
    assert!((20..60).contains(&done(&all)), "{}", done(&all));
    assert_ne!(all.summary.trace_hash, calm.summary.trace_hash);
    let none = with(&["network.outages=[\"links 100% at 1\"]", "until_seconds=200"]);
    assert!(done(&none) < 30, "{}", done(&none));
}

#[test]
fn a_limit_of_links_slows_those_down_who_must_cross_them() {
    for sharing in ["queues", "max-min"] {
        let with = |limit: &str| {
            outcome(&[
                "network.model=internet",
                "groups.by_address=true",
                "peers=40",
                "runs=60",
                "sessions.patience_seconds=900",
                &format!("network.sharing={sharing}"),
                &format!("network.limits=[{limit}]"),
            ])
        };
        let (wide, narrow) = (with("\"all 1G\""), with("\"transit 200k\", \"peering 1M\""));
        assert_eq!((done(&wide), done(&narrow)), (40, 40), "{sharing}");
        let times = [&wide, &narrow].map(|outcome| outcome.summary.completion_seconds.p50);
        assert!(times[1] > 2.0 * times[0], "{sharing}: {times:?}");
    }
}

#[test]
fn a_network_that_cannot_be_is_refused_with_its_text() {
    let error = |settings: &[&str]| {
        let mut scenario = scenario(&CROWD);
        settings.iter().for_each(|setting| scenario.set(setting).expect("a setting"));
        let ran = run(&scenario, 1, &RunOptions::default(), &mut |_| {});
        ran.err().expect("it cannot be run").to_string()
    };
    assert_eq!(
        error(&["network.outages=[\"as AS77 at 3\"]"]),
        "`as AS77 at 3`: none of the scenario's peers is in AS77; the largest is AS1"
    );
    let map = ["network.model=internet", "network.limits=[\"AS1 AS2 1M\"]"];
    assert_eq!(error(&map), "`AS1 AS2 1M`: the map has no link between AS1 and AS2");
    assert!(error(&["network.limits=[\"all 1M\"]"]).contains("`network.limits` must be empty unless"));
    let flat = ["groups.sizes=[]", "network.outages=[\"as #1 at 3\"]"];
    assert!(error(&flat).contains("`network.outages` must be without ASes unless"), "{}", error(&flat));
    let large = ["network.sharing=max-min", "peers=10001"];
    assert!(error(&large).contains("`network.sharing` must be `queues` where"), "{}", error(&large));
}

/// A world at random, with all that may happen to it.
fn drawn(seed: u64) -> Scenario {
    let mut random = Random::new(seed);
    let mut pick = |all: &[&str]| all[random.below(all.len() as u32) as usize].to_owned();
    let mut settings = vec![
        pick(&["peers=8", "peers=24", "peers=40"]),
        pick(&["runs=20", "runs=60"]),
        pick(&["uplinks=1MiB", "uplinks=log 100k..4M"]),
        pick(&["downlinks=unlimited", "downlinks=2MiB", "downlinks=600k..8M"]),
        pick(&["network.latency_ms=1", "network.latency_ms=120"]),
        pick(&["network.together=16", "network.together=1"]),
        pick(&["network.loss=0", "network.loss=0.02"]),
        pick(&["network.sharing=queues", "network.sharing=max-min"]),
        pick(&["network.solve_ms=0", "network.solve_ms=10", "network.solve_ms=500"]),
        pick(&["arrivals.kind=together", "arrivals.kind=over"]),
        pick(&["sessions.done=stay", "sessions.done=download"]),
        pick(&["actors.large_view=0", "actors.large_view=20%"]),
        pick(&["actors.bit_tyrants=0", "actors.bit_tyrants=20%"]),
        pick(&["actors.poisoners=0", "actors.poisoners=1"]),
        pick(&["viewers.watching=0", "viewers.watching=50%"]),
        pick(&["finding=directory", "finding=acquainted"]),
        "sessions.patience_seconds=600".to_owned(),
        "until_seconds=1200".to_owned(),
    ];
    let is_map = pick(&["flat", "internet"]) == "internet";
    settings.push(format!("network.model={}", if is_map { "internet" } else { "flat" }));
    settings.push(if is_map { "groups.by_address=true" } else { "groups.sizes=[5, 3, 1]" }.to_owned());
    if is_map {
        settings.push(pick(&["network.limits=[]", "network.limits=[\"all 500k\", \"peering 2M\"]"]));
    }
    let outages: Vec<String> = [
        pick(&["hosts 30% at 4 for 3", "hosts 2 at 6 for 40", "hosts 1 at 2"]),
        pick(&["as #1 at 3 for 10", "as #2 at 5 for 50", "links 30% at 4 for 20"]),
        pick(&["split 40% at 7 for 9", "split #1 at 2 for 60", "hosts 50% at 7 for 20"]),
    ]
    .into_iter()
    .map(|text| format!("\"{text}\""))
    .collect();
    settings.push(format!("network.outages=[{}]", outages.join(", ")));
    scenario(&settings.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn in_drawn_worlds_no_byte_is_lost_and_the_same_seed_gives_the_same_trace() {
    let (mut done, mut all) = (0, 0);
    for seed in 1..=40 {
        let scenario = drawn(seed);
        let fidelity = if seed % 3 == 0 { Fidelity::Pulled } else { Fidelity::Exact };
        let first = run_with(&scenario, seed, fidelity);
        done += first.summary.completed;
        all += first.summary.peers;
        println!(
            "{seed}: {} of {} done, {} inputs, {:.1} s",
            first.summary.completed,
            first.summary.peers,
            first.summary.inputs,
            first.summary.simulated_seconds
        );
        if seed % 4 == 0 {
            let again = run_with(&scenario, seed, fidelity);
            assert_eq!(first.summary.trace_hash, again.summary.trace_hash, "{seed}");
            assert_eq!(first.peers, again.peers, "{seed}");
        }
    }
    assert!(f64::from(done) > 0.8 * f64::from(all), "{done} of {all}");
}
