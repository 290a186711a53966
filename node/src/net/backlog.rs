//! The backlog: bytes that streams gave to the muxer and the socket has not taken yet.
//!
//! The muxer itself queues eleven frames for each stream, whatever their size. A peer that allows
//! us to send and then reads nothing would thus hold megabytes, and our own messages would wait
//! behind them. Two frames are enough to keep a socket busy.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use crate::budget::Holdings;

/// The header that the muxer puts before each frame.
const HEADER_BYTES: usize = 12;

/// The backlog of one connection. Clones share it.
#[derive(Clone)]
pub(crate) struct Backlog {
    waiting: Arc<Mutex<Waiting>>,
    /// The holdings in which the bytes count.
    holdings: Arc<Holdings>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    /// Streams that wait for room: at most the streams of the connection.
    streams: Vec<Waker>,
}

impl Backlog {
    pub(crate) fn new(holdings: Arc<Holdings>) -> Backlog {
        Backlog { waiting: Arc::default(), holdings }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // A number and a list of wakers stay sound after a panic elsewhere.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready while less than `bytes_max` waits. Then one more frame may be added.
    pub(crate) fn poll_room(&self, cx: &Context<'_>, bytes_max: usize) -> Poll<()> {
        let mut waiting = self.lock();
        if waiting.bytes < bytes_max {
            return Poll::Ready(());
        }
        if !waiting.streams.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.streams.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Counts a frame that a stream is about to give to the muxer. Counted before, because the
    /// socket may take the frame at once, and bytes counted after they were sent would never be
    /// subtracted.
    pub(crate) fn add(&self, bytes: usize) {
        self.lock().bytes += bytes + HEADER_BYTES;
        self.holdings.queued(bytes + HEADER_BYTES);
    }

    /// Corrects an added frame: the muxer took only `taken` bytes of it. `None`: it took nothing.
    pub(crate) fn correct(&self, added: usize, taken: Option<usize>) {
        let left = taken.map_or(added + HEADER_BYTES, |taken| added - taken);
        if left > 0 {
            self.holdings.unqueued(self.make_room(left));
        }
    }

    /// Subtracts bytes that the socket took. These include the muxer's own frames.
    pub(crate) fn on_sent(&self, bytes: usize) {
        self.holdings.taken(self.make_room(bytes));
    }

    /// Subtracts bytes, as far as there are any. Returns how many were subtracted.
    fn make_room(&self, bytes: usize) -> usize {
        let mut waiting = self.lock();
        // The muxer's own frames were never added.
        let gone = bytes.min(waiting.bytes);
        waiting.bytes -= gone;
        let woken = std::mem::take(&mut waiting.streams);
        drop(waiting);
        woken.into_iter().for_each(Waker::wake);
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::Wake,
    };

    use super::*;
    use crate::budget::{Budget, Plan};

    fn backlog() -> Backlog {
        Backlog::new(Holdings::new(&Budget::new(&Plan::new(10, true))))
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_finds_it_full_is_woken_when_bytes_go() {
        let (backlog, woken) = (backlog(), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        let cx = Context::from_waker(&waker);
        assert!(backlog.poll_room(&cx, 100).is_ready());
        backlog.add(100);
        assert!(backlog.poll_room(&cx, 100).is_pending());
        assert!(backlog.poll_room(&cx, 100).is_pending(), "and it stands in the list once");
        backlog.on_sent(5);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(backlog.poll_room(&cx, 100).is_pending());
        backlog.on_sent(HEADER_BYTES);
        assert!(backlog.poll_room(&cx, 100).is_ready());
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_the_muxer_does_not_take_does_not_count() {
        let (backlog, cx) = (backlog(), Context::from_waker(Waker::noop()));
        for _ in 0..1_000 {
            backlog.add(100);
            backlog.correct(100, None);
            backlog.add(100);
            backlog.correct(100, Some(40));
            backlog.on_sent(40 + HEADER_BYTES);
        }
        assert!(backlog.poll_room(&cx, 1).is_ready());
    }
}
