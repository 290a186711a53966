//! One run, and how all are run.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use nearcast_core::atlas::Atlas;
use nearcast_sim::{
    outcome::Outcome,
    run::{self, Fidelity, RunOptions},
    scenario::Scenario,
};

use crate::cli::{error::CliError, progress::Progress, source};

/// How runs are run.
#[derive(Clone, Debug)]
pub(in crate::cli) struct How {
    /// The name of the fidelity, if one was given.
    pub(super) fidelity: Option<String>,
    /// The file of the atlas, if one was given.
    pub(super) atlas_file: Option<PathBuf>,
    atlas: Option<Arc<Atlas>>,
    /// Engines check their invariants.
    pub(super) checked: bool,
}

impl How {
    /// Checks what was given, and reads the atlas.
    pub(in crate::cli) fn new(
        fidelity: Option<&str>,
        atlas: Option<&Path>,
        checked: bool,
    ) -> Result<How, CliError> {
        if let Some(text) = fidelity {
            text.parse::<Fidelity>().map_err(|_| {
                CliError::BadOption(format!("there is no fidelity `{text}`; known are exact and pulled"))
            })?;
        }
        let read = atlas.map(source::atlas).transpose()?;
        let (fidelity, atlas_file) = (fidelity.map(str::to_owned), atlas.map(Path::to_owned));
        Ok(How { fidelity, atlas_file, atlas: read, checked })
    }

    /// The options of runs.
    pub(in crate::cli) fn options(&self) -> RunOptions {
        let mut options = RunOptions { atlas: self.atlas.clone(), ..RunOptions::default() };
        if let Some(fidelity) = self.fidelity.as_ref().and_then(|text| text.parse().ok()) {
            options.fidelity = fidelity;
        }
        options.checked |= self.checked;
        options
    }

    /// The fidelity that runs have.
    pub(in crate::cli) fn fidelity_name(&self) -> String {
        self.options().fidelity.to_string()
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Job {
    /// What is run.
    pub(in crate::cli) scenario: Scenario,
    /// The seed of everything random.
    pub(in crate::cli) seed: u64,
    /// Where its results go.
    pub(in crate::cli) folder: PathBuf,
    /// The command that repeats exactly this run.
    pub(in crate::cli) again: String,
}

impl Job {
    /// Runs it.
    pub(in crate::cli) fn run(
        &self,
        number: usize,
        how: &How,
        progress: &Progress<'_>,
    ) -> Result<Outcome, CliError> {
        let (begun, until) = (Instant::now(), self.scenario.until_seconds);
        let mut note = |now: &run::RunProgress| progress.note(number, until, now);
        // An assertion of an engine ends its run. Nothing of the run is used after that.
        let run = || run::run(&self.scenario, self.seed, &how.options(), &mut note);
        let result = catch_unwind(AssertUnwindSafe(run));
        progress.end(number, begun.elapsed());
        match result {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(source)) => {
                let run = format!("{}, seed {}", self.scenario.name, self.seed);
                Err(CliError::Run { run, source })
            }
            Err(_) => Err(CliError::Panicked { again: self.again.clone() }),
        }
    }
}
