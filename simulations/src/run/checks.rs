//! What must hold of a run: what holds of every world, and what its scenario expects.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::id::PeerKey;

use crate::{
    outcome::{PeerRow, Summary, Viewing},
    scenario::Scenario,
    workload::Kind,
    world::World,
};

/// A run in the air when the run is over was begun before; so an uplink may have sent this part more
/// than its rate allows.
const ROUNDING: f64 = 1.000_001;

/// What checkers look at.
pub(super) struct Facts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) world: &'a World,
    pub(super) summary: &'a Summary,
    /// The scenario's own peers.
    pub(super) peers: &'a [PeerRow],
    /// How long honest peers took, in seconds.
    pub(super) honest: &'a [f64],
    /// How long free riders took, in seconds.
    pub(super) riders: &'a [f64],
    /// How long those of each kind took that play their own game, in seconds.
    pub(super) schemers: &'a [Vec<f64>],
}

/// Whether each checker holds, by name. Those of bounds that the scenario does not give are left out.
pub(super) fn checks(facts: &Facts<'_>) -> BTreeMap<String, bool> {
    let expect = &facts.scenario.expect;
    let summary = facts.summary;
    let last = last(facts);
    let received: u64 = facts.peers.iter().map(|row| row.received).sum();
    let wasted: u64 = facts.peers.iter().map(|row| row.wasted).sum();
    let share = if received == 0 { 0.0 } else { wasted as f64 / received as f64 };
    let imports = mean(summary.groups.iter().map(|group| group.imports));
    let over_bound = summary.bound_seconds.filter(|&bound| bound > 0.0).zip(last);
    let viewing = summary.viewing.as_ref();
    let riders = median(facts.riders).zip(median(facts.honest));
    let all = [
        ("bytes_conserved", Some(facts.world.is_conserved())),
        ("uplinks_within_rate", Some(is_within_rate(facts.world))),
        ("engines_know_what_they_hold", Some(facts.world.is_consistent())),
        ("network_within_rate", Some(facts.world.is_network_within_rate())),
        // What is rounded is far below a millionth.
        ("not_below_the_bound", over_bound.map(|(bound, last)| last * ROUNDING >= bound)),
        ("everybody_finishes", expect.everybody_finishes.then(|| everybody_finishes(facts))),
        ("last_over_bound", most(expect.last_over_bound_max, over_bound.map(|(bound, last)| last / bound))),
        ("imports", most(expect.imports_max, Some(imports))),
        ("origin_copies", most(expect.origin_copies_max, Some(summary.origin_copies))),
        ("wasted_share", most(expect.wasted_share_max, Some(share))),
        (
            "riders_over_honest",
            expect.riders_over_honest_min.map(|least| {
                // Riders that never finish have not gained.
                riders.is_none_or(|(riders, honest)| riders >= least * honest)
            }),
        ),
        ("schemers_over_honest", expect.schemers_over_honest_min.map(|least| no_schemer_gains(facts, least))),
        ("stalled_share", most(expect.stalled_share_max, viewing.map(|seen| seen.stalled_share))),
        ("start_delay", most(expect.start_delay_p95_max, viewing.map(start_p95))),
    ];
    all.into_iter().filter_map(|(name, holds)| Some((name.to_owned(), holds?))).collect()
}

/// Whether a figure is at most what is expected. A figure that is not there is no success.
fn most(expected: Option<f64>, figure: Option<f64>) -> Option<bool> {
    expected.map(|most| figure.is_some_and(|figure| figure <= most))
}

/// When the last peer that wants the content had it, in seconds from the start of the world. `None`:
/// not all that stayed have it.
fn last(facts: &Facts<'_>) -> Option<f64> {
    let waits = |row: &&PeerRow| is_due(facts, row);
    let done: Option<Vec<f64>> = facts.peers.iter().filter(waits).map(|row| row.completed).collect();
    done?.into_iter().reduce(f64::max)
}

/// Whether a peer should have finished: it wants the content, and did not go before.
fn is_due(facts: &Facts<'_>, row: &PeerRow) -> bool {
    let peer = PeerKey(row.peer);
    facts.world.role(peer).is_served() && (row.completed.is_some() || !facts.world.has_gone_half_way(peer))
}

fn everybody_finishes(facts: &Facts<'_>) -> bool {
    let honest = |row: &&PeerRow| facts.world.kind(PeerKey(row.peer)) == Kind::Leecher;
    facts.peers.iter().filter(honest).all(|row| row.completed.is_some() || !is_due(facts, row))
}

/// Whether no uplink sent more than its rate allows in the time that passed.
fn is_within_rate(world: &World) -> bool {
    let passed: Duration = world.elapsed();
    let within = |peer: PeerKey| {
        world.sent(peer) as f64 <= world.role(peer).up as f64 * passed.as_secs_f64() * ROUNDING + 1.0
    };
    (0..world.len()).map(PeerKey).all(within)
}

/// Whether the median of each kind that plays its own game is at least so many times the honest one.
/// Who never finishes has not gained.
fn no_schemer_gains(facts: &Facts<'_>, least: f64) -> bool {
    let Some(honest) = median(facts.honest) else { return true };
    facts.schemers.iter().all(|times| median(times).is_none_or(|median| median >= least * honest))
}

/// When nineteen in twenty viewers have started. Never, if too many never do.
fn start_p95(seen: &Viewing) -> f64 {
    let enough = f64::from(seen.started) >= 0.95 * f64::from(seen.viewers);
    if enough { seen.start_delay_seconds.p95 } else { f64::INFINITY }
}

fn mean(figures: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = figures.fold((0_u32, 0.0), |(count, sum), figure| (count + 1, sum + figure));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
