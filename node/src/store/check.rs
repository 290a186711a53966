//! Hashes what is on disk already, on every core. Each thread takes the next piece, reads it run by
//! run, and reports which runs are right. Memory: one run a thread.

use std::{
    collections::BTreeMap,
    io,
    num::NonZero,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use nearcast_core::{
    id::Hash,
    layout::{PieceIndex, RunIndex},
    manifest::Manifest,
    merkle::{PieceTree, run_leaves, subtree_root},
    run_set::RunSet,
};

use super::medium::Medium;

/// Verdicts that wait to be counted, at most.
const VERDICTS_MAX: usize = 64;

/// Hash trees of pieces that are not whole. With them the runs of such a piece are judged one by
/// one.
pub(crate) type Trees = BTreeMap<PieceIndex, PieceTree>;

/// What to hash, and how.
pub(crate) struct Check<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) medium: &'a dyn Medium,
    pub(crate) pieces: &'a [PieceIndex],
    pub(crate) trees: &'a Trees,
}

struct Verdict {
    bytes: u64,
    good: io::Result<Vec<RunIndex>>,
}

impl Check<'_> {
    /// Returns the runs that are right. `None`: it was cancelled. `progress` gets the bytes done
    /// and the bytes in total. A run that is missing or too short counts as not right.
    ///
    /// # Errors
    /// The first error met while reading.
    pub(crate) fn run(
        &self,
        progress: &dyn Fn(u64, u64),
        cancelled: &AtomicBool,
    ) -> io::Result<Option<RunSet>> {
        let layout = self.manifest.layout();
        let total = self.pieces.iter().map(|&piece| u64::from(layout.piece(piece).bytes)).sum();
        let (mut good, mut done) = (RunSet::empty(layout.runs()), 0);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let (sender, verdicts) = sync_channel(VERDICTS_MAX);
        thread::scope(|scope| {
            for _ in 0..threads.min(self.pieces.len()) {
                let (sender, next, stop) = (sender.clone(), &next, &stop);
                scope.spawn(move || self.work(next, stop, &sender));
            }
            drop(sender);
            let mut outcome = Ok(());
            for verdict in verdicts {
                done += verdict.bytes;
                progress(done, total);
                match verdict.good {
                    Ok(runs) => {
                        for run in runs {
                            good.insert(run);
                        }
                    }
                    Err(error) => outcome = outcome.and(Err(error)),
                }
                if outcome.is_err() || cancelled.load(Ordering::Relaxed) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            outcome
        })?;
        Ok((!cancelled.load(Ordering::Relaxed)).then_some(good))
    }

    fn work(&self, next: &AtomicUsize, stop: &AtomicBool, verdicts: &SyncSender<Verdict>) {
        let mut buffer = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let Some(&piece) = self.pieces.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            let bytes = u64::from(self.manifest.layout().piece(piece).bytes);
            let good = self.judge(piece, &mut buffer);
            if verdicts.send(Verdict { bytes, good }).is_err() {
                return;
            }
        }
    }

    fn judge(&self, piece: PieceIndex, buffer: &mut Vec<u8>) -> io::Result<Vec<RunIndex>> {
        let layout = self.manifest.layout();
        let runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
        let mut roots = Vec::new();
        for run in runs {
            roots.push((run, read_root(self.manifest, self.medium, run, buffer)?));
        }
        let whole: Option<Vec<Hash>> = roots.iter().map(|&(_, root)| root).collect();
        let mut tree = PieceTree::new(layout, piece);
        if whole.is_some_and(|whole| tree.fill(&whole) == *self.manifest.piece_hash(piece)) {
            return Ok(roots.into_iter().map(|(run, _)| run).collect());
        }
        let Some(known) = self.trees.get(&piece) else {
            return Ok(Vec::new());
        };
        let right = |&(run, root): &(RunIndex, Option<Hash>)| {
            root.is_some() && known.run_root(layout.run(run).index_in_piece) == root
        };
        Ok(roots.into_iter().filter(right).map(|(run, _)| run).collect())
    }
}

/// Reads a run into `buffer` and returns its root. `None`: the file ends before the run does, or is
/// gone.
pub(crate) fn read_root(
    manifest: &Manifest,
    medium: &dyn Medium,
    run: RunIndex,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Hash>> {
    let span = manifest.layout().run(run);
    buffer.resize(span.bytes as usize, 0);
    match medium.read_at(span.file, span.offset, buffer) {
        Ok(()) => Ok(Some(subtree_root(buffer, run_leaves(manifest.layout(), run)))),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that the bytes are not there, as opposed to unreachable.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound)
}
