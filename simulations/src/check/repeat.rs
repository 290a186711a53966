//! The same seed gives the same trace.

use std::thread;

use crate::{
    run::{self, Fidelity, RunOptions},
    scenario::{Scenario, shipped},
};

/// A world with arrivals, departures, loss, liars, schemers, outages and a map of networks.
fn eventful() -> Result<Scenario, String> {
    let mut scenario = shipped::find("churn").map_err(|error| error.to_string())?;
    let settings = [
        "peers=120",
        "runs=60",
        "network.model=internet",
        "network.loss=0.02",
        "actors.riders=10%",
        "actors.poisoners=2",
        "actors.strangers=5",
        "sessions.abort_rate=0.002",
        "groups.by_address=true",
        "actors.large_view=5%",
        "actors.bit_tyrants=5%",
        "network.limits=[\"transit 2MiB\"]",
        "network.outages=[\"hosts 10% at 20 for 20\", \"links 10% at 30 for 20\", \"split 30% at 60 for 20\"]",
        "until_seconds=400",
    ];
    for setting in settings {
        scenario.set(setting).map_err(|error| error.to_string())?;
    }
    Ok(scenario)
}

fn trace(scenario: &Scenario, seed: u64, fidelity: Fidelity) -> Result<(String, u64), String> {
    let options = RunOptions { fidelity, ..RunOptions::default() };
    let outcome = run::run(scenario, seed, &options, &mut |_| {}).map_err(|error| error.to_string())?;
    Ok((outcome.summary.trace_hash, outcome.summary.inputs))
}

fn run_all() -> Result<Vec<(String, u64)>, String> {
    let scenario = eventful()?;
    let seeds = [(1, Fidelity::Exact), (2, Fidelity::Exact), (1, Fidelity::Pulled)];
    let alone: Vec<(String, u64)> =
        seeds.iter().map(|&(seed, how)| trace(&scenario, seed, how)).collect::<Result<_, _>>()?;
    let side_by_side = thread::scope(|scope| {
        let begin = |&(seed, how): &(u64, Fidelity)| {
            let scenario = &scenario;
            scope.spawn(move || trace(scenario, seed, how))
        };
        let threads: Vec<_> = seeds.iter().map(begin).collect();
        let ended =
            threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?);
        ended.collect::<Result<Vec<_>, String>>()
    })?;
    if alone != side_by_side {
        return Err(format!("alone {alone:?}, and side by side {side_by_side:?}"));
    }
    Ok(alone)
}

pub(super) fn run() -> Result<String, String> {
    let traces = run_all()?;
    if traces[0].0 == traces[1].0 || traces[0].0 == traces[2].0 {
        return Err(format!("other seeds and fidelities give the same trace: {traces:?}"));
    }
    let texts: Vec<String> =
        traces.iter().map(|(trace, inputs)| format!("{trace} of {inputs} inputs")).collect();
    Ok(format!("three runs, each twice: {}", texts.join(", ")))
}
