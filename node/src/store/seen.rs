//! How a whole file looked when its runs were verified: size, times, identity. While the look is
//! the same, nobody wrote to the file. A look costs one call a read; hashing would cost a thousand
//! times as much.
//!
//! A look cannot detect a bit that flips on the disk itself. Bytes verified a moment ago come from
//! the system's cache, as verified. After ten minutes a run is hashed again.

use std::io;

use nearcast_core::layout::{FileIndex, RunIndex};

use super::{DiskStore, Store, StoreError, disk::Ledger, folder::FileStamp, locked};

/// How a file looks now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Not complete: we write to it ourselves, so its look keeps changing.
    InWork,
    /// Complete; it should keep this look.
    Whole(FileStamp),
    /// Complete, but its look cannot be read.
    Gone,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// On the disk.
    Held,
    /// Not here, and may come.
    Missing,
    /// In a file that is its user's now: it never comes.
    GivenUp,
}

impl DiskStore {
    pub(super) fn look(&self, file: FileIndex) -> Look {
        if !self.medium.is_complete(file) {
            return Look::InWork;
        }
        self.medium.stamp(file).map_or(Look::Gone, Look::Whole)
    }

    /// Marks runs as verified that were read of a file since it looked like `before`. If the file
    /// looked otherwise at earlier reads, what was verified then is doubted.
    pub(super) fn believe(
        &self,
        ledger: &mut Ledger,
        file: FileIndex,
        before: Look,
        runs: impl IntoIterator<Item = RunIndex>,
    ) {
        match before {
            Look::InWork => {}
            Look::Gone => return,
            Look::Whole(now) => {
                if ledger.seen.insert(file, now) != Some(now) {
                    ledger.doubt(self.manifest.layout().file_runs(file));
                }
            }
        }
        self.stamp_verified(ledger, runs);
    }

    /// Remembers the look of a file that we just gave its own name. All of it was verified on its
    /// way to the disk.
    pub(super) fn note_finished(&self, file: FileIndex, written: Option<FileStamp>) {
        let Ok(now) = self.medium.stamp(file) else { return };
        let mut ledger = locked(&self.ledger);
        ledger.finished.insert(file, now);
        // Without its look from before the rename, we cannot know that the file holds what was
        // verified.
        if written.is_some_and(|written| now.is_written_as(&written)) {
            ledger.seen.insert(file, now);
        }
    }

    /// Where a run is, for whoever wants to read it. Uses no disk.
    pub(crate) fn whereabouts(&self, run: RunIndex) -> Whereabouts {
        let ledger = locked(&self.ledger);
        match ledger.have.contains(run) {
            true => Whereabouts::Held,
            false if ledger.edited.contains(&self.manifest.layout().run(run).file) => Whereabouts::GivenUp,
            false => Whereabouts::Missing,
        }
    }

    /// Whether another program wrote to a file since we finished it, or removed it.
    pub(super) fn is_edited(&self, file: FileIndex) -> bool {
        let finished = {
            let ledger = locked(&self.ledger);
            if ledger.edited.contains(&file) {
                return true;
            }
            ledger.finished.get(&file).copied()
        };
        match (finished, self.medium.stamp(file)) {
            (Some(finished), Ok(now)) => !now.is_written_as(&finished),
            (Some(_), Err(error)) => error.kind() == io::ErrorKind::NotFound,
            (None, _) => false,
        }
    }

    /// Leaves an edited file as it is. Its missing runs will not be written.
    pub(super) fn leave_edited(&self, file: FileIndex) -> StoreError {
        let layout = self.manifest.layout();
        let mut ledger = locked(&self.ledger);
        ledger.edited.insert(file);
        let runs = layout.file_runs(file).filter_map(|run| layout.run_index(run));
        let lost = runs.filter(|&run| !ledger.have.contains(run)).collect();
        StoreError::Edited { path: self.medium.path(file), lost }
    }

    /// If all that is missing is in files that their user changed: the first of these files.
    pub(super) fn only_edited_is_missing(&self) -> Option<FileIndex> {
        let (wanted, durable) = (self.wanted(), self.durable());
        let missing = wanted.iter().filter(|&run| !durable.contains(run));
        let ledger = locked(&self.ledger);
        let mut first = None;
        for file in missing.map(|run| self.manifest.layout().run(run).file) {
            if !ledger.edited.contains(&file) {
                return None;
            }
            first.get_or_insert(file);
        }
        first
    }

    /// Writes a run that had rotted back into a whole file. A file that its user changed is not
    /// touched.
    pub(super) fn repair(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let _alone = locked(&self.repairs);
        if self.is_edited(file) {
            return Err(self.leave_edited(file));
        }
        let written = self.medium.write_at(file, offset, bytes);
        written.map_err(|error| self.io_error(file, error))?;
        if let Ok(now) = self.medium.stamp(file) {
            locked(&self.ledger).finished.insert(file, now);
        }
        Ok(())
    }
}
