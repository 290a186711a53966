//! An open folder. Everything below it is opened from the folder's descriptor, one name after the
//! other, and no symbolic link is followed: a planted link never leads to another file.
//!
//! The path of the folder itself comes from the user and may lead through links.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags, fstat, openat, openat2,
        statat, statx,
    },
    io::Errno,
};

use super::stamp::Stamp;

/// Set once the kernel or a sandbox refuses `openat2`. From then on we walk step by step.
static WALK: AtomicBool = AtomicBool::new(false);

/// An open folder in which files are opened.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

/// Identifies a folder, whatever path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The number of the file system.
    pub device: u64,
    /// The folder's inode number in it.
    pub inode: u64,
}

/// Identifies the mount that a folder lies on. A bind mount has the same device as the file system
/// it shows, so the mount number is compared too, if the kernel reports it (Linux 5.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount {
    device: u64,
    mount: Option<u64>,
}

/// What lies under a name. Links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a socket, a device or the like. It is never opened.
    Other,
}

impl Folder {
    /// Opens the folder itself. Links in its path are followed, because the user named it.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = match openat(CWD, path, flags | OFlags::RDONLY, Mode::empty()) {
            // A folder that may be entered but not listed still has files that may be opened.
            Err(Errno::ACCESS) => openat(CWD, path, flags | OFlags::PATH, Mode::empty())?,
            opened => opened?,
        };
        Ok(Folder { path: path.to_owned(), handle })
    }

    /// The path by which the folder was opened, for messages and comparison only.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of this folder.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn identity(&self) -> io::Result<Identity> {
        let stamp = self.stamp()?;
        Ok(Identity { device: stamp.device, inode: stamp.inode })
    }

    /// The stamp of the folder itself. It changes when a name comes into the folder, leaves it, or
    /// is replaced; not when a file in it is written to.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&fstat(&self.handle)?))
    }

    /// The mount that the folder lies on.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn mount(&self) -> io::Result<Mount> {
        let told = statx(&self.handle, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok();
        let told = told.filter(|told| told.stx_mask & StatxFlags::MNT_ID.bits() != 0);
        let device = self.identity()?.device;
        Ok(Mount { device, mount: told.map(|told| told.stx_mnt_id) })
    }

    /// Opens a folder below this one. `path` has only normal components; an empty path is this
    /// folder.
    ///
    /// # Errors
    /// Any error of the system; `InvalidInput` if a link or something else is in the way.
    pub fn folder(&self, path: &Path) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match path.as_os_str().is_empty() {
            true => self.handle.try_clone()?,
            false => self.open_below(path, flags)?,
        };
        Ok(Folder { path: self.path.join(path), handle })
    }

    /// Opens a regular file for reading. `path` has only normal components.
    ///
    /// # Errors
    /// Any error of the system; `InvalidInput` if `path` is a link or not a regular file.
    pub fn file(&self, path: &Path) -> io::Result<File> {
        // A FIFO must not block us before we see that it is one.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(self.open_below(path, flags)?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(not_regular()),
        }
    }

    /// What lies under a path, without following links, and its stamp.
    ///
    /// # Errors
    /// Any error of the system; `InvalidInput` if a link or something else is in the way.
    pub fn look(&self, path: &Path) -> io::Result<(Kind, Stamp)> {
        let stat = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if parent.as_os_str().is_empty() && is_normal(path) => {
                statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?
            }
            (Some(parent), Some(name)) => {
                let parent = self.folder(parent)?;
                statat(&parent.handle, name, AtFlags::SYMLINK_NOFOLLOW)?
            }
            _ => return Err(not_regular()),
        };
        Ok((Kind::of(&stat), Stamp::of(&stat)))
    }

    /// Whether `name` is a symbolic link directly in this folder.
    pub fn is_link(&self, name: &OsStr) -> bool {
        let found = is_normal(Path::new(name)).then(|| statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW));
        found.is_some_and(|found| {
            found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
        })
    }

    /// The entries of the folder, in any order.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn entries(&self) -> io::Result<Entries> {
        Ok(Entries(Dir::read_from(&self.handle)?))
    }

    /// The current path of the folder, as the kernel reports it for the open descriptor.
    ///
    /// # Errors
    /// If `/proc` is missing.
    pub fn real_path(&self) -> io::Result<PathBuf> {
        std::fs::read_link(format!("/proc/self/fd/{}", self.handle.as_raw_fd()))
    }

    /// The folder's descriptor.
    pub(super) fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    fn open_below(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        if !is_normal(path) {
            return Err(not_regular());
        }
        if !WALK.load(Ordering::Relaxed) {
            // One call, if the kernel can resolve a whole path without following links (Linux 5.6).
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match openat2(&self.handle, path, flags, Mode::empty(), resolve) {
                Err(Errno::NOSYS | Errno::PERM) => WALK.store(true, Ordering::Relaxed),
                opened => return opened.map_err(explain),
            }
        }
        self.walk(path, flags)
    }

    /// Opens with one call for each name.
    fn walk(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let mut folder: Option<OwnedFd> = None;
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let is_last = names.peek().is_none();
            let step = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let flags = if is_last { flags } else { step };
            let parent = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            let opened = openat(parent, name.as_os_str(), flags, Mode::empty()).map_err(explain)?;
            if is_last {
                return Ok(opened);
            }
            folder = Some(opened);
        }
        Err(not_regular())
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Kind {
    fn of(stat: &Stat) -> Kind {
        Kind::of_type(FileType::from_raw_mode(stat.st_mode))
    }

    fn of_type(kind: FileType) -> Kind {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        }
    }
}

