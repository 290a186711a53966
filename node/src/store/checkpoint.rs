//! Makes durable what was written, and records it on disk. Order: data, then journal, then
//! have-map, then the names of whole files.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
};

use nearcast_core::{
    layout::{FileIndex, PieceIndex, RunIndex},
    merkle::proof_length,
    run_set::RunSet,
};

use super::{
    DiskStore, Durable, Store, StoreError, disk::Ledger, journal::Record, locked, receipt::Receipt,
    resume::Resume,
};

/// Runs that one checkpoint makes durable, by file.
type Batch = BTreeMap<FileIndex, Vec<RunIndex>>;

impl DiskStore {
    /// See [`Store::checkpoint`].
    pub(super) fn make_durable(&self) -> Result<Durable, StoreError> {
        let mut resume = locked(&self.resume);
        let Some(mut batch) = self.take_unsynced() else {
            return Ok(Durable::default());
        };
        let files: Vec<FileIndex> = batch.keys().copied().collect();
        let failed = self.medium.sync(&files);
        let mut outcome = Durable::default();
        for (file, error) in failed {
            outcome.lost.extend(self.give_up(&mut batch, file));
            outcome.failure.get_or_insert_with(|| self.io_error(file, error));
        }
        if let Some(resume) = resume.as_ref().filter(|_| outcome.failure.is_some()) {
            resume.note_failed_sync();
        }
        let new = match self.record(resume.as_mut(), &batch) {
            Ok(new) => new,
            Err(error) => {
                self.give_back(batch);
                return Err(error);
            }
        };
        self.count(&batch, &new, &mut outcome);
        outcome.files = self.name_whole_files()?;
        if resume.is_none() && !self.wanted().has_beyond(&self.durable()) {
            // A complete download was repaired.
            self.write_receipt();
        }
        Ok(outcome)
    }

    /// Makes everything durable, gives every file its own name, and removes the resume state.
    /// Returns the path of the file or folder. A file that another program put there meanwhile is
    /// not replaced.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if selected runs are not held. [`StoreError::InTheWay`] if a file
    /// could not get its name; [`StoreError::Edited`] if runs of a file that its user changed are
    /// missing. Both come only after all other files have their names. On any error the resume
    /// state stays.
    pub(crate) fn finish(&self) -> Result<PathBuf, StoreError> {
        if let Some(failure) = self.make_durable()?.failure {
            return Err(failure);
        }
        let edited = self.only_edited_is_missing();
        if edited.is_none() && self.wanted().has_beyond(&self.durable()) {
            return Err(StoreError::Missing);
        }
        let mut in_the_way = None;
        for file in self.selected_files().into_iter().filter(|&file| !self.medium.is_complete(file)) {
            match self.name(file) {
                Err(error @ StoreError::InTheWay { .. }) => in_the_way = in_the_way.or(Some(error)),
                other => other?,
            }
        }
        let target = self.target();
        let io_error = |error| StoreError::from_io(target.clone(), error);
        self.medium.settle().map_err(io_error)?;
        if let Some(error) = in_the_way {
            return Err(error);
        }
        if let Some(edited) = edited {
            return Err(self.leave_edited(edited));
        }
        self.write_receipt();
        self.medium.let_go();
        if let Some(resume) = locked(&self.resume).take()
            && let Err(error) = resume.remove()
        {
            // The content is complete all the same.
            tracing::warn!(%error, folder = %target.display(), "the state of this download could not be removed");
        }
        Ok(target)
    }

    /// Removes all traces of a download that holds no run: there is nothing to continue.
    pub(crate) fn clean_up_if_empty(&self) -> Result<(), StoreError> {
        let mut resume = locked(&self.resume);
        if resume.is_none() || !self.have().is_empty() {
            return Ok(());
        }
        let io_error = |error| StoreError::from_io(self.target(), error);
        if !self.medium.discard().map_err(io_error)? {
            // Without the state, the next run would take the files that stay for another program's.
            return Ok(());
        }
        self.medium.let_go();
        let removed = resume.take().map_or(Ok(()), Resume::remove);
        removed.map_err(io_error)
    }

    /// The files that were asked for.
    pub(super) fn selected_files(&self) -> Vec<FileIndex> {
        let layout = self.manifest.layout();
        let all = (0..layout.files()).filter_map(|file| layout.file_index(file));
        all.filter(|&file| self.wants(file)).collect()
    }

    /// Whether a file was asked for.
    pub(crate) fn wants(&self, file: FileIndex) -> bool {
        self.selected.as_ref().is_none_or(|files| files.contains(&file))
    }

