//! The folder whose contents are served. It is opened anew for each look, so that an operator can unmount it, and
//! known again by what it is: another folder under its path means that a file system went away, or that somebody
//! put a link there.

use std::{
    io,
    path::{Path, PathBuf},
};

use nearcast_node::publish::{Folder, Identity};

/// The root, by its path and by what was found there.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
    known: Option<Identity>,
}

/// The root cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It is not there, or not readable.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The root.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another folder is there.
    #[error("{} is not the folder it was; is its file system not mounted?", .0.display())]
    Replaced(PathBuf),
}

impl Root {
    /// Of this path, which may lead through links; whatever is there first is the root.
    pub fn new(path: PathBuf) -> Root {
        Root { path, known: None }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, if it is the folder it was.
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

    /// Opens it; if it is another folder than before, `accepts` says whether it is the root from now on.
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
