//! Makes a manifest of files on disk, and checks files on disk against a manifest.
//!
//! Both block, and use every core: call them from a blocking task. Threads take one piece at a
//! time, so all cores share a huge file, and each thread holds one run in memory.

mod bad_names;
mod folder;
mod left_out;
mod secret;
mod stamp;
mod sweep;
mod torrent_name;
mod verify;
mod walk;
mod written;

use std::{
    ffi::OsStr,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use nearcast_core::{
    id::Hash,
    layout::{Layout, LayoutError},
    manifest::{FILES_MAX, Manifest, ManifestError, NewFile},
    paths::{Elsewhere, NameError, SafeName},
};

pub use self::{
    bad_names::BadNames,
    folder::{Entries, Entry, Folder, Identity, Kind, Mount},
    left_out::{Include, LeftOut, Reason, is_state_folder, looks_unfinished, reason_of_name},
    stamp::Stamp,
    torrent_name::torrent_name,
    verify::{BadFile, Damage, FileFault, VerifyError, VerifyReport, verify_data, verify_in},
    walk::{Seen, walk},
    written::replace_file,
};
use self::{
    sweep::{Interrupted, Reader, Sweep},
    walk::{Found, Source, error_of_opening, io_error},
};

/// The default piece length. Small enough that a piece is one run, which needs no proof.
const PIECE_BYTES_DEFAULT: u64 = 256 * 1024;
/// Above this many pieces the default piece length doubles, up to [`PIECE_BYTES_DEFAULT_MAX`].
const PIECES_WANTED_MAX: u64 = 65_536;
const PIECE_BYTES_DEFAULT_MAX: u64 = 16 * 1024 * 1024;
/// Contents of at least this size are checked for an acceptable manifest before they are hashed,
/// not only after.
const TRIED_BEFORE_MIN: u64 = 64 * 1024 * 1024;

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// The piece length: a power of two from 16 KiB to 256 MiB. `None`: 256 KiB, doubled while
    /// there would be more than 65,536 pieces, up to 16 MiB. Larger pieces make a smaller
    /// `.torrent` and longer proofs.
    pub piece_bytes: Option<u64>,
    /// URLs of HTTP servers that have the same files.
    pub web_seeds: Vec<String>,
    /// The content's name. `None`: the name of the file or folder, or of the link that leads to it.
    pub name: Option<String>,
    /// The most threads that hash. `None`: one for each core. Fewer leave room for other work.
    pub threads: Option<usize>,
    /// Files of a folder to publish although their name or mode says that they are not for
    /// everyone.
    pub include: Include,
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The content.
    pub manifest: Manifest,
    /// The folder that holds the file or folder. [`verify_data`] and a store find the data there,
    /// unless [`PublishOptions::name`] or the name of a link differs from the name on disk.
    pub root: PathBuf,
    /// The files that were left out.
    pub left_out: LeftOut,
    /// Secret keys that were published because [`Include::hidden`] asked for them.
    pub secrets: LeftOut,
    /// Names that other systems do not allow.
    pub elsewhere: Elsewhere,
    /// Other users of this machine may not read the named file, or enter the named folder.
    pub is_private: bool,
}

/// Publishing failed: nothing was published or written.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    Special(PathBuf),
    /// The folder has no files.
    #[error("{} contains no files", .0.display())]
    NoFiles(PathBuf),
    /// All files of the folder are left out.
    #[error("{} contains nothing to publish: left out {left_out}", path.display())]
    AllLeftOut {
        /// The folder.
        path: PathBuf,
        /// The files that are left out.
        left_out: LeftOut,
    },
    /// The folder has too many files.
    #[error("{} contains more than {FILES_MAX} files", .0.display())]
    TooManyFiles(PathBuf),
    /// Names that other systems could not create: all of them.
    #[error("{0}")]
    Names(BadNames),
    /// The named file is a secret key.
    #[error(
        "{} is a secret key, and whoever has the link could use it; nothing was published",
        .0.display()
    )]
    SecretKey(PathBuf),
    /// BEP 52 writes such a folder, and the file alone, in the same way.
    #[error(
        "{} is a folder whose only file has the folder's own name, and everybody would take it for that file alone",
        .0.display()
    )]
    NamedLikeItsFile(PathBuf),
    /// The name for the content is not allowed.
    #[error("cannot use this name for the content: {0}")]
    Name(#[from] NameError),
    /// A file changed while it was read.
    #[error("{} changed while it was being read", .0.display())]
    Changed(PathBuf),
    /// The piece length does not fit.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Other nodes would not accept the manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The caller cancelled.
    #[error("stopped before everything was read")]
    Cancelled,
}

