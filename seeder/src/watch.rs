//! Notifications of changes in folders (inotify), where the system has them. They only shorten the
//! wait for the next look: a notification may be lost, and nothing depends on it.
//!
//! A folder is watched by its descriptor, never by its path: a planted link has nothing else
//! watched. Each look names every folder again, and what it does not name is watched no longer. So
//! folders that come, go, or are replaced need no account of their own.

use std::{
    collections::BTreeSet,
    io, mem,
    os::fd::{AsFd, AsRawFd},
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use tokio::net::unix::pipe;

/// Buffer for some events at a time. Their content is ignored.
const EVENTS_BYTES: usize = 4096;

/// The folders that are watched.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Not a pipe, but read like one.
    handle: pipe::Receiver,
    /// The numbers of the watches that the last look has left.
    watched: BTreeSet<i32>,
    /// The numbers of those that the look in progress has named.
    named: BTreeSet<i32>,
    /// Folders that this look could not have watched, and the first reason.
    refused: Option<(usize, io::Error)>,
    /// Whether the log has told that folders cannot be watched.
    said: bool,
}

impl Watch {
    /// Watches nothing yet. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the system does not tell of changes, for example because its number of watching programs
    /// is limited.
    pub(crate) fn new() -> io::Result<Watch> {
        let handle = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let handle = pipe::Receiver::from_owned_fd_unchecked(handle)?;
        Ok(Watch { handle, watched: BTreeSet::new(), named: BTreeSet::new(), refused: None, said: false })
    }

    /// Watches a folder from now on, but not the folders in it. If it is watched already, it stays
    /// so.
    pub(crate) fn add(&mut self, folder: &impl AsFd) {
        // A file that is written to all the time would report nothing else, so MODIFY is missing:
        // what is written to is noticed once it is closed.
        let changes = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            // A file that others may read from now on.
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let path = format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd());
        match inotify::add_watch(&self.handle, path, changes) {
            Ok(number) => {
                self.named.insert(number);
            }
            Err(error) => self.refused.get_or_insert_with(|| (0, error.into())).0 += 1,
        }
    }

    /// Ends a look: what it has not named is watched no longer.
    pub(crate) fn end_look(&mut self) {
        for number in self.watched.difference(&self.named) {
            // The watch of a removed folder has gone with it.
            let _ = inotify::remove_watch(&self.handle, *number);
        }
        self.watched = mem::take(&mut self.named);
        let Some((refused, error)) = self.refused.take() else { return };
        if mem::replace(&mut self.said, true) {
            return;
        }
        let limit = match error.raw_os_error() == Some(Errno::NOSPC.raw_os_error()) {
            true => "the limit is fs.inotify.max_user_watches".to_owned(),
            false => error.to_string(),
        };
        tracing::info!(
            "the system does not tell of changes in {refused} of {} folders ({limit}); there they are found by looking",
            refused + self.watched.len()
        );
    }

    /// Resolves when something has changed.
    ///
    /// # Errors
    /// If no further change will be reported.
    pub(crate) async fn changed(&self) -> io::Result<()> {
        self.handle.readable().await?;
        let mut events = [0; EVENTS_BYTES];
        loop {
            match self.handle.try_read(&mut events) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::PermissionsExt,
        path::Path,
        time::Duration,
    };

    use super::*;

    /// A look that names these folders.
    fn look(watch: &mut Watch, folders: &[&Path]) {
        for folder in folders {
            watch.add(&File::open(folder).unwrap());
        }
        watch.end_look();
    }

    async fn wait(watch: &Watch) {
        tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.unwrap().unwrap();
    }

    async fn assert_quiet(watch: &Watch) {
        assert!(tokio::time::timeout(Duration::from_millis(20), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn what_happens_in_a_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = Watch::new().unwrap();
        look(&mut watch, &[folder.path()]);
        assert_quiet(&watch).await;
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        wait(&watch).await;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        wait(&watch).await;
        fs::rename(&file, folder.path().join("other")).unwrap();
        wait(&watch).await;
        fs::remove_file(folder.path().join("other")).unwrap();
        wait(&watch).await;
    }

    #[tokio::test]
    async fn a_folder_is_watched_for_as_long_as_looks_name_it() {
        let outer = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| outer.path().join(name));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&two).unwrap();
        let mut watch = Watch::new().unwrap();
        look(&mut watch, &[&one]);
        fs::write(two.join("file"), "x").unwrap();
        assert_quiet(&watch).await;
        look(&mut watch, &[&one, &two]);
        look(&mut watch, &[&one, &two]);
        assert_eq!(watch.watched.len(), 2, "once each");
        fs::write(two.join("file"), "y").unwrap();
        wait(&watch).await;
        look(&mut watch, &[&one]);
        // That a watch has ended is told, too.
        wait(&watch).await;
        fs::write(two.join("file"), "z").unwrap();
        assert_quiet(&watch).await;
    }

    #[tokio::test]
    async fn another_folder_in_the_place_of_one_that_was_moved_is_watched_instead() {
        let outer = tempfile::tempdir().unwrap();
        let [path, moved] = ["path", "moved"].map(|name| outer.path().join(name));
        fs::create_dir(&path).unwrap();
        let mut watch = Watch::new().unwrap();
        look(&mut watch, &[&path]);
        fs::rename(&path, &moved).unwrap();
        wait(&watch).await;
        fs::create_dir(&path).unwrap();
        look(&mut watch, &[&path]);
        wait(&watch).await;
        fs::write(moved.join("file"), "x").unwrap();
        assert_quiet(&watch).await;
        fs::write(path.join("file"), "x").unwrap();
        wait(&watch).await;
    }

    #[tokio::test]
    async fn what_cannot_be_watched_is_counted_and_the_rest_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(&File::open(&file).unwrap());
        assert!(matches!(&watch.refused, Some((1, error)) if error.kind() == io::ErrorKind::NotADirectory));
        look(&mut watch, &[folder.path()]);
        assert!(watch.said && watch.refused.is_none());
        fs::write(&file, "y").unwrap();
        wait(&watch).await;
    }
}
