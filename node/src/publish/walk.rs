//! Finding what is to be published.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use nearcast_core::{
    manifest::FILES_MAX,
    paths::{RelativePath, SafeName},
};

use super::{PublishError, open::Folder};

/// One file to be published.
pub(super) struct Source {
    /// Where it lies in the content.
    pub path: RelativePath,
    /// Where it lies in the opened folder.
    pub on_disk: PathBuf,
    /// Length in bytes when it was found.
    pub length: u64,
    /// When it had been changed last, if the file system tells.
    pub modified: Option<SystemTime>,
}

/// What was found.
pub(super) struct Found {
    /// The folder that all `on_disk` are relative to.
    pub folder: Folder,
    /// The folder that holds the file or folder to be published.
    pub root: PathBuf,
    pub name: SafeName,
    /// In the order of the content.
    pub sources: Vec<Source>,
    pub skipped: Vec<PathBuf>,
}

/// Finds the files below `path`, or `path` itself.
pub(super) fn walk(path: &Path, name: Option<&str>) -> Result<Found, PublishError> {
    // "." and ".." have a name only after this, and a link's target is where the data lies.
    let path = &path.canonicalize().map_err(io_error(path))?;
    let root = path.parent().unwrap_or(path);
    let own_name = path.file_name().unwrap_or(OsStr::new(""));
    let name = SafeName::parse(name.map_or(own_name.as_bytes(), str::as_bytes))?;
    let metadata = fs::metadata(path).map_err(io_error(path))?;
    let mut walk = Walk::default();
    let folder = if metadata.is_dir() {
        walk.folder(path, Path::new(""), None)?;
        path
    } else if metadata.is_file() {
        walk.file(name.clone().into(), own_name.into(), &metadata);
        root
    } else {
        return Err(PublishError::Special(path.clone()));
    };
    if walk.sources.is_empty() {
        return Err(PublishError::NoFiles(path.clone()));
    }
    walk.sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Found {
        folder: Folder::open(folder).map_err(io_error(folder))?,
        root: root.to_owned(),
        name,
        sources: walk.sources,
        skipped: walk.skipped,
    })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PublishError + '_ {
    |source| PublishError::Io {
        path: path.to_owned(),
        source,
    }
}

#[derive(Default)]
struct Walk {
    sources: Vec<Source>,
    skipped: Vec<PathBuf>,
}

impl Walk {
    /// Takes in `top/below`, which is `path` in the content. The depth of paths bounds the recursion.
    fn folder(&mut self, top: &Path, below: &Path, path: Option<&RelativePath>) -> Result<(), PublishError> {
        let here = top.join(below);
        for entry in fs::read_dir(&here).map_err(io_error(&here))? {
            let entry = entry.map_err(io_error(&here))?;
            let on_disk = below.join(entry.file_name());
            let full = entry.path();
            // Does not follow links.
            let metadata = entry.metadata().map_err(io_error(&full))?;
            if !metadata.is_dir() && !metadata.is_file() {
                self.skipped.push(full);
                continue;
            }
            let name_error = |source| PublishError::Path {
                path: full.clone(),
                source,
            };
            let name =
                SafeName::parse(entry.file_name().as_bytes()).map_err(|error| name_error(error.into()))?;
            let path = match path {
                Some(folder) => folder.join(&name).map_err(name_error)?,
                None => name.into(),
            };
            if metadata.is_dir() {
                self.folder(top, &on_disk, Some(&path))?;
            } else {
                self.file(path, on_disk, &metadata);
            }
            if self.sources.len() > FILES_MAX as usize {
                return Err(PublishError::TooManyFiles(top.to_owned()));
            }
        }
        Ok(())
    }

    fn file(&mut self, path: RelativePath, on_disk: PathBuf, metadata: &Metadata) {
        self.sources.push(Source {
            path,
            on_disk,
            length: metadata.len(),
            modified: metadata.modified().ok(),
        });
    }
}
