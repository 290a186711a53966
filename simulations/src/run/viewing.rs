//! What viewers saw.

use nearcast_core::id::PeerKey;

use super::{
    gather::{seeds, spread},
    kinds::gives,
};
use crate::{
    outcome::{PeerRow, Viewed, Viewing},
    scenario::Scenario,
    world::World,
    yardstick::streaming_rate,
};

/// The figures of all viewers. `None`: there are none.
pub(super) fn viewing(scenario: &Scenario, world: &World, peers: &[PeerRow]) -> Option<Viewing> {
    let seen: Vec<Viewed> = peers.iter().filter_map(|row| row.viewed).collect();
    if seen.is_empty() {
        return None;
    }
    let started: Vec<&Viewed> = seen.iter().filter(|seen| seen.start_delay.is_some()).collect();
    let stalled: f64 = seen.iter().map(|seen| seen.stalled).sum();
    let played: f64 = seen.iter().map(|seen| seen.played).sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let smooth = started.iter().filter(|seen| seen.stalls == 0).count();
    let stalls: u64 = started.iter().map(|seen| u64::from(seen.stalls)).sum();
    Some(Viewing {
        viewers: seen.len() as u32,
        started: started.len() as u32,
        bitrate: scenario.viewers.bitrate.0,
        rate_bound: rate_bound(scenario, world, seen.len()),
        start_delay_seconds: spread(seen.iter().filter_map(|seen| seen.start_delay).collect()),
        smooth_delay_seconds: spread(seen.iter().filter_map(|seen| seen.smooth_delay).collect()),
        stalls_mean: share(stalls as f64, started.len() as f64),
        smooth_share: smooth as f64 / seen.len() as f64,
        stalled_share: share(stalled, stalled + played),
    })
}

/// The highest bitrate for so many viewers at once, in bytes a second: all who give may give to
/// viewers, whether they watch or not.
fn rate_bound(scenario: &Scenario, world: &World, viewers: usize) -> f64 {
    let source = seeds(scenario, world).into_iter().fold(0, u64::saturating_add);
    let givers = (0..world.len()).map(PeerKey).filter(|&peer| gives(world, peer));
    let takes = |peer: &PeerKey| world.role(*peer).is_served();
    let uplinks = givers.filter(takes).map(|peer| world.role(peer).up).fold(0, u64::saturating_add);
    // The formula adds all uplinks up, and divides among viewers.
    let mut each = vec![0; viewers];
    each[0] = uplinks;
    streaming_rate(source, &each)
}
