//! What one connection holds of our memory.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use nearcast_core::{
    budget::{IDLE_GRACE, Pile},
    time::Timestamp,
};
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

use super::{Budget, Kind, plan::DIRECTORIES_PER_CONNECTION_MAX, unread::Unread};

/// So many bytes moved are a use of a connection: less than one run, more than what keeps a link alive.
const USE_BYTES: u64 = 16 * 1024;
/// Long hellos that are read at a time from one connection, and questions for metainfo that are answered. More wait, and
/// cost nothing but the wait.
const AT_WORK_MAX: usize = 4;
/// Questions for metainfo that wait on one connection.
const MANIFESTS_PER_CONNECTION_MAX: u32 = 32;

/// What one connection holds.
pub(crate) struct Holdings {
    budget: Arc<Budget>,
    /// What it sent and we have not read or done with.
    kept: Mutex<Pile>,
    /// What waits to be taken by the other side.
    unsent: Mutex<Pile>,
    used_ms: AtomicU64,
    moved: AtomicU64,
    /// The other side opened a stream.
    opened: AtomicBool,
    /// Something began on it.
    used: AtomicBool,
    /// A run was given or taken over it.
    worth: AtomicBool,
    /// What it was for is over, and nothing has begun since.
    over: AtomicBool,
    cut: AtomicBool,
    waker: AtomicWaker,
    unread: Mutex<Unread>,
    at_work: Semaphore,
    manifests: AtomicU32,
    directories: AtomicU32,
}

impl Holdings {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Holdings> {
        Arc::new(Holdings {
            kept: Mutex::default(),
            unsent: Mutex::default(),
            used_ms: AtomicU64::new(budget.now_ms()),
            moved: AtomicU64::new(0),
            opened: AtomicBool::new(false),
            used: AtomicBool::new(false),
            worth: AtomicBool::new(false),
            over: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            unread: Mutex::default(),
            at_work: Semaphore::new(AT_WORK_MAX),
            manifests: AtomicU32::new(0),
            directories: AtomicU32::new(0),
            budget: budget.clone(),
        })
    }

    /// Something happened to what came over its streams and was not read.
    pub(crate) fn note<T>(&self, happened: impl FnOnce(&mut Unread) -> T) -> T {
        // Counts stay sound whatever panicked beside them.
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let before = unread.cost();
        let outcome = happened(&mut unread);
        let after = unread.cost();
        drop(unread);
        self.change(before, after);
        outcome
    }

    /// All it holds.
    pub(super) fn total(&self) -> u64 {
        pile(&self.kept).bytes().saturating_add(pile(&self.unsent).bytes())
    }

    /// What it holds, and for how long: of what it sent and what is sent to it whichever costs more.
    pub(super) fn held(&self, now_ms: u64) -> (u64, Duration) {
        let held = |of: &Mutex<Pile>| {
            let pile = *pile(of);
            (pile.bytes(), pile.held(Timestamp::from_millis(now_ms)))
        };
        let cost = |(bytes, held): (u64, Duration)| u128::from(bytes).saturating_mul(held.as_millis());
        let (kept, unsent) = (held(&self.kept), held(&self.unsent));
        if cost(unsent) > cost(kept) { unsent } else { kept }
    }

