//! Notifications of changes directly in a folder (inotify), where the system has them. They only
//! shorten the wait for the next look: a notification may be lost, and nothing depends on it.

use std::{io, path::Path};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::net::unix::pipe;

/// Buffer for some events at a time. Their content is ignored.
const EVENTS_BYTES: usize = 4096;

/// A watched folder.
pub(crate) struct Watch {
    /// Not a pipe, but read like one.
    handle: pipe::Receiver,
}

impl Watch {
    /// Watches a folder. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// If the system cannot watch it, for example because its number of watches is limited.
    pub(crate) fn on(folder: &Path) -> io::Result<Watch> {
        let handle = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let changes = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&handle, folder, changes)?;
        Ok(Watch { handle: pipe::Receiver::from_owned_fd_unchecked(handle)? })
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
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_new_file_and_its_end_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::on(folder.path()).unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(20), watch.changed()).await;
        assert!(nothing.is_err(), "nothing was changed yet");
        for name in ["a", "b"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
            tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.unwrap().unwrap();
        }
        assert!(Watch::on(&folder.path().join("absent")).is_err());
    }
}
