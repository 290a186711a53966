//! Places that are held for moments. A newcomer gets in even when all are taken; a holder that had
//! its chance gives way.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{future::poll_fn, task::AtomicWaker};
use nearcast_core::{
    budget::{self, Claim, Door, Queue, Record, Turn},
    time::Timestamp,
};
use tokio::time::{Instant, Sleep, sleep};

use super::meters::{BudgetUse, Kind, Meter};

/// While at least half of the places are taken, the least time between two places given away.
/// Floods are admitted at a pace that leaves us time for admitted peers. The others wait outside,
/// and honest peers among them wait no longer than it takes to pass the system's queue.
const CROWDED_PACE: Duration = Duration::from_millis(2);
/// How far admissions may lag behind that pace and catch up at once: timers are no finer.
const PACE_SLACK: Duration = Duration::from_millis(20);

/// The places of one kind.
pub(crate) struct Places {
    max: usize,
    start: Instant,
    held: Mutex<Held>,
    refused: AtomicU64,
}

#[derive(Default)]
struct Held {
    next: u64,
    tickets: BTreeMap<u64, (IpAddr, Instant, Arc<Eviction>)>,
    /// How visits of each network ended so far.
    record: Record,
    /// The task that waits for a place.
    waiting: Option<Waker>,
    /// When the next place may be given away, while it is crowded.
    paced_until: Option<Instant>,
}

#[derive(Default)]
struct Eviction {
    evicted: AtomicBool,
    waker: AtomicWaker,
}

/// A held place. Dropping it frees the place, and counts as a failure unless [`Ticket::made`] was
/// called.
pub(crate) struct Ticket {
    number: u64,
    ip: IpAddr,
    places: Arc<Places>,
    eviction: Arc<Eviction>,
    made: bool,
}

impl Places {
    pub(crate) fn new(max: u32) -> Arc<Places> {
        let max = max.max(1) as usize;
        let (start, held) = (Instant::now(), Mutex::default());
        Arc::new(Places { max, start, held, refused: AtomicU64::new(0) })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.start.elapsed().as_nanos() as u64)
    }

    /// The instant of a timestamp.
    pub(crate) fn instant(&self, time: Timestamp) -> Instant {
        self.start + Duration::from_nanos(time.as_nanos())
    }

    /// Counts `failures` failed visits of a peer at this IP.
    pub(crate) fn fail(&self, ip: IpAddr, failures: u32) {
        let now = self.now();
        self.lock().record.fail(now, ip, failures);
    }

    /// Notes that a peer at this IP gave or took a run: its visit counts as good.
    pub(crate) fn forgive_visit(&self, ip: IpAddr) {
        let now = self.now();
        self.lock().record.forgive_visit(now, ip);
    }

    /// Notes that the places for made connections are taken, or nearly: a newcomer then needs
    /// another connection to give way.
    pub(crate) fn note_full(&self) {
        let now = self.now();
        self.lock().record.note_full(now);
    }

    /// Which of those waiting comes next.
    pub(crate) fn next<T: Copy + Ord>(&self, queue: &Queue<T>) -> Turn<T> {
        queue.next(self.now(), &self.lock().record)
    }

    /// Which of those waiting is sent away when there are too many.
    pub(crate) fn last<T: Copy + Ord>(&self, queue: &Queue<T>) -> Option<(T, IpAddr)> {
        queue.last(self.now(), &self.lock().record)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A map and a number stay sound after a panic elsewhere.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when a newcomer at this IP would get a place. Otherwise sets the timer `pause`, and
    /// registers the waker.
    pub(crate) fn poll_room(
        &self,
        cx: &mut Context<'_>,
        ip: IpAddr,
        pause: &mut Option<Pin<Box<Sleep>>>,
    ) -> Poll<()> {
        let mut held = self.lock();
        let Some(wait) = held.wait(self.max, self.now(), ip) else {
            *pause = None;
            return Poll::Ready(());
        };
        held.waiting = Some(cx.waker().clone());
        drop(held);
        let mut timer = Box::pin(sleep(wait));
        let polled = timer.as_mut().poll(cx);
        *pause = Some(timer);
        polled
    }

    /// Takes a place. There is always one, if necessary in place of another holder.
    pub(crate) fn take(self: &Arc<Places>, ip: IpAddr) -> Ticket {
        let mut held = self.lock();
        let leaving = match held.door(self.max, self.now(), ip) {
            Door::Open => Vec::new(),
            Door::Instead(who) => who,
            // A newcomer that cannot be made to wait takes the place of the oldest holder.
            Door::Wait(_) => held.tickets.keys().next().copied().into_iter().collect(),
        };
        for who in leaving {
            if let Some((_, _, eviction)) = held.tickets.remove(&who) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                eviction.evicted.store(true, Ordering::Release);
                eviction.waker.wake();
            }
        }
        let (number, eviction) = (held.next, Arc::<Eviction>::default());
        held.next += 1;
        held.record.enter(self.now(), ip);
        let now = Instant::now();
        held.tickets.insert(number, (ip, now, eviction.clone()));
        if held.is_crowded(self.max) {
            let behind = now.checked_sub(PACE_SLACK).unwrap_or(now);
            let next = held.paced_until.map_or(now, |until| until.max(behind)) + CROWDED_PACE;
            // Callers that do not ask for room first must not shut out those that do.
            held.paced_until = Some(next.min(now + CROWDED_PACE));
        }
        Ticket { number, ip, places: self.clone(), eviction, made: false }
    }

    pub(crate) fn uses(&self, kind: Kind) -> BudgetUse {
        let meter = Meter::default();
        meter.set_limit(self.max as u64);
        meter.add(self.lock().tickets.len() as u64);
        BudgetUse { refused: self.refused.load(Ordering::Relaxed), ..meter.uses(kind) }
    }
}

