//! From files by name to an atlas and a report on them.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use nearcast_core::{
    asn::Asn,
    atlas::{Atlas, Counts},
};

use super::Compiler;
use crate::bgp::{
    lines::LineCounts,
    mrt::MrtCounts,
    packed::{self, Meter},
    relations::{Links, OPEN_PEERING},
};

/// What an atlas is made of.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Tables of collectors: MRT.
    pub ribs: Vec<PathBuf>,
    /// What collectors were told: MRT.
    pub updates: Vec<PathBuf>,
    /// Tables of prefixes or ranges.
    pub tables: Vec<PathBuf>,
    /// Relations between ASes. Of one link the last file counts.
    pub as_rel: Vec<PathBuf>,
    /// Names of ASes. Of one AS the last file counts.
    pub names: Vec<PathBuf>,
    /// When the data was collected, in seconds since 1970; none = the time of the latest MRT record, and if there is none, when the newest
    /// file was changed.
    pub version: Option<u64>,
    /// ASes that buy transit from nobody, below whom relations are inferred; empty = [`TIER_1`](crate::bgp::relations::TIER_1).
    pub tier_1: Vec<Asn>,
}

/// What came of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was found in MRT files.
    pub mrt: MrtCounts,
    /// Routers that told routes.
    pub routers: usize,
    /// Updates from before the table of the router that sent them.
    pub stale: u64,
    /// Lines of tables, relations and names that told something.
    pub lines: u64,
    /// Lines that made no sense.
    pub bad_lines: u64,
    /// Routes, links and names beyond what is kept.
    pub left_out: u64,
    /// Sentences on what was wrong, a file each.
    pub warnings: Vec<String>,
    /// What the atlas knows.
    pub counts: Counts,
}

/// Why there is no atlas. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No prefixes could come of it.
    #[error("there is nothing to say where anybody is: give --rib, --updates or --prefix2as")]
    NoInput,
    /// A file cannot be opened or read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing in a file could be used.
    #[error("{path} is of no use: {reason}", path = path.display())]
    Useless {
        /// Which.
        path: PathBuf,
        /// What was expected, and what is there.
        reason: String,
    },
    /// Whoever asked for it does not want it any more.
    #[error("stopped")]
    Stopped,
}

/// Reads every file and compiles them. Blocks for as long as that takes; `meter` tells how far it is, and stops it.
///
/// # Errors
/// When a file cannot be read or holds nothing of use, or when it was stopped.
pub fn compile(inputs: &Inputs, meter: &Arc<Meter>) -> Result<(Atlas, Report), CompileError> {
    if inputs.ribs.is_empty() && inputs.updates.is_empty() && inputs.tables.is_empty() {
        return Err(CompileError::NoInput);
    }
    let all = [&inputs.ribs, &inputs.updates, &inputs.tables, &inputs.as_rel, &inputs.names];
    // Looked at before the first is read, which may take long.
    let mut newest = 0;
    for path in all.into_iter().flatten() {
        let read_error = |source| CompileError::Read { path: path.clone(), source };
        let metadata = fs::metadata(path).map_err(read_error)?;
        meter.expect(metadata.len());
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        newest = newest.max(changed.map_or(0, |since| since.as_secs()));
    }
    let mut session = Session { compiler: compiler(inputs), report: Report::default(), meter };
    for path in in_order(&inputs.ribs)? {
        session.mrt(&path, true)?;
    }
    for path in in_order(&inputs.updates)? {
        session.mrt(&path, false)?;
    }
    for path in &inputs.tables {
        session.lines(path, Compiler::table)?;
    }
    for path in &inputs.as_rel {
        session.lines(path, Compiler::as_rel)?;
    }
    for path in &inputs.names {
        session.lines(path, Compiler::names)?;
    }
    let Session { compiler, mut report, .. } = session;
    report.routers = compiler.routers();
    report.stale = compiler.stale();
    report.left_out = compiler.left_out();
    let latest = Some(report.mrt.latest).filter(|&time| time > 0);
    let atlas = compiler.finish(inputs.version.or(latest).unwrap_or(newest));
    report.counts = atlas.counts();
    if meter.is_cancelled() {
        return Err(CompileError::Stopped);
    }
    Ok((atlas, report))
}

