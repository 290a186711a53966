//! Runs a scenario. A stand-in until the world runs scenarios itself.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use nearcast_core::atlas::Atlas;

use crate::{
    outcome::{Outcome, Summary},
    scenario::{Scenario, ScenarioError},
};

/// How a world is run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// How true to nodes the world is.
    pub fidelity: Fidelity,
    /// Who is where.
    pub atlas: Option<Arc<Atlas>>,
    /// Whether engines check their invariants.
    pub checked: bool,
}

/// How true to nodes the world is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fidelity {
    /// Every message of every peer.
    #[default]
    Exact,
    /// News is fetched when it is needed.
    Pulled,
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
            other => Err(format!("`{other}` is neither exact nor pulled")),
        }
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunProgress {
    /// Time in the world.
    pub simulated: Duration,
    /// Time here.
    pub wall: Duration,
    /// Peers that have everything.
    pub completed: u32,
    /// Peers of the scenario.
    pub peers: u32,
    /// Inputs that engines handled.
    pub inputs: u64,
}

/// Why there is no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The scenario cannot be run.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// Runs a scenario.
///
/// # Errors
/// If the scenario is not valid.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    _options: &RunOptions,
    progress: &mut dyn FnMut(&RunProgress),
) -> Result<Outcome, RunError> {
    scenario.validate()?;
    progress(&RunProgress { peers: scenario.peers, ..RunProgress::default() });
    let summary = Summary {
        scenario: scenario.name.clone(),
        seed,
        options: scenario.options(),
        peers: scenario.peers,
        runs: scenario.runs,
        bytes: scenario.bytes(),
        trace_hash: format!("{seed:016x}"),
        completed: scenario.peers,
        checks: [("everybody_finishes".to_owned(), true)].into(),
        ..Summary::default()
    };
    Ok(Outcome { summary, ..Outcome::default() })
}
