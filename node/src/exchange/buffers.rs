//! Buffers of one run's size, used again and again: fresh memory costs more than the copy into it.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers kept while nobody uses them: 8 MiB of whole runs.
const IDLE_MAX: usize = 32;

/// A pool. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// An empty buffer, with room if one lay ready.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn give(&self, mut buffer: Vec<u8>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            buffer.clear();
            idle.push(buffer);
        }
    }
}