fn compiler(inputs: &Inputs) -> Compiler {
    if inputs.tier_1.is_empty() {
        return Compiler::default();
    }
    let open_peering = OPEN_PEERING.into_iter().map(Asn).filter(|asn| !inputs.tier_1.contains(asn));
    Compiler::with_links(Links::below(inputs.tier_1.iter().copied().collect(), open_peering.collect()))
}

/// MRT files in the order of their times, whatever order they were named in.
fn in_order(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CompileError> {
    let mut timed = Vec::new();
    for path in paths {
        let begins = begins(path).map_err(|source| CompileError::Read { path: path.clone(), source })?;
        timed.push((begins, path.clone()));
    }
    timed.sort();
    Ok(timed.into_iter().map(|(_, path)| path).collect())
}

/// The time of the first record.
fn begins(path: &Path) -> io::Result<u32> {
    let mut time = Vec::with_capacity(4);
    match packed::open(path, &Arc::default())?.take(4).read_to_end(&mut time) {
        Err(error) if !packed::is_damage(&error) => Err(error),
        // What is too short for that will be found to be of no use.
        _ => Ok(time.try_into().map_or(0, u32::from_be_bytes)),
    }
}

struct Session<'a> {
    compiler: Compiler,
    report: Report,
    meter: &'a Arc<Meter>,
}

impl Session<'_> {
    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>, CompileError> {
        packed::open(path, self.meter).map_err(|source| self.read_error(path, source))
    }

    fn read_error(&self, path: &Path, source: io::Error) -> CompileError {
        if self.meter.is_cancelled() {
            return CompileError::Stopped;
        }
        CompileError::Read { path: path.to_owned(), source }
    }

    fn mrt(&mut self, path: &Path, is_table: bool) -> Result<(), CompileError> {
        let reader = self.open(path)?;
        let read = if is_table { self.compiler.rib(reader) } else { self.compiler.updates(reader) };
        let counts = read.map_err(|source| self.read_error(path, source))?;
        self.report.mrt.add(&counts);
        if counts.records == 0 {
            let reason =
                "it holds no record of an MRT file (RFC 6396), packed with gzip, bzip2 or not at all";
            return Err(CompileError::Useless { path: path.to_owned(), reason: reason.to_owned() });
        }
        if counts.damaged > 0 {
            let MrtCounts { damaged, records, bytes_skipped, .. } = counts;
            self.warn(
                path,
                &format!("{damaged} damages beside {records} records, {bytes_skipped} bytes skipped"),
            );
        }
        Ok(())
    }

    fn lines(
        &mut self,
        path: &Path,
        take: impl FnOnce(&mut Compiler, Box<dyn Read + Send>) -> io::Result<LineCounts>,
    ) -> Result<(), CompileError> {
        let reader = self.open(path)?;
        let counts = take(&mut self.compiler, reader).map_err(|source| self.read_error(path, source))?;
        self.report.lines = self.report.lines.saturating_add(counts.good);
        self.report.bad_lines = self.report.bad_lines.saturating_add(counts.bad);
        let first = counts.first_bad.as_ref().map_or_else(|| "it is empty".to_owned(), ToString::to_string);
        if counts.good == 0 {
            return Err(CompileError::Useless { path: path.to_owned(), reason: first });
        }
        if counts.bad > 0 {
            self.warn(path, &format!("{} lines skipped; the first, {first}", counts.bad));
        }
        if counts.cut_off {
            self.warn(
                path,
                &format!(
                    "damaged behind line {}: the rest is left out",
                    counts.good.saturating_add(counts.bad)
                ),
            );
        }
        Ok(())
    }

    fn warn(&mut self, path: &Path, what: &str) {
        self.report.warnings.push(format!("{}: {what}", path.display()));
    }
}
