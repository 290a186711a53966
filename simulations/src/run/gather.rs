//! The figures of a run that is over.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::id::PeerKey;

use super::{
    RunOptions,
    cast::{before, own},
    checks::{Facts, checks},
    kinds::{gives, kinds},
    stalls::Stalls,
    timeline::Timeline,
    viewing::viewing,
};
use crate::{
    outcome::{AsLink, Group, Outcome, PeerRow, Reasons, Spread, Summary},
    scenario::{Fails, Holding, OutageText, Scenario},
    workload::Kind,
    world::{LinkUse, World},
    yardstick::{Access, Frontier, kumar_ross},
};

/// Limited links of a summary, at most.
const LINKS_MAX: usize = 20;

/// Gathers what came of a run.
pub(super) fn gather(
    scenario: &Scenario,
    seed: u64,
    options: &RunOptions,
    world: &World,
    (timeline, stalls): (Timeline, Stalls),
) -> Outcome {
    let peers: Vec<PeerRow> = own(scenario).map(|peer| world.row(peer)).collect();
    let honest: Vec<f64> = times(scenario, world, Kind::Leecher);
    let bytes = scenario.bytes();
    let copies = |bytes_moved: u64| bytes_moved as f64 / bytes as f64;
    let origins = before(scenario) - scenario.origins.count..before(scenario);
    let mut summary = Summary {
        scenario: scenario.name.clone(),
        seed,
        options: settings(scenario, options),
        peers: scenario.peers,
        runs: scenario.runs,
        bytes,
        trace_hash: format!("{:016x}", world.trace()),
        inputs: world.inputs,
        simulated_seconds: world.elapsed().as_secs_f64(),
        bound_seconds: bound(scenario, world),
        completed: peers.iter().filter(|row| row.completed.is_some()).count() as u32,
        completion_seconds: spread(honest.clone()),
        origin_copies: copies(origins.map(|origin| world.sent(PeerKey(origin))).sum()),
        wasted_copies: copies(peers.iter().map(|row| row.wasted).sum()),
        groups: groups(scenario, world, &peers),
        kinds: kinds(&peers, bytes, world),
        links: links(world),
        viewing: viewing(scenario, world, &peers),
        ..Summary::default()
    };
    let received: u64 = peers.iter().map(|row| row.received).sum();
    let wasted: u64 = peers.iter().map(|row| row.wasted).sum();
    summary.wasted_share = if received == 0 { 0.0 } else { wasted as f64 / received as f64 };
    let waits: Vec<f64> = peers.iter().filter_map(|row| Some(row.began? - row.joined)).collect();
    summary.began = waits.len() as u32;
    summary.began_seconds = spread(waits);
    let riders = [Kind::Rider, Kind::SilentRider].map(|kind| times(scenario, world, kind)).concat();
    summary.riders_p50_seconds = (!riders.is_empty()).then(|| spread(riders.clone()).p50);
    let schemers = [Kind::LargeView, Kind::BitTyrant].map(|kind| times(scenario, world, kind));
    let facts = Facts {
        scenario,
        world,
        summary: &summary,
        peers: &peers,
        honest: &honest,
        riders: &riders,
        schemers: &schemers,
    };
    summary.checks = checks(&facts);
    let [stalled_seconds, idle_uplink_bytes] = stalls.into_seconds();
    summary.reasons = Reasons {
        imported_bytes: world.imports_by_reason(),
        taken_over_requests: world.taken_by_reason(),
        wasted_bytes: world.wasted_by_reason(),
        stalled_seconds,
        idle_uplink_bytes,
    };
    Outcome { summary, peers, timeline: timeline.into_slices() }
}

/// Adds what the run cost here.
pub(super) fn timed(mut outcome: Outcome, took: Duration) -> Outcome {
    outcome.summary.wall_seconds = took.as_secs_f64();
    outcome.summary.peak_rss_bytes = peak_rss().unwrap_or(0);
    outcome
}

/// The most memory that this process held so far, in bytes. `None`: the system does not say.
pub(crate) fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

/// The scenario's settings, and what else the trace depends on.
fn settings(scenario: &Scenario, options: &RunOptions) -> BTreeMap<String, String> {
    let mut settings = scenario.options();
    settings.insert("fidelity".to_owned(), options.fidelity.to_string());
    settings
}

/// How long the finished peers of a kind took, in seconds.
fn times(scenario: &Scenario, world: &World, kind: Kind) -> Vec<f64> {
    let of_kind = own(scenario).filter(|&peer| world.kind(peer) == kind);
    of_kind.filter_map(|peer| world.took(peer)).map(|took| took.as_secs_f64()).collect()
}

