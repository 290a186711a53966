//! Drawn worlds: no run beats the bound, and what holds of every world holds of each.

use nearcast_core::random::Random;

use crate::{
    run::{self, Fidelity, RunOptions},
    scenario::Scenario,
};

/// Worlds that are drawn.
const WORLDS: u64 = 40;

/// A world at random: sizes, rates, latencies, groups, arrivals, actors, viewers, outages.
fn draw(seed: u64) -> Result<Scenario, String> {
    let mut random = Random::new(seed);
    let mut pick = |all: &[&str]| all[random.below(all.len() as u32) as usize].to_owned();
    let settings = [
        format!("name=drawn-{seed}"),
        pick(&["peers=1", "peers=5", "peers=20", "peers=60"]),
        pick(&["runs=1", "runs=7", "runs=60", "runs=200"]),
        pick(&["uplinks=1MiB", "uplinks=log 100k..4M", "uplinks=250k..1M"]),
        pick(&["downlinks=unlimited", "downlinks=2MiB", "downlinks=600k..8M"]),
        pick(&["origins.up=1MiB", "origins.up=8MiB", "origins.up=200k"]),
        pick(&["network.latency_ms=1", "network.latency_ms=20", "network.latency_ms=120"]),
        pick(&["network.together=16", "network.together=2", "network.together=1"]),
        pick(&["network.loss=0", "network.loss=0.02"]),
        pick(&["groups.sizes=[]", "groups.sizes=[8, 4, 2, 1]"]),
        pick(&["arrivals.kind=together", "arrivals.kind=over"]),
        pick(&["sessions.done=stay", "sessions.done=download"]),
        pick(&["actors.riders=0", "actors.riders=20%"]),
        pick(&["finding=directory", "finding=acquainted", "finding=first-peer"]),
        pick(&["network.sharing=queues", "network.sharing=max-min"]),
        pick(&["network.outages=[]", "network.outages=[\"hosts 30% at 3 for 9\"]"]),
        pick(&["actors.large_view=0", "actors.large_view=10%"]),
        pick(&["actors.bit_tyrants=0", "actors.bit_tyrants=10%"]),
        pick(&["viewers.watching=0", "viewers.watching=50%"]),
        "sessions.patience_seconds=600".to_owned(),
        "until_seconds=20000".to_owned(),
    ];
    let mut scenario = Scenario::default();
    for setting in settings {
        scenario.set(&setting).map_err(|error| error.to_string())?;
    }
    Ok(scenario)
}

pub(super) fn run() -> Result<String, String> {
    let (mut inputs, mut closest) = (0, f64::INFINITY);
    for seed in 1..=WORLDS {
        let scenario = draw(seed)?;
        let fidelity = if seed % 4 == 0 { Fidelity::Pulled } else { Fidelity::Exact };
        let options = RunOptions { fidelity, ..RunOptions::default() };
        let outcome = run::run(&scenario, seed, &options, &mut |_| {}).map_err(|error| error.to_string())?;
        let summary = &outcome.summary;
        if let Some((name, _)) = summary.checks.iter().find(|(_, holds)| !**holds) {
            return Err(format!("world {seed}: {name} does not hold; settings {:?}", summary.options));
        }
        inputs += summary.inputs;
        let last = outcome.peers.iter().filter_map(|row| row.completed).reduce(f64::max);
        if let (Some(bound), Some(last)) = (summary.bound_seconds, last) {
            closest = closest.min(last / bound);
        }
    }
    Ok(format!("{WORLDS} worlds, {inputs} inputs; the closest took {closest:.4} times its bound"))
}
