//! Runs of one piece on their way to the disk: hashed one by one, then proven and stored together.

use std::sync::{Arc, Mutex, PoisonError};

use nearcast_core::{
    input::RunFailure,
    layout::RunIndex,
    merkle::{self, HashedRun, UnprovenPiece, VerifiedRun},
    message::Refusal,
    saturate::to_u32,
};
use tokio::sync::OwnedSemaphorePermit;

use super::plan::{Due, Part};
use crate::{
    events::{ContentEvent, LinkId, RunEvent, TaskEvent},
    exchange::fetch::Tools,
    store::{Store, StoreError},
};

/// A piece whose runs are coming in. The job with the last run proves and stores them all.
pub(super) struct PieceInHand {
    link: LinkId,
    part: Part,
    came: Mutex<Vec<HashedRun<Vec<u8>>>>,
    /// Permit for the bytes of the piece, returned when they are stored or dropped.
    _bytes: OwnedSemaphorePermit,
}

impl PieceInHand {
    pub(super) fn new(link: LinkId, part: Part, bytes: OwnedSemaphorePermit) -> Arc<PieceInHand> {
        Arc::new(PieceInHand { link, part, came: Mutex::default(), _bytes: bytes })
    }

    /// Takes in a run that came whole. Blocks: it hashes, and with the last run it also writes.
    /// Returns the events to report.
    pub(super) fn take_in(&self, tools: &Tools, run: RunIndex, buffer: Vec<u8>) -> Vec<TaskEvent> {
        let bytes = to_u32(buffer.len());
        let Ok(hashed) = merkle::hash_run(tools.manifest.layout(), run, buffer) else {
            // This cannot happen: the lane reads as many bytes as the layout says.
            return self.all_failed(RunFailure::NotStored { bytes });
        };
        let runs = {
            let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
            came.push(hashed);
            if came.len() < self.part.runs.len() {
                return Vec::new();
            }
            std::mem::take(&mut *came)
        };
        self.prove(tools, runs)
    }

    fn prove(&self, tools: &Tools, runs: Vec<HashedRun<Vec<u8>>>) -> Vec<TaskEvent> {
        let piece = self.part.piece;
        let known = tools.store.known_tree(piece);
        match merkle::verify_piece(&tools.manifest, piece, &known, runs) {
            Ok(verified) => self.store(tools, verified),
            Err((why, runs)) => {
                runs.into_iter().for_each(|run| tools.buffers.give(run.into_bytes()));
                match why {
                    UnprovenPiece::Corrupt(_) => self.corrupt(tools),
                    // A run of the piece that we held was lost meanwhile. The engine asks for the
                    // piece anew.
                    UnprovenPiece::Incomplete(_) => self.all_failed(RunFailure::Refused(Refusal::Busy)),
                }
            }
        }
    }

    /// One report of corruption is enough; it ends all other requests to this seed.
    fn corrupt(&self, tools: &Tools) -> Vec<TaskEvent> {
        let bytes = to_u32(self.part.bytes(tools.manifest.layout()));
        let failed = |due: &Due| self.failed(due, RunFailure::Corrupt { bytes });
        self.part.runs.first().map(failed).into_iter().collect()
    }

    fn store(&self, tools: &Tools, verified: Vec<VerifiedRun<Vec<u8>>>) -> Vec<TaskEvent> {
        let (link, mut events) = (self.link, Vec::with_capacity(verified.len()));
        for run in verified {
            let request = self.request(run.run());
            match tools.store.put(&run) {
                Ok(_) => events.push(RunEvent::Stored { link, request, run: run.run() }.into()),
                Err(error) => events.extend(self.not_stored(request, to_u32(run.bytes().len()), error)),
            }
            tools.buffers.give(run.into_bytes());
        }
        events
    }

    fn not_stored(&self, request: u32, bytes: u32, error: StoreError) -> [TaskEvent; 2] {
        let (link, cause) = (self.link, RunFailure::NotStored { bytes });
        [
            ContentEvent::StoreFailed { content: link.content, error }.into(),
            RunEvent::Failed { link, request, cause }.into(),
        ]
    }

    fn request(&self, run: RunIndex) -> u32 {
        let due = self.part.runs.iter().find(|due| due.run == run);
        due.map_or(u32::MAX, |due| due.request)
    }

    fn failed(&self, due: &Due, cause: RunFailure) -> TaskEvent {
        RunEvent::Failed { link: self.link, request: due.request, cause }.into()
    }

    pub(super) fn all_failed(&self, cause: RunFailure) -> Vec<TaskEvent> {
        self.part.runs.iter().map(|due| self.failed(due, cause)).collect()
    }
}
