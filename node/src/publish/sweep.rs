//! Hashes all pieces of a content on all cores.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    thread,
};

use nearcast_core::{
    id::Hash,
    layout::{Layout, PieceIndex},
    merkle::{PieceTree, run_leaves, subtree_root},
};

/// More threads than this would only wait for the disk.
const THREADS_MAX: usize = 64;

/// Why a sweep ended early.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// The caller cancelled it.
    Cancelled,
    /// A file could not be read. `UnexpectedEof`: it is shorter than the layout says.
    Io { file: usize, source: io::Error },
}

/// Opens a file of the layout for reading.
pub(super) type Open<'a> = dyn Fn(usize) -> io::Result<File> + Sync + 'a;

/// One pass over all pieces.
pub(super) struct Sweep<'a> {
    layout: &'a Layout,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    cancelled: &'a AtomicBool,
    /// A thread met an error, so the others stop.
    failed: AtomicBool,
    next_piece: AtomicU32,
    bytes_done: AtomicU64,
    threads_max: usize,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        progress: &'a (dyn Fn(u64, u64) + Sync),
        cancelled: &'a AtomicBool,
    ) -> Sweep<'a> {
        Sweep {
            layout,
            progress,
            cancelled,
            failed: AtomicBool::new(false),
            next_piece: AtomicU32::new(0),
            bytes_done: AtomicU64::new(0),
            threads_max: THREADS_MAX,
        }
    }

    /// Sets the largest number of threads. `None`: the default.
    pub(super) fn with_threads(self, threads: Option<usize>) -> Sweep<'a> {
        Sweep { threads_max: threads.unwrap_or(THREADS_MAX).clamp(1, THREADS_MAX), ..self }
    }

    /// Calls `work` for every piece, on several threads, and returns the results in the order of
    /// the pieces. `open` opens a file for reading. The first error ends the sweep.
    pub(super) fn run<T: Send>(
        &self,
        open: &Open<'_>,
        work: impl Fn(&mut Reader<'_>, PieceIndex) -> Result<T, Interrupted> + Sync,
    ) -> Result<Vec<T>, Interrupted> {
        self.advance(0);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(self.threads_max).min(self.layout.pieces() as usize);
        if threads <= 1 {
            // Run on this thread: thousands of small contents need no thread each.
            let results = self.work_off(open, &work)?;
            return Ok(results.into_iter().map(|(_, result)| result).collect());
        }
        let results = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.work_off(open, &work))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })?;
        let mut results: Vec<(u32, T)> = results.into_iter().flatten().collect();
        results.sort_unstable_by_key(|(piece, _)| *piece);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// The work of one thread: takes pieces until none is left.
    fn work_off<T>(
        &self,
        open: &Open<'_>,
        work: &(impl Fn(&mut Reader<'_>, PieceIndex) -> Result<T, Interrupted> + Sync),
    ) -> Result<Vec<(u32, T)>, Interrupted> {
        let longest = u64::from(self.layout.run_bytes()).min(self.layout.bytes());
        let mut reader = Reader { sweep: self, open, last: None, buffer: vec![0; longest as usize] };
        let mut results = Vec::new();
        while !self.failed.load(Ordering::Relaxed) {
            let next = self.next_piece.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.layout.piece_index(next) else {
                break;
            };
            let result =
                work(&mut reader, piece).inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
            results.push((next, result));
        }
        Ok(results)
    }

    fn advance(&self, bytes: u64) {
        let done = self.bytes_done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.progress)(done, self.layout.bytes());
    }
}

/// Reads files for one thread.
pub(super) struct Reader<'a> {
    sweep: &'a Sweep<'a>,
    open: &'a Open<'a>,
    /// The file read last. The next read is most often from the same file.
    last: Option<(usize, File)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// Reads a piece and hashes it.
    pub(super) fn piece_hash(&mut self, piece: PieceIndex) -> Result<Hash, Interrupted> {
        let layout = self.sweep.layout;
        let mut roots = Vec::with_capacity(layout.piece_runs(piece).len());
        for run in layout.piece_runs(piece).filter_map(|run| layout.run_index(run)) {
            if self.sweep.cancelled.load(Ordering::Relaxed) {
                return Err(Interrupted::Cancelled);
            }
            let span = layout.run(run);
            self.read(span.file.get() as usize, span.offset, span.bytes as usize)?;
            let bytes = &self.buffer[..span.bytes as usize];
            roots.push(subtree_root(bytes, run_leaves(layout, run)));
            self.sweep.advance(u64::from(span.bytes));
        }
        Ok(PieceTree::new(layout, piece).fill(&roots))
    }

    /// Counts a piece as done without reading it.
    pub(super) fn skip(&self, piece: PieceIndex) {
        self.sweep.advance(u64::from(self.sweep.layout.piece(piece).bytes));
    }

    fn read(&mut self, file: usize, offset: u64, bytes: usize) -> Result<(), Interrupted> {
        let failed = |source| Interrupted::Io { file, source };
        if self.last.as_ref().is_none_or(|(last, _)| *last != file) {
            self.last = Some((file, (self.open)(file).map_err(failed)?));
        }
        match &self.last {
            Some((_, open)) => open.read_exact_at(&mut self.buffer[..bytes], offset).map_err(failed),
            None => unreachable!("it was opened above"),
        }
    }
}
