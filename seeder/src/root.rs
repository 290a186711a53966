//! The folder whose contents are served. Each look opens it again, so that an operator can unmount
//! it. It is recognised by its identity: another folder at its path means that a file system is
//! gone, or that somebody put a link there.

use std::{
    io,
    path::{Path, PathBuf},
};

use nearcast_node::publish::{Folder, Identity};

/// The root: its path, and the identity of the folder that was found there.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    known: Option<Identity>,
}

/// The root cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The root is missing or not readable.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The root.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another folder is at the path.
    #[error("{} is not the folder it was; is its file system not mounted?", .0.display())]
    Replaced(PathBuf),
}

impl Root {
    /// The root at this path, which may contain links. The first folder found there becomes the
    /// root.
    pub fn new(path: PathBuf) -> Root {
        Root { path, known: None }
    }

    /// The path of the root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the root, if it is still the same folder.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn open(&self) -> Result<Folder, RootError> {
        let (folder, is_known) = self.open_any()?;
        match is_known {
            true => Ok(folder),
            false => Err(RootError::Replaced(self.path.clone())),
        }
    }

    /// Opens the root. If it is another folder than before, `accepts` decides whether it becomes
    /// the root.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn open_or_accept(&mut self, accepts: impl FnOnce(&Folder) -> bool) -> Result<Folder, RootError> {
        let (folder, is_known) = self.open_any()?;
        if is_known && self.known.is_some() {
            return Ok(folder);
        }
        if self.known.is_some() && !accepts(&folder) {
            return Err(RootError::Replaced(self.path.clone()));
        }
        self.known = Some(folder.identity().map_err(|source| self.unreadable(source))?);
        Ok(folder)
    }

    fn open_any(&self) -> Result<(Folder, bool), RootError> {
        let opened = Folder::open(&self.path).and_then(|folder| Ok((folder.identity()?, folder)));
        let (identity, folder) = opened.map_err(|source| self.unreadable(source))?;
        Ok((folder, self.known.is_none_or(|known| known == identity)))
    }

    fn unreadable(&self, source: io::Error) -> RootError {
        RootError::Unreadable { path: self.path.clone(), source }
    }
}

impl From<RootError> for io::Error {
    fn from(error: RootError) -> Self {
        match error {
            RootError::Unreadable { source, .. } => source,
            RootError::Replaced(_) => io::Error::other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_folder_under_the_same_path_is_not_the_root() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("root");
        fs::create_dir(&path).unwrap();
        let mut root = Root::new(path.clone());
        root.open_or_accept(|_| false).unwrap();
        assert!(root.open().is_ok());
        fs::rename(&path, place.path().join("moved")).unwrap();
        assert!(matches!(root.open(), Err(RootError::Unreadable { .. })));
        fs::create_dir(&path).unwrap();
        assert!(matches!(root.open(), Err(RootError::Replaced(_))));
        assert!(root.open_or_accept(|_| false).is_err());
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(place.path().join("moved"), &path).unwrap();
        assert!(root.open().is_ok(), "it is the same folder, however one gets there");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        root.open_or_accept(|_| true).unwrap();
        assert!(root.open().is_ok());
    }
}
