//! One content on disk.
//!
//! Invariants:
//! - A run is held only after all of its verified bytes were written.
//! - A run is durable only after its file was synced since the run was written.
//! - Bytes leave only if this process verified them on the way out or at most ten minutes ago, and
//!   only if the file did not change since.
//! - Only we write to a file that is not complete.
//!
//! Locks, always taken in this order: `resume` (one checkpoint at a time), `repairs` (one repair of
//! a whole file at a time), `ledger` (short, never held across a disk call).

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nearcast_core::{
    id::Hash,
    layout::{FileIndex, PieceIndex, RunIndex, RunSpan},
    manifest::Manifest,
    merkle::{PieceTree, VerifiedRun, proof_length, run_leaves, subtree_root},
    run_set::RunSet,
};

use super::{
    Durable, Store, StoreError, Stored, check, folder::FileStamp, held::Held, locked, lru::Lru,
    medium::Medium, receipt::ReceiptPlace, resume::Resume, seen::Look,
};

/// How long verified bytes on disk are trusted without hashing them again.
const VERIFIED_FOR: Duration = Duration::from_secs(600);
/// A checkpoint is due when this many bytes are not durable.
const UNSYNCED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A checkpoint is also due when something has not been durable for this long.
const UNSYNCED_FOR_MAX: Duration = Duration::from_secs(2);
/// Trees of whole pieces kept for proofs, in bytes, for all stores of the process together.
const TREES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One content on disk: a download or a seed.
pub(crate) struct DiskStore {
    pub(super) key: u64,
    pub(super) manifest: Arc<Manifest>,
    pub(super) medium: Box<dyn Medium>,
    /// Set for a seed: its data is only read.
    pub(super) read_only: bool,
    /// The selected files. `None`: all.
    pub(super) selected: Option<BTreeSet<FileIndex>>,
    pub(super) receipt: Option<ReceiptPlace>,
    /// `None`: the download is complete, or the content is a seed.
    pub(super) resume: Mutex<Option<Resume>>,
    pub(super) ledger: Mutex<Ledger>,
    /// Held during a repair. With one repair at a time, each knows whether the last change of a
    /// file was ours.
    pub(super) repairs: Mutex<()>,
    opened: Instant,
    rotten_runs: AtomicU64,
}

/// What is known of the runs. Guarded by one lock.
pub(super) struct Ledger {
    pub(super) have: Held,
    pub(super) durable: Held,
    /// Runs written since their file was last synced.
    pub(super) unsynced: BTreeMap<FileIndex, Vec<RunIndex>>,
    pub(super) unsynced_bytes: u64,
    pub(super) unsynced_since: Option<Instant>,
    /// Durable runs whose proof must be noted too, because their piece is no longer whole.
    pub(super) unnoted: BTreeSet<RunIndex>,
    /// Files that are whole but do not have their own name yet.
    pub(super) unnamed: BTreeSet<FileIndex>,
    /// Trees of pieces that are not durable as a whole. Other trees can be rebuilt by hashing.
    pub(super) trees: BTreeMap<PieceIndex, PieceTree>,
    /// Number of failed syncs. A write that overlapped a failed sync is done again.
    pub(super) failed_syncs: u64,
    /// By run: when it was last verified, in seconds since the store was opened, plus one. `0`:
    /// never. Empty until first used, so that an idle seed stays small.
    verified: Vec<u32>,
    /// Whole files, as they looked when their runs were verified.
    pub(super) seen: BTreeMap<FileIndex, FileStamp>,
    /// Whole files of a download, as they looked when we last wrote to them or found them right.
    pub(super) finished: BTreeMap<FileIndex, FileStamp>,
    /// Whole files of a download that their user changed and that were found to differ. They never
    /// become ours again.
    pub(super) edited: BTreeSet<FileIndex>,
}

impl Ledger {
    pub(super) fn new(have: Held, durable: Held) -> Ledger {
        Ledger {
            have,
            durable,
            unsynced: BTreeMap::new(),
            unsynced_bytes: 0,
            unsynced_since: None,
            unnoted: BTreeSet::new(),
            unnamed: BTreeSet::new(),
            trees: BTreeMap::new(),
            failed_syncs: 0,
            verified: Vec::new(),
            seen: BTreeMap::new(),
            finished: BTreeMap::new(),
            edited: BTreeSet::new(),
        }
    }

    /// Adds a run that is written and waits for its file to be synced.
    pub(super) fn add_unsynced(&mut self, file: FileIndex, run: RunIndex, bytes: u32) {
        self.unsynced.entry(file).or_default().push(run);
        self.unsynced_bytes += u64::from(bytes);
        self.unsynced_since.get_or_insert_with(Instant::now);
    }