    /// Notes that the content is complete, so that the next `get` returns quickly. A failure is
    /// only logged.
    pub(super) fn write_receipt(&self) {
        let Some(place) = &self.receipt else { return };
        let mut receipt = Receipt::default();
        for file in self.selected_files().into_iter().filter(|&file| !self.is_edited(file)) {
            if let Ok(stamp) = self.medium.stamp(file) {
                receipt.add(file, stamp);
            }
        }
        if let Err(error) = place.write(receipt) {
            tracing::debug!(%error, "no receipt written; the next get of this content hashes it again");
        }
    }

    /// Takes the unsynced runs out of the ledger. `None`: there is nothing to write down.
    fn take_unsynced(&self) -> Option<Batch> {
        let mut ledger = locked(&self.ledger);
        let since = ledger.unsynced_since.take();
        ledger.unsynced_bytes = 0;
        let nothing = since.is_none() && ledger.unnamed.is_empty() && ledger.unnoted.is_empty();
        (!nothing).then(|| std::mem::take(&mut ledger.unsynced))
    }

    fn give_back(&self, batch: Batch) {
        let layout = self.manifest.layout();
        let mut ledger = locked(&self.ledger);
        ledger.unsynced_since.get_or_insert_with(std::time::Instant::now);
        for (file, runs) in batch {
            for run in runs {
                ledger.add_unsynced(file, run, layout.run_length(run));
            }
        }
    }

    /// Gives up all runs written to a file since its last good sync, including those written while
    /// the sync ran. After a failed sync, pages look written that are not.
    fn give_up(&self, batch: &mut Batch, file: FileIndex) -> Vec<RunIndex> {
        let mut ledger = locked(&self.ledger);
        ledger.failed_syncs = ledger.failed_syncs.saturating_add(1);
        let mut runs = batch.remove(&file).unwrap_or_default();
        runs.extend(ledger.unsynced.remove(&file).unwrap_or_default());
        runs.into_iter().filter(|&run| ledger.forget(run)).collect()
    }

    /// Writes down what is durable now, and returns the runs that became durable. Memory changes
    /// only after the disk has it.
    fn record(&self, resume: Option<&mut Resume>, batch: &Batch) -> Result<Vec<RunIndex>, StoreError> {
        let (new, noted, durable) = self.compose(batch);
        if let Some(resume) = resume {
            let mut records = self.finished_records(batch, &durable)?;
            records.extend(self.proof_records(&new, &noted, &durable));
            let recorded = resume.note(&records).and_then(|()| resume.save(&durable));
            recorded.map_err(|error| StoreError::from_io(self.target(), error))?;
        }
        let mut ledger = locked(&self.ledger);
        ledger.unnoted.retain(|run| !noted.contains(run));
        for &run in &new {
            // A run that was found rotten meanwhile stays out; the next checkpoint records that.
            if ledger.have.contains(run) {
                ledger.durable.insert(run);
            }
        }
        Ok(new)
    }

    /// Returns the runs that become durable, older runs whose proof is to be noted, and the
    /// have-map to write.
    fn compose(&self, batch: &Batch) -> (Vec<RunIndex>, BTreeSet<RunIndex>, RunSet) {
        let ledger = locked(&self.ledger);
        // A run that was written again meanwhile, because it had rotted, waits for the next sync.
        let again: BTreeSet<RunIndex> = ledger.unsynced.values().flatten().copied().collect();
        let runs = batch.values().flatten().copied();
        let new: Vec<RunIndex> =
            runs.filter(|run| ledger.have.contains(*run) && !again.contains(run)).collect();
        let mut durable = ledger.durable.to_set();
        for &run in &new {
            durable.insert(run);
        }
        (new, ledger.unnoted.clone(), durable)
    }

