//! What becomes of runs that arrived: a worker verifies and stores them, and the driver is told.

use nearcast_core::{id::Hash, input::RunFailure, layout::RunIndex, merkle, saturate::to_u32};

use super::{Buffers, SMALL_RUN_BYTES_MAX, fetch::Tools};
use crate::{
    events::{ContentEvent, LinkId, RunEvent, TaskEvent},
    store::{DiskStore, Store, StoreError},
};

/// A run as it arrived, not verified yet.
pub(super) struct Arrived {
    pub(super) request: u32,
    pub(super) run: RunIndex,
    pub(super) bytes: Vec<u8>,
    pub(super) proof: Vec<Hash>,
}

enum Outcome {
    Stored,
    Corrupt(merkle::CorruptRun),
    NotStored(StoreError),
}

/// Verifies and stores runs in one job. Returns the events about them.
pub(super) async fn keep(tools: &Tools, link: LinkId, arrived: Vec<Arrived>) -> Vec<TaskEvent> {
    let asked: Vec<(u32, RunIndex, u32)> =
        arrived.iter().map(|it| (it.request, it.run, to_u32(it.bytes.len()))).collect();
    let (manifest, store, buffers) = (tools.manifest.clone(), tools.store.clone(), tools.buffers.clone());
    let done = tools.workers.run(move || -> Vec<Outcome> {
        arrived.into_iter().map(|it| settle(&manifest, &store, &buffers, it)).collect()
    });
    match done.await {
        Ok(outcomes) => {
            let told = asked.into_iter().zip(outcomes);
            told.flat_map(|(asked, outcome)| tell(link, asked, outcome)).collect()
        }
        // The node stops, or there is a bug. The requests end in both cases.
        Err(error) => {
            tracing::debug!(%error, "runs were not stored");
            let failed = |(request, _, bytes)| {
                RunEvent::Failed { link, request, cause: RunFailure::NotStored { bytes } }.into()
            };
            asked.into_iter().map(failed).collect()
        }
    }
}

fn settle(
    manifest: &nearcast_core::manifest::Manifest,
    store: &DiskStore,
    buffers: &Buffers,
    arrived: Arrived,
) -> Outcome {
    let verified = match merkle::verify(manifest, arrived.run, arrived.bytes, arrived.proof) {
        Ok(verified) => verified,
        Err(corrupt) => return Outcome::Corrupt(corrupt),
    };
    let stored = store.put(&verified);
    let buffer = verified.into_bytes();
    if buffer.len() > SMALL_RUN_BYTES_MAX as usize {
        buffers.give(buffer);
    }
    match stored {
        Ok(_) => Outcome::Stored,
        Err(error) => Outcome::NotStored(error),
    }
}

fn tell(link: LinkId, (request, run, bytes): (u32, RunIndex, u32), outcome: Outcome) -> Vec<TaskEvent> {
    match outcome {
        Outcome::Stored => vec![RunEvent::Stored { link, request, run }.into()],
        Outcome::Corrupt(corrupt) => {
            tracing::debug!(run = run.get(), %corrupt, "a peer sent a corrupt run");
            vec![RunEvent::Failed { link, request, cause: RunFailure::Corrupt { bytes } }.into()]
        }
        Outcome::NotStored(error) => vec![
            ContentEvent::StoreFailed { content: link.content, error }.into(),
            RunEvent::Failed { link, request, cause: RunFailure::NotStored { bytes } }.into(),
        ],
    }
}
