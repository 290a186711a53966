//! Tells whether a file changed, without reading it.

use std::{
    fs::File,
    io,
    time::{Duration, SystemTime},
};

use rustix::fs::{Stat, fstat};

/// Bits of a mode that let others read a file or folder, and enter a folder.
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;

/// The state of a file. Equal stamps mean that the file was neither written to nor replaced in
/// between: a program that writes to the file cannot set back the time of its last change of any
/// kind (`ctime`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The number of the file system.
    pub device: u64,
    /// The file's inode number in it.
    pub inode: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// When its data last changed: seconds since 1970, nanoseconds.
    pub modified: (i64, u32),
    /// When anything about it last changed, in the same form.
    pub changed: (i64, u32),
    /// Its type and permissions, as in `st_mode`.
    pub mode: u32,
    /// The user id of its owner.
    pub owner: u32,
}

impl Stamp {
    // The widths of these fields differ from one platform to the next.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    pub(super) fn of(stat: &Stat) -> Stamp {
        Stamp {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            bytes: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            mode: stat.st_mode as u32,
            owner: stat.st_uid as u32,
        }
    }

    /// The stamp of an open file.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn of_file(file: &File) -> io::Result<Stamp> {
        Ok(Stamp::of(&fstat(file)?))
    }

    /// When its data last changed.
    pub fn modified_at(&self) -> SystemTime {
        let (seconds, nanoseconds) = self.modified;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let second = match seconds {
            0.. => SystemTime::UNIX_EPOCH.checked_add(whole),
            _ => SystemTime::UNIX_EPOCH.checked_sub(whole),
        };
        // A time that the system cannot represent counts as 1970.
        let second = second.unwrap_or(SystemTime::UNIX_EPOCH);
        second.checked_add(Duration::from_nanos(nanoseconds.into())).unwrap_or(second)
    }

    /// Whether everybody on this machine may read this file.
    pub(super) fn is_file_for_all(&self) -> bool {
        self.mode & OTHERS_READ != 0
    }

    /// Whether everybody on this machine may list and enter this folder.
    pub(super) fn is_folder_for_all(&self) -> bool {
        self.mode & (OTHERS_READ | OTHERS_ENTER) == OTHERS_READ | OTHERS_ENTER
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_written_to_with_its_old_time_set_again_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let (before, modified) =
            (Stamp::of_file(&file).unwrap(), file.metadata().unwrap().modified().unwrap());
        assert_eq!(before.modified_at(), modified);
        // The clock of some file systems ticks only a hundred times a second: write until the
        // change shows.
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            fs::write(&path, "two").unwrap();
            file.set_modified(modified).unwrap();
            let after = Stamp::of_file(&file).unwrap();
            assert_eq!(
                (after.inode, after.bytes, after.modified),
                (before.inode, before.bytes, before.modified)
            );
            if after != before {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "a change was never seen");
        }
    }
}
