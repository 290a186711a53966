//! Every scenario that is shipped runs, small, in both fidelities; what holds of every world holds of
//! it, and it repeats.

use nearcast_sim::{
    outcome::Outcome,
    run::{Fidelity, RunOptions, run},
    scenario::{Scenario, shipped},
};

/// What holds of every world, whatever its scenario expects.
const ALWAYS: [&str; 3] = ["bytes_conserved", "uplinks_within_rate", "engines_know_what_they_hold"];

fn outcome(scenario: &Scenario, fidelity: Fidelity) -> Outcome {
    let options = RunOptions { fidelity, ..RunOptions::default() };
    run(scenario, 7, &options, &mut |_| {}).expect("a scenario that is shipped can be run")
}

#[test]
fn every_shipped_scenario_runs_small_and_repeats() {
    for shipped in shipped::SHIPPED {
        let mut scenario = shipped::find(shipped.name).expect("it is shipped");
        for setting in ["peers=24", "runs=20", "until_seconds=900"] {
            scenario.set(setting).expect("every scenario knows it");
        }
        for fidelity in [Fidelity::Exact, Fidelity::Pulled] {
            let first = outcome(&scenario, fidelity);
            let again = outcome(&scenario, fidelity);
            assert_eq!(first.summary.trace_hash, again.summary.trace_hash, "{}", shipped.name);
            assert_eq!(first.peers, again.peers, "{}", shipped.name);
            for name in ALWAYS {
                assert_eq!(first.summary.checks.get(name), Some(&true), "{}: {name}", shipped.name);
            }
            assert_ne!(first.summary.checks.get("not_below_the_bound"), Some(&false), "{}", shipped.name);
            let came: u64 =
                first.timeline.iter().map(|slice| slice.origin + slice.by_tier.iter().sum::<u64>()).sum();
            let received: u64 = first.peers.iter().map(|row| row.received).sum();
            assert!(came >= received && received > 0, "{}: {came} and {received}", shipped.name);
            println!(
                "{} {fidelity}: {} of {} done",
                shipped.name, first.summary.completed, first.summary.peers
            );
        }
    }
}

#[test]
fn imports_are_counted_by_reason_to_the_byte() {
    let mut scenario = shipped::find("locality-sweep").expect("it is shipped");
    scenario.set("runs=60").expect("every scenario knows it");
    let outcome = outcome(&scenario, Fidelity::Exact);
    let by_reason: u64 = outcome.summary.reasons.imported_bytes.values().sum();
    let imported: u64 = outcome.peers.iter().map(|row| row.imported).sum();
    assert_eq!(by_reason, imported, "{:?}", outcome.summary.reasons.imported_bytes);
    assert!(outcome.summary.reasons.imported_bytes.len() > 1, "{:?}", outcome.summary.reasons.imported_bytes);
}

#[cfg(feature = "reasons")]
#[test]
fn waste_is_counted_by_reason_to_the_byte_and_take_overs_and_stalls_have_reasons() {
    for (name, settings) in [
        ("slow-uplinks", &["peers=20", "runs=40"][..]),
        ("locality-sweep", &["runs=60"]),
        ("clinic-riders", &["runs=60", "network.together=16"]),
    ] {
        let mut scenario = shipped::find(name).expect("it is shipped");
        settings.iter().for_each(|setting| scenario.set(setting).expect("every scenario knows it"));
        let outcome = outcome(&scenario, Fidelity::Exact);
        let reasons = &outcome.summary.reasons;
        let wasted: u64 = outcome.peers.iter().map(|row| row.wasted).sum();
        // Riders and others waste, too, and all are the scenario's own peers here.
        assert_eq!(reasons.wasted_bytes.values().sum::<u64>(), wasted, "{name}: {reasons:?}");
        assert!(!reasons.taken_over_requests.is_empty(), "{name}: {reasons:?}");
        let stalled: u64 = reasons.stalled_seconds.values().sum();
        let present = f64::from(outcome.summary.peers) * outcome.summary.simulated_seconds;
        assert!(stalled as f64 <= present, "{name}: {stalled} of {present} seconds");
    }
}

#[cfg(feature = "reasons")]
#[test]
fn a_crowd_whose_origin_is_gone_says_that_nobody_has_anything() {
    let mut scenario = shipped::find("origin-loss").expect("it is shipped");
    for setting in ["origins.die_at_seconds=2", "until_seconds=60", "sessions.patience_seconds=600"] {
        scenario.set(setting).expect("every scenario knows it");
    }
    let outcome = outcome(&scenario, Fidelity::Exact);
    let stalled = &outcome.summary.reasons.stalled_seconds;
    let of = |name: &str| stalled.get(name).copied().unwrap_or(0);
    let all: u64 = stalled.values().sum();
    assert!(of("starving") + of("no neighbour has anything") + of("no neighbour") > all / 2, "{stalled:?}");
}
