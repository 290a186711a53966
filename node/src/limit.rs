//! Waiting for a turn to send or receive: the rates of the core, with a queue in front.
//!
//! Peers take turns, and each peer's runs keep their order, so that a peer that requests a lot does
//! not hold up the others. A run passes in the portions that the core asks for. A run that was
//! begun goes on before another begins, so that few runs, and with them few buffers, are under way
//! at once. At the level that refuses, no waiter overtakes another.
//!
//! While nothing waits there is no task and no timer. The first waiter starts the task that grants
//! turns. The task ends when the last waiter is gone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearcast_core::{
    id::ContentKey,
    rates::{
        Account, Limits, Rates,
        turns::{Queue, Turns},
    },
    time::Timestamp,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use crate::vital::Vital;

/// A limit on bytes, with fair turns. Clones share the limit.
#[derive(Clone)]
pub(crate) struct Limiter {
    shared: Arc<Shared>,
}

struct Shared {
    origin: Instant,
    turns: Mutex<Turns<oneshot::Sender<()>>>,
    /// A rate changed, or a waiter left: the others may have to wait less.
    changed: Notify,
    /// Tracks the task that grants turns, so that a shutdown waits for it.
    tasks: TaskTracker,
    vital: Vital,
}

/// Permission for some bytes, given a portion at a time.
pub(crate) struct Pass {
    limiter: Limiter,
    account: Account,
    /// Bytes granted and not yet returned by `next`.
    granted: u64,
    left: u64,
}

impl Pass {
    /// How many bytes may pass now. 0: all have passed.
    pub(crate) async fn next(&mut self) -> u64 {
        if self.granted == 0 && self.left > 0 {
            let portion = self.limiter.wait(self.account, self.left, Queue::Front).await;
            self.granted = portion;
            self.left -= portion;
        }
        std::mem::take(&mut self.granted)
    }
}

/// A waiter. If it leaves without a turn, it wakes the task, which would otherwise sleep for no
/// waiter.
struct Waiting<'a> {
    shared: &'a Shared,
    granted: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.granted {
            self.shared.changed.notify_one();
        }
    }
}

impl Limiter {
    /// A limiter with these limits. Its task runs among `tasks`.
    pub(crate) fn new(limits: Limits, tasks: TaskTracker, vital: Vital) -> Limiter {
        Limiter {
            shared: Arc::new(Shared {
                origin: Instant::now(),
                turns: Mutex::new(Turns::new(Rates::new(limits))),
                changed: Notify::new(),
                tasks,
                vital,
            }),
        }
    }

    /// Waits until `bytes` may begin to pass between us and a peer. Dropping the future gives up
    /// the turn.
    pub(crate) async fn begin(&self, account: Account, bytes: u64) -> Pass {
        let granted = if bytes > 0 { self.wait(account, bytes, Queue::Back).await } else { 0 };
        Pass { limiter: self.clone(), account, granted, left: bytes - granted }
    }

    /// Waits for a portion of `bytes`. Returns the size of the portion.
    async fn wait(&self, account: Account, bytes: u64, place: Queue) -> u64 {
        // Declared before the receiving end, so dropped after it: the task then finds the channel
        // closed.
        let mut waiting = Waiting { shared: &self.shared, granted: true };
        let (portion, turn) = {
            let mut turns = self.shared.lock();
            let (now, portion) = (self.shared.now(), bytes.min(turns.rates.portion(account.content)));
            if turns.admit_at_once(now, account, portion, place) {
                return portion;
            }
            // Those who wait may wait for a limit that does not concern this account.
            let is_due = turns.rates.admits(now, account, portion);
            let (grant, turn) = oneshot::channel();
            turns.enqueue(account, portion, place, grant);
            if !std::mem::replace(&mut turns.granting, true) {
                let granting = grant_turns(self.shared.clone());
                self.shared.tasks.spawn(self.shared.vital.guard("What grants turns to send", granting));
            } else if is_due {
                self.shared.changed.notify_one();
            }
            (portion, turn)
        };
        waiting.granted = false;
        // The task grants before it drops a waiter, unless the runtime itself goes down.
        let _ = turn.await;
        waiting.granted = true;
        portion
    }

