//! Compiles named files into an atlas and a report.

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

use super::{Compiler, queue};
use crate::{
    lines::LineCounts,
    mrt::MrtCounts,
    packed::{self, Meter},
    relations::{Links, OPEN_PEERING},
    sites::{self, Sites, SitesError},
};

/// The inputs of an atlas.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Tables of collectors (MRT).
    pub ribs: Vec<PathBuf>,
    /// Updates of collectors (MRT).
    pub updates: Vec<PathBuf>,
    /// Tables of prefixes or ranges.
    pub tables: Vec<PathBuf>,
    /// Relations between ASes. The last file counts for a link.
    pub as_rel: Vec<PathBuf>,
    /// Names of ASes. The last file counts for an AS.
    pub names: Vec<PathBuf>,
    /// The operator's own sites.
    pub sites: Option<PathBuf>,
    /// When the data was collected, in seconds since 1970. `None`: the time of the latest MRT
    /// record, or if there is none, when the newest file was changed.
    pub version: Option<u64>,
    /// ASes that buy transit from nobody, below which relations are inferred. Empty:
    /// [`TIER_1`](crate::relations::TIER_1).
    pub tier_1: Vec<Asn>,
}

/// What was found in the inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What MRT files contained.
    pub mrt: MrtCounts,
    /// Routers with routes.
    pub routers: usize,
    /// Updates older than the table of their router.
    pub stale: u64,
    /// Useful lines of tables, relations and names.
    pub lines: u64,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// Routes and table entries for addresses that belong to nobody in the Internet.
    pub reserved: u64,
    /// Routes, links and names beyond the limits.
    pub left_out: u64,
    /// Warnings, one sentence a file.
    pub warnings: Vec<String>,
    /// The size of the atlas.
    pub counts: Counts,
}

/// Why there is no atlas. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No input can contain prefixes.
    #[error("there is nothing to say where anybody is: give --rib, --updates, --prefix2as or --sites")]
    NoInput,
    /// All inputs were read, and no address has an AS.
    #[error("{0}")]
    Nothing(String),
    /// The operator's sites are invalid.
    #[error(transparent)]
    Sites(#[from] SitesError),
    /// A file cannot be opened or read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Nothing in a file is usable.
    #[error("{path} is of no use: {reason}", path = path.display())]
    Useless {
        /// The file.
        path: PathBuf,
        /// What was expected, and what is there.
        reason: String,
    },
    /// The caller stopped it.
    #[error("stopped")]
    Stopped,
}

/// Reads every file and compiles them. Blocks until done; `meter` shows the progress and can stop
/// it.
///
/// # Errors
/// If a file cannot be read or has nothing usable, or if it was stopped.
pub fn compile(inputs: &Inputs, meter: &Arc<Meter>) -> Result<(Atlas, Report), CompileError> {
    let sources = [&inputs.ribs, &inputs.updates, &inputs.tables];
    if sources.iter().all(|paths| paths.is_empty()) && inputs.sites.is_none() {
        return Err(CompileError::NoInput);
    }
    let mut session =
        Session { compiler: compiler(inputs), report: Report::default(), meter, empty: None, useful: 0 };
    // Checks all files before reading the first, which may take long.
    let newest = session
        .expect(sources.into_iter().chain([&inputs.as_rel, &inputs.names]).flatten().chain(&inputs.sites))?;
    if let Some(path) = &inputs.sites {
        let sites = session.sites(path)?;
        session.compiler.sites(sites);
    }
    for file in session.in_order(&inputs.ribs)? {
        session.mrt(file, true)?;
    }
    for file in session.in_order(&inputs.updates)? {
        session.mrt(file, false)?;
    }
    for path in &inputs.tables {
        session.table(path)?;
    }
    if let (0, Some((path, reason)), None) = (session.useful, session.empty.take(), &inputs.sites) {
        return Err(CompileError::Useless { path, reason });
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
    report.reserved = compiler.reserved();
    report.left_out = compiler.left_out();
    let latest = Some(report.mrt.latest).filter(|&time| time > 0);
    let atlas = compiler.finish(inputs.version.or(latest).unwrap_or(newest));
    report.counts = atlas.counts();
    if meter.is_cancelled() {
        return Err(CompileError::Stopped);
    }
    if atlas.knows_nobody() { Err(CompileError::Nothing(report.nothing())) } else { Ok((atlas, report)) }
}

impl Report {
    /// Why no address has an AS although every file could be read.
    fn nothing(&self) -> String {
        let MrtCounts { records, announced, unusable_paths, too_short, damaged, .. } = self.mrt;
        let why = if self.reserved > 0 {
            format!(
                "{} prefixes are of private or other special addresses, which no AS of the Internet has; describe your own \
                 sites with --sites, or give them private AS numbers (64512 to 65534)",
                self.reserved
            )
        } else if records > 0 && announced == 0 {
            let damages = if damaged > 0 { format!(" and {damaged} damages") } else { String::new() };
            format!(
                "{records} records{damages} hold no route: the collector was told of none, or the list of its peers in front of \
                 the table is missing; fetch the file again, or another"
            )
        } else if records > 0 {
            format!(
                "of {announced} routes {unusable_paths} have no path of use, and {too_short} are too short"
            )
        } else {
            format!("{} lines say that nobody has any address", self.lines)
        };
        format!("nothing in these files says where anybody is: {why}")
    }
}

fn compiler(inputs: &Inputs) -> Compiler {
    if inputs.tier_1.is_empty() {
        return Compiler::default();
    }
    let open_peering = OPEN_PEERING.into_iter().map(Asn).filter(|asn| !inputs.tier_1.contains(asn));
    Compiler::with_links(Links::below(inputs.tier_1.iter().copied().collect(), open_peering.collect()))
}

struct Session<'a> {
    compiler: Compiler,
    report: Report,
    meter: &'a Arc<Meter>,
    /// The first file of routes or prefixes that has nothing, and what to report if no other file
    /// has anything.
    empty: Option<(PathBuf, String)>,
    /// Files of routes or prefixes that have something.
    useful: usize,
}

