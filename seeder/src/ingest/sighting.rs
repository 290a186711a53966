//! What a file or folder looks like from outside, to tell whether it changes.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

/// Entries below one folder that are looked at; a larger one is not published anyway.
const ENTRIES_MAX: usize = 600_000;
/// Folders in folders.
const DEPTH_MAX: usize = 100;

/// Equal sightings mean that nothing was changed in between, as far as names, sizes and times tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Names, numbers, sizes and times of all files, each counted once in no order.
    fingerprint: u64,
    files: usize,
    /// Something in it is called as unfinished things are.
    unfinished: bool,
    /// When its newest file was changed.
    pub(super) modified: SystemTime,
}

impl Sighting {
    /// There is something to publish, and nothing in it says that more is to come.
    pub(super) fn is_finished(&self) -> bool {
        self.files > 0 && !self.unfinished
    }

    fn add(&mut self, path: &Path, data: &Metadata) {
        let mut hasher = DefaultHasher::new();
        (path, data.ino(), data.len(), data.mtime(), data.mtime_nsec()).hash(&mut hasher);
        // A sum, as folders are read in any order.
        self.fingerprint = self.fingerprint.wrapping_add(hasher.finish());
        self.files += 1;
        self.unfinished |= path.file_name().is_some_and(super::looks_unfinished);
        self.modified = data.modified().map_or(self.modified, |modified| modified.max(self.modified));
    }
}

/// Looks at a file, or everything in a folder, without following links; none if it is neither.
pub(super) fn sight(path: &Path) -> Option<Sighting> {
    let data = fs::symlink_metadata(path).ok()?;
    let mut sighting =
        Sighting { fingerprint: 0, files: 0, unfinished: false, modified: SystemTime::UNIX_EPOCH };
    if data.is_file() {
        sighting.add(path, &data);
    } else if data.is_dir() {
        let mut left = ENTRIES_MAX;
        let mut folders = vec![(path.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs::read_dir(folder).ok()?.flatten() {
                left = left.checked_sub(1)?;
                let Ok(data) = entry.metadata() else { continue };
                if data.is_file() {
                    sighting.add(&entry.path(), &data);
                } else if data.is_dir() && depth < DEPTH_MAX {
                    folders.push((entry.path(), depth + 1));
                }
            }
        }
    } else {
        return None;
    }
    Some(sighting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_file_below_is_seen_and_reading_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let file = folder.path().join("a/b/c");
        fs::write(&file, "one").unwrap();
        let first = sight(folder.path()).unwrap();
        assert!(first.is_finished());
        fs::read(&file).unwrap();
        assert_eq!(sight(folder.path()).unwrap(), first);
        fs::write(&file, "four").unwrap();
        let longer = sight(folder.path()).unwrap();
        assert_ne!(longer, first);
        fs::rename(&file, folder.path().join("a/c")).unwrap();
        assert_ne!(sight(folder.path()).unwrap(), longer, "a name is part of it");
        fs::write(folder.path().join("a/more.part"), "").unwrap();
        assert!(!sight(folder.path()).unwrap().is_finished());
    }

    #[test]
    fn empty_folders_and_special_files_are_nothing_to_publish() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!sight(folder.path()).unwrap().is_finished());
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        assert_eq!(sight(&folder.path().join("socket")), None);
        assert!(sight(&folder.path().join("absent")).is_none());
    }
}
