//! The table of a clinic as a file: what one writes, and a later one compares with.

use std::{fs, io::Write, path::Path};

use nearcast_sim::{clinic::Finding, report};

use crate::cli::{error::CliError, source};

/// The file with the findings of a clinic.
const CLINIC_FILE: &str = "clinic.json";
/// The largest that is read, in bytes.
const CLINIC_BYTES_MAX: u64 = 1 << 20;

/// What an earlier clinic found.
#[derive(Debug, Default)]
pub(super) struct Earlier(pub(super) Vec<Finding>);

impl Earlier {
    /// Reads what a clinic wrote into this folder.
    pub(super) fn read(folder: &Path) -> Result<Earlier, CliError> {
        let path = folder.join(CLINIC_FILE);
        let bytes = source::read(&path, CLINIC_BYTES_MAX, "table of a clinic")?;
        let wrong = |error| {
            CliError::BadOption(format!(
                "{}: {error}; name a folder that `nearcast-sim clinic` wrote with --out",
                path.display()
            ))
        };
        Ok(Earlier(serde_json::from_slice(&bytes).map_err(wrong)?))
    }

    /// The same figure, then.
    pub(super) fn of(&self, finding: &Finding) -> Option<&Finding> {
        self.0.iter().find(|before| before.case == finding.case && before.figure == finding.figure)
    }
}

/// Refuses a folder that holds something else, before an hour is spent on it.
pub(super) fn claim(out: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Io { path: out.to_owned(), source };
    fs::create_dir_all(out).map_err(failed)?;
    if out.join(CLINIC_FILE).is_file() {
        return Ok(());
    }
    for entry in fs::read_dir(out).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What a clinic that was ended left.
        if !(name.contains("_seed=") && entry.path().is_dir() || name.starts_with(".report-")) {
            let text = format!("{} holds {name}, which no clinic wrote", out.display());
            return Err(CliError::Exists(text));
        }
    }
    Ok(())
}

/// Writes the findings.
pub(super) fn write(out: &Path, findings: &[Finding]) -> Result<(), CliError> {
    report::write_file(&out.join(CLINIC_FILE), |file| {
        serde_json::to_writer_pretty(&mut *file, findings)?;
        file.write_all(b"\n")
    })
    .map_err(CliError::Write)
}
