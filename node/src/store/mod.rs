//! Where runs are stored. A run is written once verified, made durable in batches, and verified
//! again before it leaves.
//!
//! Everything here is synchronous. A disk call blocks in any wrapping; an async interface would
//! only hide which thread blocks. So stores block, say so, and are called only from [`worker`]
//! threads, which are few and counted, never from the tasks that move the network.
//!
//! Order of durability: data -> fdatasync -> have-map. The have-map on disk may lag the data, but
//! never leads it.

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
    seen::Whereabouts,
    worker::Workers,
};

/// Stores the runs of one content. Every call blocks until it is done.
pub(crate) trait Store: Send + Sync {
    /// Stores a run. It is durable after the next successful [`Store::checkpoint`].
    ///
    /// # Errors
    /// Nothing is stored; the same run may be put again.
    fn put<B: AsRef<[u8]>>(&self, run: &VerifiedRun<B>) -> Result<Stored, StoreError>;

    /// Reads a run into `buffer`, replacing its content, and returns the run's proof: the siblings
    /// from the run's root up to its piece's hash, lowest first.
    ///
    /// # Errors
    /// After an error, `buffer` holds nothing that may be sent.
    fn get(&self, run: RunIndex, buffer: &mut Vec<u8>) -> Result<Vec<Hash>, StoreError>;

    /// Makes durable what was put so far.
    ///
    /// # Errors
    /// If the record of what is durable could not be written. All runs stay held, and the next call
    /// tries again.
    fn checkpoint(&self) -> Result<Durable, StoreError>;

    /// Runs that can be read.
    fn have(&self) -> RunSet;

    /// Runs that survive a crash.
    fn durable(&self) -> RunSet;
}

/// Outcome of putting a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The run was written.
    Written,
    /// The run was held already, and nothing was written.
    Known,
}

/// What a checkpoint achieved.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    /// Runs that became durable.
    pub(crate) runs: u32,
    /// Bytes of these runs.
    pub(crate) bytes: u64,
    /// Files that became complete and got their own name.
    pub(crate) files: u32,
    /// Runs that may not have reached the disk. They are no longer held, and are fetched again.
    pub(crate) lost: Vec<RunIndex>,
    /// Why the runs were lost.
    pub(crate) failure: Option<StoreError>,
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The store does not hold the run.
    #[error("this run is not held")]
    Missing,
    /// The bytes on disk are not what was written. The lost runs are no longer held, and are
    /// fetched again.
    #[error("stored data of {} does not match its hash any more", path.display())]
    Rotten {
        /// The file.
        path: PathBuf,
        /// All runs given up. If only the hash of the whole piece is known, all runs of the piece
        /// are given up.
        lost: Vec<RunIndex>,
    },
    /// Another program wrote to a whole file of ours, or removed it. The file is the user's now and
    /// left as it is.
    #[error("{} was changed by somebody else since it was complete", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
        /// All runs that the file does not hold, and never will.
        lost: Vec<RunIndex>,
    },
    /// The file under the own name was put there or changed during the download. It is kept.
    #[error("{} was put there or changed during the download", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
        /// The path of the new, whole file.
        new: PathBuf,
    },
    /// The disk or quota is full, except for the reserve left to others. Nothing is lost; try again
    /// when there is room.
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
    /// Turns a system error into a store error.
    pub(crate) fn from_io(path: PathBuf, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path, source },
            io::ErrorKind::FileTooLarge => StoreError::Io { path, source: too_large() },
            _ => StoreError::Io { path, source },
        }
    }

    /// Whether the process, not the disk, lacks something at the moment. The data is as good as
    /// before.
    pub(crate) fn is_passing(&self) -> bool {
        let StoreError::Io { source, .. } = self else { return false };
        matches!(Errno::from_io_error(source), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR))
    }
}

/// Replaces the message "File too large (os error 27)".
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a file may not become that large here")
}

/// Locks a mutex even if another thread panicked while it held the lock: each critical section here
/// leaves its data whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
