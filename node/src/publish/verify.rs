//! Checking files on disk against a manifest.

use std::{
    io,
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

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Runs that lie where they should and match. Of a piece that does not match, none is counted:
    /// which of its runs is bad cannot be told from the manifest alone.
    pub have: RunSet,
    /// Files that are not complete, in the order of the content; empty if all is well.
    pub bad_files: Vec<BadFile>,
}

/// A file that is not what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// Where it should be, below the folder that was looked at.
    pub path: RelativePath,
    /// What is wrong.
    pub fault: FileFault,
}

/// What is wrong with a file on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// Not there, or no regular file.
    #[error("is missing")]
    Missing,
    /// There, shorter or longer. What matches is counted all the same.
    #[error("has {found} bytes instead of {expected}")]
    WrongSize {
        /// What the manifest says, in bytes.
        expected: u64,
        /// What is there, in bytes.
        found: u64,
    },
    /// There, with other bytes.
    #[error("is corrupt in {runs} of its runs")]
    Corrupt {
        /// Runs in pieces that do not match.
        runs: u32,
    },
}

/// The check could not be finished.
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
    /// As asked.
    #[error("stopped before everything was checked")]
    Cancelled,
}

/// What was found of a file before it is hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnDisk {
    Missing,
    Bytes(u64),
}

/// Hashes every file of a content below `root`, the folder that holds the file or folder named like
/// the content. `progress` and `cancelled` are as in [`publish`](super::publish). No link is followed.
///
/// # Errors
/// If `root` or a file cannot be read. Missing and damaged files are no errors but the result.
pub fn verify_data(
    manifest: &Manifest,
    root: &Path,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<VerifyReport, VerifyError> {
    let layout = manifest.layout();
    let folder = Folder::open(root).map_err(|source| VerifyError::Io { path: root.to_owned(), source })?;
    let indices = || (0..layout.files()).filter_map(|file| layout.file_index(file));
    let on_disk =
        indices().map(|file| look(&folder, &manifest.target(file))).collect::<Result<Vec<_>, _>>()?;
    let good = good_pieces(manifest, &folder, &on_disk, progress, cancelled)?;
    let mut have = RunSet::empty(layout.runs());
    let pieces = manifest.pieces().map(|(piece, _)| piece).zip(good);
    for (piece, _) in pieces.filter(|(_, good)| *good) {
        let runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
        runs.for_each(|run| {
            have.insert(run);
        });
    }
    let bad_file = |(file, &on_disk): (FileIndex, &OnDisk)| {
        let fault = fault(manifest, file, on_disk, &have)?;
        let path = manifest.target(file);
        Some(BadFile { path, fault })
    };
    let bad_files = indices().zip(&on_disk).filter_map(bad_file).collect();
    Ok(VerifyReport { have, bad_files })
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
    on_disk: &[OnDisk],
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<Vec<bool>, VerifyError> {
    let layout = manifest.layout();
    let path = |file: usize| {
        let file = layout.file_index(file as u32).expect("pieces lie in files of the layout");
        manifest.target(file).to_path_buf()
    };
    let is_good = |reader: &mut Reader<'_>, piece: PieceIndex| {
        let span = layout.piece(piece);
        let end = span.offset + u64::from(span.bytes);
        match on_disk[span.file.get() as usize] {
            OnDisk::Bytes(bytes) if bytes >= end => {}
            _ => {
                reader.skip(piece);
                return Ok(false);
            }
        }
        match reader.piece_hash(piece) {
            Ok(hash) => Ok(hash == *manifest.piece_hash(piece)),
            // Cut off or removed since we looked.
            Err(Interrupted::Io { source, .. }) if is_gone(&source) => Ok(false),
            Err(interrupted) => Err(interrupted),
        }
    };
    let sweep = Sweep::new(layout, progress, cancelled);
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
    let runs = layout.file_runs(file).filter_map(|run| layout.run_index(run));
    let bad = runs.filter(|&run| !have.contains(run)).count() as u32;
    (bad > 0).then_some(FileFault::Corrupt { runs: bad })
}
