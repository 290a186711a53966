//! A folder that is never left. Names come from manifests, that is, from strangers. So no step
//! below the folder follows a symbolic link, and only regular files are opened.
//!
//! The path of the folder itself comes from the user and may lead through links.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{
        Access, AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Stat,
        accessat, fstat, fstatvfs, mkdirat, openat, openat2, renameat, renameat_with, statat, unlinkat,
    },
    io::Errno,
};

use nearcast_core::paths::PATH_DEPTH_MAX;

use super::{made::Identity, rights::Rights, room::Free};

/// Set once the kernel or a sandbox refuses `openat2`. From then on we walk step by step.
static WALK: AtomicBool = AtomicBool::new(false);

/// Levels of folders below one that is removed, at most. No content has deeper ones.
const TREE_DEPTH_MAX: usize = PATH_DEPTH_MAX;

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// What lies under a name. Links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A regular file.
    File(FileStamp),
    /// A folder, a link, a socket or the like. It is never opened and never replaced.
    Other,
}

/// Tells whether a file changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileStamp {
    /// Length, in bytes.
    pub(crate) bytes: u64,
    /// Last change of the data, in nanoseconds since 1970. Wraps at 64 bits; equality still holds.
    pub(crate) modified_ns: i64,
    /// Last change of anything, including the name. The system sets this time, and no program can
    /// set it back.
    pub(crate) changed_ns: i64,
    /// The file's inode number in its file system.
    pub(crate) inode: u64,
    /// The number of the file system.
    pub(crate) device: u64,
}

impl FileStamp {
    // The widths of these fields differ from one platform to the next.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    fn of(stat: &Stat) -> FileStamp {
        FileStamp {
            bytes: stat.st_size as u64,
            modified_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
        }
    }

    /// Whether nobody wrote to the file since it was `before`. Its name or rights may have changed.
    pub(crate) fn is_written_as(&self, before: &FileStamp) -> bool {
        FileStamp { changed_ns: before.changed_ns, ..*self } == *before
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
}

