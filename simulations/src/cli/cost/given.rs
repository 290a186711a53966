//! What runs moved, by tier, as their `timeline.csv` says.

use std::path::Path;

use nearcast_core::tier::Tier;
use nearcast_sim::{
    cost::{Carrier, Shares},
    report::SUMMARY_FILE,
};

use crate::cli::{error::CliError, source};

/// The table with bytes by source.
const TIMELINE_FILE: &str = "timeline.csv";
/// The largest that is read, in bytes.
const TIMELINE_BYTES_MAX: u64 = 1 << 30;
/// The column with what origins sent.
const ORIGIN: &str = "origin";

/// Bytes that all peers of some runs received, by source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    by_tier: [u64; Tier::COUNT],
    origin: u64,
}

impl Given {
    /// What the run of this folder moved, or the runs of the folders in it together.
    pub(super) fn read(folder: &Path) -> Result<Given, CliError> {
        let mut given = Given::default();
        if folder.join(SUMMARY_FILE).is_file() {
            given.add(folder)?;
            return Ok(given);
        }
        let failed = |source| CliError::Io { path: folder.to_owned(), source };
        let mut runs = 0;
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.join(SUMMARY_FILE).is_file() {
                given.add(&path)?;
                runs += 1;
            }
        }
        match runs {
            0 => {
                let text = "holds no run; name a folder that `nearcast-sim run` wrote with --out";
                Err(CliError::BadOption(format!("{} {text}", folder.display())))
            }
            _ => Ok(given),
        }
    }

    /// Who carries which share of it.
    pub(super) fn shares(&self, adjacent: Carrier, origins: Carrier) -> Shares {
        Shares::of_tiers(&self.by_tier, self.origin, adjacent, origins)
    }

    fn add(&mut self, folder: &Path) -> Result<(), CliError> {
        let path = folder.join(TIMELINE_FILE);
        let text = source::read(&path, TIMELINE_BYTES_MAX, "table of a run")?;
        let wrong = |what: &str| {
            let text = format!("{}: {what}, so it is not as a run wrote it; run that again", path.display());
            CliError::BadOption(text)
        };
        let text = String::from_utf8(text).map_err(|_| wrong("it is no text"))?;
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name: &str| {
            let at = names.iter().position(|known| *known == name);
            at.ok_or_else(|| wrong(&format!("it has no column {name}")))
        };
        let tiers = Tier::ALL.map(Tier::name);
        let tiers: Vec<usize> = tiers.iter().map(|name| column(name)).collect::<Result<_, _>>()?;
        let origin = column(ORIGIN)?;
        for (number, line) in lines.enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |at: usize| {
                let bytes = cells.get(at).and_then(|cell| cell.parse::<u64>().ok());
                bytes.ok_or_else(|| wrong(&format!("line {} has no number there", number + 2)))
            };
            for (sum, &at) in self.by_tier.iter_mut().zip(&tiers) {
                *sum = sum.saturating_add(cell(at)?);
            }
            self.origin = self.origin.saturating_add(cell(origin)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nearcast_sim::{
        outcome::{Outcome, Slice},
        report,
    };

    use super::*;

    fn outcome(origin: u64) -> Outcome {
        let slice = |at| Slice { at, by_tier: [1, 2, 3, 4, 5, 6, 7], origin };
        Outcome { timeline: vec![slice(1.0), slice(2.0)], ..Outcome::default() }
    }

    #[test]
    fn bytes_of_a_run_and_of_several_are_summed() {
        let folder = tempfile::tempdir().unwrap();
        report::write(&outcome(9), &folder.path().join("a")).unwrap();
        let one = Given::read(&folder.path().join("a")).unwrap();
        assert_eq!(one, Given { by_tier: [2, 4, 6, 8, 10, 12, 14], origin: 18 });
        report::write(&outcome(1), &folder.path().join("b")).unwrap();
        assert_eq!(Given::read(folder.path()).unwrap().origin, 20);
    }

    #[test]
    fn a_table_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Given::read(folder.path()).unwrap_err().to_string().contains("holds no run"));
        report::write(&outcome(9), folder.path()).unwrap();
        std::fs::write(folder.path().join(TIMELINE_FILE), "at,lan\n1,2\n").unwrap();
        let error = Given::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it has no column prefix24"), "{error}");
    }
}
