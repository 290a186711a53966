//! Runs a scenario: draws who takes part, lets the world go on until everybody is done, and gathers
//! what came of it.

mod cast;
mod checks;
mod gather;
mod kinds;
mod outages;
mod stalls;
mod timeline;
mod viewing;

use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use nearcast_core::atlas::Atlas;

pub use self::outages::NetworkError;
pub(crate) use self::{
    cast::{access_mix, ases},
    gather::peak_rss,
};
pub use crate::world::Fidelity;
use crate::{
    outcome::Outcome,
    scenario::{Scenario, ScenarioError},
    topology::{MixError, TopologyError},
    world::World,
};
use stalls::Stalls;
use timeline::Timeline;

/// How often the clock is looked at, in steps of the world.
const STEPS_A_LOOK: u32 = 4_096;
/// How often progress is told.
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// How a world is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How peers hear what others hold.
    pub fidelity: Fidelity,
    /// The Internet of scenarios that need one. `None`: a generated one.
    pub atlas: Option<Arc<Atlas>>,
    /// Whether engines' invariants are checked now and then.
    pub checked: bool,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions { fidelity: Fidelity::Exact, atlas: None, checked: true }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct RunProgress {
    /// Time that has passed in the world.
    pub simulated: Duration,
    /// Time that has passed here.
    pub wall: Duration,
    /// Peers that are done, or gone.
    pub completed: u32,
    /// Peers that want something.
    pub peers: u32,
    /// Inputs that engines handled.
    pub inputs: u64,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The scenario is not valid.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Its access lines cannot be read.
    #[error("`network.access` cannot be read: {0}")]
    Mix(#[from] MixError),
    /// Its network cannot be as it says.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Its peers cannot live on this Internet.
    #[error("its peers cannot be placed: {0}")]
    Topology(#[from] TopologyError),
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fidelity::Exact => "exact",
            Fidelity::Pulled => "pulled",
        })
    }
}

impl FromStr for Fidelity {
    type Err = String;

    fn from_str(text: &str) -> Result<Fidelity, String> {
        match text {
            "exact" => Ok(Fidelity::Exact),
            "pulled" => Ok(Fidelity::Pulled),
            _ => Err(format!("`{text}` is neither `exact` nor `pulled`")),
        }
    }
}

/// A world in which a scenario is about to begin.
///
/// # Errors
/// If the scenario is not valid, or cannot be on this Internet.
pub fn world(scenario: &Scenario, seed: u64, options: &RunOptions) -> Result<World, RunError> {
    Ok(World::new(cast::cast(scenario, seed, options)?))
}

/// Runs a scenario to its end. Tells how far it is five times a second.
///
/// # Errors
/// If the scenario is not valid, or cannot be on this Internet.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    options: &RunOptions,
    progress: &mut dyn FnMut(&RunProgress),
) -> Result<Outcome, RunError> {
    let begun = Instant::now();
    let mut world = world(scenario, seed, options)?;
    let (mut timeline, mut stalls) = (Timeline::new(), Stalls::new(&world));
    let peers = world.unfinished();
    let end = Duration::from_secs_f64(scenario.until_seconds);
    let (mut left, mut told) = (STEPS_A_LOOK, begun);
    while world.unfinished() > 0 {
        let upto = timeline.due().min(stalls.due()).min(end);
        let next = world.next_at();
        if next.is_none_or(|at| at > upto) {
            // Nothing happens until then.
            world.run(upto);
            if upto >= stalls.due() {
                stalls.note(&world);
            }
            if upto >= timeline.due() || upto == end {
                timeline.note(&world);
            }
            if upto == end || next.is_none() {
                break;
            }
            continue;
        }
        world.step();
        left -= 1;
        if left == 0 {
            left = STEPS_A_LOOK;
            let now = Instant::now();
            if now - told >= PROGRESS_PAUSE {
                told = now;
                let completed = peers - world.unfinished();
                let (simulated, wall) = (world.elapsed(), now - begun);
                progress(&RunProgress { simulated, wall, completed, peers, inputs: world.inputs });
            }
        }
    }
    timeline.end(&world);
    let outcome = gather::gather(scenario, seed, options, &world, (timeline, stalls));
    Ok(gather::timed(outcome, begun.elapsed()))
}
