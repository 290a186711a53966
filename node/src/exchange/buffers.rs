//! Buffers of one run's size, used again and again: fresh memory costs more than the copy into it.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers kept while nobody uses them: 4 MiB of whole runs.
const IDLE_MAX: usize = 16;

/// A pool. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// A buffer, with room if one lay ready. It holds what its last user left there: who fills it gives it its length,
    /// who appends clears it. (Cleared for everybody, a quarter of a megabyte would be zeroed for every run.)
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(buffer);
        }
    }
}
