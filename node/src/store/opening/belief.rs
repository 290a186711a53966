//! Decides which runs on disk are right: those that a trustworthy state vouches for, and those that
//! hashing finds right.

use nearcast_core::{
    layout::{FileIndex, PieceIndex, RunIndex},
    run_set::RunSet,
};

use super::{
    super::{
        check::Check,
        findings::{Basis, Finding},
        medium::Medium,
        open::refused,
        resume::Left,
    },
    Opening, Watch,
};
use crate::error::DownloadError;

/// The runs on disk that are taken as right.
pub(super) struct Belief {
    /// Runs that a trustworthy state calls durable, in files that are as they were left.
    pub(super) trusted: RunSet,
    /// Runs that hashing found right.
    pub(super) good: RunSet,
}

impl Belief {
    pub(super) fn is_right(&self, run: RunIndex) -> bool {
        self.trusted.contains(run) || self.good.contains(run)
    }
}

impl Opening {
    /// Hashes what the state does not vouch for.
    pub(super) fn believe(
        &self,
        findings: &[Finding],
        left: &Left,
        watch: &Watch<'_>,
    ) -> Result<Belief, DownloadError> {
        let layout = self.manifest.layout();
        let mut trusted = RunSet::empty(layout.runs());
        for finding in findings.iter().filter(|finding| finding.trusted) {
            for run in self.runs_of(finding.file) {
                if left.durable.as_ref().is_some_and(|durable| durable.contains(run)) {
                    trusted.insert(run);
                }
            }
        }
        let mut pieces = Vec::new();
        for finding in findings {
            match (finding.basis, finding.trusted) {
                (Basis::Own { .. } | Basis::Partial { .. }, false) => {
                    pieces.extend(self.pieces_of(finding.file))
                }
                // A run that was killed may have written more than it recorded.
                (Basis::Partial { .. }, true) if !left.sync_failed => {
                    pieces.extend(self.pieces_beyond(finding.file, &trusted)?)
                }
                _ => {}
            }
        }
        let good = self.hash(&pieces, left, watch)?;
        Ok(Belief { trusted, good })
    }

    pub(super) fn pieces_of(&self, file: FileIndex) -> impl Iterator<Item = PieceIndex> {
        let layout = self.manifest.layout();
        layout.file_pieces(file).filter_map(|piece| layout.piece_index(piece))
    }

    /// Pieces of a partial file that are not durable as a whole but hold data.
    fn pieces_beyond(&self, file: FileIndex, durable: &RunSet) -> Result<Vec<PieceIndex>, DownloadError> {
        let layout = self.manifest.layout();
        let data = self.files.data_in(file).map_err(refused(&self.files.path(file)))?;
        let is_durable = |piece| {
            let mut runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
            runs.all(|run| durable.contains(run))
        };
        let holds_data = |piece| {
            let span = layout.piece(piece);
            let first = data.partition_point(|range| range.end <= span.offset);
            let ends = span.offset.saturating_add(u64::from(span.bytes));
            data.get(first).is_some_and(|range| range.start < ends)
        };
        Ok(self.pieces_of(file).filter(|&piece| !is_durable(piece) && holds_data(piece)).collect())
    }

    pub(super) fn hash(
        &self,
        pieces: &[PieceIndex],
        left: &Left,
        watch: &Watch<'_>,
    ) -> Result<RunSet, DownloadError> {
        let check = Check { manifest: &self.manifest, medium: &self.files, pieces, trees: &left.noted.trees };
        let checked = check.run(watch.progress, watch.cancelled).map_err(self.refused())?;
        checked.ok_or(DownloadError::Stopped)
    }
}