    fn finished_records(&self, batch: &Batch, durable: &RunSet) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::new();
        for &file in batch.keys() {
            if self.is_whole(file, durable) && !self.medium.is_complete(file) {
                let stamp = self.medium.fit(file).and_then(|()| self.medium.stamp(file));
                let modified_ns = stamp.map_err(|error| self.io_error(file, error))?.modified_ns;
                records.push(Record::Finished { file, modified_ns });
            }
        }
        Ok(records)
    }

    fn proof_records(&self, new: &[RunIndex], noted: &BTreeSet<RunIndex>, durable: &RunSet) -> Vec<Record> {
        let ledger = locked(&self.ledger);
        let runs = new.iter().chain(noted);
        runs.filter_map(|&run| self.proof_record(&ledger, durable, run)).collect()
    }

    /// The record without which `run` could not be served after a restart. `None`: `run` needs no
    /// record.
    fn proof_record(&self, ledger: &Ledger, durable: &RunSet, run: RunIndex) -> Option<Record> {
        let span = self.manifest.layout().run(run);
        if proof_length(self.manifest.layout(), run) == 0 || self.is_whole_piece(span.piece, durable) {
            return None;
        }
        proof_record(ledger, run, span.piece, span.index_in_piece)
    }

    /// All proofs that a fresh journal must hold.
    pub(super) fn all_proofs(&self) -> Vec<Record> {
        let layout = self.manifest.layout();
        let ledger = locked(&self.ledger);
        let durable = ledger.durable.to_set();
        let pieces = ledger.trees.keys().flat_map(|&piece| layout.piece_runs(piece));
        let runs = pieces.filter_map(|run| layout.run_index(run));
        let held = runs.filter(|&run| ledger.have.contains(run));
        held.filter_map(|run| self.proof_record(&ledger, &durable, run)).collect()
    }

    /// Counts what the checkpoint achieved. Moves the trees of pieces that became whole to the
    /// shared cache.
    fn count(&self, batch: &Batch, new: &[RunIndex], outcome: &mut Durable) {
        let layout = self.manifest.layout();
        let mut ledger = locked(&self.ledger);
        let durable = ledger.durable.to_set();
        for &run in new.iter().filter(|&&run| durable.contains(run)) {
            let span = layout.run(run);
            outcome.runs = outcome.runs.saturating_add(1);
            outcome.bytes = outcome.bytes.saturating_add(span.bytes.into());
            if self.is_whole_piece(span.piece, &durable)
                && let Some(tree) = ledger.trees.remove(&span.piece)
            {
                self.keep_whole(span.piece, tree);
            }
        }
        let whole = batch.keys().filter(|&&file| self.is_whole(file, &durable));
        ledger.unnamed.extend(whole.filter(|&&file| !self.medium.is_complete(file)));
    }

    fn name_whole_files(&self) -> Result<u32, StoreError> {
        let files: Vec<FileIndex> = locked(&self.ledger).unnamed.iter().copied().collect();
        let mut named = 0_u32;
        for file in files {
            match self.name(file) {
                // The other files go on. `finish` reports this error.
                Err(StoreError::InTheWay { .. }) => continue,
                other => other?,
            }
            locked(&self.ledger).unnamed.remove(&file);
            named = named.saturating_add(1);
        }
        Ok(named)
    }

    /// Gives a whole file its own name.
    fn name(&self, file: FileIndex) -> Result<(), StoreError> {
        let written = self.medium.fit(file).and_then(|()| self.medium.stamp(file)).ok();
        match self.medium.complete(file) {
            Ok(()) => {
                self.note_finished(file, written);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(StoreError::InTheWay {
                path: self.medium.path(file),
                new: self.medium.partial_path(file),
            }),
            Err(error) => Err(self.io_error(file, error)),
        }
    }

    fn is_whole(&self, file: FileIndex, durable: &RunSet) -> bool {
        self.all_in(self.manifest.layout().file_runs(file), durable)
    }

    fn is_whole_piece(&self, piece: PieceIndex, durable: &RunSet) -> bool {
        self.all_in(self.manifest.layout().piece_runs(piece), durable)
    }

    pub(super) fn all_in(&self, mut runs: std::ops::Range<u32>, set: &RunSet) -> bool {
        let layout = self.manifest.layout();
        runs.all(|run| layout.run_index(run).is_some_and(|run| set.contains(run)))
    }

    /// Starts the resume state of a new or continued download. If hashing found runs, the old state
    /// on disk stays until those runs are durable. A crash before that costs hashing again, not
    /// fetching again.
    pub(super) fn start_resume(&self, mut resume: Resume, finished: Vec<Record>) -> Result<(), StoreError> {
        let records = [self.all_proofs(), finished].concat();
        let found_by_hashing = !locked(&self.ledger).unsynced.is_empty();
        let started = match found_by_hashing {
            true => resume.start_journal(&records),
            false => resume.start_journal(&records).and_then(|()| resume.save(&self.durable())),
        };
        started.map_err(|error| StoreError::from_io(self.target(), error))?;
        *locked(&self.resume) = Some(resume);
        match self.make_durable()?.failure {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

fn proof_record(ledger: &Ledger, run: RunIndex, piece: PieceIndex, index: u32) -> Option<Record> {
    let tree = ledger.trees.get(&piece)?;
    Some(Record::Proof { run, root: tree.run_root(index)?, proof: tree.proof(index)? })
}