impl Held {
    fn is_crowded(&self, max: usize) -> bool {
        self.tickets.len() >= max.div_ceil(2)
    }

    /// How long a newcomer has to wait. `None`: it may come in.
    fn wait(&self, max: usize, now: Timestamp, ip: IpAddr) -> Option<Duration> {
        let paced = self.paced_until.filter(|_| self.is_crowded(max));
        let pause = paced.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            return Some(pause);
        }
        // Only with all places taken can it happen that no holder may be evicted.
        if self.tickets.len() < max {
            return None;
        }
        if let Door::Wait(wait) = self.door(max, now, ip) { Some(wait) } else { None }
    }

    fn door(&self, max: usize, now: Timestamp, newcomer: IpAddr) -> Door<u64> {
        // With room left, the answer for each connection needs no look at all holders.
        if !self.is_crowded(max) {
            return Door::Open;
        }
        let claim = |(&who, &(ip, since, _)): (&u64, &(IpAddr, Instant, Arc<Eviction>))| Claim {
            who,
            ip,
            held: since.elapsed(),
            amount: 1,
        };
        let claims: Vec<_> = self.tickets.iter().map(claim).collect();
        budget::half_open(&claims, max, newcomer, |ip| self.record.standing(now, ip))
    }
}

impl Ticket {
    /// Frees the place: its purpose was achieved.
    pub(crate) fn made(mut self) {
        self.made = true;
    }

    /// Ready once the place is needed for another holder.
    pub(crate) fn poll_evicted(&self, cx: &Context<'_>) -> Poll<()> {
        self.eviction.waker.register(cx.waker());
        if self.eviction.evicted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    #[cfg(test)]
    pub(crate) fn is_evicted(&self) -> bool {
        self.eviction.evicted.load(Ordering::Acquire)
    }

    /// Waits until the place is needed for another holder.
    pub(crate) async fn evicted(&self) {
        poll_fn(|cx| self.poll_evicted(cx)).await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.places.now();
        let mut held = self.places.lock();
        held.tickets.remove(&self.number);
        held.record.leave(now, self.ip, self.made);
        let waiting = held.waiting.take();
        drop(held);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
