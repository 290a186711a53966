//! Checks files on disk against a manifest.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use nearcast_core::{
    layout::{FileIndex, PieceIndex},
    manifest::Manifest,
    paths::RelativePath,
    run_set::RunSet,
};

use super::{
    folder::Folder,
    sweep::{Interrupted, Reader, Sweep},
};

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Runs that are in place and match. Of a piece that does not match, no run is counted: the
    /// manifest alone does not tell which of its runs is bad.
    pub have: RunSet,
    /// Files that are not complete, in the order of the content. Empty if all are complete.
    pub bad_files: Vec<BadFile>,
}

/// A file that does not match the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Its path, below the checked folder.
    pub path: RelativePath,
    /// What is wrong.
    pub fault: FileFault,
}

/// What is wrong with a file on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// The file is not there, or is no regular file.
    #[error("is missing")]
    Missing,
    /// The file is shorter or longer. Its matching runs are counted all the same.
    #[error("has {found} bytes instead of {expected}")]
    WrongSize {
        /// Length by the manifest, in bytes.
        expected: u64,
        /// Length on disk, in bytes.
        found: u64,
    },
    /// The file has the right length but other bytes.
    #[error("is damaged in {damage}")]
    Corrupt {
        /// The damaged ranges.
        damage: Damage,
    },
}

/// Byte ranges listed, at most. The rest are only counted.
const RANGES_MAX: usize = 8;

/// Where in a file wrong bytes lie. Ranges consist of whole pieces, because smaller parts have no
/// hash to compare with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    ranges: Vec<Range<u64>>,
    count: u32,
    bytes: u64,
}

impl Damage {
    pub(super) fn add(&mut self, range: Range<u64>) {
        self.bytes = self.bytes.saturating_add(range.end.saturating_sub(range.start));
        let all_are_kept = self.count as usize == self.ranges.len();
        if let Some(last) = self.ranges.last_mut().filter(|last| all_are_kept && last.end == range.start) {
            last.end = range.end;
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.ranges.len() < RANGES_MAX {
            self.ranges.push(range);
        }
    }

    /// The first ranges, in order, adjacent ones merged. A range starts at its first byte and ends
    /// after its last.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Bytes in all damaged ranges.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// `bytes 0-262143, 524288-786431`: counted from 0, both ends included, as in an HTTP range.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |range: &Range<u64>| format!("{}-{}", range.start, range.end.saturating_sub(1));
        write!(f, "bytes {}", self.ranges.iter().map(range).collect::<Vec<_>>().join(", "))?;
        match (self.count as usize).saturating_sub(self.ranges.len()) {
            0 => Ok(()),
            _ => write!(f, " and further on, {} bytes in all", self.bytes),
        }
    }
}

/// Why the check could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file or folder is there but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The caller cancelled it.
    #[error("stopped before everything was checked")]
    Cancelled,
}

/// What was found of a file before hashing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    Missing,
    Bytes(u64),
}

