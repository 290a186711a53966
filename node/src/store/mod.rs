//! Where runs lie: written when verified, made durable in batches, verified again before they leave.
//!
//! Everything here is synchronous. A disk call blocks whatever it is wrapped in; an async face would
//! only hide on which thread. So stores block, say so, and are called from [`worker`] threads, which
//! are few and counted, never from the tasks that move the network.
//!
//! Order of durability: data -> fdatasync -> have-map. The have-map on disk may lag the data, never
//! lead it.

mod alike;
pub(crate) mod check;
mod checkpoint;
pub(crate) mod disk;
pub(crate) mod files;
mod findings;
pub(crate) mod folder;
mod held;
mod held_open;
pub(crate) mod journal;
mod lru;
pub(crate) mod made;
pub(crate) mod medium;
#[cfg(test)]
mod memory;
mod names;
pub(crate) mod open;
mod opening;
pub(crate) mod receipt;
pub(crate) mod resume;
mod rights;
pub(crate) mod room;
mod salvage;
mod seen;
mod standing;
pub(crate) mod worker;

#[cfg(test)]
mod faulty;
#[cfg(any(test, feature = "fuzzing"))]
#[allow(clippy::unwrap_used, reason = "built for tests and fuzz targets only")]
#[cfg_attr(not(test), allow(dead_code, reason = "tests use all of it, fuzz targets a part"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use nearcast_core::{id::Hash, layout::RunIndex, merkle::VerifiedRun, run_set::RunSet};
use rustix::io::Errno;

pub(crate) use self::{
    disk::DiskStore,
    open::{Opened, Target},
    resume::saved_manifest,
    worker::Workers,
};

/// Runs of one content, whatever keeps them. Every call blocks until it is done.
pub(crate) trait Store: Send + Sync {
    /// Keeps a run; not durable before the next good [`Store::checkpoint`].
    ///
    /// # Errors
    /// Nothing is kept; the same run may be put again.
    fn put<B: AsRef<[u8]>>(&self, run: &VerifiedRun<B>) -> Result<Stored, StoreError>;

    /// Reads a run into `buffer` (its old content goes) and answers its proof: the siblings from the
    /// run's root up to its piece's hash, lowest first.
    ///
    /// # Errors
    /// `buffer` then holds nothing that may be sent.
    fn get(&self, run: RunIndex, buffer: &mut Vec<u8>) -> Result<Vec<Hash>, StoreError>;

    /// Makes durable what was put so far.
    ///
    /// # Errors
    /// If what is durable could not be written down; everything stays held, and the next call tries again.
    fn checkpoint(&self) -> Result<Durable, StoreError>;

    /// Runs that can be had.
    fn have(&self) -> RunSet;

    /// Runs that survive a crash.
    fn durable(&self) -> RunSet;
}

/// What became of a run that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It was written.
    Written,
    /// It was held already, and nothing was written.
    Known,
}

/// What a checkpoint achieved.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Runs that became durable.
    pub(crate) runs: u32,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Files that are complete now and carry their own name.
    pub(crate) files: u32,
    /// Runs that may not have reached the disk: no longer held, to be fetched again.
    pub(crate) lost: Vec<RunIndex>,
    /// Why they were lost.
    pub(crate) failure: Option<StoreError>,
}

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It does not hold the run.
    #[error("this run is not held")]
    Missing,
    /// The bytes on disk are not what was written. These runs are no longer held, to be fetched again.
    #[error("stored data of {} does not match its hash any more", path.display())]
    Rotten {
        /// The file.
        path: PathBuf,
        /// All runs given up: a piece of which only the whole hash is known goes as a whole.
        lost: Vec<RunIndex>,
    },
    /// Somebody wrote to a whole file of ours, or took it away. It is his, and left as it is.
    #[error("{} was changed by somebody else since it was complete", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
        /// All runs that it does not hold, and will not.
        lost: Vec<RunIndex>,
    },
    /// What lies under a file's own name was put there or changed meanwhile, and is kept.
    #[error("{} was put there or changed during the download", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// Where the new one is, whole.
        new: PathBuf,
    },
    /// Disk or quota is full, but for what is left to others. Nothing is lost; try again when there is room.
    #[error("no space left for {}: {source}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// What an error of the system means to a store.
    pub(crate) fn from_io(path: PathBuf, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path, source },
            io::ErrorKind::FileTooLarge => StoreError::Io { path, source: too_large() },
            _ => StoreError::Io { path, source },
        }
    }

    /// The process, not the disk, lacks something at the moment: the data is as good as before.
    pub(crate) fn is_passing(&self) -> bool {
        let StoreError::Io { source, .. } = self else { return false };
        matches!(Errno::from_io_error(source), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR))
    }
}

/// In place of "File too large (os error 27)".
fn too_large() -> io::Error {
    let why =
        "a file may not become that large here; look at ulimit -f, and at what the file system can hold";
    io::Error::new(io::ErrorKind::FileTooLarge, why)
}

/// A panic of another thread while it held the lock says nothing about the next one's work: each
/// critical section here leaves its data whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
