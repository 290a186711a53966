//! MRT update files as a feed: each file is read once and applied, in order. In a folder, existing
//! files and new ones are read.

use nearcast_bgp::{
    feed::{BATCH_MAX, Feed, FeedKind, News, PeerNumbers, Tally, Told},
    mrt::MrtReader,
    packed::{self, Meter},
    rib::SessionId,
    route::Change,
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::feeds::sender::{Closed, FeedSender};
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::CancellationToken;

/// Time between two looks at folders. Collectors write a file every 5 or 15 minutes.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The most names of one folder taken in a look: the first ones in order after the last one read.
const NAMES_MAX: usize = 4_096;

/// A folder in which files appear, named by time as collectors do (`updates.20250101.0000.gz`).
/// They are read in the order of their names, each once.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The last name that was read; earlier names are ignored.
    last: Option<std::ffi::OsString>,
    /// The next file at the last look, and its length: it may still be written.
    next: Option<(PathBuf, u64)>,
}

/// All update files and folders.
#[derive(Debug)]
pub(crate) struct Updates {
    files: Vec<PathBuf>,
    folders: Vec<Folder>,
    desk: FeedSender,
    session: SessionId,
    reading: Reading,
    look_every: Duration,
}

/// The state that one file hands on to the next.
#[derive(Debug, Default)]
struct Reading {
    numbers: PeerNumbers,
    tally: Tally,
}

impl Updates {
    /// # Errors
    /// The path that is missing, with the error.
    pub(crate) fn new(paths: &[PathBuf], desk: FeedSender) -> Result<Updates, (PathBuf, io::Error)> {
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for path in paths {
            let failed = |error| (path.clone(), error);
            if std::fs::metadata(path).map_err(failed)?.is_dir() {
                std::fs::read_dir(path).map_err(failed)?;
                folders.push(Folder { path: path.clone(), last: None, next: None });
            } else {
                std::fs::File::open(path).map_err(failed)?;
                files.push(path.clone());
            }
        }
        let session = desk.open();
        Ok(Updates { files, folders, desk, session, reading: Reading::default(), look_every: LOOK_EVERY })
    }

    #[cfg(test)]
    pub(crate) fn looking_every(mut self, every: Duration) -> Updates {
        self.look_every = every;
        self
    }