/// Hashes every file of a content below `root`, the folder that contains the content's file or
/// folder. `progress` and `cancelled` are as in [`publish`](super::publish). No link is followed.
///
/// # Errors
/// If `root` or a file cannot be read. Missing and damaged files are no errors; they are in the
/// report.
pub fn verify_data(
    manifest: &Manifest,
    root: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<VerifyReport, VerifyError> {
    let folder = Folder::open(root).map_err(|source| VerifyError::Io { path: root.to_owned(), source })?;
    verify_in(&folder, manifest, None, progress, cancelled)
}

/// Like [`verify_data`], below an open folder, on at most `threads` threads. `None`: the default.
///
/// # Errors
/// If a file cannot be read.
pub fn verify_in(
    folder: &Folder,
    manifest: &Manifest,
    threads: Option<usize>,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<VerifyReport, VerifyError> {
    let layout = manifest.layout();
    let indices = || (0..layout.files()).filter_map(|file| layout.file_index(file));
    let found = indices().map(|file| find(manifest, folder, file)).collect::<Result<Vec<_>, _>>()?;
    let sweep = Sweep::new(layout, progress, cancelled).with_threads(threads);
    let good = good_pieces(manifest, folder, &found, &sweep)?;
    let mut have = RunSet::empty(layout.runs());
    let pieces = manifest.pieces().map(|(piece, _)| piece).zip(good);
    for (piece, _) in pieces.filter(|(_, good)| *good) {
        let runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
        runs.for_each(|run| {
            have.insert(run);
        });
    }
    let bad_file = |(file, found): (FileIndex, &(RelativePath, OnDisk))| {
        let fault = fault(manifest, file, found.1, &have)?;
        Some(BadFile { path: found.0.clone(), fault })
    };
    let bad_files = indices().zip(&found).filter_map(bad_file).collect();
    Ok(VerifyReport { have, bad_files })
}

/// Where a file lies, and how long it is. On a disk that cannot have its name, it lies under a
/// stand-in name.
fn find(
    manifest: &Manifest,
    folder: &Folder,
    file: FileIndex,
) -> Result<(RelativePath, OnDisk), VerifyError> {
    for place in manifest.stand_ins(file) {
        if let Ok(found @ OnDisk::Bytes(_)) = look(folder, &place) {
            return Ok((place, found));
        }
    }
    let target = manifest.target(file);
    let found = look(folder, &target)?;
    Ok((target, found))
}

fn look(folder: &Folder, path: &RelativePath) -> Result<OnDisk, VerifyError> {
    let opened = folder.file(&path.to_path_buf());
    match opened.and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(OnDisk::Bytes(metadata.len())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            Ok(OnDisk::Missing)
        }
        Err(source) => Err(VerifyError::Io { path: folder.path().join(path.to_path_buf()), source }),
    }
}

/// Whether each piece matches, in order.
fn good_pieces(
    manifest: &Manifest,
    folder: &Folder,
    found: &[(RelativePath, OnDisk)],
    sweep: &Sweep<'_>,
) -> Result<Vec<bool>, VerifyError> {
    let layout = manifest.layout();
    let path = |file: usize| found[file].0.to_path_buf();
    let is_good = |reader: &mut Reader<'_>, piece: PieceIndex| {
        let span = layout.piece(piece);
        let end = span.offset + u64::from(span.bytes);
        match found[span.file.get() as usize].1 {
            OnDisk::Bytes(bytes) if bytes >= end => {}
            _ => {
                reader.skip(piece);
                return Ok(false);
            }
        }
        match reader.piece_hash(piece) {
            Ok(hash) => Ok(hash == *manifest.piece_hash(piece)),
            // The file was cut off or removed since we looked.
            Err(Interrupted::Io { source, .. }) if is_gone(&source) => Ok(false),
            Err(interrupted) => Err(interrupted),
        }
    };
    sweep.run(&|file| folder.file(&path(file)), is_good).map_err(|interrupted| match interrupted {
        Interrupted::Cancelled => VerifyError::Cancelled,
        Interrupted::Io { file, source } => VerifyError::Io { path: folder.path().join(path(file)), source },
    })
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | InvalidInput | UnexpectedEof)
}

fn fault(manifest: &Manifest, file: FileIndex, on_disk: OnDisk, have: &RunSet) -> Option<FileFault> {
    let layout = manifest.layout();
    let expected = layout.file_bytes(file);
    let found = match on_disk {
        OnDisk::Missing => return Some(FileFault::Missing),
        OnDisk::Bytes(found) => found,
    };
    if found != expected {
        return Some(FileFault::WrongSize { expected, found });
    }
    let mut damage = Damage::default();
    for run in
        layout.file_runs(file).filter_map(|run| layout.run_index(run)).filter(|&run| !have.contains(run))
    {
        let span = layout.run(run);
        damage.add(span.offset..span.offset.saturating_add(u64::from(span.bytes)));
    }
    (damage.bytes > 0).then_some(FileFault::Corrupt { damage })
}
