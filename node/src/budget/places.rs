//! Places that are held for moments: who comes when all are taken gets in, and who had its chance goes.

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

/// While more than half of the places are taken, one more is given away no sooner than so long after the last. Floods are
/// taken in turns so that they leave us time for who is in; they wait in front of the door, and honest ones among them not
/// for longer than it takes to go through the system's queue.
const CROWDED_PACE: Duration = Duration::from_millis(2);
/// So much of that pace may be caught up on at once: timers are no finer.
const PACE_SLACK: Duration = Duration::from_millis(20);

/// Places of one kind.
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
    /// What those who had a place came to.
    record: Record,
    /// Who waits for a place.
    waiting: Option<Waker>,
    /// When the next may be given away, while it is crowded.
    paced_until: Option<Instant>,
}

#[derive(Default)]
struct Eviction {
    evicted: AtomicBool,
    waker: AtomicWaker,
}

/// A place that is held. Dropping it gives it back, and says that it came to nothing.
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

    /// When that is.
    pub(crate) fn instant(&self, time: Timestamp) -> Instant {
        self.start + Duration::from_nanos(time.as_nanos())
    }

    /// Somebody from there came to nothing, and that counts so often.
    pub(crate) fn fail(&self, ip: IpAddr, failures: u32) {
        let now = self.now();
        self.lock().record.fail(now, ip, failures);
    }

    /// Somebody from there gave or took a run.
    pub(crate) fn forgive_visit(&self, ip: IpAddr) {
        let now = self.now();
        self.lock().record.forgive_visit(now, ip);
    }

    /// The places behind these are taken, or nearly: a newcomer needs somebody to give way.
    pub(crate) fn note_full(&self) {
        let now = self.now();
        self.lock().record.note_full(now);
    }

    /// Of those who wait in front of it, who is next.
    pub(crate) fn next<T: Copy + Ord>(&self, queue: &Queue<T>) -> Turn<T> {
        queue.next(self.now(), &self.lock().record)
    }

    /// And who is sent away when there are too many.
    pub(crate) fn last<T: Copy + Ord>(&self, queue: &Queue<T>) -> Option<(T, IpAddr)> {
        queue.last(self.now(), &self.lock().record)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A map and a number stay sound whatever panicked beside them.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when a newcomer from there would get a place; else `pause` is set, and the waker is told.
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

    /// Takes a place; there is always one.
    pub(crate) fn take(self: &Arc<Places>, ip: IpAddr) -> Ticket {
        let mut held = self.lock();
        let leaving = match held.door(self.max, self.now(), ip) {
            Door::Open => Vec::new(),
            Door::Instead(who) => who,
            // Who cannot be made to wait takes the place of the first.
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
            // Who does not ask for room first must not shut the door for those who do.
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

    /// How long a newcomer has to wait; none if it may come in.
    fn wait(&self, max: usize, now: Timestamp, ip: IpAddr) -> Option<Duration> {
        let paced = self.paced_until.filter(|_| self.is_crowded(max));
        let pause = paced.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            return Some(pause);
        }
        // Only then there may be nobody who can be sent away.
        if self.tickets.len() < max {
            return None;
        }
        if let Door::Wait(wait) = self.door(max, now, ip) { Some(wait) } else { None }
    }

    fn door(&self, max: usize, now: Timestamp, newcomer: IpAddr) -> Door<u64> {
        // What is asked for each connection is answered without looking at all of them, as long as there is room.
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
    /// Gives it back: what it was held for has been done.
    pub(crate) fn made(mut self) {
        self.made = true;
    }

    /// Ready once the place is needed for somebody else.
    pub(crate) fn poll_evicted(&self, cx: &Context<'_>) -> Poll<()> {
        self.eviction.waker.register(cx.waker());
        if self.eviction.evicted.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }

    #[cfg(test)]
    pub(crate) fn is_evicted(&self) -> bool {
        self.eviction.evicted.load(Ordering::Acquire)
    }

    /// Until the place is needed for somebody else.
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
