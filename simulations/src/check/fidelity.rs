//! The pulled world against the exact one.

use crate::{
    outcome::Summary,
    run::{self, Fidelity, RunOptions},
    scenario::{Scenario, shipped},
};

/// What the middle times may differ by.
const DIFFERENCE_MAX: f64 = 0.02;
/// Seeds of each world: what differs by chance between two worlds is larger than what is looked for.
const SEEDS: u64 = 6;

fn summary(scenario: &Scenario, seed: u64, fidelity: Fidelity) -> Result<Summary, String> {
    let options = RunOptions { fidelity, checked: false, ..RunOptions::default() };
    let outcome = run::run(scenario, seed, &options, &mut |_| {}).map_err(|error| error.to_string())?;
    Ok(outcome.summary)
}

/// The mean over seeds of the median time.
fn middle(scenario: &Scenario, fidelity: Fidelity) -> Result<f64, String> {
    let mut sum = 0.0;
    for seed in 1..=SEEDS {
        sum += summary(scenario, seed, fidelity)?.completion_seconds.p50;
    }
    Ok(sum / SEEDS as f64)
}

pub(super) fn run() -> Result<String, String> {
    let (mut texts, mut is_close) = (Vec::new(), true);
    for (name, settings) in [
        ("flash-crowd", &["peers=120", "runs=200"][..]),
        ("locality-sweep", &[]),
        ("slow-uplinks", &[]),
        ("clinic-equal-uplinks", &["peers=100", "runs=200"]),
    ] {
        let mut scenario = shipped::find(name).map_err(|error| error.to_string())?;
        for setting in settings {
            scenario.set(setting).map_err(|error| error.to_string())?;
        }
        let (exact, pulled) = (middle(&scenario, Fidelity::Exact)?, middle(&scenario, Fidelity::Pulled)?);
        let differs = pulled / exact - 1.0;
        is_close &= differs.abs() <= DIFFERENCE_MAX;
        texts.push(format!("{name} {exact:.1} s exact, {pulled:.1} s pulled ({:+.1} %)", differs * 1e2));
    }
    let text = texts.join("; ");
    if is_close { Ok(text) } else { Err(text) }
}