/// How figures are spread. All are 0 if there are none.
pub(super) fn spread(mut figures: Vec<f64>) -> Spread {
    figures.sort_by(f64::total_cmp);
    let Some(&last) = figures.last() else { return Spread::default() };
    let at = |share: f64| figures[((figures.len() as f64 * share).ceil() as usize).max(1) - 1];
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    Spread { p50: at(0.5), p95: at(0.95), last, mean }
}

/// The soonest that the last can be done, in seconds from the start. `None`: the formula does not
/// hold for this scenario: peers give up half-way or are lost, bring something with them, or want many contents.
fn bound(scenario: &Scenario, world: &World) -> Option<f64> {
    let arrivals = &scenario.arrivals;
    let bring = [arrivals.hold, arrivals.early_hold].iter().any(|&holds| holds != Holding::Nothing);
    let is_loss = |outage: &OutageText| matches!(outage.what, Fails::Hosts(_)) && outage.lasts.is_none();
    let go = scenario.sessions.abort_rate > 0.0 || scenario.network.outages.iter().any(is_loss);
    if scenario.catalogue.contents > 1 || go || bring {
        return None;
    }
    let takes = |peer: &PeerKey| world.role(*peer).is_served();
    let access = |peer: PeerKey| Access {
        up: if gives(world, peer) { world.role(peer).up } else { 0 },
        down: world.role(peer).down,
    };
    let all = (before(scenario)..world.len()).map(PeerKey);
    let leechers: Vec<Access> = all.filter(takes).map(access).collect();
    let bound = kumar_ross(scenario.bytes(), &seeds(scenario, world), &leechers).seconds();
    Some(bound).filter(|bound| bound.is_finite())
}

/// The uplinks of origins and seeds, in bytes a second.
pub(super) fn seeds(scenario: &Scenario, world: &World) -> Vec<u64> {
    let all = (before(scenario)..world.len()).map(PeerKey);
    let origins = (before(scenario) - scenario.origins.count..before(scenario)).map(PeerKey);
    let seeds = origins.chain(all.filter(|&peer| world.kind(peer) == Kind::Seed));
    seeds.map(|peer| world.role(peer).up).collect()
}

/// The limited links that were used most.
fn links(world: &World) -> Vec<AsLink> {
    let seconds = world.elapsed().as_secs_f64();
    let of = |LinkUse { from, to, rate, bytes }| {
        let could = rate as f64 * seconds;
        AsLink { from, to, rate, bytes, used_share: if could > 0.0 { bytes as f64 / could } else { 0.0 } }
    };
    world.as_link_use().into_iter().take(LINKS_MAX).map(of).collect()
}

/// The ASes with members, the largest first.
fn groups(scenario: &Scenario, world: &World, peers: &[PeerRow]) -> Vec<Group> {
    let mut by_as: BTreeMap<u32, Vec<&PeerRow>> = BTreeMap::new();
    for row in peers.iter().filter(|row| row.asn != 0) {
        by_as.entry(row.asn).or_default().push(row);
    }
    let mut groups: Vec<Group> =
        by_as.into_iter().map(|(asn, rows)| group(scenario, world, asn, &rows)).collect();
    groups.sort_by_key(|group| (std::cmp::Reverse(group.members), group.asn));
    groups
}

fn group(scenario: &Scenario, world: &World, asn: u32, rows: &[&PeerRow]) -> Group {
    let bytes = scenario.bytes();
    let begun = rows.iter().map(|row| row.joined).fold(f64::INFINITY, f64::min);
    let wants = |row: &&&PeerRow| world.role(PeerKey(row.peer)).is_served();
    let wanting: Vec<&&PeerRow> = rows.iter().filter(wants).collect();
    let done = wanting.iter().map(|row| row.completed).collect::<Option<Vec<f64>>>();
    let last = done.and_then(|done| done.into_iter().reduce(f64::max)).map(|last| last - begun);
    let gives = |row: &&&&PeerRow| gives(world, PeerKey(row.peer));
    let frontier = Frontier {
        members: wanting.len() as u32,
        up: wanting.iter().filter(gives).map(|row| row.up).sum(),
        bytes,
        exports: 0.0,
        seeded: false,
    };
    Group {
        asn,
        members: rows.len() as u32,
        imports: rows.iter().map(|row| row.imported).sum::<u64>() as f64 / bytes as f64,
        last_seconds: last,
        frontier_imports: last.map(|seconds| frontier.imports_min(seconds)),
    }
}
