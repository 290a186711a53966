//! When the configuration was last read again, and whether it was accepted.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The result of the last reload. Before the first reload it counts as successful.
#[derive(Debug)]
pub struct Reloaded {
    /// When the service started, since 1970.
    started: Duration,
    began: Instant,
    failed: AtomicBool,
    /// When a reload last succeeded, in seconds of Unix time; 0: never.
    at: AtomicI64,
}

impl Default for Reloaded {
    /// The service starts now.
    fn default() -> Reloaded {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Reloaded { started, began: Instant::now(), failed: AtomicBool::default(), at: AtomicI64::default() }
    }
}

impl Reloaded {
    /// When the service started, since 1970.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// How long the service runs, independent of the wall clock.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Records a reload. `taken`: the configuration was accepted.
    pub fn note(&self, taken: bool) {
        self.failed.store(!taken, Relaxed);
        if taken {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.at.store(now.as_secs() as i64, Relaxed);
        }
    }

    /// Whether the configuration was valid at the last reload.
    pub fn successful(&self) -> bool {
        !self.failed.load(Relaxed)
    }

    /// When a reload last succeeded, in seconds of Unix time; 0: never.
    pub fn at(&self) -> i64 {
        self.at.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_that_failed_is_remembered_until_one_succeeds() {
        let reloaded = Reloaded::default();
        assert!(reloaded.successful());
        reloaded.note(false);
        assert!(!reloaded.successful());
        reloaded.note(true);
        assert!(reloaded.successful() && reloaded.at() > 1_600_000_000);
    }
}