    /// Makes the next read of these runs verify them.
    pub(super) fn doubt(&mut self, runs: std::ops::Range<u32>) {
        for run in runs {
            if let Some(verified) = self.verified.get_mut(run as usize) {
                *verified = 0;
            }
        }
    }

    /// Removes a run from every set. Returns whether it was held.
    pub(super) fn forget(&mut self, run: RunIndex) -> bool {
        self.durable.remove(run);
        self.unnoted.remove(&run);
        if let Some(verified) = self.verified.get_mut(run.get() as usize) {
            *verified = 0;
        }
        self.have.remove(run)
    }
}

type TreeKey = (u64, u32);

/// Trees of whole pieces, shared by all stores.
pub(super) fn whole_trees() -> &'static Mutex<Lru<TreeKey, Arc<PieceTree>>> {
    static TREES: OnceLock<Mutex<Lru<TreeKey, Arc<PieceTree>>>> = OnceLock::new();
    TREES.get_or_init(|| Mutex::new(Lru::new(TREES_BYTES_MAX)))
}

/// What [`DiskStore::get`] knows before it reads.
struct Known {
    /// The run's root and siblings, if its tree is at hand.
    proven: Option<(Hash, Vec<Hash>)>,
    /// The run was verified not long ago.
    fresh: bool,
}

impl DiskStore {
    pub(super) fn new(manifest: Arc<Manifest>, medium: Box<dyn Medium>, ledger: Ledger) -> DiskStore {
        static KEYS: AtomicU64 = AtomicU64::new(0);
        DiskStore {
            key: KEYS.fetch_add(1, Ordering::Relaxed),
            manifest,
            medium,
            read_only: false,
            selected: None,
            receipt: None,
            resume: Mutex::new(None),
            ledger: Mutex::new(ledger),
            repairs: Mutex::new(()),
            opened: Instant::now(),
            rotten_runs: AtomicU64::new(0),
        }
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Runs of the selected files. With all of them the download is complete.
    pub(crate) fn wanted(&self) -> RunSet {
        let layout = self.manifest.layout();
        let Some(selected) = &self.selected else {
            return RunSet::full(layout.runs());
        };
        let mut wanted = RunSet::empty(layout.runs());
        let runs = selected.iter().flat_map(|&file| layout.file_runs(file));
        for run in runs.filter_map(|run| layout.run_index(run)) {
            wanted.insert(run);
        }
        wanted
    }

    /// The path of the content's file or folder, now or once complete.
    pub(crate) fn target(&self) -> PathBuf {
        let first = self.manifest.layout().file_index(0).map(|file| self.medium.path(file));
        let depth = match self.manifest.is_single_file() {
            true => 0,
            false => self.manifest.files()[0].path.components().count(),
        };
        let first = first.unwrap_or_default();
        first.ancestors().nth(depth).map_or_else(PathBuf::new, PathBuf::from)
    }

    /// What is proven of a piece that is not whole. It includes the roots of the runs held.
    pub(crate) fn known_tree(&self, piece: PieceIndex) -> PieceTree {
        let known = locked(&self.ledger).trees.get(&piece).cloned();
        known.unwrap_or_else(|| PieceTree::new(self.manifest.layout(), piece))
    }

    /// Whether a [`Store::checkpoint`] is due: enough was written, or something was written long
    /// enough ago.
    pub(crate) fn checkpoint_due(&self) -> bool {
        let ledger = locked(&self.ledger);
        let long_ago = |since: Instant| since.elapsed() >= UNSYNCED_FOR_MAX;
        ledger.unsynced_bytes >= UNSYNCED_BYTES_MAX || ledger.unsynced_since.is_some_and(long_ago)
    }

    /// Number of runs found not to match their hash any more, since the store was opened.
    pub(crate) fn rotten_runs(&self) -> u64 {
        self.rotten_runs.load(Ordering::Relaxed)
    }

    /// Makes the next read of every run verify it, as if ten minutes had passed.
    #[cfg(test)]
    pub(super) fn forget_verified(&self) {
        locked(&self.ledger).verified.clear();
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.opened.elapsed().as_secs()).unwrap_or(u32::MAX - 1) + 1
    }

    pub(super) fn stamp_verified(&self, ledger: &mut Ledger, runs: impl IntoIterator<Item = RunIndex>) {
        let all = self.manifest.layout().runs() as usize;
        if ledger.verified.is_empty() {
            ledger.verified = vec![0; all];
        }
        let now = self.seconds();
        for run in runs {
            ledger.verified[run.get() as usize] = now;
        }
    }

    pub(super) fn io_error(&self, file: FileIndex, source: io::Error) -> StoreError {
        StoreError::from_io(self.medium.path(file), source)
    }

