//! Strangers link to a peer before anybody honest does: what its neighbours are a minute later.

use std::time::Duration;

use nearcast_core::id::PeerKey;

use crate::{
    run::{RunError, RunOptions, world},
    scenario::shipped,
    workload::Kind,
};

/// The honest candidates come after five seconds; then there is a minute.
const AFTER: Duration = Duration::from_secs(65);

/// Which part of the early peer's neighbours are no strangers.
pub(super) fn probe(seed: u64, options: &RunOptions) -> Result<Vec<f64>, RunError> {
    let scenario = shipped::find("clinic-strangers-first")?;
    let mut world = world(&scenario, seed, options)?;
    world.run(AFTER);
    let is_early = |&peer: &PeerKey| {
        let role = world.role(peer);
        role.is_served() && world.kind(peer) == Kind::Leecher && role.joins.is_zero()
    };
    let Some(early) = (0..world.len()).map(PeerKey).find(is_early) else { return Ok(vec![0.0]) };
    let is_honest = |&peer: &u32| world.kind(PeerKey(peer)) != Kind::Stranger;
    let honest = (0..world.len()).filter(is_honest).filter(|&peer| world.linked(early.0, peer)).count();
    let all = world.neighbours_of(early.0).max(1);
    Ok(vec![honest as f64 / all as f64])
}
