//! Writes small files so that each is either whole or not there. A file is written beside its place
//! under an unguessable name, made durable, and renamed. A program that watches the folder never
//! sees half a file.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, renameat, syncfs, unlinkat};

use super::folder::{Folder, Kind};

/// How the temporary names of files begin and end.
const TEMPORARY_BEGINS: &str = ".nearcast-";
const TEMPORARY_ENDS: &str = ".tmp";
/// 64 random bits, in hexadecimal.
const TEMPORARY_DIGITS: usize = 16;
/// Tries to find a free temporary name. A taken name of 64 random bits means that somebody tampers
/// with the folder.
const TRIES_MAX: u32 = 8;
/// Up to this many files are made durable one by one. For more, one call writes the whole file
/// system, which costs about as much as a few files.
const FSYNCS_MAX: usize = 16;
/// A younger temporary file may be in use by another process.
const LEFTOVER_AGE_MIN: Duration = Duration::from_secs(600);

/// Writes a file beside its place and renames it, durably. An existing file is replaced. An
/// existing link is replaced itself; its target stays as it is.
///
/// # Errors
/// Any error of the system. The existing file is then still there.
pub fn replace_file(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::open(parent.unwrap_or(Path::new(".")))?;
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    folder.replace_file(name, bytes)
}

impl Folder {
    /// Like [`replace_file`], in this folder.
    ///
    /// # Errors
    /// Any error of the system. The existing file is then still there.
    pub fn replace_file(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let written = self.replace_files(&[(name.to_owned(), bytes.to_vec())]);
        written.into_iter().next().unwrap_or(Ok(()))
    }

    /// Like [`Folder::replace_file`] for many files at once, which costs little more than one.
    /// Returns the outcome of each file, in order.
    pub fn replace_files(&self, files: &[(OsString, Vec<u8>)]) -> Vec<io::Result<()>> {
        let one_by_one = files.len() <= FSYNCS_MAX;
        let written: Vec<_> =
            files.iter().map(|(_, bytes)| self.write_temporary(bytes, one_by_one)).collect();
        let durable = if one_by_one { Ok(()) } else { syncfs(self.handle()) };
        let rename = |(written, (name, _)): (io::Result<OsString>, &(OsString, Vec<u8>))| {
            let temporary = written?;
            let handle = self.handle();
            durable.and_then(|()| renameat(handle, &temporary, handle, name)).map_err(|error| {
                self.discard(&temporary);
                io::Error::from(error)
            })
        };
        let renamed: Vec<io::Result<()>> = written.into_iter().zip(files).map(rename).collect();
        if renamed.iter().any(Result::is_ok) {
            // Some file systems have nothing to sync in a folder, and return an error. After any
            // error, the files still have their names. A power failure may undo the renames; then
            // the files are written anew.
            let _ = fsync(self.handle());
        }
        renamed
    }