/// Iterates over the entries of a folder.
#[derive(Debug)]
pub struct Entries(Dir);

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: OsString,
    /// What lies under the name. `None`: the file system did not tell.
    pub kind: Option<Kind>,
}

impl Iterator for Entries {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.0.read()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let kind = Some(entry.file_type()).filter(|&kind| kind != FileType::Unknown);
                let name = OsStr::from_bytes(name).to_owned();
                return Some(Ok(Entry { name, kind: kind.map(Kind::of_type) }));
            }
        }
    }
}

/// Whether a path is not empty and only leads down.
fn is_normal(path: &Path) -> bool {
    let mut names = path.components();
    !path.as_os_str().is_empty() && names.all(|name| matches!(name, Component::Normal(_)))
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file or folder")
}

/// Maps the errors that say that a link, a file or a socket is in the way.
fn explain(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO | Errno::XDEV => not_regular(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, AtomicU32},
        thread,
    };

    use super::*;

    #[test]
    fn only_regular_files_reached_without_links_are_opened() {
        let outer = tempfile::TempDir::new().unwrap();
        let below = outer.path().join("shared/a");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("file"), "inside").unwrap();
        fs::write(outer.path().join("secret"), "outside").unwrap();
        symlink(outer.path(), below.join("up")).unwrap();
        symlink("file", below.join("alias")).unwrap();
        // No process writes to the FIFO: a plain open for reading would block for ever.
        let fifo = std::process::Command::new("mkfifo").arg(below.join("fifo")).status().unwrap();
        assert!(fifo.success());

        let folder = Folder::open(&outer.path().join("shared")).unwrap();
        let mut text = String::new();
        let mut file = folder.file(Path::new("a/file")).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        let refused = [
            "a",
            "a/alias",
            "a/up/secret",
            "a/fifo",
            "a/file/x",
            "../secret",
            "a/../../secret",
            "/etc/passwd",
            "",
        ];
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for path in refused {
            let error = folder.file(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
            // Walking name by name refuses what the single call refuses.
            let walked =
                Some(Path::new(path)).filter(|path| is_normal(path)).map(|path| folder.walk(path, flags));
            let is_file = |handle: OwnedFd| File::from(handle).metadata().is_ok_and(|data| data.is_file());
            assert!(!walked.is_some_and(|walked| walked.is_ok_and(is_file)), "{path}");
        }
        assert!(folder.folder(Path::new("a/up")).is_err());
        assert_eq!(folder.look(Path::new("a/alias")).unwrap().0, Kind::Other);
        assert!(folder.look(Path::new("a/up/secret")).is_err());
        let absent = folder.file(Path::new("a/absent")).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }

    /// One thread swaps a folder for a link to a secret folder and back, as fast as it can. The
    /// other thread opens files meanwhile.
    #[test]
    fn a_folder_swapped_for_a_link_thousands_of_times_never_leads_outside() {
        /// Number of swaps. Each opens a few windows for the race.
        const SWAPS: u32 = 5_000;
        let outer = tempfile::TempDir::new().unwrap();
        let (root, secret) = (outer.path().join("root"), outer.path().join("secret"));
        for folder in [&root.join("upload"), &secret] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("upload/file"), "inside").unwrap();
        fs::write(secret.join("file"), "outside").unwrap();
        symlink(&secret, root.join("link")).unwrap();
        let (ended, opened) = (AtomicBool::new(false), AtomicU32::new(0));
        let folder = Folder::open(&root).unwrap();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..SWAPS {
                    rustix::fs::renameat_with(
                        CWD,
                        root.join("link"),
                        CWD,
                        root.join("upload"),
                        rustix::fs::RenameFlags::EXCHANGE,
                    )
                    .unwrap();
                }
                ended.store(true, Ordering::Relaxed);
            });
            while !ended.load(Ordering::Relaxed) {
                let path = Path::new("upload/file");
                for file in [folder.file(path).ok(), folder.walk(path, flags).ok().map(File::from)] {
                    let Some(mut file) = file else { continue };
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "inside");
                    opened.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert!(opened.load(Ordering::Relaxed) > 0, "the folder was there half of the time");
    }
}