    /// Limits one content by itself, besides the other limits. `None`: no longer.
    pub(crate) fn set_content(&self, content: ContentKey, rate: Option<u64>) {
        let now = self.shared.now();
        self.shared.lock().rates.set_content(now, content, rate);
        self.shared.changed.notify_one();
    }

    /// Replaces the limits.
    pub(crate) fn set(&self, limits: Limits) {
        let now = self.shared.now();
        self.shared.lock().rates.set(now, limits);
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Turns<oneshot::Sender<()>>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn grant_turns(shared: Arc<Shared>) {
    loop {
        let wait = {
            let mut turns = shared.lock();
            // A waiter that left is skipped at its turn, without spending its bytes.
            let wait = turns.grant(shared.now(), |grant| !grant.is_closed(), |grant| grant.send(()).is_ok());
            if wait.is_none() {
                turns.granting = false;
                return;
            }
            wait
        };
        tokio::select! {
            () = tokio::time::sleep(wait.unwrap_or_default()) => {}
            () = shared.changed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nearcast_core::id::PeerKey;

    use super::*;

    const RUN: u64 = 256 * 1024;
    const MIB: u64 = 1024 * 1024;

    fn limiter(rate: u64) -> Limiter {
        Limiter::new(Limits { all: Some(rate), ..Limits::default() }, TaskTracker::new(), Vital::default())
    }

    fn of(peer: u32) -> Account {
        Account { content: ContentKey(1), peer: PeerKey(peer), prefix: None }
    }

    async fn pass_whole(limiter: &Limiter, account: Account, bytes: u64) -> u64 {
        let mut pass = limiter.begin(account, bytes).await;
        let mut passed = 0;
        loop {
            match pass.next().await {
                0 => return passed,
                portion => passed += portion,
            }
        }
    }

    #[tokio::test]
    async fn the_rate_holds_over_many_waiters_at_once() {
        let limiter = limiter(20 * MIB);
        let start = Instant::now();
        let waiters = (0..16u32).map(|number| {
            let limiter = limiter.clone();
            async move { pass_whole(&limiter, of(number % 4), RUN).await }
        });
        assert_eq!(futures::future::join_all(waiters).await, [RUN; 16]);
        // 4 MiB less a burst of 20 ms, at 20 MiB/s. A loaded machine can only be slower.
        assert!(start.elapsed() >= Duration::from_millis(179), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn without_a_limit_everything_passes_at_once() {
        let limiter = Limiter::new(Limits::default(), TaskTracker::new(), Vital::default());
        let mut pass = limiter.begin(of(1), 3 * RUN).await;
        assert_eq!((pass.next().await, pass.next().await), (3 * RUN, 0));
        assert_eq!(pass_whole(&limiter, of(1), 0).await, 0);
    }

    #[tokio::test]
    async fn the_task_ends_when_the_last_waiter_leaves() {
        let tasks = TaskTracker::new();
        let limiter =
            Limiter::new(Limits { all: Some(1), ..Limits::default() }, tasks.clone(), Vital::default());
        let waits = pass_whole(&limiter, of(1), MIB);
        assert!(tokio::time::timeout(Duration::from_millis(20), waits).await.is_err(), "no turn for days");
        tasks.close();
        tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn a_content_that_may_not_move_waits_alone_until_it_may() {
        let limiter = Limiter::new(Limits::default(), TaskTracker::new(), Vital::default());
        limiter.set_content(ContentKey(1), Some(1));
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { pass_whole(&limiter, of(1), MIB).await }
        });
        tokio::task::yield_now().await;
        let other = Account { content: ContentKey(2), ..of(1) };
        assert_eq!(pass_whole(&limiter, other, MIB).await, MIB, "another content does not wait");
        assert!(!waiting.is_finished());
        limiter.set_content(ContentKey(1), None);
        let freed = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert_eq!(freed.unwrap().unwrap(), MIB);
    }

    #[tokio::test]
    async fn a_raised_limit_frees_who_waits() {
        let limiter = limiter(1);
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { pass_whole(&limiter, of(1), MIB).await }
        });
        tokio::task::yield_now().await;
        limiter.set(Limits::default());
        let freed = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert_eq!(freed.unwrap().unwrap(), MIB);
    }
}
