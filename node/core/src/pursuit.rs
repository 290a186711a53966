//! What only matters while something is missing: patience, and who was asked for the manifest.

use std::time::Duration;

use crate::{id::PeerKey, output::GiveUp, time::Timestamp};

/// A content that is not whole yet.
#[derive(Debug)]
pub(crate) struct Pursuit {
    /// The last sign that somebody has what we want.
    pub(crate) alive: Timestamp,
    patience: Duration,
    /// Who was asked for the manifest.
    pub(crate) manifest_from: Option<PeerKey>,
    pub(crate) ever_linked: bool,
}

impl Pursuit {
    pub(crate) fn new(now: Timestamp, patience: Duration) -> Pursuit {
        Pursuit { alive: now, patience, manifest_from: None, ever_linked: false }
    }

    /// What was whole and rotted is pursued for ever: its owner has been told that it is there.
    pub(crate) fn of_repair(now: Timestamp) -> Pursuit {
        Pursuit { ever_linked: true, ..Pursuit::new(now, Duration::MAX) }
    }

    /// When patience ends, if nothing happens before.
    pub(crate) fn end(&self) -> Timestamp {
        self.alive + self.patience
    }

    /// What to say when it has ended; `received` bytes came.
    pub(crate) fn verdict(&self, received: u64) -> GiveUp {
        match (self.ever_linked, received) {
            (false, 0) => GiveUp::Unreachable,
            (true, 0) => GiveUp::NotFound,
            _ => GiveUp::Silent,
        }
    }
}
