//! What a file or folder looks like from outside, to detect changes.

use std::{
    convert::Infallible,
    ffi::OsStr,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    time::SystemTime,
};

use nearcast_node::publish::{Folder, Include, Kind, LeftOut, Reason, Seen, Stamp, is_state_folder, walk};

/// Two equal sightings mean that nothing to be published has changed in between, as far as names,
/// sizes, inode numbers and times tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// A hash of the names, inode numbers, sizes and times of all files, independent of their
    /// order.
    data: u64,
    /// As `data`, with the times of the last change of any kind. Nobody can set those back, but a
    /// change of mode or a new hard link changes them, too.
    exact: u64,
    files: usize,
    /// The size of all files, in bytes.
    pub(super) bytes: u64,
    /// Folders that cannot be read or are too deep.
    faults: usize,
    /// Number of entries left out.
    pub(super) left_out: u64,
    /// It contains a name that looks unfinished.
    pub(super) is_unfinished: bool,
    /// It contains the state folder of a download of ours.
    pub(super) is_downloading: bool,
    /// The file system of the entry itself.
    device: u64,
    /// The modification time of its newest file.
    pub(super) modified: SystemTime,
}

impl Sighting {
    /// The sighting of `name`, with everything below it; follows no link. `None`: it is neither a
    /// file nor a folder, or would not be published.
    pub(super) fn of(root: &Folder, name: &OsStr, include: Include) -> Option<Sighting> {
        let (kind, stamp) = root.look(Path::new(name)).ok()?;
        match include.leaves_out(name, kind, &stamp) {
            None => Sighting::of_known(root, name, include, kind, &stamp),
            Some(_) => None,
        }
    }

    /// As [`Sighting::of`], for an entry that was looked at already.
    pub(super) fn of_known(
        root: &Folder,
        name: &OsStr,
        include: Include,
        kind: Kind,
        stamp: &Stamp,
    ) -> Option<Sighting> {
        let mut sighting = Sighting {
            data: 0,
            exact: 0,
            files: 0,
            bytes: 0,
            faults: 0,
            left_out: 0,
            is_unfinished: false,
            is_downloading: false,
            device: stamp.device,
            modified: SystemTime::UNIX_EPOCH,
        };
        match kind {
            Kind::File => sighting.add(Path::new(name), stamp),
            Kind::Folder => {
                let mut take = |seen: Seen<'_>| -> Result<(), Infallible> {
                    sighting.take(root, &seen);
                    Ok(())
                };
                let Ok(()) = walk(root, Path::new(name), include, &mut take);
            }
            Kind::Other => return None,
        }
        Some(sighting)
    }

    /// Whether there is something to publish, or something to report as unreadable.
    pub(super) fn is_something(&self) -> bool {
        self.files > 0 || self.faults > 0
    }

    /// Whether the data is the same, as far as can be told without reading it. A change of mode
    /// does not count.
    pub(super) fn has_data_of(&self, other: &Sighting) -> bool {
        (self.data, self.files, self.faults) == (other.data, other.files, other.faults)
    }

    /// Whether the files are the same and in the same state: nobody touched them in between.
    pub(super) fn is_exactly(&self, other: &Sighting) -> bool {
        self.has_data_of(other) && self.exact == other.exact
    }

    /// Whether it is suddenly empty and on another file system: the file system of its files is
    /// gone.
    pub(super) fn has_vanished_since(&self, before: &Sighting) -> bool {
        !self.is_something() && before.is_something() && self.device != before.device
    }

    fn take(&mut self, root: &Folder, seen: &Seen<'_>) {
        match seen {
            Seen::File(path, stamp) => self.add(path, stamp),
            Seen::LeftOut(path, reason) => {
                self.left_out += 1;
                if *reason == Reason::Unfinished {
                    self.is_unfinished = true;
                    // If the unfinished file grows, its writer is still at work.
                    let mut hasher = DefaultHasher::new();
                    (path, root.look(path).ok().map(|(_, stamp)| stamp)).hash(&mut hasher);
                    self.count(0, hasher.finish());
                }
                self.is_downloading |= path.file_name().is_some_and(is_state_folder);
            }
            Seen::Unreadable(path, _) | Seen::TooDeep(path) | Seen::TooMany(path) => {
                let mut hasher = DefaultHasher::new();
                path.hash(&mut hasher);
                self.count(hasher.finish(), hasher.finish());
                self.faults += 1;
            }
        }
    }

    fn add(&mut self, path: &Path, stamp: &Stamp) {
        let mut hasher = DefaultHasher::new();
        (path, stamp.inode, stamp.bytes, stamp.modified).hash(&mut hasher);
        let data = hasher.finish();
        stamp.changed.hash(&mut hasher);
        self.count(data, hasher.finish());
        self.files += 1;
        self.bytes = self.bytes.saturating_add(stamp.bytes);
        self.modified = self.modified.max(stamp.modified_at());
    }

    /// Uses sums, as folders are read in any order.
    fn count(&mut self, data: u64, exact: u64) {
        self.data = self.data.wrapping_add(data);
        self.exact = self.exact.wrapping_add(exact);
    }
}

