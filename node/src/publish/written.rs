//! Writing small files so that they are whole or not there: beside their place, under a name nobody can guess,
//! made durable, and renamed. Whoever watches the folder never sees half of one.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, renameat, syncfs, unlinkat};

use super::folder::{Folder, Kind};

/// How the names begin and end under which files are written before they have their own.
const TEMPORARY_BEGINS: &str = ".nearcast-";
const TEMPORARY_ENDS: &str = ".tmp";
/// 64 random bits, in hexadecimal.
const TEMPORARY_DIGITS: usize = 16;
/// Before it is given up: another file having a name of 64 random bits means that somebody plays with us.
const TRIES_MAX: u32 = 8;
/// Up to so many files are made durable one by one. For more, one call has the whole file system written, which
/// costs about as much as a few files do.
const FSYNCS_MAX: usize = 16;
/// What is younger may be in use by another process.
const LEFTOVER_AGE_MIN: Duration = Duration::from_secs(600);

/// Writes a file beside its place and renames it, durably. What was there is replaced, and if it is a link, the
/// link is, not what it leads to.
///
/// # Errors
/// What the system said; then what was there still is.
pub fn replace_file(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Folder::open(parent.unwrap_or(Path::new(".")))?;
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    folder.replace_file(name, bytes)
}

impl Folder {
    /// As [`replace_file`], in this folder.
    ///
    /// # Errors
    /// What the system said; then what was there still is.
    pub fn replace_file(&self, name: &OsStr, bytes: &[u8]) -> io::Result<()> {
        let written = self.replace_files(&[(name.to_owned(), bytes.to_vec())]);
        written.into_iter().next().unwrap_or(Ok(()))
    }

    /// The same for many files at once, which costs little more than one. What became of each, in their order.
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
            // Some file systems have nothing to sync in a folder, and say it so. Whatever else they say, the files
            // have their names; a power failure may take the names, and then they are written anew.
            let _ = fsync(self.handle());
        }
        renamed
    }

    /// Asks whether `bytes` could be written now, without leaving anything.
    ///
    /// # Errors
    /// Why not: the folder is not ours to write to, or there is no room.
    pub fn check_room(&self, bytes: u64) -> io::Result<()> {
        let (temporary, file) = self.make_temporary()?;
        let reserve = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes.max(1));
        self.discard(&temporary);
        match reserve {
            // Not every file system can reserve; they say so when it is written.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => Ok(()),
            reserved => Ok(reserved?),
        }
    }

    /// Removes what a process that was killed left: files of our user, under names that only we give, that nobody
    /// wrote to for a while. How many there were.
    ///
    /// # Errors
    /// When the folder cannot be read.
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

    /// A file of its own: neither one that is there nor what a planted link leads to.
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
        // What led here is the error to tell.
        let _ = unlinkat(self.handle(), name, AtFlags::empty());
    }
}

/// Whether a name is one that we give to a file before it has its own, today or in the first releases
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
        // What the first releases would have opened.
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
