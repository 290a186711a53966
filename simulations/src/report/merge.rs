//! Several folders as one sweep: what shards wrote on several machines.
//!
//! Invariant: a run that is in two folders counts once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use super::{
    SUMMARY_FILE,
    read::{ReadError, Run, one, runs},
};
use crate::outcome::Summary;

/// The runs of several folders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// The runs, each once, in the order of their numbers in the sweep.
    pub runs: Vec<Summary>,
    /// Runs that were in a second folder, too.
    pub repeated: usize,
    /// Numbers of runs that are in none of the folders, although a later one is: a shard is missing,
    /// or was ended.
    pub missing: Vec<usize>,
}

/// Reads the runs of several folders as those of one sweep. Each folder is that of a run, of a sweep
/// or of a shard of one, or holds the folders of several shards.
///
/// # Errors
/// If a folder holds no run, or two hold the same run with different results.
pub fn merge(folders: &[PathBuf]) -> Result<Merged, ReadError> {
    let mut found = Vec::new();
    for folder in folders {
        found.extend(runs_below(folder)?);
    }
    let mut merged = Merged::default();
    let mut numbers = BTreeSet::new();
    let mut known: BTreeMap<Key, (PathBuf, Summary)> = BTreeMap::new();
    for Run { folder, summary } in found {
        let number = number(&folder);
        numbers.extend(number);
        let key =
            (number, summary.scenario.clone(), summary.options.clone().into_iter().collect(), summary.seed);
        match known.get(&key) {
            None => _ = known.insert(key, (folder, summary)),
            Some((_, before)) if before.trace_hash == summary.trace_hash => merged.repeated += 1,
            Some((first, _)) => {
                return Err(ReadError::Disagree { first: first.clone(), second: folder });
            }
        }
    }
    merged.runs = known.into_values().map(|(_, summary)| summary).collect();
    let last = numbers.last().copied().unwrap_or(0);
    merged.missing = (0..last).filter(|number| !numbers.contains(number)).collect();
    Ok(merged)
}

/// What makes two runs the same one: its number in the sweep, if it has one, scenario, settings and
/// seed.
type Key = (Option<usize>, String, Vec<(String, String)>, u64);

/// The number that begins the name of a run's folder in a sweep.
fn number(folder: &Path) -> Option<usize> {
    let name = folder.file_name()?.to_str()?;
    let (number, _) = name.split_once('_')?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

/// The run of a folder, or the runs in it, or those in the folders in it.
fn runs_below(folder: &Path) -> Result<Vec<Run>, ReadError> {
    if folder.join(SUMMARY_FILE).is_file() {
        return Ok(vec![one(folder)?]);
    }
    match runs(folder) {
        Err(ReadError::NoRun { folder }) => {
            let failed = |source| ReadError::Io { path: folder.clone(), source };
            let entries = fs::read_dir(&folder).map_err(failed)?;
            let mut shards: Vec<PathBuf> = entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()
                .map_err(failed)?;
            shards.retain(|path| path.is_dir());
            shards.sort();
            let mut all = Vec::new();
            for shard in shards {
                match runs(&shard) {
                    // A shard that has not begun, or something else.
                    Err(ReadError::NoRun { .. }) => {}
                    other => all.extend(other?),
                }
            }
            if all.is_empty() { Err(ReadError::NoRun { folder }) } else { Ok(all) }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{tests::outcome, write};

    /// Writes runs of a sweep of six, by their numbers, into a folder.
    fn shard(folder: &Path, numbers: &[u64]) {
        for &number in numbers {
            let run = folder.join(format!("{number:04}_up=5M_seed={number}"));
            write(&outcome(20, number), &run).unwrap();
        }
    }

    fn seeds(merged: &Merged) -> Vec<u64> {
        merged.runs.iter().map(|run| run.seed).collect()
    }

    #[test]
    fn shards_are_one_sweep_however_their_folders_are_given() {
        let all = tempfile::tempdir().unwrap();
        let (a, b) = (all.path().join("1"), all.path().join("2"));
        shard(&a, &[0, 2, 4]);
        shard(&b, &[1, 3, 5]);
        let given = merge(&[b.clone(), a.clone()]).unwrap();
        assert_eq!(seeds(&given), [0, 1, 2, 3, 4, 5]);
        assert_eq!(merge(&[all.path().to_owned()]).unwrap(), given);
        assert!(given.missing.is_empty() && given.repeated == 0, "{given:?}");
        let twice = merge(&[a.clone(), b, a.clone()]).unwrap();
        assert_eq!((seeds(&twice), twice.repeated), (vec![0, 1, 2, 3, 4, 5], 3));
        assert_eq!(merge(&[a]).unwrap().missing, [1, 3]);
    }

    #[test]
    fn folders_that_disagree_about_a_run_are_refused() {
        let all = tempfile::tempdir().unwrap();
        let (a, b) = (all.path().join("1"), all.path().join("2"));
        shard(&a, &[0]);
        let mut other = outcome(20, 0);
        other.summary.trace_hash = "f".repeat(16);
        write(&other, &b.join("0000_up=5M_seed=0")).unwrap();
        let error = merge(&[a, b]).unwrap_err();
        assert!(matches!(error, ReadError::Disagree { .. }), "{error}");
    }

    #[test]
    fn a_folder_without_runs_is_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(merge(&[empty.path().to_owned()]), Err(ReadError::NoRun { .. })));
    }
}
