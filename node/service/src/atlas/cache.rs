//! The cache of the last good atlas of one key, on disk.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use nearcast_core::{
    atlas::{ATLAS_BYTES_MAX, Atlas},
    signature::PublisherKey,
};
use nearcast_node::{
    atlas::{self, AtlasFileError},
    publish::replace_file,
};

use super::age::{Age, Today};
use crate::state::make_private_folder;

/// Where the last good atlas of one key lies. Files are named by key, as an atlas of another key is
/// not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    name: String,
}

/// An atlas cannot be stored. The atlas stored before stays.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct CacheError {
    path: PathBuf,
    source: io::Error,
}

impl Cache {
    /// A cache in this folder. Reads and writes nothing yet.
    pub fn new(folder: PathBuf, key: &PublisherKey) -> Cache {
        let name = key.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Cache { folder, name }
    }

    /// The user's cache folder. `None`: the environment names no home.
    pub fn users_folder() -> Option<PathBuf> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(cache.join("nearcast").join("atlas"))
    }

    /// The path of the cached atlas.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.atlas", self.name))
    }

    /// The folder to which newer atlases are downloaded. It stays between runs, so that a download
    /// continues where it stopped.
    pub(super) fn fetching(&self) -> PathBuf {
        self.folder.join(format!("{}.fetching", self.name))
    }

    /// The last good atlas. `None`: there is none. Blocks.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged. Treat this as no atlas; the next good one replaces
    /// the file.
    pub fn load(&self) -> Result<Option<Arc<Atlas>>, AtlasFileError> {
        match atlas::load(&self.path()) {
            Ok(atlas) => Ok(Some(atlas)),
            Err(AtlasFileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores an atlas, unless an equally new or newer one is stored already, for example by
    /// another process. A stored atlas dated ahead of our clock does not count. Blocks.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn store(&self, bytes: &[u8], version: u64) -> Result<(), CacheError> {
        let today = Today::now();
        let counts = |kept: &Atlas| !matches!(today.age(kept.version()), Age::Ahead(_));
        if matches!(self.load(), Ok(Some(kept)) if kept.version() >= version && counts(&kept)) {
            return Ok(());
        }
        let path = self.path();
        let written = make_private_folder(&self.folder).and_then(|()| replace_file(&path, bytes));
        written.map_err(|source| CacheError { path, source })
    }

    /// Makes the download folder.
    pub(super) fn make_fetching(&self) -> Result<PathBuf, CacheError> {
        let path = self.fetching();
        match make_private_folder(&path) {
            Ok(()) => Ok(path),
            Err(source) => Err(CacheError { path, source }),
        }
    }

    /// Removes leftovers of earlier downloads, except files whose name contains `kept`. A file that
    /// cannot be removed does no harm.
    pub(super) fn remove_others(&self, kept: &str) {
        for entry in fs::read_dir(self.fetching()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_str().is_none_or(|name| !name.contains(kept)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// The bytes of a downloaded file, at most one more than an atlas may have.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(ATLAS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use nearcast_core::atlas::AtlasBuilder;

    use super::*;

    #[test]
    fn what_is_kept_is_only_replaced_by_newer_and_belongs_to_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("to/be/made"), &PublisherKey([1; 32]));
        assert!(cache.load().unwrap().is_none());
        for (version, kept) in [(7, 7), (6, 7), (9, 9)] {
            cache.store(&AtlasBuilder::new(version).build().encode(), version).unwrap();
            assert_eq!(cache.load().unwrap().unwrap().version(), kept);
        }
        let other = Cache::new(folder.path().join("to/be/made"), &PublisherKey([2; 32]));
        assert!(other.load().unwrap().is_none());
    }

    #[test]
    fn one_that_is_dated_ahead_of_our_clock_keeps_no_other_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), &PublisherKey([1; 32]));
        let ahead = u64::MAX / 2;
        for version in [ahead, 7] {
            cache.store(&AtlasBuilder::new(version).build().encode(), version).unwrap();
            assert_eq!(cache.load().unwrap().unwrap().version(), version);
        }
    }

    #[test]
    fn a_damaged_file_is_said_and_replaced_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned(), &PublisherKey([1; 32]));
        let bytes = AtlasBuilder::new(7).build().encode();
        fs::write(cache.path(), &bytes[..bytes.len() - 1]).unwrap();
        assert!(cache.load().unwrap_err().to_string().contains(".atlas"));
        cache.store(&bytes, 7).unwrap();
        assert_eq!(cache.load().unwrap().unwrap().version(), 7);
    }
}