/// Reads a file or folder and makes its manifest. `progress` gets the bytes done and the total,
/// from several threads and not always in order. `cancelled` is checked between runs.
///
/// The path itself may be a symbolic link; the content then gets the link's name. Links below the
/// path are not followed. The same files give the same content id on every machine.
///
/// # Errors
/// See [`PublishError`].
pub fn publish(
    path: &Path,
    options: &PublishOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<Published, PublishError> {
    Prepared::at(path, options)?.hash(progress, cancelled)
}

/// As [`publish`], for the entry `name` of an open folder. Here `name` may not be a symbolic link
/// either.
///
/// # Errors
/// See [`PublishError`].
pub fn publish_in(
    folder: &Folder,
    name: &OsStr,
    options: &PublishOptions,
    progress: &(dyn Fn(u64, u64) + Sync),
    cancelled: &AtomicBool,
) -> Result<Published, PublishError> {
    Prepared::of(folder, name, options)?.hash(progress, cancelled)
}

/// What would be published. Names and sizes have been checked; nothing is hashed yet.
pub struct Prepared<'a> {
    folder: Opened<'a>,
    content: SafeName,
    found: Found,
    elsewhere: Elsewhere,
    is_private: bool,
    piece_bytes: u64,
    options: &'a PublishOptions,
}

/// The folder that holds the published file or folder.
enum Opened<'a> {
    Here(Folder),
    Given(&'a Folder),
}

impl Opened<'_> {
    fn get(&self) -> &Folder {
        match self {
            Opened::Here(folder) => folder,
            Opened::Given(folder) => folder,
        }
    }
}

impl<'a> Prepared<'a> {
    /// Checks a file or folder, as [`publish`] does.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn at(path: &Path, options: &'a PublishOptions) -> Result<Prepared<'a>, PublishError> {
        // "." and ".." get a name by this, and the data lies at a link's target.
        let real = path.canonicalize().map_err(io_error(path))?;
        let name = real.file_name().unwrap_or(OsStr::new(""));
        let parent = real.parent().unwrap_or(&real);
        let folder = Folder::open(parent).map_err(io_error(parent))?;
        // The name of a link is the name that its maker intends.
        let called = path.file_name().unwrap_or(name);
        Prepared::look(Opened::Here(folder), name, called, options)
    }

    /// Checks an entry of an open folder, as [`publish_in`] does.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn of(
        folder: &'a Folder,
        name: &OsStr,
        options: &'a PublishOptions,
    ) -> Result<Prepared<'a>, PublishError> {
        Prepared::look(Opened::Given(folder), name, name, options)
    }

    fn look(
        opened: Opened<'a>,
        name: &OsStr,
        called: &OsStr,
        options: &'a PublishOptions,
    ) -> Result<Prepared<'a>, PublishError> {
        let folder = opened.get();
        let content = match options.name.as_deref() {
            Some(wanted) => Ok(SafeName::parse(wanted.as_bytes())?),
            None => SafeName::parse(called.as_encoded_bytes()),
        };
        let (kind, stamp) = folder.look(Path::new(name)).map_err(io_error(&folder.path().join(name)))?;
        let is_private = match kind {
            Kind::Folder => !stamp.is_folder_for_all(),
            Kind::File | Kind::Other => !stamp.is_file_for_all(),
        };
        let found = walk::find(folder, name, content.as_ref(), options.include)?;
        let content = content?;
        let inside = found.sources.iter().map(|source| &source.path);
        let elsewhere = Elsewhere::of(&content, inside.filter(|path| path.as_str() != content.as_str()));
        let bytes = found.sources.iter().map(|source| source.stamp.bytes).fold(0, u64::saturating_add);
        let piece_bytes = options.piece_bytes.unwrap_or_else(|| piece_bytes_for(bytes));
        let prepared =
            Prepared { folder: opened, content, found, elsewhere, is_private, piece_bytes, options };
        if bytes >= TRIED_BEFORE_MIN {
            // A torrent that is too large is better found now than after hours of hashing.
            let layout = prepared.layout()?;
            prepared.build(&layout, vec![Hash::default(); layout.pieces() as usize])?;
        }
        Ok(prepared)
    }

    /// The files to publish: path in the content, and length in bytes.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, u64)> + '_ {
        self.found.sources.iter().map(|source| (source.path.as_str(), source.stamp.bytes))
    }

    /// The files that are left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.found.left_out
    }

    /// Secret keys that are published because they were asked for.
    pub fn secrets(&self) -> &LeftOut {
        &self.found.secrets
    }

    /// Names that other systems do not allow.
    pub fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// Hashes all files and makes the manifest.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn hash(
        self,
        progress: &(dyn Fn(u64, u64) + Sync),
        cancelled: &AtomicBool,
    ) -> Result<Published, PublishError> {
        let (layout, folder) = (self.layout()?, self.folder.get());
        let sweep = Sweep::new(&layout, progress, cancelled).with_threads(self.options.threads);
        let hashes = hash(folder, &sweep, &self.found.sources)?;
        for source in &self.found.sources {
            open_unchanged(folder, source)
                .map_err(|error| error_of_opening(&folder.path().join(&source.on_disk), error))?;
        }
        let manifest = self.build(&layout, hashes)?;
        Ok(Published {
            manifest,
            root: folder.path().to_owned(),
            left_out: self.found.left_out,
            secrets: self.found.secrets,
            elsewhere: self.elsewhere,
            is_private: self.is_private,
        })
    }

    fn layout(&self) -> Result<Layout, PublishError> {
        let lengths = self.found.sources.iter().map(|source| source.stamp.bytes);
        Ok(Layout::new(self.piece_bytes, lengths)?)
    }

    fn build(&self, layout: &Layout, hashes: Vec<Hash>) -> Result<Manifest, ManifestError> {
        let files = new_files(layout, &self.found.sources, hashes);
        Manifest::build(&self.content, self.piece_bytes, files, self.options.web_seeds.clone())
    }
}