    /// Checks whether `bytes` bytes could be written now. Leaves nothing behind.
    ///
    /// # Errors
    /// If we may not write to the folder, or there is no room.
    pub fn check_room(&self, bytes: u64) -> io::Result<()> {
        let (temporary, file) = self.make_temporary()?;
        let reserve = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes.max(1));
        self.discard(&temporary);
        match reserve {
            // Some file systems cannot reserve room. They report a full disk only when it is
            // written.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => Ok(()),
            reserved => Ok(reserved?),
        }
    }

    /// Removes temporary files that a killed process left: files of our user, under names that only
    /// we use, not written to for a while. Returns how many were removed.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn remove_leftovers(&self, now: SystemTime) -> io::Result<usize> {
        let mut removed = 0;
        let names = self.entries()?.filter_map(|entry| Some(entry.ok()?.name));
        for name in names.filter(|name| is_temporary(name)) {
            let Ok((Kind::File, stamp)) = self.look(Path::new(&name)) else { continue };
            let age = now.duration_since(stamp.modified_at()).unwrap_or_default();
            let is_ours = stamp.owner == rustix::process::geteuid().as_raw();
            if is_ours && age >= LEFTOVER_AGE_MIN && unlinkat(self.handle(), &name, AtFlags::empty()).is_ok()
            {
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn write_temporary(&self, bytes: &[u8], durable: bool) -> io::Result<OsString> {
        let (name, mut file) = self.make_temporary()?;
        let written = file.write_all(bytes).and_then(|()| if durable { file.sync_all() } else { Ok(()) });
        match written {
            Ok(()) => Ok(name),
            Err(error) => {
                self.discard(&name);
                Err(error)
            }
        }
    }

    /// Makes a new temporary file. It never opens an existing file, nor the target of a planted
    /// link.
    fn make_temporary(&self) -> io::Result<(OsString, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..TRIES_MAX {
            let random = getrandom::u64().map_err(io::Error::other)?;
            let name = OsString::from(format!("{TEMPORARY_BEGINS}{random:016x}{TEMPORARY_ENDS}"));
            match openat(self.handle(), &name, flags, Mode::from_raw_mode(0o666)) {
                Ok(file) => return Ok((name, File::from(file))),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn discard(&self, name: &OsStr) {
        // Report the earlier error, not this one.
        let _ = unlinkat(self.handle(), name, AtFlags::empty());
    }
}

/// Whether a name is one of our temporary names, of today or of the first releases
/// (`.NAME.torrent.PID.tmp`).
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let Some(inner) = name.to_str().and_then(|name| name.strip_suffix(TEMPORARY_ENDS)) else { return false };
    if let Some(digits) = inner.strip_prefix(TEMPORARY_BEGINS) {
        return digits.len() == TEMPORARY_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    }
    let Some((torrent, process)) = inner.rsplit_once('.') else { return false };
    let is_number = !process.is_empty() && process.bytes().all(|digit| digit.is_ascii_digit());
    is_number && torrent.starts_with('.') && torrent.ends_with(".torrent")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_link_at_the_place_is_replaced_and_what_it_leads_to_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let (root, victim) = (place.path().join("root"), place.path().join("victim"));
        fs::create_dir(&root).unwrap();
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, root.join("film.torrent")).unwrap();
        // The first releases would have opened this link.
        symlink(&victim, root.join(format!(".film.torrent.{}.tmp", std::process::id()))).unwrap();
        replace_file(&root.join("film.torrent"), b"new").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::symlink_metadata(root.join("film.torrent")).unwrap().is_file());
        assert_eq!(fs::read(root.join("film.torrent")).unwrap(), b"new");
    }

    #[test]
    fn many_files_are_written_as_one_and_each_failure_is_its_own() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        fs::create_dir(root.path().join("7")).unwrap();
        fs::write(root.path().join("7/file"), "x").unwrap();
        let files: Vec<_> = (0..100).map(|n: u32| (n.to_string().into(), n.to_le_bytes().to_vec())).collect();
        let written = folder.replace_files(&files);
        let failed: Vec<usize> = (0..100).filter(|&n| written[n].is_err()).collect();
        assert_eq!(failed, [7], "a folder is not replaced by a file");
        assert_eq!(fs::read(root.path().join("99")).unwrap(), 99u32.to_le_bytes());
        assert_eq!(names(root.path()).len(), 100, "no temporary file stays");
        assert!(folder.check_room(1 << 20).is_ok());
        assert!(folder.check_room(u64::MAX / 4).is_err(), "no disk has that much room");
        assert_eq!(names(root.path()).len(), 100, "asking leaves nothing");
    }

    #[test]
    fn only_old_leftovers_of_ours_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let victim = root.path().join("victim");
        fs::write(&victim, "x").unwrap();
        let ours = [".nearcast-0123456789abcdef.tmp", ".film.torrent.4711.tmp"];
        let others = [".nearcast-short.tmp", ".film.torrent.x.tmp", "film.torrent.4711.tmp", ".nearcast-x"];
        for name in ours.iter().chain(&others) {
            fs::write(root.path().join(name), "x").unwrap();
        }
        symlink(&victim, root.path().join(".nearcast-00000000000000ff.tmp")).unwrap();
        fs::create_dir(root.path().join(".nearcast-00000000000000fe.tmp")).unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let now = SystemTime::now();
        assert_eq!(folder.remove_leftovers(now).unwrap(), 0, "they may be in use");
        assert_eq!(folder.remove_leftovers(now + 2 * LEFTOVER_AGE_MIN).unwrap(), 2);
        assert_eq!(names(root.path()).len(), others.len() + 3);
        assert_eq!(fs::read(&victim).unwrap(), b"x");
    }
}
