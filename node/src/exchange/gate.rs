//! The gate that runs pass on their way out: few at a time where the uplink is slow. The core says how
//! many ([`Concurrency`]); whoever waits is let through first come, first served.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nearcast_core::{rates::concurrency::Concurrency, time::Timestamp};
use tokio::{sync::oneshot, time::Instant};

/// A gate. Clones share it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Shared>);

struct Shared {
    origin: Instant,
    state: Mutex<State>,
}

struct State {
    concurrency: Concurrency,
    waiting: VecDeque<oneshot::Sender<Place>>,
    /// Bytes that went out, ever.
    sent: u64,
}

/// A place beyond the gate, for one run. It is free again when this is dropped; only runs that were
/// sent to their end ([`Place::end`]) say anything about how long runs take.
pub(crate) struct Place {
    shared: Arc<Shared>,
    begun: Timestamp,
    /// It holds up nobody any more.
    is_given_up: bool,
}

impl Gate {
    /// A gate that lets at least `least` runs out at once, and at most `most`.
    pub(crate) fn new(least: u16, most: u16) -> Gate {
        let concurrency = Concurrency::new(least, most);
        let state = Mutex::new(State { concurrency, waiting: VecDeque::new(), sent: 0 });
        Gate(Arc::new(Shared { origin: Instant::now(), state }))
    }

    /// A place, if a run may begin now.
    pub(crate) fn try_enter(&self) -> Option<Place> {
        let mut state = self.0.lock();
        let may = state.waiting.is_empty() && state.concurrency.has_room();
        may.then(|| self.0.place(&mut state))
    }

    /// Waits until a run may begin. Dropping the future gives up the turn.
    pub(crate) async fn enter(&self) -> Place {
        if let Some(place) = self.try_enter() {
            return place;
        }
        let (turn, comes) = oneshot::channel();
        self.0.queue(turn);
        match comes.await {
            Ok(place) => place,
            // The gate is never taken down while somebody holds it.
            Err(_) => self.0.place(&mut self.0.lock()),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn place(self: &Arc<Self>, state: &mut State) -> Place {
        state.concurrency.begin();
        Place { shared: self.clone(), begun: self.now(), is_given_up: false }
    }

    fn queue(self: &Arc<Self>, turn: oneshot::Sender<Place>) {
        let mut state = self.lock();
        state.waiting.push_back(turn);
        // Somebody may have made room since the waiter looked.
        self.let_through(state);
    }

    /// Lets through as many as there is room for.
    fn let_through(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        while state.concurrency.has_room()
            && let Some(turn) = state.waiting.pop_front()
        {
            // Whoever has left gives the place back.
            if let Err(mut place) = turn.send(self.place(&mut state)) {
                place.is_given_up = true;
                state.concurrency.give_up();
                refused.push(place);
            }
        }
        drop(state);
        drop(refused);
    }
}

impl Place {
    /// Notes that bytes of the run have gone out. Whoever takes far longer than others for a run holds
    /// up nobody any more.
    pub(crate) fn note_sent(&mut self, bytes: u64) {
        let mut state = self.shared.lock();
        state.sent = state.sent.saturating_add(bytes);
        if !self.is_given_up && state.concurrency.is_overdue(self.shared.now(), self.begun) {
            self.is_given_up = true;
            state.concurrency.give_up();
            self.shared.let_through(state);
        }
    }

    /// The run is out.
    pub(crate) fn end(mut self) {
        let mut state = self.shared.lock();
        let now = self.shared.now();
        if std::mem::replace(&mut self.is_given_up, true) {
            state.concurrency.end_late(now, self.begun);
            return;
        }
        let (sent, is_waited_for) = (state.sent, !state.waiting.is_empty());
        state.concurrency.end(now, self.begun, is_waited_for, sent);
        self.shared.let_through(state);
    }

    /// The receiver takes nothing: the run holds up nobody any more.
    pub(crate) fn give_up(&mut self) {
        if !std::mem::replace(&mut self.is_given_up, true) {
            let mut state = self.shared.lock();
            state.concurrency.give_up();
            self.shared.let_through(state);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_let_through_in_turn_and_who_left_is_passed_over() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().await;
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(gate.enter())).collect();
        assert!(waiting.iter_mut().all(|turn| turn.now_or_never().is_none()));
        drop(waiting.remove(0));
        drop(first);
        let second = waiting[0].as_mut().now_or_never().expect("the first of those who still wait");
        assert!(waiting[1].as_mut().now_or_never().is_none());
        drop(second);
        assert!(waiting[1].as_mut().now_or_never().is_some());
        let places = join_all((0..1).map(|_| gate.enter())).await;
        assert_eq!(places.len(), 1, "nothing is lost");
    }

    #[tokio::test]
    async fn a_turn_that_came_and_was_not_taken_is_passed_on() {
        let gate = Gate::new(1, 1);
        let first = gate.enter().await;
        let (mut late, mut next) = (Box::pin(gate.enter()), Box::pin(gate.enter()));
        assert!(late.as_mut().now_or_never().is_none() && next.as_mut().now_or_never().is_none());
        drop(first);
        drop(late);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_receiver_that_takes_nothing_makes_room() {
        let gate = Gate::new(1, 1);
        let mut stuck = gate.enter().await;
        let mut next = Box::pin(gate.enter());
        assert!(next.as_mut().now_or_never().is_none());
        stuck.give_up();
        stuck.give_up();
        let next = next.now_or_never().expect("room");
        assert!(gate.enter().now_or_never().is_none(), "given up once");
        drop((stuck, next));
        assert!(gate.enter().now_or_never().is_some());
    }
}