/// The files of the manifest. `hashes`: the hashes of all pieces, in order.
fn new_files(layout: &Layout, sources: &[Source], hashes: Vec<Hash>) -> Vec<NewFile> {
    let mut hashes = hashes.into_iter();
    let new_file = |(index, source): (u32, &Source)| {
        let file = layout.file_index(index).expect("the layout was made of these files");
        let pieces = layout.file_pieces(file).len();
        NewFile {
            path: source.path.clone(),
            length: source.stamp.bytes,
            piece_hashes: hashes.by_ref().take(pieces).collect(),
        }
    };
    (0..).zip(sources).map(new_file).collect()
}

/// The default piece length for this many bytes.
fn piece_bytes_for(bytes: u64) -> u64 {
    let mut piece_bytes = PIECE_BYTES_DEFAULT;
    while bytes.div_ceil(piece_bytes) > PIECES_WANTED_MAX && piece_bytes < PIECE_BYTES_DEFAULT_MAX {
        piece_bytes *= 2;
    }
    piece_bytes
}

/// The hashes of all pieces, in order.
fn hash(folder: &Folder, sweep: &Sweep<'_>, sources: &[Source]) -> Result<Vec<Hash>, PublishError> {
    let open = |file: usize| open_unchanged(folder, &sources[file]);
    let hash = |reader: &mut Reader<'_>, piece| reader.piece_hash(piece);
    sweep.run(&open, hash).map_err(|interrupted| match interrupted {
        Interrupted::Cancelled => PublishError::Cancelled,
        Interrupted::Io { file, source } => {
            error_of_opening(&folder.path().join(&sources[file].on_disk), source)
        }
    })
}

/// Opens a file found before, to hash it, and again afterwards to check it: it must be the same
/// file, and unchanged. The error is `UnexpectedEof` if it is not.
fn open_unchanged(folder: &Folder, source: &Source) -> io::Result<File> {
    let file = folder.file(&source.on_disk)?;
    match Stamp::of_file(&file)? == source.stamp {
        true => Ok(file),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests;
