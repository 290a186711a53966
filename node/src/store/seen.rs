//! How a whole file looked when its runs were verified: size, times, identity. As long as it looks the same, nobody
//! wrote to it. That costs one call a read, where hashing would cost a thousand times as much.
//!
//! A look cannot see a bit that flips on the disk itself. What was verified a moment ago comes from the system's
//! cache, as verified; and after ten minutes everything is hashed again.

use std::io;

use nearcast_core::layout::{FileIndex, RunIndex};

use super::{DiskStore, Store, StoreError, disk::Ledger, folder::FileStamp, locked};

/// A file as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// We write to it ourselves; it looks different all the time.
    InWork,
    /// It is whole, and should stay like this.
    Whole(FileStamp),
    /// It is not to be seen.
    Gone,
}

impl DiskStore {
    pub(super) fn look(&self, file: FileIndex) -> Look {
        if !self.medium.is_complete(file) {
            return Look::InWork;
        }
        self.medium.stamp(file).map_or(Look::Gone, Look::Whole)
    }

    /// Believes what was read of a file since it looked like `before`, and nothing that was verified when it looked
    /// otherwise.
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

    /// Remembers how a file looks that we just gave its name, all of which was verified on its way to the disk.
    pub(super) fn note_finished(&self, file: FileIndex, written: Option<FileStamp>) {
        let Ok(now) = self.medium.stamp(file) else { return };
        let mut ledger = locked(&self.ledger);
        ledger.finished.insert(file, now);
        // Without a look from before its renaming, what was verified is not known to be what lies there.
        if written.is_some_and(|written| now.is_written_as(&written)) {
            ledger.seen.insert(file, now);
        }
    }

    /// Whether somebody wrote to a file since we finished it, or took it away.
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

    /// An edited file stays as it is, and none of its runs that are missing will be written.
    pub(super) fn leave_edited(&self, file: FileIndex) -> StoreError {
        let layout = self.manifest.layout();
        let mut ledger = locked(&self.ledger);
        ledger.edited.insert(file);
        let runs = layout.file_runs(file).filter_map(|run| layout.run_index(run));
        let lost = runs.filter(|&run| !ledger.have.contains(run)).collect();
        StoreError::Edited { path: self.medium.path(file), lost }
    }

    /// A file that its user changed, if all that is missing for the download to be complete is of such files.
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

    /// Writes into a whole file what had rotted there. What its user has written there is not touched.
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
