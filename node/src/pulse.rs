//! Whether the node's loop still runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The loop beats; clones read the age of the last beat.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    begun: Instant,
    /// The last beat, in milliseconds after `begun`.
    last_ms: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { begun: Instant::now(), last_ms: Arc::default() }
    }
}

impl Pulse {
    /// Notes that the loop ran.
    pub(crate) fn beat(&self) {
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    /// The time since the last beat.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms().saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    fn elapsed_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }
}
