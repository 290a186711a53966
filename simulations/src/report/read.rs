//! Reads what earlier runs wrote.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::SUMMARY_FILE;
use crate::outcome::Summary;

/// The largest `summary.json` that is read, in bytes: some five hundred thousand groups.
const SUMMARY_BYTES_MAX: u64 = 64 << 20;
/// The most runs of one folder.
const RUNS_MAX: usize = 10_000;

/// Why runs cannot be read. Nothing was changed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file or folder cannot be read.
    #[error("{path} cannot be read")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no summary of a run.
    #[error("{path} is not the summary of a run")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The file is larger than any summary.
    #[error("{path} is larger than {SUMMARY_BYTES_MAX} bytes, so it is not the summary of a run")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds too many runs.
    #[error("{folder} holds more than {RUNS_MAX} folders; compare parts of it")]
    TooMany {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds no run.
    #[error("neither {folder} nor a folder in it holds a {SUMMARY_FILE}")]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// Two folders hold the same run, and not the same came of it.
    #[error("{first} and {second} hold the same run with different traces, so they are not of one sweep")]
    Disagree {
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

/// The run of `folder`, if it holds a `summary.json`, and otherwise the runs of the folders in it,
/// sorted by name. Folders in it that hold no run are passed over.
pub fn read(folder: &Path) -> Result<Vec<Summary>, ReadError> {
    if folder.join(SUMMARY_FILE).is_file() {
        return Ok(vec![one(folder)?.summary]);
    }
    Ok(runs(folder)?.into_iter().map(|run| run.summary).collect())
}

/// A run of a folder of several.
pub(super) struct Run {
    /// The folder of the run.
    pub(super) folder: PathBuf,
    /// Its figures.
    pub(super) summary: Summary,
}

/// The run of `folder`.
pub(super) fn one(folder: &Path) -> Result<Run, ReadError> {
    Ok(Run { summary: summary(folder)?, folder: folder.to_owned() })
}

/// The runs of the folders in `folder`, sorted by name.
pub(super) fn runs(folder: &Path) -> Result<Vec<Run>, ReadError> {
    let failed = |source| ReadError::Io { path: folder.to_owned(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join(SUMMARY_FILE).is_file() {
            if folders.len() == RUNS_MAX {
                return Err(ReadError::TooMany { folder: folder.to_owned() });
            }
            folders.push(path);
        }
    }
    folders.sort();
    if folders.is_empty() {
        return Err(ReadError::NoRun { folder: folder.to_owned() });
    }
    let run = |folder: PathBuf| Ok(Run { summary: summary(&folder)?, folder });
    folders.into_iter().map(run).collect()
}

fn summary(folder: &Path) -> Result<Summary, ReadError> {
    let path = folder.join(SUMMARY_FILE);
    let read = || {
        let mut bytes = Vec::new();
        File::open(&path)?.take(SUMMARY_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| ReadError::Io { path: path.clone(), source })?;
    if bytes.len() as u64 > SUMMARY_BYTES_MAX {
        return Err(ReadError::TooLarge { path });
    }
    serde_json::from_slice(&bytes).map_err(|source| ReadError::Malformed { path, source })
}
