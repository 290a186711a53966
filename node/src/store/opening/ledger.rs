//! The ledger that a store begins with: which runs it holds, and which of them are durable.

use nearcast_core::{merkle::proof_length, run_set::RunSet};

use super::{
    super::{
        disk::Ledger,
        files::Files,
        held::Held,
        journal::{Noted, Record},
        resume::Left,
        standing::Standing,
    },
    Opening,
};

impl Opening {
    pub(super) fn selected_held(&self) -> Held {
        let layout = self.manifest.layout();
        let Some(selected) = &self.target.selected else {
            return Held::All(layout.runs());
        };
        let mut set = RunSet::empty(layout.runs());
        let runs = selected.iter().flat_map(|&file| layout.file_runs(file));
        for run in runs.filter_map(|run| layout.run_index(run)) {
            set.insert(run);
        }
        Held::Some(set)
    }

    /// Trusted runs are durable. Runs that only hashing found right may still be on their way to
    /// the disk.
    pub(super) fn ledger(&self, left: Left, trusted: &RunSet, good: &RunSet) -> Ledger {
        let layout = self.manifest.layout();
        let mut have = trusted.clone();
        for run in good.iter() {
            have.insert(run);
        }
        let mut trees = left.noted.trees;
        for piece in (0..layout.pieces()).filter_map(|piece| layout.piece_index(piece)) {
            let runs = || layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
            if runs().all(|run| have.contains(run)) {
                trees.remove(&piece);
                continue;
            }
            for (index, run) in (0..).zip(runs()) {
                let single = proof_length(layout, run) == 0;
                let known = trees.get(&piece).is_some_and(|tree| tree.run_root(index).is_some());
                if !single && !known {
                    // Without its proof we could neither serve the run nor notice when it rots.
                    have.remove(run);
                }
            }
        }
        let mut durable = trusted.clone();
        let dropped: Vec<_> = durable.iter().filter(|&run| !have.contains(run)).collect();
        for run in dropped {
            durable.remove(run);
        }
        let mut ledger = Ledger::new(Held::Some(have.clone()), Held::Some(durable.clone()));
        ledger.trees = trees;
        for run in have.iter().filter(|&run| !durable.contains(run)) {
            ledger.add_unsynced(layout.run(run).file, run, layout.run_length(run));
        }
        ledger
    }
}

/// Records of the finished files that are still complete.
pub(super) fn still_finished(files: &Files, noted: &Noted) -> Vec<Record> {
    let finished = noted.finished.iter().map(|(&file, &modified_ns)| (file, modified_ns));
    finished
        .filter(|&(file, _)| files.standing(file) == Standing::Complete)
        .map(|(file, modified_ns)| Record::Finished { file, modified_ns })
        .collect()
}