    /// Since it was last of use; for long, once what it was for is over.
    pub(super) fn idle_for(&self, now_ms: u64) -> Duration {
        let idle = Duration::from_millis(now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed)));
        if self.over.load(Ordering::Relaxed) { idle.max(IDLE_GRACE) } else { idle }
    }

    /// What it was for is over: it gives its place away as soon as somebody needs it.
    pub(crate) fn note_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// It is of use.
    pub(crate) fn note_use(&self) {
        self.over.store(false, Ordering::Relaxed);
        self.note_begun();
        self.used_ms.store(self.budget.now_ms(), Ordering::Relaxed);
    }

    /// A run was given or taken over it.
    pub(crate) fn note_worth(&self) {
        self.worth.store(true, Ordering::Relaxed);
    }

    /// Something began on it: a link, or questions to our directory.
    fn note_begun(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether something ever began on it.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes more, or fewer, are held.
    pub(crate) fn change(&self, before: u64, after: u64) {
        let meter = self.budget.meter(Kind::Bytes);
        if after >= before {
            let more = after.saturating_sub(before);
            pile(&self.kept).add(self.now(), more);
            if meter.add(more) > meter.limit() {
                self.budget.relieve();
            }
        } else {
            let fewer = before.saturating_sub(after);
            pile(&self.kept).pass(self.now(), fewer);
            meter.sub(fewer);
        }
    }

    /// More waits to be taken by the other side.
    pub(crate) fn queued(&self, bytes: usize) {
        pile(&self.unsent).add(self.now(), bytes as u64);
        let meter = self.budget.meter(Kind::Bytes);
        if meter.add(bytes as u64) > meter.limit() {
            self.budget.relieve();
        }
    }

    /// It took some of it.
    pub(crate) fn taken(&self, bytes: usize) {
        pile(&self.unsent).pass(self.now(), bytes as u64);
        self.budget.meter(Kind::Bytes).sub(bytes as u64);
    }

    /// It does not wait after all: there was no room for it.
    pub(crate) fn unqueued(&self, bytes: usize) {
        pile(&self.unsent).take_back(bytes as u64);
        self.budget.meter(Kind::Bytes).sub(bytes as u64);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.budget.now_ms())
    }

    /// So many bytes were read from its streams, or written to them.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = bytes as u64;
        if self.moved.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= USE_BYTES {
            self.moved.store(0, Ordering::Relaxed);
            self.note_use();
        }
    }

    /// The other side opened a stream: it came for something.
    pub(crate) fn note_opened(&self) {
        self.opened.store(true, Ordering::Relaxed);
    }

    /// Ends the connection.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Ready when the connection has to end.
    pub(crate) fn poll_cut(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.register(cx.waker());
        if self.is_cut() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for a turn at work that costs memory: a few a connection have one.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.at_work.acquire().await
    }

    /// Counts bytes that are held outside of the muxer.
    pub(crate) fn lease(self: &Arc<Holdings>) -> Lease {
        Lease { holdings: self.clone(), bytes: 0 }
    }

    /// A question for metainfo, unless too many wait.
    pub(crate) fn manifest(self: &Arc<Holdings>) -> Option<StreamPlace> {
        self.stream(Kind::Manifests)
    }

    /// A stream to our directory, unless there are too many.
    pub(crate) fn directory(self: &Arc<Holdings>) -> Option<StreamPlace> {
        self.stream(Kind::Directories)
    }

    fn stream(self: &Arc<Holdings>, kind: Kind) -> Option<StreamPlace> {
        let (count, max) = self.count(kind);
        let meter = self.budget.meter(kind);
        let place = StreamPlace { holdings: self.clone(), kind };
        // Counted first, and given back by the place if that was too much.
        let here = count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if meter.add(1) > meter.limit() || here > max {
            meter.refuse();
            return None;
        }
        Some(place)
    }

    fn count(&self, kind: Kind) -> (&AtomicU32, u32) {
        match kind {
            Kind::Directories => (&self.directories, DIRECTORIES_PER_CONNECTION_MAX),
            _ => (&self.manifests, MANIFESTS_PER_CONNECTION_MAX),
        }
    }
}

fn pile(pile: &Mutex<Pile>) -> MutexGuard<'_, Pile> {
    // Numbers stay sound whatever panicked beside them.
    pile.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Holdings {
    fn drop(&mut self) {
        self.budget.meter(Kind::Bytes).sub(self.total());
    }
}

/// One stream that is counted. Dropping it gives its place back.
pub(crate) struct StreamPlace {
    holdings: Arc<Holdings>,
    kind: Kind,
}

impl StreamPlace {
    /// See [`Holdings::turn`].
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.holdings.turn().await
    }

    /// What it was opened for has begun.
    pub(crate) fn note_begun(&self) {
        self.holdings.note_begun();
    }

    /// See [`Holdings::lease`].
    pub(crate) fn lease(&self) -> Lease {
        self.holdings.lease()
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.holdings.count(self.kind).0.fetch_sub(1, Ordering::Relaxed);
        self.holdings.budget.meter(self.kind).sub(1);
    }
}

/// Bytes that are held for a stranger.
pub(crate) struct Lease {
    holdings: Arc<Holdings>,
    bytes: u64,
}

impl Lease {
    /// So many are held now.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.holdings.change(self.bytes, bytes as u64);
        self.bytes = bytes as u64;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A connection's place among all of them. Dropping it gives it back.
pub(crate) struct Place {
    budget: Arc<Budget>,
    holdings: Arc<Holdings>,
    number: u64,
}

impl Place {
    pub(super) fn new(budget: Arc<Budget>, holdings: Arc<Holdings>, number: u64) -> Place {
        Place { budget, holdings, number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (opened, worth) = (&self.holdings.opened, &self.holdings.worth);
        self.budget.leave(self.number, opened.load(Ordering::Relaxed), worth.load(Ordering::Relaxed));
    }
}
