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
use nearcast_core::budget::{self, Claim, Door};
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
    held: Mutex<Held>,
    refused: AtomicU64,
}

#[derive(Default)]
struct Held {
    next: u64,
    tickets: BTreeMap<u64, (IpAddr, Instant, Arc<Eviction>)>,
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

/// A place that is held. Dropping it gives it back.
pub(crate) struct Ticket {
    number: u64,
    places: Arc<Places>,
    eviction: Arc<Eviction>,
}

impl Places {
    pub(crate) fn new(max: u32) -> Arc<Places> {
        Arc::new(Places { max: max.max(1) as usize, held: Mutex::default(), refused: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A map and a number stay sound whatever panicked beside them.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when a newcomer would get a place; else `pause` is set, and the waker is told.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, pause: &mut Option<Pin<Box<Sleep>>>) -> Poll<()> {
        let mut held = self.lock();
        let Some(wait) = held.wait(self.max) else {
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
        let leaving = match held.door(self.max) {
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
        let now = Instant::now();
        held.tickets.insert(number, (ip, now, eviction.clone()));
        if held.is_crowded(self.max) {
            let behind = now.checked_sub(PACE_SLACK).unwrap_or(now);
            let next = held.paced_until.map_or(now, |until| until.max(behind)) + CROWDED_PACE;
            // Who does not ask for room first must not shut the door for those who do.
            held.paced_until = Some(next.min(now + CROWDED_PACE));
        }
        Ticket { number, places: self.clone(), eviction }
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
    fn wait(&self, max: usize) -> Option<Duration> {
        let now = Instant::now();
        let paced = self.paced_until.filter(|until| *until > now && self.is_crowded(max));
        if let Some(until) = paced {
            return Some(until - now);
        }
        // Only then there may be nobody who can be sent away.
        if self.tickets.len() < max {
            return None;
        }
        if let Door::Wait(wait) = self.door(max) { Some(wait) } else { None }
    }

    fn door(&self, max: usize) -> Door<u64> {
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
        budget::half_open(&self.tickets.iter().map(claim).collect::<Vec<_>>(), max)
    }
}

impl Ticket {
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
        let mut held = self.places.lock();
        held.tickets.remove(&self.number);
        let waiting = held.waiting.take();
        drop(held);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}