/// The reason for a file that contains nothing.
const EMPTY: &str = "it is empty";

impl Session<'_> {
    /// Checks that every file exists, and tells the meter its size. Returns when the newest was
    /// changed, in seconds since 1970.
    fn expect<'p>(&self, paths: impl Iterator<Item = &'p PathBuf>) -> Result<u64, CompileError> {
        let mut newest = 0;
        for path in paths {
            let metadata = fs::metadata(path).map_err(|source| self.read_error(path, source))?;
            self.meter.expect(metadata.len());
            let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            newest = newest.max(changed.map_or(0, |since| since.as_secs()));
        }
        Ok(newest)
    }

    fn in_order(&self, paths: &[PathBuf]) -> Result<Vec<queue::File>, CompileError> {
        queue::in_order(paths, self.meter).map_err(|(path, source)| self.read_error(&path, source))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn Read + Send>, CompileError> {
        packed::open(path, self.meter).map_err(|source| self.read_error(path, source))
    }

    fn read_error(&self, path: &Path, source: io::Error) -> CompileError {
        if self.meter.is_cancelled() {
            return CompileError::Stopped;
        }
        CompileError::Read { path: path.to_owned(), source }
    }

    fn mrt(&mut self, file: queue::File, is_table: bool) -> Result<(), CompileError> {
        let path = file.path().to_owned();
        let reader = file.open(self.meter).map_err(|source| self.read_error(&path, source))?;
        let read = if is_table { self.compiler.rib(reader) } else { self.compiler.updates(reader) };
        let counts = read.map_err(|source| self.read_error(&path, source))?;
        self.report.mrt.add(&counts);
        let MrtCounts { damaged, records, bytes_skipped, announced, withdrawn, .. } = counts;
        if records == 0 && bytes_skipped == 0 {
            let reason = if damaged > 0 { "it is packed, and damaged at its very beginning" } else { EMPTY };
            self.is_empty(&path, reason);
            return Ok(());
        }
        if records == 0 {
            let reason =
                "it holds no record of an MRT file (RFC 6396), packed with gzip, bzip2 or not at all";
            return Err(CompileError::Useless { path, reason: reason.to_owned() });
        }
        self.useful = self.useful.saturating_add(1);
        if damaged > 0 {
            self.warn(
                &path,
                &format!("{damaged} damages beside {records} records, {bytes_skipped} bytes skipped"),
            );
        }
        if announced == 0 && withdrawn == 0 {
            self.warn(&path, &format!("{records} records, and none tells of a route"));
        }
        Ok(())
    }

    /// Notes an empty file. One among others may be empty: a collector was down, or a download did
    /// not start.
    fn is_empty(&mut self, path: &Path, reason: &str) {
        self.warn(path, &format!("{reason}; it is left out"));
        self.empty.get_or_insert_with(|| (path.to_owned(), reason.to_owned()));
    }

    fn sites(&self, path: &Path) -> Result<Sites, CompileError> {
        let mut text = Vec::new();
        let reader = self.open(path)?;
        reader
            .take(sites::FILE_BYTES_MAX.saturating_add(1))
            .read_to_end(&mut text)
            .map_err(|source| self.read_error(path, source))?;
        let useless =
            |reason: &str| CompileError::Useless { path: path.to_owned(), reason: reason.to_owned() };
        if text.len() as u64 > sites::FILE_BYTES_MAX {
            return Err(useless("it is larger than 4 MiB"));
        }
        let text = std::str::from_utf8(&text).map_err(|_| useless("it is no text in UTF-8"))?;
        Ok(sites::parse(text.trim_start_matches('\u{feff}'), &path.display().to_string())?)
    }

    fn table(&mut self, path: &Path) -> Result<(), CompileError> {
        let before = self.compiler.reserved();
        let told = self.lines(path, Compiler::table)?;
        self.useful = self.useful.saturating_add(told.into());
        let reserved = self.compiler.reserved().saturating_sub(before);
        if reserved > 0 {
            let what = "prefixes of private or other special addresses (RFC 6890) are left out: no AS of the Internet has them";
            self.warn(path, &format!("{reserved} {what}"));
        }
        Ok(())
    }

    /// Reads a text file. Returns whether it had any useful line.
    fn lines(
        &mut self,
        path: &Path,
        take: impl FnOnce(&mut Compiler, Box<dyn Read + Send>) -> io::Result<LineCounts>,
    ) -> Result<bool, CompileError> {
        let reader = self.open(path)?;
        let counts = take(&mut self.compiler, reader).map_err(|source| self.read_error(path, source))?;
        self.report.lines = self.report.lines.saturating_add(counts.good);
        self.report.bad_lines = self.report.bad_lines.saturating_add(counts.bad);
        if counts.is_empty() {
            let reason =
                if counts.cut_off { "it is packed, and damaged at its very beginning" } else { EMPTY };
            self.is_empty(path, reason);
            return Ok(false);
        }
        let first = counts.first_bad.as_ref().map_or_else(String::new, ToString::to_string);
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
        Ok(true)
    }

    fn warn(&mut self, path: &Path, what: &str) {
        self.report.warnings.push(format!("{}: {what}", path.display()));
    }
}