/// Counts an entry left out directly in the root. Unfinished entries there are only waited for.
pub(super) fn count_in_root(left_out: &mut LeftOut, reason: Reason) {
    if reason != Reason::Unfinished {
        left_out.count(reason);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn sight(folder: &Path) -> Option<Sighting> {
        let root = Folder::open(folder.parent().unwrap()).unwrap();
        Sighting::of(&root, folder.file_name().unwrap(), Include::default())
    }

    /// A folder `item` that others may read, unlike a temporary folder.
    fn item() -> (tempfile::TempDir, std::path::PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let item = outer.path().join("item");
        fs::create_dir(&item).unwrap();
        (outer, item)
    }

    #[test]
    fn every_change_of_a_file_below_is_seen_and_reading_is_none() {
        let (_outer, folder) = item();
        fs::create_dir_all(folder.join("a/b")).unwrap();
        let file = folder.join("a/b/c");
        fs::write(&file, "one").unwrap();
        let first = sight(&folder).unwrap();
        assert!(first.is_something());
        fs::read(&file).unwrap();
        assert_eq!(sight(&folder).unwrap(), first);
        fs::write(&file, "four").unwrap();
        let longer = sight(&folder).unwrap();
        assert!(!longer.has_data_of(&first));
        fs::rename(&file, folder.join("a/c")).unwrap();
        assert!(!sight(&folder).unwrap().has_data_of(&longer), "a name is part of it");
        fs::write(folder.join("a/more.part"), "").unwrap();
        assert!(sight(&folder).unwrap().is_unfinished);
        fs::create_dir(folder.join("a/.more.01234567.nearcast")).unwrap();
        assert!(sight(&folder).unwrap().is_downloading);
    }

    #[test]
    fn what_is_left_out_changes_nothing_but_the_count() {
        let (_outer, folder) = item();
        fs::write(folder.join("a"), "one").unwrap();
        let before = sight(&folder).unwrap();
        fs::create_dir(folder.join(".git")).unwrap();
        fs::write(folder.join(".git/config"), "x").unwrap();
        fs::write(folder.join("key"), "x").unwrap();
        fs::set_permissions(folder.join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let after = sight(&folder).unwrap();
        assert!(after.has_data_of(&before) && after.exact == before.exact);
        assert_eq!(after.left_out, 2);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(sight(&folder), None);
    }

    #[test]
    fn empty_folders_and_special_files_are_nothing_to_publish() {
        let (outer, folder) = item();
        assert!(!sight(&folder).unwrap().is_something());
        let _socket = std::os::unix::net::UnixListener::bind(outer.path().join("socket")).unwrap();
        assert_eq!(sight(&outer.path().join("socket")), None);
        assert_eq!(sight(&outer.path().join("absent")), None);
    }
}