impl Folder {
    /// Opens a folder that exists.
    pub(crate) fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Folder { fd: openat(CWD, path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// Opens a folder. Makes it and its parents if it is not there.
    pub(crate) fn create(path: &Path) -> io::Result<Folder> {
        std::fs::create_dir_all(path).map_err(|error| match error.kind() {
            // "File exists" would say the opposite of what is wrong.
            io::ErrorKind::AlreadyExists => {
                io::Error::new(io::ErrorKind::NotADirectory, "it is no folder, and leads to none")
            }
            _ => error,
        })?;
        Folder::open(path)
    }

    /// The path under which the folder was opened, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder `inside`. An empty path opens this folder.
    pub(crate) fn folder(&self, inside: &[&str]) -> io::Result<Folder> {
        Ok(Folder { fd: self.descend(inside, false)?, path: self.join(inside) })
    }

    /// Like [`Folder::folder`], but makes the folders that are not there.
    pub(crate) fn make_folder(&self, inside: &[&str]) -> io::Result<Folder> {
        let path = self.join(inside);
        let fd = match self.descend(inside, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.descend(inside, true)?,
            other => other?,
        };
        Ok(Folder { fd, path })
    }

    /// What lies under `name`.
    pub(crate) fn find(&self, name: &str) -> io::Result<Found> {
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => {
                Ok(Found::File(FileStamp::of(&stat)))
            }
            Ok(_) => Ok(Found::Other),
            Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the regular file `name` for reading, and for writing if asked.
    pub(crate) fn open_file(&self, name: &str, writable: bool) -> io::Result<File> {
        let access = if writable { OFlags::RDWR } else { OFlags::RDONLY };
        self.open_regular(name, access)
    }

    /// Opens the regular file `name` for reading and writing. Makes it if it is not there.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlags::RDWR | OFlags::CREATE)
    }

    /// Makes the file `name`. It is an error if something lies there already.
    pub(crate) fn create_new_file(&self, name: &str) -> io::Result<File> {
        self.open_regular(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)
    }

    /// Whether we may write to the file `name`. False also if its mode lets nobody write, the owner
    /// included.
    pub(crate) fn is_writable(&self, name: &str) -> io::Result<bool> {
        let stat = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let open_to_somebody =
            Mode::from_raw_mode(stat.st_mode).intersects(Mode::WUSR | Mode::WGRP | Mode::WOTH);
        Ok(open_to_somebody && self.may(name, Access::WRITE_OK)?)
    }

    /// Owner, group and mode of the file `name`.
    pub(crate) fn rights(&self, name: &str) -> io::Result<Rights> {
        Ok(Rights::of(&statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The device and inode of the folder.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        let stat = fstat(&self.fd)?;
        Ok(Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
    }

    /// Whether we may make and rename files in this folder.
    pub(crate) fn takes_files(&self) -> io::Result<bool> {
        self.may(".", Access::WRITE_OK | Access::EXEC_OK)
    }

    fn may(&self, name: &str, access: Access) -> io::Result<bool> {
        match accessat(&self.fd, name, access, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How full the disk is. `None`: the disk does not say.
    pub(crate) fn free(&self) -> io::Result<Option<Free>> {
        let disk = fstatvfs(&self.fd)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        let free = Free { disk_bytes: bytes(disk.f_blocks), free_bytes: bytes(disk.f_bavail) };
        Ok(Some(free).filter(|free| free.disk_bytes > 0))
    }

    fn open_regular(&self, name: &str, flags: OFlags) -> io::Result<File> {
        // NONBLOCK: opening a planted FIFO must not block. The flag has no effect on regular files.
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = openat(&self.fd, name, flags, Mode::from_raw_mode(0o666)).map_err(explain)?;
        if !FileType::from_raw_mode(fstat(&fd)?.st_mode).is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(File::from(fd))
    }

    /// Renames a file inside this folder. It is an error if something lies under `to`; nothing is
    /// replaced.
    pub(crate) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            other => return Ok(other?),
        }
        if self.find(to)? != Found::Nothing {
            return Err(Errno::EXIST.into());
        }
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Renames a file inside this folder over the file `to`, if that is still `original`. A write
    /// to `to` between our look and our rename is not lost: the two files change places first, and
    /// then the old file is checked.
    pub(crate) fn swap(&self, from: &str, to: &str, original: &FileStamp) -> io::Result<()> {
        let exchange = || renameat_with(&self.fd, from, &self.fd, to, RenameFlags::EXCHANGE);
        match exchange() {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => return self.rename_over(from, to),
            other => other?,
        }
        // The exchange itself changes the change time of the file, but not its data.
        if matches!(self.find(from)?, Found::File(now) if now.is_written_as(original)) {
            if let Err(error) = self.remove_file(from) {
                tracing::warn!(%error, path = %self.path.join(from).display(), "the old version of a file stays");
            }
            return Ok(());
        }
        exchange()?;
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Renames a file inside this folder. Replaces whatever file lies under `to`.
    pub(crate) fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file. No error if it is gone already.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        gone(unlinkat(&self.fd, name, AtFlags::empty()))
    }

    /// Removes an empty folder. No error if it is gone already.
    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        gone(unlinkat(&self.fd, name, AtFlags::REMOVEDIR))
    }

    /// Removes a folder with everything in it. Follows no link. No error if it is gone already.
    pub(crate) fn remove_tree(&self, name: &str) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => empty(&fd, TREE_DEPTH_MAX)?,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(explain(error)),
        }
        self.remove_folder(name)
    }

    /// Makes names in this folder durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // Some file systems have nothing to sync in a folder, and return this error.
            Err(Errno::INVAL) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the whole file system durable: one call, where thousands of small files would need a
    /// call each.
    pub(crate) fn sync_file_system(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.fd)?)
    }

    /// Takes the folder's lock for as long as the folder is open. False: another holder has the
    /// lock.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.fd, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            // Some file systems have no locks; some network file systems have none for folders.
            // Then nobody holds one.
            Err(error @ (Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::BADF)) => {
                tracing::debug!(%error, folder = %self.path.display(), "this file system knows no locks");
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the folder still lies under `name` in `parent`.
    pub(crate) fn is_in(&self, parent: &Folder, name: &str) -> io::Result<bool> {
        let ours = fstat(&self.fd)?;
        match statat(&parent.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn join(&self, inside: &[&str]) -> PathBuf {
        inside.iter().fold(self.path.clone(), |path, part| path.join(part))
    }

    fn descend(&self, inside: &[&str], make: bool) -> io::Result<OwnedFd> {
        if inside.is_empty() {
            return self.fd.try_clone();
        }
        if !make && !WALK.load(Ordering::Relaxed) {
            match self.jump(inside) {
                Err(Errno::NOSYS | Errno::PERM) => WALK.store(true, Ordering::Relaxed),
                other => return other.map_err(explain),
            }
        }
        self.walk(inside, make)
    }

    /// Descends in one call, if the kernel can resolve a path without following links (Linux 5.6).
    fn jump(&self, inside: &[&str]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.fd, inside.join("/"), flags, Mode::empty(), resolve)
    }

    /// Descends with one call a step.
    fn walk(&self, inside: &[&str], make: bool) -> io::Result<OwnedFd> {
        let mut fd = self.fd.try_clone()?;
        for part in inside {
            if make {
                match mkdirat(&fd, *part, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            fd = openat(&fd, *part, flags, Mode::empty()).map_err(explain)?;
        }
        Ok(fd)
    }
}

/// Removes everything in a folder.
fn empty(folder: &OwnedFd, depth_left: usize) -> io::Result<()> {
    let entries: Result<Vec<_>, Errno> = Dir::read_from(folder)?.collect();
    for entry in entries? {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            // `EISDIR` is what Linux returns for a folder, `EPERM` what other systems return.
            Err(Errno::ISDIR | Errno::PERM) if depth_left > 0 => {}
            other => {
                gone(other)?;
                continue;
            }
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        empty(&openat(folder, name, flags, Mode::empty())?, depth_left - 1)?;
        gone(unlinkat(folder, name, AtFlags::REMOVEDIR))?;
    }
    Ok(())
}

fn gone(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The kernel reports a link that we refuse as "too many levels of symbolic links". Say what it
/// means here.
fn explain(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => io::Error::other("there is a symbolic link in the way, and links are not followed"),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_step_below_the_folder_follows_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "theirs").unwrap();
        symlink(outside.path(), temp.path().join("link")).unwrap();
        symlink(outside.path().join("file"), temp.path().join("file")).unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        assert!(folder.folder(&["link"]).is_err());
        assert!(folder.walk(&["link"], false).is_err());
        assert!(folder.make_folder(&["link", "deeper"]).is_err());
        assert!(folder.open_file("file", true).is_err());
        assert!(folder.create_file("file").is_err());
        assert_eq!(folder.find("file").unwrap(), Found::Other);
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn both_ways_down_reach_the_same_folder() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        folder.make_folder(&["a", "b", "c"]).unwrap();
        folder.folder(&["a", "b"]).unwrap().create_file("x").unwrap();
        let walked = Folder { fd: folder.walk(&["a", "b"], false).unwrap(), path: PathBuf::new() };
        assert!(matches!(walked.find("x").unwrap(), Found::File(_)));
        assert!(folder.folder(&["a", "nothing"]).is_err());
    }

    #[test]
    fn a_rename_never_replaces_what_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        std::fs::write(temp.path().join("a"), "a").unwrap();
        std::fs::write(temp.path().join("b"), "b").unwrap();
        assert!(folder.rename_new("a", "b").is_err());
        folder.remove_file("b").unwrap();
        folder.remove_file("b").unwrap();
        folder.rename_new("a", "b").unwrap();
        assert_eq!(std::fs::read(temp.path().join("b")).unwrap(), b"a");
    }

    #[test]
    fn who_writes_to_a_file_in_the_moment_before_it_is_replaced_loses_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let (new, own) = (temp.path().join("new"), temp.path().join("own"));
        std::fs::write(&new, "new").unwrap();
        std::fs::write(&own, "old").unwrap();
        let look = || match folder.find("own").unwrap() {
            Found::File(stamp) => stamp,
            other => panic!("{other:?}"),
        };
        let original = look();
        std::fs::write(&own, "edited").unwrap();
        let error = folder.swap("new", "own", &original).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&own).unwrap(), b"edited");
        assert_eq!(std::fs::read(&new).unwrap(), b"new");
        // An editor that saves by renaming.
        let original = look();
        std::fs::write(temp.path().join("saved"), "edited").unwrap();
        std::fs::rename(temp.path().join("saved"), &own).unwrap();
        folder.swap("new", "own", &original).unwrap_err();
        folder.swap("new", "own", &look()).unwrap();
        assert_eq!(std::fs::read(&own).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_fifo_is_refused_and_does_not_block() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path()).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(&folder.fd, "fifo", FileType::Fifo, mode, 0).unwrap();
        assert!(folder.open_file("fifo", false).is_err());
    }
}
