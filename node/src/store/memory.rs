//! A store without a disk, for tests. What is "durable" here dies with the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use nearcast_core::{id::Hash, layout::RunIndex, manifest::Manifest, merkle::VerifiedRun, run_set::RunSet};

use super::{Durable, Store, StoreError, Stored, locked};

/// Runs of one content in memory, with the proofs they came with.
pub(crate) struct MemoryStore {
    manifest: Arc<Manifest>,
    runs: Mutex<Runs>,
}

struct Runs {
    held: BTreeMap<RunIndex, (Vec<u8>, Vec<Hash>)>,
    have: RunSet,
    durable: RunSet,
}

impl MemoryStore {
    /// An empty store. It never holds more than the content itself.
    pub(crate) fn new(manifest: Arc<Manifest>) -> MemoryStore {
        let none = RunSet::empty(manifest.layout().runs());
        MemoryStore {
            manifest,
            runs: Mutex::new(Runs { held: BTreeMap::new(), have: none.clone(), durable: none }),
        }
    }
}

impl Store for MemoryStore {
    fn put<B: AsRef<[u8]>>(&self, run: &VerifiedRun<B>) -> Result<Stored, StoreError> {
        let mut runs = locked(&self.runs);
        if !runs.have.insert(run.run()) {
            return Ok(Stored::Known);
        }
        let kept = (run.bytes().to_vec(), run.proof().to_vec());
        runs.held.insert(run.run(), kept);
        Ok(Stored::Written)
    }

    fn get(&self, run: RunIndex, buffer: &mut Vec<u8>) -> Result<Vec<Hash>, StoreError> {
        let runs = locked(&self.runs);
        let (bytes, proof) = runs.held.get(&run).ok_or(StoreError::Missing)?;
        buffer.clear();
        buffer.extend_from_slice(bytes);
        Ok(proof.clone())
    }

    fn checkpoint(&self) -> Result<Durable, StoreError> {
        let layout = self.manifest.layout();
        let mut runs = locked(&self.runs);
        let new: Vec<RunIndex> = runs.have.iter().filter(|&run| !runs.durable.contains(run)).collect();
        let mut outcome = Durable::default();
        for run in new {
            runs.durable.insert(run);
            outcome.runs += 1;
            outcome.bytes += u64::from(layout.run_length(run));
        }
        Ok(outcome)
    }

    fn have(&self) -> RunSet {
        locked(&self.runs).have.clone()
    }

    fn durable(&self) -> RunSet {
        locked(&self.runs).durable.clone()
    }
}