    /// Writes again until no failed sync overlapped the write: such a sync may have dropped our
    /// pages.
    fn write(&self, span: &RunSpan, run: RunIndex, bytes: &[u8]) -> Result<bool, StoreError> {
        loop {
            let before = {
                let ledger = locked(&self.ledger);
                if ledger.have.contains(run) {
                    return Ok(false);
                }
                ledger.failed_syncs
            };
            if self.medium.is_complete(span.file) {
                self.repair(span.file, span.offset, bytes)?;
            } else {
                let written = self.medium.write_at(span.file, span.offset, bytes);
                written.map_err(|error| self.io_error(span.file, error))?;
            }
            let mut ledger = locked(&self.ledger);
            if ledger.failed_syncs == before {
                let new = ledger.have.insert(run);
                if new {
                    ledger.add_unsynced(span.file, run, span.bytes);
                }
                return Ok(new);
            }
        }
    }

    fn known(&self, run: RunIndex, span: &RunSpan, look: Look) -> Result<Known, StoreError> {
        let ledger = locked(&self.ledger);
        if !ledger.have.contains(run) {
            return Err(StoreError::Missing);
        }
        let stamp = ledger.verified.get(run.get() as usize).copied().unwrap_or(0);
        let age = u64::from(self.seconds().saturating_sub(stamp));
        let unchanged = match look {
            Look::InWork => true,
            Look::Whole(now) => ledger.seen.get(&span.file) == Some(&now),
            Look::Gone => false,
        };
        let fresh = stamp != 0 && age < VERIFIED_FOR.as_secs() && unchanged;
        let proven = if proof_length(self.manifest.layout(), run) == 0 {
            Some((*self.manifest.piece_hash(span.piece), Vec::new()))
        } else if let Some(tree) = ledger.trees.get(&span.piece) {
            proven(tree, span.index_in_piece)
        } else {
            drop(ledger);
            let tree = locked(whole_trees()).get((self.key, span.piece.get()));
            tree.and_then(|tree| proven(&tree, span.index_in_piece))
        };
        Ok(Known { proven, fresh })
    }

    fn read(&self, span: &RunSpan, buffer: &mut Vec<u8>) -> Result<bool, StoreError> {
        buffer.resize(span.bytes as usize, 0);
        match self.medium.read_at(span.file, span.offset, buffer) {
            Ok(()) => Ok(true),
            Err(error) if check::is_absence(&error) => Ok(false),
            Err(error) => Err(self.io_error(span.file, error)),
        }
    }

