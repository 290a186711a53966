//! Whether the checks of all runs held.

use std::collections::BTreeMap;

use super::{error::CliError, screen::Screen};

/// Names every check that failed, with the command that repeats its run.
pub(super) fn verdict<'a>(
    runs: impl ExactSizeIterator<Item = (&'a BTreeMap<String, bool>, &'a str)>,
    screen: &Screen,
) -> Result<(), CliError> {
    let (all, mut bad) = (runs.len(), 0);
    for (checks, again) in runs {
        let failed: Vec<&str> =
            checks.iter().filter(|(_, held)| !**held).map(|(name, _)| name.as_str()).collect();
        if !failed.is_empty() {
            bad += 1;
            screen.warn(&format!("failed: {}; exactly this run again:\n  {again}", failed.join(", ")));
        }
    }
    match bad {
        0 => Ok(()),
        some => Err(CliError::Failed(format!("a check failed in {some} of {all} runs"))),
    }
}
