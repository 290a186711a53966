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
    let by_reason: u64 = outcome.imports_by_reason.values().sum();
    let imported: u64 = outcome.peers.iter().map(|row| row.imported).sum();
    assert_eq!(by_reason, imported, "{:?}", outcome.imports_by_reason);
    assert!(outcome.imports_by_reason.len() > 1, "{:?}", outcome.imports_by_reason);
}
