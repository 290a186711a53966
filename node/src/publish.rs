//! Turning files on disk into a manifest, and checking files on disk against one.
//!
//! Both block, and use every core: call them from a blocking task. Work is handed out a piece at a
//! time, so one huge file is shared by all cores, and memory is one run a thread.

mod open;
mod sweep;
mod verify;
mod walk;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use nearcast_core::{
    id::Hash,
    layout::{Layout, LayoutError},
    manifest::{FILES_MAX, Manifest, ManifestError, NewFile},
    paths::{NameError, PathError},
};

pub use self::verify::{BadFile, FileFault, VerifyError, VerifyReport, verify_data};
use self::{
    sweep::{Interrupted, Reader, Sweep},
    walk::Source,
};

/// Small enough that a piece is one run, which needs no proof.
const PIECE_BYTES_DEFAULT: u64 = 256 * 1024;
/// Above this many pieces the default piece doubles, up to [`PIECE_BYTES_DEFAULT_MAX`].
const PIECES_WANTED_MAX: u64 = 65_536;
const PIECE_BYTES_DEFAULT_MAX: u64 = 16 * 1024 * 1024;

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Bytes of a piece, a power of two from 16 KiB to 256 MiB; none = 256 KiB, doubled while there
    /// would be more than 65,536 pieces, up to 16 MiB. Larger = smaller `.torrent`, longer proofs.
    pub piece_bytes: Option<u64>,
    /// HTTP origins of the same files.
    pub web_seeds: Vec<String>,
    /// The content's name; none = the name of the file or folder.
    pub name: Option<String>,
    /// Threads that hash at most; none = one a core. Fewer leave room for whatever else goes on.
    pub threads: Option<usize>,
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The content.
    pub manifest: Manifest,
    /// The folder that holds the file or folder: where [`verify_data`] and a store find the data,
    /// unless [`PublishOptions::name`] differs from the name on disk.
    pub root: PathBuf,
    /// Symbolic links and special files, which were left out.
    pub skipped: Vec<PathBuf>,
}

/// Nothing was published, and nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither file nor folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// A folder without any file.
    #[error("{} contains no files", .0.display())]
    NoFiles(PathBuf),
    /// Too many files.
    #[error("{} contains more than {FILES_MAX} files", .0.display())]
    TooManyFiles(PathBuf),
    /// A name that others could not create.
    #[error("cannot publish {}: {source}", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        source: PathError,
    },
    /// The content's name is bad.
    #[error("cannot use this name for the content: {0}")]
    Name(#[from] NameError),
    /// Somebody writes to it.
    #[error("{} changed while it was being read; publish it when it is complete", .0.display())]
    Changed(PathBuf),
    /// The piece length does not fit.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The manifest would not be acceptable to others.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// As asked.
    #[error("stopped before everything was read")]
    Cancelled,
}

/// Reads a file or folder and makes its manifest. `progress` is told the bytes done and in all, from
/// several threads and not always in order; `cancelled` is looked at between runs.
///
/// The path itself may be a symbolic link; links below it are not followed. The same files give the
/// same content id on every machine.
///
/// # Errors
/// See [`PublishError`].
pub fn publish(
    path: &Path,
    options: PublishOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<Published, PublishError> {
    let found = walk::walk(path, options.name.as_deref())?;
    let lengths = || found.sources.iter().map(|source| source.length);
    let piece_bytes =
        options.piece_bytes.unwrap_or_else(|| piece_bytes_for(lengths().fold(0, u64::saturating_add)));
    let layout = Layout::new(piece_bytes, lengths())?;
    let sweep = Sweep::new(&found.folder, &layout, progress, cancelled).with_threads(options.threads);
    let hashes = hash(&found.folder, &sweep, &found.sources)?;
    for source in &found.sources {
        check_unchanged(&found.folder, source)?;
    }
    let mut hashes = hashes.into_iter();
    let new_file = |(index, source): (u32, Source)| {
        let file = layout.file_index(index).expect("the layout was made of these files");
        let pieces = layout.file_pieces(file).len();
        NewFile {
            path: source.path,
            length: source.length,
            piece_hashes: hashes.by_ref().take(pieces).collect(),
        }
    };
    let files = (0..).zip(found.sources).map(new_file).collect();
    let manifest = Manifest::build(&found.name, piece_bytes, files, options.web_seeds)?;
    Ok(Published { manifest, root: found.root, skipped: found.skipped })
}

/// Writes a `.torrent` (or any file) beside its place and renames it: whoever watches the folder never sees
/// half of one. What was there is replaced.
///
/// # Errors
/// What the system said; then what was there still is.
pub fn replace_file(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(target.file_name().unwrap_or_default());
    hidden.push(format!(".{}.tmp", std::process::id()));
    let beside = target.with_file_name(hidden);
    let written = std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, target));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// The default piece length for this many bytes.
fn piece_bytes_for(bytes: u64) -> u64 {
    let mut piece_bytes = PIECE_BYTES_DEFAULT;
    while bytes.div_ceil(piece_bytes) > PIECES_WANTED_MAX && piece_bytes < PIECE_BYTES_DEFAULT_MAX {
        piece_bytes *= 2;
    }
    piece_bytes
}

/// The hash of every piece, in order.
fn hash(folder: &open::Folder, sweep: &Sweep<'_>, sources: &[Source]) -> Result<Vec<Hash>, PublishError> {
    let on_disk = |file: usize| sources[file].on_disk.clone();
    let hash = |reader: &mut Reader<'_>, piece| reader.piece_hash(piece);
    sweep.run(&on_disk, hash).map_err(|interrupted| match interrupted {
        Interrupted::Cancelled => PublishError::Cancelled,
        Interrupted::Io { file, source } => {
            let path = folder.path().join(&sources[file].on_disk);
            match source.kind() {
                io::ErrorKind::UnexpectedEof => PublishError::Changed(path),
                _ => PublishError::Io { path, source },
            }
        }
    })
}

/// Hashing takes a while: the file must still be the one that was found.
fn check_unchanged(folder: &open::Folder, source: &Source) -> Result<(), PublishError> {
    let path = || folder.path().join(&source.on_disk);
    let now = folder
        .open_file(&source.on_disk)
        .and_then(|file| file.metadata())
        .map_err(|error| PublishError::Io { path: path(), source: error })?;
    match now.len() == source.length && now.modified().ok() == source.modified {
        true => Ok(()),
        false => Err(PublishError::Changed(path())),
    }
}

#[cfg(test)]
mod tests;
