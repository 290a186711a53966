//! Reports of runs: a page for people, tables and figures for programs.
//!
//! [`write()`] makes the folder of a run, [`read`] reads such folders again, [`compare`] sets two of
//! them side by side, and [`sweep`] makes an index of many.
//!
//! Invariant: the same outcome gives the same bytes. Nothing here reads a clock, and maps are walked
//! in order.

use std::{
    io::{self, Write},
    path::Path,
};

use self::folder::Part;
use crate::outcome::Outcome;

pub mod compare;
mod csv;
pub mod fluid;
mod folder;
mod measure;
mod merge;
pub mod number;
pub mod overlay;
mod page;
mod plot;
mod read;
mod run;
pub mod sweep;

pub use self::{
    merge::{Merged, merge},
    read::{ReadError, read},
};

/// The file with a run's [`Summary`](crate::outcome::Summary). A folder that holds it is the folder
/// of a run.
pub const SUMMARY_FILE: &str = "summary.json";
/// The page of a run.
pub const REPORT_FILE: &str = "report.html";

/// Makes `folder` if it is missing, and refuses one that [`write()`] would refuse: for who wants to know
/// before a long run.
pub fn claim(folder: &Path) -> io::Result<()> {
    folder::take(folder)
}

/// Writes `summary.json`, `peers.csv`, `timeline.csv`, `groups.csv`, `imports.csv`, `reasons.csv` and
/// `report.html` into `folder`, which is made if it is missing.
///
/// The results of an earlier run are replaced. A folder that holds something else, and no
/// `summary.json`, is refused with [`io::ErrorKind::AlreadyExists`]. All files are complete on the
/// disk before the first replaces another, so an error leaves an earlier run's results as they were,
/// unless a rename fails.
pub fn write(outcome: &Outcome, folder: &Path) -> io::Result<()> {
    folder::take(folder)?;
    let parts = [
        Part::write(folder, SUMMARY_FILE, |file| {
            serde_json::to_writer_pretty(&mut *file, &outcome.summary)?;
            file.write_all(b"\n")
        })?,
        Part::write(folder, "peers.csv", |file| csv::peers(outcome, file))?,
        Part::write(folder, "timeline.csv", |file| csv::timeline(outcome, file))?,
        Part::write(folder, "groups.csv", |file| csv::groups(outcome, file))?,
        Part::write(folder, "imports.csv", |file| csv::imports(outcome, file))?,
        Part::write(folder, "reasons.csv", |file| csv::reasons(outcome, file))?,
        Part::write(folder, REPORT_FILE, |file| file.write_all(run::page(outcome).as_bytes()))?,
    ];
    parts.into_iter().try_for_each(Part::keep)
}

/// Writes one file, which is as it was until it is complete.
pub fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut io::BufWriter<std::fs::File>) -> io::Result<()>,
) -> io::Result<()> {
    folder::fill_file(path, fill)
}

#[cfg(test)]
mod tests;
