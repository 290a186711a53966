//! Scenarios as people name them: by the name of one that is shipped, or by a file.

use std::{fs, path::Path, sync::Arc};

use nearcast_core::atlas::{ATLAS_BYTES_MAX, Atlas};
use nearcast_sim::scenario::{Scenario, shipped};

use super::error::CliError;

/// The largest scenario file that is read, in bytes. The longest of ours has two thousand.
const SCENARIO_BYTES_MAX: u64 = 1 << 20;

/// A scenario and its text.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The scenario.
    pub(super) scenario: Scenario,
    /// Its text, with comments.
    pub(super) text: String,
}

impl Source {
    /// Finds what a person named. Not checked yet: settings may follow.
    pub(super) fn find(name: &str) -> Result<Source, CliError> {
        if let Some(shipped) = shipped::SHIPPED.iter().find(|shipped| shipped.name == name) {
            return Ok(Source { scenario: shipped::find(name)?, text: shipped.text.to_owned() });
        }
        if !(name.ends_with(".toml") || name.contains('/')) {
            // The error knows all names, and the nearest one.
            let scenario = shipped::find(name)?;
            return Ok(Source { scenario, text: String::new() });
        }
        let path = Path::new(name);
        let bytes = read(path, SCENARIO_BYTES_MAX, "scenario")?;
        let text = String::from_utf8(bytes).map_err(|_| {
            CliError::BadOption(format!("{name} is not UTF-8 text, so it is no scenario; save it as UTF-8"))
        })?;
        let scenario =
            Scenario::parse(&text).map_err(|source| CliError::File { path: path.to_owned(), source })?;
        Ok(Source { scenario, text })
    }
}

/// Reads an atlas.
pub(super) fn atlas(path: &Path) -> Result<Arc<Atlas>, CliError> {
    let bytes = read(path, ATLAS_BYTES_MAX as u64, "atlas")?;
    let atlas = Atlas::decode(&bytes);
    atlas.map(Arc::new).map_err(|error| CliError::BadOption(format!("{}: {error}", path.display())))
}

/// Reads a file that is no larger than such files are.
pub(super) fn read(path: &Path, most: u64, what: &str) -> Result<Vec<u8>, CliError> {
    let failed = |source| CliError::Io { path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > most {
        let message = format!("{} is larger than {most} bytes, so it is no {what}", path.display());
        return Err(CliError::BadOption(message));
    }
    fs::read(path).map_err(failed)
}