    /// Reads a run whose tree is not at hand: hashes the whole piece once and keeps its tree.
    fn get_by_piece(
        &self,
        run: RunIndex,
        span: &RunSpan,
        before: Look,
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<Hash>, StoreError> {
        let layout = self.manifest.layout();
        let numbers = layout.piece_runs(span.piece);
        let runs: Vec<RunIndex> = numbers.filter_map(|run| layout.run_index(run)).collect();
        let held = |ledger: &Ledger| runs.iter().all(|&run| ledger.have.contains(run));
        if !held(&locked(&self.ledger)) {
            return Err(StoreError::Missing);
        }
        let (mut roots, mut scratch) = (Vec::with_capacity(runs.len()), Vec::new());
        for &other in &runs {
            let into = if other == run { &mut *buffer } else { &mut scratch };
            let root = check::read_root(&self.manifest, self.medium.as_ref(), other, into);
            match root.map_err(|error| self.io_error(span.file, error))? {
                Some(root) => roots.push(root),
                None => return Err(self.rotten(span, &runs)),
            }
        }
        let mut tree = PieceTree::new(layout, span.piece);
        if tree.fill(&roots) != *self.manifest.piece_hash(span.piece) {
            return Err(self.rotten(span, &runs));
        }
        let proof = tree.proof(span.index_in_piece).ok_or(StoreError::Missing)?;
        self.keep_whole(span.piece, tree);
        let mut ledger = locked(&self.ledger);
        let still_held: Vec<RunIndex> = runs.into_iter().filter(|&run| ledger.have.contains(run)).collect();
        self.believe(&mut ledger, span.file, before, still_held);
        Ok(proof)
    }

    /// Keeps the tree of a whole piece for later proofs.
    pub(super) fn keep_whole(&self, piece: PieceIndex, tree: PieceTree) {
        let slots = self.manifest.layout().piece_runs(piece).len().next_power_of_two();
        let weight = size_of::<PieceTree>() + 2 * slots * size_of::<Option<Hash>>();
        locked(whole_trees()).insert((self.key, piece.get()), Arc::new(tree), weight);
    }

    /// Gives up runs whose bytes are wrong. The other held runs of the piece stay held and
    /// provable.
    fn rotten(&self, span: &RunSpan, runs: &[RunIndex]) -> StoreError {
        let path = self.medium.path(span.file);
        let whole = locked(whole_trees()).remove((self.key, span.piece.get()));
        let mut ledger = locked(&self.ledger);
        let lost: Vec<RunIndex> = runs.iter().copied().filter(|&run| ledger.forget(run)).collect();
        if !self.read_only {
            self.pin_tree(&mut ledger, span.piece, whole);
        } else if let Some(tree) = whole {
            ledger.trees.insert(span.piece, PieceTree::clone(&tree));
        }
        drop(ledger);
        if let Some(receipt) = &self.receipt {
            receipt.remove();
        }
        let before = self.rotten_runs.fetch_add(lost.len() as u64, Ordering::Relaxed);
        let first = before == 0 && !lost.is_empty();
        if !self.read_only && self.is_edited(span.file) {
            if first {
                tracing::warn!(path = %path.display(), "this file was changed on disk since it was complete; it is left as it is, and what differs is given to nobody");
            }
            return self.leave_edited(span.file);
        }
        if first {
            tracing::warn!(path = %path.display(), runs = lost.len(), "stored data has changed on disk; it is fetched again");
        } else {
            tracing::debug!(path = %path.display(), runs = lost.len(), "stored data has changed on disk");
        }
        StoreError::Rotten { path, lost }
    }

    /// Keeps the tree of a piece that is no longer whole. From now on this tree proves its other
    /// runs.
    fn pin_tree(&self, ledger: &mut Ledger, piece: PieceIndex, tree: Option<Arc<PieceTree>>) {
        let layout = self.manifest.layout();
        if let Some(tree) = tree {
            ledger.trees.entry(piece).or_insert_with(|| PieceTree::clone(&tree));
        }
        let runs = layout.piece_runs(piece).filter_map(|run| layout.run_index(run));
        for run in runs {
            if ledger.durable.contains(run) {
                ledger.unnoted.insert(run);
            }
        }
        // A checkpoint is due even with nothing else to note: the have-map on disk now claims too
        // much.
        ledger.unsynced_since.get_or_insert_with(Instant::now);
    }

    fn learn(&self, span: &RunSpan, root: Hash, proof: &[Hash]) {
        if proof.is_empty() {
            return;
        }
        let mut ledger = locked(&self.ledger);
        let new = || PieceTree::new(self.manifest.layout(), span.piece);
        let tree = ledger.trees.entry(span.piece).or_insert_with(new);
        tree.learn(span.index_in_piece, root, proof);
    }
}

impl Store for DiskStore {
    fn put<B: AsRef<[u8]>>(&self, verified: &VerifiedRun<B>) -> Result<Stored, StoreError> {
        let run = verified.run();
        let span = self.manifest.layout().run(run);
        if self.read_only {
            return Err(self.io_error(span.file, io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        if locked(&self.ledger).have.contains(run) {
            return Ok(Stored::Known);
        }
        // Before the run is held, so that every held run can be proven.
        self.learn(&span, *verified.root(), verified.proof());
        if !self.write(&span, run, verified.bytes())? {
            return Ok(Stored::Known);
        }
        let mut ledger = locked(&self.ledger);
        if ledger.have.contains(run) {
            self.stamp_verified(&mut ledger, [run]);
        }
        Ok(Stored::Written)
    }

    fn get(&self, run: RunIndex, buffer: &mut Vec<u8>) -> Result<Vec<Hash>, StoreError> {
        let layout = self.manifest.layout();
        let span = layout.run(run);
        let before = self.look(span.file);
        let known = self.known(run, &span, before)?;
        let Some((root, proof)) = known.proven else {
            return self.get_by_piece(run, &span, before, buffer);
        };
        if !self.read(&span, buffer)? {
            return Err(self.rotten(&span, &[run]));
        }
        // The file is looked at before and after the read. If both looks agree, the bytes are of
        // the file that was verified.
        if !known.fresh || self.look(span.file) != before {
            if subtree_root(buffer, run_leaves(layout, run)) != root {
                return Err(self.rotten(&span, &[run]));
            }
            let mut ledger = locked(&self.ledger);
            if ledger.have.contains(run) {
                self.believe(&mut ledger, span.file, before, [run]);
            }
        }
        Ok(proof)
    }

    fn checkpoint(&self) -> Result<Durable, StoreError> {
        self.make_durable()
    }

    fn have(&self) -> RunSet {
        locked(&self.ledger).have.to_set()
    }

    fn durable(&self) -> RunSet {
        locked(&self.ledger).durable.to_set()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        // For example, nobody used the store after it was opened.
        if let Err(error) = self.clean_up_if_empty() {
            tracing::debug!(%error, "an empty state stays");
        }
        locked(whole_trees()).remove_range((self.key, 0), (self.key, u32::MAX));
    }
}

fn proven(tree: &PieceTree, index_in_piece: u32) -> Option<(Hash, Vec<Hash>)> {
    Some((tree.run_root(index_in_piece)?, tree.proof(index_in_piece)?))
}
