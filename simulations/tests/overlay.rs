//! Supernodes and leaves in worlds that grow, fail, fall apart and come together again.

use std::time::Duration;

use nearcast_core::time::Timestamp;
use nearcast_sim::overlay::{
    run::{OverlayRun, run},
    scenario::OverlayScenario,
    shipped,
    world::World,
};

/// A scenario that is shipped, with settings.
fn scenario(name: &str, settings: &[&str]) -> OverlayScenario {
    let mut scenario = shipped::find(name).expect("it is shipped");
    for setting in settings {
        let (name, value) = setting.split_once('=').expect("a setting");
        scenario.set_to(name, value).expect("every scenario of the overlay knows it");
    }
    scenario
}

fn outcome(scenario: &OverlayScenario, seed: u64) -> OverlayRun {
    run(scenario, seed, &mut |_| {}).expect("it is valid")
}

/// Every check of the scenario holds.
#[track_caller]
fn holds(scenario: &OverlayScenario, seed: u64) -> OverlayRun {
    let run = outcome(scenario, seed);
    let failed: Vec<&String> =
        run.figures.checks.iter().filter(|(_, held)| !**held).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{} with seed {seed}: {failed:?}\n{:#?}", scenario.name, run.figures);
    run
}

/// Each scenario, small enough for a test.
const SMALL: [(&str, &[&str]); 7] = [
    ("bad-version", &["nodes=3000", "until_seconds=800", "expect.version_percent_max=none"]),
    ("diurnal-wave", &["nodes=2000", "coming.day_seconds=14400", "until_seconds=14400"]),
    ("growth", &["nodes=1500", "coming.doubling_seconds=1200", "until_seconds=14000"]),
    ("partition-heal", &["nodes=3000"]),
    ("skype-2007", &["nodes=6000", "loss.at_seconds=200", "until_seconds=400"]),
    ("supernode-loss", &["nodes=6000"]),
    ("swizzle-clog", &[]),
];

#[test]
fn every_shipped_scenario_runs_small_repeats_and_keeps_the_invariants() {
    assert_eq!(
        SMALL.map(|(name, _)| name).to_vec(),
        shipped::SHIPPED.iter().map(|it| it.name).collect::<Vec<_>>()
    );
    for (name, settings) in SMALL {
        let scenario = scenario(name, settings);
        let (first, again) = (outcome(&scenario, 3), outcome(&scenario, 3));
        assert_eq!(first.figures.trace_hash, again.figures.trace_hash, "{name}");
        assert_eq!(first.course, again.course, "{name}");
        assert_ne!(first.figures.trace_hash, outcome(&scenario, 4).figures.trace_hash, "{name}");
        let mut world = World::new(&scenario, 3);
        let mut at = 0.0;
        while at < scenario.until_seconds {
            at += scenario.until_seconds / 40.0;
            world.go_on(Timestamp::ZERO + Duration::from_secs_f64(at));
            world.check();
        }
    }
}

#[test]
fn a_third_or_half_of_the_supernodes_fail_and_all_are_attached_in_half_a_minute() {
    let run = holds(&scenario("supernode-loss", &["nodes=10000"]), 1);
    assert!(run.figures.affected > 5_000, "30 % and restarts: {}", run.figures.affected);
    let half = [
        "nodes=10000",
        "loss.supernodes_percent=50",
        "loss.restarts_percent=0",
        "old_rule.beside=false",
        "expect.old_rule_collapses=false",
    ];
    holds(&scenario("supernode-loss", &half), 1);
}

#[test]
fn nine_in_ten_supernodes_fail_and_all_are_attached_in_two_minutes() {
    let nearly_all = [
        "nodes=10000",
        "loss.supernodes_percent=90",
        "loss.restarts_percent=0",
        "old_rule.beside=false",
        "expect.old_rule_collapses=false",
        "expect.attached_within_seconds=120",
    ];
    holds(&scenario("supernode-loss", &nearly_all), 1);
}

#[test]
fn a_network_that_was_parted_is_one_again_within_a_minute() {
    let run = holds(&scenario("partition-heal", &["nodes=5000"]), 1);
    let parted = run.course.at(1_100.0).expect("it ran so long").networks;
    assert!(parted >= 2, "{parted} networks while it is parted");
}

/// Without a tracker that everybody knows, only what nodes remember joins them again.
#[test]
fn a_parted_network_without_anchors_is_one_again_too() {
    holds(&scenario("partition-heal", &["nodes=5000", "anchors=0"]), 2);
}

#[test]
fn two_hundred_swizzle_clogged_worlds_end_in_one_network() {
    let scenario = scenario("swizzle-clog", &[]);
    for seed in 1..=200 {
        holds(&scenario, seed);
    }
}

#[test]
fn no_version_has_more_than_its_share_and_the_others_carry_on_when_it_fails() {
    let run = holds(&scenario("bad-version", &["nodes=6000"]), 1);
    assert!(run.figures.version_percent > 40.0, "both versions serve: {}", run.figures.version_percent);
}

#[test]
fn a_world_grows_from_one_tracker_and_supernodes_split_as_it_does() {
    let settings = [
        "nodes=4000",
        "coming.doubling_seconds=1800",
        "policy.up_min_seconds=1800",
        // Two supernodes of five hundred children are a thousand nodes and two.
        "expect.nodes_a_supernode_max=560",
        "until_seconds=24000",
    ];
    let run = holds(&scenario("growth", &settings), 1);
    assert!(run.figures.elected >= 7, "{}", run.figures.elected);
}
