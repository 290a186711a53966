//! Turning files on disk into a manifest, and checking files on disk against one.
//!
//! Both block, and use every core: call them from a blocking task. Work is handed out a piece at a
//! time, so one huge file is shared by all cores, and memory is one run a thread.

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

/// Small enough that a piece is one run, which needs no proof.
const PIECE_BYTES_DEFAULT: u64 = 256 * 1024;
/// Above this many pieces the default piece doubles, up to [`PIECE_BYTES_DEFAULT_MAX`].
const PIECES_WANTED_MAX: u64 = 65_536;
const PIECE_BYTES_DEFAULT_MAX: u64 = 16 * 1024 * 1024;
/// From this on, whether the manifest would be acceptable is tried before the data are hashed, not only after.
const TRIED_BEFORE_MIN: u64 = 64 * 1024 * 1024;

/// How to publish.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// Bytes of a piece, a power of two from 16 KiB to 256 MiB; none = 256 KiB, doubled while there
    /// would be more than 65,536 pieces, up to 16 MiB. Larger = smaller `.torrent`, longer proofs.
    pub piece_bytes: Option<u64>,
    /// HTTP origins of the same files.
    pub web_seeds: Vec<String>,
    /// The content's name; none = the name of the file or folder, or of the link that leads to it.
    pub name: Option<String>,
    /// Threads that hash at most; none = one a core. Fewer leave room for whatever else goes on.
    pub threads: Option<usize>,
    /// What is published of a folder, though its name or its mode says that it is not meant for everybody.
    pub include: Include,
}

/// What was published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The content.
    pub manifest: Manifest,
    /// The folder that holds the file or folder: where [`verify_data`] and a store find the data,
    /// unless [`PublishOptions::name`] or that of a link differs from the name on disk.
    pub root: PathBuf,
    /// What was left out.
    pub left_out: LeftOut,
    /// Secret keys that were published, as [`Include::hidden`] asked for them.
    pub secrets: LeftOut,
    /// Names that other systems lack.
    pub elsewhere: Elsewhere,
    /// Others on this machine may not read the file, or enter the folder, that was named.
    pub is_private: bool,
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
    /// A folder of which everything is left out.
    #[error("{} contains nothing to publish: left out {left_out}", path.display())]
    AllLeftOut {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        left_out: LeftOut,
    },
    /// Too many files.
    #[error("{} contains more than {FILES_MAX} files", .0.display())]
    TooManyFiles(PathBuf),
    /// Names that others could not create, all of them.
    #[error("{0}")]
    Names(BadNames),
    /// What was named is somebody's key.
    #[error(
        "{} is a secret key, and whoever has the link could use it; nothing was published",
        .0.display()
    )]
    SecretKey(PathBuf),
    /// BEP 52 writes such a folder and the file alone in the same way.
    #[error(
        "{} is a folder whose only file has the folder's own name, and everybody would take it for that file alone; \
         publish the file itself, or rename one of them",
        .0.display()
    )]
    NamedLikeItsFile(PathBuf),
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
/// The path itself may be a symbolic link, and then the content is called as the link is; links below it are not
/// followed. The same files give the same content id on every machine.
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

/// As [`publish`], for what lies under `name` in an open folder; there, `name` is no link either.
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

/// What would be published: everything that can be wrong with names and sizes was looked at, and nothing is hashed yet.
pub struct Prepared<'a> {
    folder: Opened<'a>,
    content: SafeName,
    found: Found,
    elsewhere: Elsewhere,
    is_private: bool,
    piece_bytes: u64,
    options: &'a PublishOptions,
}

/// The folder that holds what is published.
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
    /// Looks at a file or folder, as [`publish`] does.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn at(path: &Path, options: &'a PublishOptions) -> Result<Prepared<'a>, PublishError> {
        // "." and ".." have a name only after this, and a link's target is where the data lies.
        let real = path.canonicalize().map_err(io_error(path))?;
        let name = real.file_name().unwrap_or(OsStr::new(""));
        let parent = real.parent().unwrap_or(&real);
        let folder = Folder::open(parent).map_err(io_error(parent))?;
        // Whoever made a link called it as it is meant to be called.
        let called = path.file_name().unwrap_or(name);
        Prepared::look(Opened::Here(folder), name, called, options)
    }

    /// Looks at what lies in an open folder, as [`publish_in`] does.
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
            // A torrent that is too large: better found now than in hours.
            let layout = prepared.layout()?;
            prepared.build(&layout, vec![Hash::default(); layout.pieces() as usize])?;
        }
        Ok(prepared)
    }

    /// The files that are taken, by their paths in the content, with their lengths in bytes.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (&str, u64)> + '_ {
        self.found.sources.iter().map(|source| (source.path.as_str(), source.stamp.bytes))
    }

    /// What is left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.found.left_out
    }

    /// Secret keys that are taken, as they were asked for.
    pub fn secrets(&self) -> &LeftOut {
        &self.found.secrets
    }

    /// Names that other systems lack.
    pub fn elsewhere(&self) -> &Elsewhere {
        &self.elsewhere
    }

    /// Hashes all of it.
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

/// What the manifest is made of: `hashes` are those of all pieces, in order.
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

/// The hash of every piece, in order.
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

/// Opens a file that was found before, before it is hashed and again afterwards: it must still be the same one, and
/// nobody may have written to it. `UnexpectedEof` if it is not.
fn open_unchanged(folder: &Folder, source: &Source) -> io::Result<File> {
    let file = folder.file(&source.on_disk)?;
    match Stamp::of_file(&file)? == source.stamp {
        true => Ok(file),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests;
