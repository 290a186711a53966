//! Finds the files to publish, from a descriptor and without following links.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use nearcast_core::{
    manifest::FILES_MAX,
    paths::{NameError, PATH_DEPTH_MAX, PathError, RelativePath, SafeName},
};

use super::{
    PublishError,
    bad_names::BadNames,
    folder::{Folder, Kind},
    left_out::{Include, LeftOut, Reason},
    secret::is_secret,
    stamp::Stamp,
};

/// Entries of all folders of one content together, at most, whether published or not. This bounds
/// the time that a folder of millions of hidden names takes.
const ENTRIES_MAX: usize = 4 * FILES_MAX as usize;

/// Something that a walk meets. Paths begin at the folder in which the walk began.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A file to publish.
    File(&'a Path, Stamp),
    /// Something that is left out.
    LeftOut(&'a Path, Reason),
    /// A folder that cannot be read, or is gone.
    Unreadable(&'a Path, io::Error),
    /// A folder that is deeper than a content can hold.
    TooDeep(&'a Path),
    /// Too many entries; the walk ends here.
    TooMany(&'a Path),
}

/// Walks the folder `path` below `top`, and calls `tell` for everything in it. The folder itself is
/// not judged.
///
/// # Errors
/// The first error that `tell` returns.
pub fn walk<E>(
    top: &Folder,
    path: &Path,
    include: Include,
    tell: &mut dyn FnMut(Seen<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match top.folder(path) {
        Ok(folder) => Walk { include, left: ENTRIES_MAX, tell }.folder(&folder, path, 0).map(drop),
        Err(error) => tell(Seen::Unreadable(path, error)),
    }
}

struct Walk<'a, E> {
    include: Include,
    left: usize,
    tell: &'a mut dyn FnMut(Seen<'_>) -> Result<(), E>,
}

impl<E> Walk<'_, E> {
    /// Returns false once there were too many entries. The depth limit bounds the recursion and the
    /// descriptors it holds.
    fn folder(&mut self, folder: &Folder, path: &Path, depth: usize) -> Result<bool, E> {
        if depth >= PATH_DEPTH_MAX {
            (self.tell)(Seen::TooDeep(path))?;
            return Ok(true);
        }
        let entries = match folder.entries() {
            Ok(entries) => entries,
            Err(error) => {
                (self.tell)(Seen::Unreadable(path, error))?;
                return Ok(true);
            }
        };
        for entry in entries {
            let name = match entry {
                Ok(entry) => entry.name,
                Err(error) => {
                    (self.tell)(Seen::Unreadable(path, error))?;
                    return Ok(true);
                }
            };
            if self.left == 0 {
                (self.tell)(Seen::TooMany(path))?;
                return Ok(false);
            }
            self.left -= 1;
            if !self.entry(folder, &name, &path.join(&name), depth)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn entry(&mut self, folder: &Folder, name: &OsStr, path: &Path, depth: usize) -> Result<bool, E> {
        let (kind, stamp) = match folder.look(Path::new(name)) {
            Ok(seen) => seen,
            // It was removed after it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => {
                (self.tell)(Seen::Unreadable(path, error))?;
                return Ok(true);
            }
        };
        if let Some(reason) = self.include.leaves_out(name, kind, &stamp) {
            (self.tell)(Seen::LeftOut(path, reason))?;
            return Ok(true);
        }
        if kind == Kind::File {
            (self.tell)(Seen::File(path, stamp))?;
            return Ok(true);
        }
        match folder.folder(Path::new(name)) {
            Ok(below) => self.folder(&below, path, depth + 1),
            Err(error) => (self.tell)(Seen::Unreadable(path, error)).map(|()| true),
        }
    }
}

/// One file to publish.
pub(super) struct Source {
    /// Its path in the content.
    pub path: RelativePath,
    /// Its path in the folder that holds the content.
    pub on_disk: PathBuf,
    /// Its state when it was found.
    pub stamp: Stamp,
}

/// The result of a search.
#[derive(Default)]
pub(super) struct Found {
    /// In the order of the content.
    pub sources: Vec<Source>,
    pub left_out: LeftOut,
    /// Secret keys that are published, because hidden files were asked for.
    pub secrets: LeftOut,
    bad_names: BadNames,
}

/// Finds the files of the content under `name` in `top`, which is a file or a folder. Opens each
/// file, so that an unreadable one is found before hours of hashing, not after them. Collects every
/// name that cannot be published, not only the first.
pub(super) fn find(
    top: &Folder,
    name: &OsStr,
    content: Result<&SafeName, &NameError>,
    include: Include,
) -> Result<Found, PublishError> {
    let (own, full) = (Path::new(name), top.path().join(name));
    let (kind, stamp) = top.look(own).map_err(io_error(&full))?;
    let mut found = Found::default();
    if let Err(error) = content {
        found.bad_names.add(&full, error.clone().into());
    }
    match (kind, content) {
        (Kind::File, Ok(content)) => found.add(top, content.clone().into(), own, &stamp, include)?,
        (Kind::File, Err(_)) => {}
        (Kind::Folder, _) => walk(top, own, include, &mut |seen| found.take(top, own, include, seen))?,
        (Kind::Other, _) => return Err(PublishError::Special(full)),
    }
    if !found.bad_names.is_empty() {
        return Err(PublishError::Names(found.bad_names));
    }
    if found.sources.is_empty() {
        return Err(nothing(full, found.left_out));
    }
    found.sources.sort_by(|a, b| a.path.cmp(&b.path));
    if let (Kind::Folder, [only], Ok(content)) = (kind, &found.sources[..], content)
        && only.path.as_str() == content.as_str()
    {
        return Err(PublishError::NamedLikeItsFile(full));
    }
    Ok(found)
}

fn nothing(full: PathBuf, left_out: LeftOut) -> PublishError {
    match left_out.total() {
        0 => PublishError::NoFiles(full),
        1 if left_out.paths() == [full.clone()] => PublishError::SecretKey(full),
        _ => PublishError::AllLeftOut { path: full, left_out },
    }
}

impl Found {
    fn take(
        &mut self,
        top: &Folder,
        own: &Path,
        include: Include,
        seen: Seen<'_>,
    ) -> Result<(), PublishError> {
        let full = |path: &Path| top.path().join(path);
        match seen {
            Seen::File(path, stamp) => match relative(path.strip_prefix(own).unwrap_or(path)) {
                Ok(inside) => self.add(top, inside, path, &stamp, include),
                Err(error) => {
                    self.bad_names.add(&full(path), error);
                    Ok(())
                }
            },
            Seen::LeftOut(path, reason) => {
                self.left_out.add(&full(path), reason);
                Ok(())
            }
            Seen::Unreadable(path, error) => Err(io_error(&full(path))(error)),
            Seen::TooDeep(path) => {
                self.bad_names.add(&full(path), PathError::TooDeep);
                Ok(())
            }
            Seen::TooMany(_) => Err(PublishError::TooManyFiles(full(own))),
        }
    }

    fn add(
        &mut self,
        top: &Folder,
        path: RelativePath,
        on_disk: &Path,
        stamp: &Stamp,
        include: Include,
    ) -> Result<(), PublishError> {
        if self.sources.len() >= FILES_MAX as usize {
            return Err(PublishError::TooManyFiles(top.path().to_owned()));
        }
        let full = top.path().join(on_disk);
        let file = top.file(on_disk).map_err(|error| error_of_opening(&full, error))?;
        let opened = Stamp::of_file(&file).map_err(io_error(&full))?;
        if opened != *stamp {
            return Err(PublishError::Changed(full));
        }
        if is_secret(&file, opened.bytes).map_err(io_error(&full))? {
            if !include.hidden {
                self.left_out.add(&full, Reason::Secret);
                return Ok(());
            }
            self.secrets.add(&full, Reason::Secret);
        }
        self.sources.push(Source { path, on_disk: on_disk.to_owned(), stamp: opened });
        Ok(())
    }
}

/// Maps the error of opening a file that was there when we looked: the file may have been replaced
/// since.
pub(super) fn error_of_opening(full: &Path, error: io::Error) -> PublishError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => {
            PublishError::Changed(full.to_owned())
        }
        _ => io_error(full)(error),
    }
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PublishError + '_ {
    |source| PublishError::Io { path: path.to_owned(), source }
}

fn relative(path: &Path) -> Result<RelativePath, PathError> {
    let mut names = path.components().map(|name| SafeName::parse(name.as_os_str().as_encoded_bytes()));
    let first = match names.next() {
        Some(name) => name?,
        None => SafeName::parse(b"")?,
    };
    names.try_fold(RelativePath::from(first), |path, name| path.join(&name?))
}
