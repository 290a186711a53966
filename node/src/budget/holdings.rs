//! The memory and other resources that one connection holds.

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

/// How many moved bytes count as one use of a connection: less than one run, more than the messages
/// that keep a link alive.
const USE_BYTES: u64 = 16 * 1024;
/// The most long hellos, and answers to questions for metainfo, in work at a time for one
/// connection. More have to wait, which costs only the wait.
const AT_WORK_MAX: usize = 4;
/// The most questions for metainfo that wait on one connection.
const MANIFESTS_PER_CONNECTION_MAX: u32 = 32;

/// What one connection holds.
pub(crate) struct Holdings {
    budget: Arc<Budget>,
    /// Bytes that the peer sent and we have not finished with.
    kept: Mutex<Pile>,
    /// Bytes that wait until the peer takes them.
    unsent: Mutex<Pile>,
    used_ms: AtomicU64,
    moved: AtomicU64,
    /// The peer opened a stream.
    opened: AtomicBool,
    /// A link, a question to our directory, or another use began on the connection.
    used: AtomicBool,
    /// A run was given or taken over the connection.
    worth: AtomicBool,
    /// The purpose of the connection is over, and nothing has begun since.
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

    /// Updates the record of unread bytes, and the bytes held.
    pub(crate) fn note<T>(&self, happened: impl FnOnce(&mut Unread) -> T) -> T {
        // Counts stay sound after a panic elsewhere.
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        let before = unread.cost();
        let outcome = happened(&mut unread);
        let after = unread.cost();
        drop(unread);
        self.change(before, after);
        outcome
    }

    /// All bytes that the connection holds.
    pub(super) fn total(&self) -> u64 {
        pile(&self.kept).bytes().saturating_add(pile(&self.unsent).bytes())
    }

    /// The bytes held, and for how long: received or unsent ones, whichever cost more.
    pub(super) fn held(&self, now_ms: u64) -> (u64, Duration) {
        let held = |of: &Mutex<Pile>| {
            let pile = *pile(of);
            (pile.bytes(), pile.held(Timestamp::from_millis(now_ms)))
        };
        let cost = |(bytes, held): (u64, Duration)| u128::from(bytes).saturating_mul(held.as_millis());
        let (kept, unsent) = (held(&self.kept), held(&self.unsent));
        if cost(unsent) > cost(kept) { unsent } else { kept }
    }

    /// The time since the connection was last of use. At least [`IDLE_GRACE`] once its purpose is
    /// over.
    pub(super) fn idle_for(&self, now_ms: u64) -> Duration {
        let idle = Duration::from_millis(now_ms.saturating_sub(self.used_ms.load(Ordering::Relaxed)));
        if self.over.load(Ordering::Relaxed) { idle.max(IDLE_GRACE) } else { idle }
    }

    /// Notes that the purpose of the connection is over: it gives up its place as soon as that is
    /// needed.
    pub(crate) fn note_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Notes a use of the connection.
    pub(crate) fn note_use(&self) {
        self.over.store(false, Ordering::Relaxed);
        self.note_begun();
        self.used_ms.store(self.budget.now_ms(), Ordering::Relaxed);
    }

    /// Notes a run given or taken over the connection.
    pub(crate) fn note_worth(&self) {
        self.worth.store(true, Ordering::Relaxed);
    }

    /// Notes that a link, or questions to our directory, began on the connection.
    fn note_begun(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether anything ever began on the connection.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Changes the number of received bytes held.
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

    /// Adds bytes that wait until the peer takes them.
    pub(crate) fn queued(&self, bytes: usize) {
        pile(&self.unsent).add(self.now(), bytes as u64);
        let meter = self.budget.meter(Kind::Bytes);
        if meter.add(bytes as u64) > meter.limit() {
            self.budget.relieve();
        }
    }

    /// Subtracts bytes that the peer took.
    pub(crate) fn taken(&self, bytes: usize) {
        pile(&self.unsent).pass(self.now(), bytes as u64);
        self.budget.meter(Kind::Bytes).sub(bytes as u64);
    }

    /// Takes back bytes that do not wait after all: there was no room for them.
    pub(crate) fn unqueued(&self, bytes: usize) {
        pile(&self.unsent).take_back(bytes as u64);
        self.budget.meter(Kind::Bytes).sub(bytes as u64);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.budget.now_ms())
    }

    /// Counts bytes read from the connection's streams, or written to them.
    pub(crate) fn moved(&self, bytes: usize) {
        let bytes = bytes as u64;
        if self.moved.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) >= USE_BYTES {
            self.moved.store(0, Ordering::Relaxed);
            self.note_use();
        }
    }

    /// Notes that the peer opened a stream: it came for a purpose.
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

    /// Waits for a turn at work that costs memory. A few tasks of a connection have a turn at a
    /// time.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.at_work.acquire().await
    }

    /// Counts bytes held outside of the muxer.
    pub(crate) fn lease(self: &Arc<Holdings>) -> Lease {
        Lease { holdings: self.clone(), bytes: 0 }
    }

    /// A place for a question for metainfo. `None`: too many wait.
    pub(crate) fn manifest(self: &Arc<Holdings>) -> Option<StreamPlace> {
        self.stream(Kind::Manifests)
    }

    /// A place for a stream to our directory. `None`: there are too many.
    pub(crate) fn directory(self: &Arc<Holdings>) -> Option<StreamPlace> {
        self.stream(Kind::Directories)
    }

    fn stream(self: &Arc<Holdings>, kind: Kind) -> Option<StreamPlace> {
        let (count, max) = self.count(kind);
        let meter = self.budget.meter(kind);
        let place = StreamPlace { holdings: self.clone(), kind };
        // Counted first. If that is too many, dropping the place subtracts it again.
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
    // Numbers stay sound after a panic elsewhere.
    pile.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Holdings {
    fn drop(&mut self) {
        self.budget.meter(Kind::Bytes).sub(self.total());
    }
}

/// The place of one counted stream. Dropping it frees the place.
pub(crate) struct StreamPlace {
    holdings: Arc<Holdings>,
    kind: Kind,
}

impl StreamPlace {
    /// See [`Holdings::turn`].
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.holdings.turn().await
    }

    /// Notes that the purpose of the stream has begun.
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

/// Bytes held for a stranger.
pub(crate) struct Lease {
    holdings: Arc<Holdings>,
    bytes: u64,
}

impl Lease {
    /// Sets the number of bytes held now.
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

/// A connection's place among all connections. Dropping it frees the place.
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
