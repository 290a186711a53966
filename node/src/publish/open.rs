//! Opening files below a folder without following a symbolic link on the way, so that a link put
//! there by somebody else never leads to another file.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// A folder that files are opened in.
pub(super) struct Folder {
    path: PathBuf,
    handle: OwnedFd,
}

impl Folder {
    /// Opens the folder itself; here links are followed, the user named it.
    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Folder {
            path: path.to_owned(),
            handle: openat(CWD, path, flags, Mode::empty())?,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading. `path` has only normal components.
    ///
    /// # Errors
    /// Whatever the system says; `InvalidInput` if it is there but no regular file, or a link.
    pub(super) fn open_file(&self, path: &Path) -> io::Result<File> {
        let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        let mut folder: Option<OwnedFd> = None;
        let mut names = path.components().peekable();
        while let Some(name) = names.next() {
            let Component::Normal(name) = name else {
                return Err(no_file());
            };
            let is_last = names.peek().is_none();
            // A FIFO must not block us before we see that it is one.
            let kind = if is_last {
                OFlags::NONBLOCK
            } else {
                OFlags::DIRECTORY
            };
            let flags = kind | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let parent = folder.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            let opened = openat(parent, name, flags, Mode::empty()).map_err(|error| match error {
                rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR | rustix::io::Errno::NXIO => no_file(),
                other => other.into(),
            })?;
            if is_last {
                let file = File::from(opened);
                return match file.metadata()?.is_file() {
                    true => Ok(file),
                    false => Err(no_file()),
                };
            }
            folder = Some(opened);
        }
        Err(no_file())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read, os::unix::fs::symlink};

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
        // Nobody writes to it: opening it to read would block for ever.
        let fifo = std::process::Command::new("mkfifo")
            .arg(below.join("fifo"))
            .status()
            .unwrap();
        assert!(fifo.success());

        let folder = Folder::open(&outer.path().join("shared")).unwrap();
        let mut text = String::new();
        let mut file = folder.open_file(Path::new("a/file")).unwrap();
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
        for path in refused {
            let error = folder.open_file(Path::new(path)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        let absent = folder.open_file(Path::new("a/absent")).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
    }
}
