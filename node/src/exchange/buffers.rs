//! A pool of buffers of one run's size: fresh memory costs more than the copy into it.

use std::sync::{Arc, Mutex, PoisonError};

/// The most idle buffers kept: 4 MiB of whole runs.
const IDLE_MAX: usize = 16;

/// A pool. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// Takes a buffer from the pool, or an empty one without room. The buffer has the bytes of its
    /// last use: the user sets its length, or clears it before appending. (If the pool cleared it,
    /// a quarter of a megabyte would be zeroed for every run.)
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Returns a buffer to the pool.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(buffer);
        }
    }
}