    /// Reads until everything is read and there is no folder, or until `stop`. Routes from files
    /// count for good, as files do not end as connections do.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        // An error means that the keeper is gone; everything is about to end.
        let _ = stop.run_until_cancelled(self.read_all(&stop)).await;
    }

    async fn read_all(&mut self, stop: &CancellationToken) -> Result<(), Closed> {
        let of =
            [&self.files[..], &self.folders.iter().map(|folder| folder.path.clone()).collect::<Vec<_>>()]
                .concat();
        let names: Vec<String> = of.iter().map(|path| path.display().to_string()).collect();
        let feed = Feed::new(FeedKind::Updates, None, &names.join(", "));
        self.desk.tell(News::Begun(self.session, feed)).await?;
        for path in std::mem::take(&mut self.files) {
            self.read(path, stop).await?;
        }
        // Existing files were complete before we started.
        for at in 0..self.folders.len() {
            for path in self.folders[at].unread() {
                self.folders[at].last = path.file_name().map(Into::into);
                self.read(path, stop).await?;
            }
        }
        self.desk.tell(News::Synced(self.session)).await?;
        while !self.folders.is_empty() {
            tokio::time::sleep(self.look_every).await;
            for at in 0..self.folders.len() {
                while let Some(path) = self.folders[at].finished() {
                    self.read(path, stop).await?;
                }
            }
        }
        Ok(())
    }

    async fn read(&mut self, path: PathBuf, stop: &CancellationToken) -> Result<(), Closed> {
        let meter = Arc::new(Meter::default());
        let stopping = Arc::clone(&meter);
        // A thread reads the file; it ends soon after its reads fail.
        let watch = tokio::spawn({
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                stopping.cancel();
            }
        });
        let (desk, session) = (self.desk.clone(), self.session);
        let mut reading = std::mem::take(&mut self.reading);
        let done = spawn_blocking(move || {
            let outcome = reading.file(&path, &meter, session, &desk);
            if let Err(Failed::Unreadable(error)) = &outcome {
                tracing::warn!(
                    "updates cannot be read from {}: {error}; what was read before it counts",
                    path.display()
                );
            }
            (reading, outcome)
        });
        let (reading, outcome) = match done.await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime shuts down.
            Err(Err(_)) => return Err(Closed),
        };
        watch.abort();
        self.reading = reading;
        match outcome {
            Err(Failed::Closed(closed)) => Err(closed),
            Ok(()) | Err(Failed::Unreadable(_)) => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Unreadable(#[from] io::Error),
}

impl Reading {
    fn file(
        &mut self,
        path: &Path,
        meter: &Arc<Meter>,
        session: SessionId,
        desk: &FeedSender,
    ) -> Result<(), Failed> {
        let mut reader = MrtReader::new(packed::open(path, meter)?);
        let before = self.tally;
        loop {
            let mut told = Vec::with_capacity(BATCH_MAX);
            // Neither the files nor the parser are ours.
            let read = catch_unwind(AssertUnwindSafe(|| self.batch(&mut reader, &mut told)));
            let counts = reader.counts();
            self.tally.damaged = before.damaged.saturating_add(counts.damaged);
            let unusable = counts.unusable_paths.saturating_add(counts.too_short);
            self.tally.skipped = before.skipped.saturating_add(unusable);
            let last = match read {
                Ok(Ok(last)) => last,
                Ok(Err(error)) => {
                    desk.tell_blocking(News::Told(session, told, self.tally))?;
                    return Err(error.into());
                }
                Err(_) => {
                    self.tally.damaged = self.tally.damaged.saturating_add(1);
                    true
                }
            };
            desk.tell_blocking(News::Told(session, told, self.tally))?;
            if last {
                return Ok(());
            }
        }
    }

    /// Reads a batch. Returns whether the file is at its end.
    fn batch<R: io::Read>(&mut self, reader: &mut MrtReader<R>, told: &mut Vec<Told>) -> io::Result<bool> {
        while told.len() < BATCH_MAX {
            let Some(change) = reader.next() else { return Ok(true) };
            self.change(change?, told);
        }
        Ok(false)
    }

    fn change(&mut self, change: Change, told: &mut Vec<Told>) {
        self.tally.messages = self.tally.messages.saturating_add(1);
        match self.numbers.told(change) {
            Some(Told::Withdrawn { source, network, path_id }) => {
                self.tally.withdrawn = self.tally.withdrawn.saturating_add(1);
                told.push(Told::Withdrawn { source, network, path_id });
            }
            Some(other) => {
                self.tally.announced = self.tally.announced.saturating_add(1);
                told.push(other);
            }
            None => self.tally.skipped = self.tally.skipped.saturating_add(1),
        }
    }
}

impl Folder {
    /// Files that were not read yet, in the order of their names.
    fn unread(&self) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!("{} cannot be looked at for updates: {error}", self.path.display());
                return Vec::new();
            }
        };
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        let hidden = |name: &std::ffi::OsString| name.as_encoded_bytes().starts_with(b".");
        let mut fresh: Vec<_> =
            names.filter(|name| !hidden(name) && self.last.as_ref().is_none_or(|last| name > last)).collect();
        fresh.sort_unstable();
        fresh.truncate(NAMES_MAX);
        fresh.into_iter().map(|name| self.path.join(name)).filter(|path| path.is_file()).collect()
    }

    /// The next file, if nobody seems to write to it any more: its length is as at the last look,
    /// or a later file is there.
    fn finished(&mut self) -> Option<PathBuf> {
        let unread = self.unread();
        let next = unread.first()?;
        let length = std::fs::metadata(next).ok()?.len();
        let seen = (next.clone(), length);
        if unread.len() == 1 && self.next.as_ref() != Some(&seen) {
            self.next = Some(seen);
            return None;
        }
        self.next = None;
        self.last = next.file_name().map(Into::into);
        Some(seen.0)
    }
}

#[cfg(test)]
mod tests;
