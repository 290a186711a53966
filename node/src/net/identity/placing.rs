//! Creates a file under a name that must be free, on any file system.
//!
//! Invariant: an existing file is never replaced, not even if two processes create it at the same
//! moment.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::exposure::Exposure;

/// How a completely written file gets its name, if that name is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A hard link. NFS has links, and lacks the next way.
    Link,
    /// A rename that replaces nothing. FAT and exFAT have this, and lack links.
    Rename,
    /// Writing the file in place, where others may see it half written. Every file system has this.
    Write,
}

/// The ways, best first. The next way is tried only where the file system lacks the one before.
pub(super) const WAYS: [Way; 3] = [Way::Link, Way::Rename, Way::Write];

/// Writes a file that only its owner can read. Afterwards either the whole file is there, or none.
pub(super) fn write_new(path: &Path, bytes: &[u8], ways: &[Way]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let temporary = folder.join(format!(".nearcast-key-{:016x}", u64::from_le_bytes(number)));
    let placed = write_private(&temporary, bytes)
        .and_then(|()| place(&temporary, path, bytes, ways))
        .and_then(|()| sync_folder(&folder));
    match fs::remove_file(&temporary) {
        // The temporary file was renamed, or never made.
        Err(error) if error.kind() == io::ErrorKind::NotFound => placed,
        removed => placed.and(removed),
    }
}

fn place(temporary: &Path, path: &Path, bytes: &[u8], ways: &[Way]) -> io::Result<()> {
    let mut lacking = io::ErrorKind::Unsupported.into();
    for way in ways {
        let placed = match way {
            Way::Link => fs::hard_link(temporary, path),
            Way::Rename => {
                renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE).map_err(Into::into)
            }
            Way::Write => write_private(path, bytes),
        };
        match placed {
            Err(error) if lacks(&error) => lacking = error,
            placed => return placed,
        }
    }
    Err(lacking)
}

/// Whether the file system lacks an operation. FAT returns EPERM, others EOPNOTSUPP, ENOSYS,
/// EINVAL, or EMLINK.
fn lacks(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL, Errno::MLINK].map(Some).contains(&errno)
}

/// Creates a file that only its owner can read. If it cannot be written completely, it is removed
/// again.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let written =
        check_private(&file, path).and_then(|()| file.write_all(bytes)).and_then(|()| file.sync_all());
    if written.is_err() {
        // The first error is the one to return.
        let _ = fs::remove_file(path);
    }
    written
}

/// Checks the permissions before the file has a secret in it: some file systems keep no
/// permissions, and let everybody read every file.
fn check_private(file: &File, path: &Path) -> io::Result<()> {
    match Exposure::of(&file.metadata()?) {
        Exposure::Others => Err(io::Error::other(format!(
            "the disk with {} keeps no permissions, and everybody could read the key: mount it with umask=077, or \
             name another place",
            path.display()
        ))),
        Exposure::None | Exposure::Group => Ok(()),
    }
}

/// Syncs a folder. Some network file systems cannot do this, and need not.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if lacks(&error) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_writes_the_whole_file_privately_and_replaces_none() {
        for way in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            write_new(&path, b"secret", &[way]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"secret", "{way:?}");
            assert_eq!(Exposure::of(&fs::metadata(&path).unwrap()), Exposure::None, "{way:?}");
            let again = write_new(&path, b"another", &[way]).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{way:?}");
            assert_eq!(fs::read(&path).unwrap(), b"secret", "{way:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{way:?}: nothing else is left");
        }
    }

    #[test]
    fn of_several_at_the_same_moment_one_wins_whatever_the_way() {
        for way in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            let won = std::thread::scope(|scope| {
                let path = &path;
                let starters: Vec<_> = (0..8u8)
                    .map(|number| scope.spawn(move || write_new(path, &[number; 64], &[way])))
                    .collect();
                let ended = starters.into_iter().map(|starter| starter.join().unwrap());
                ended.filter(Result::is_ok).count()
            });
            assert_eq!(won, 1, "{way:?}");
            assert_eq!(fs::read(&path).unwrap().len(), 64, "{way:?}");
        }
    }

    #[test]
    fn only_a_missing_operation_leads_to_the_next_way() {
        for errno in [Errno::PERM, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL, Errno::MLINK] {
            assert!(lacks(&errno.into()), "{errno}");
        }
        for errno in [Errno::EXIST, Errno::NOSPC, Errno::ACCESS, Errno::ROFS, Errno::NOENT] {
            assert!(!lacks(&errno.into()), "{errno}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(write_new(&folder.path().join("key"), b"secret", &[]).is_err(), "no way is left");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
