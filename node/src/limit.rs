//! Waiting for one's turn to send or receive: the bucket tree of the core, with a queue before it.
//!
//! Peers take turns, each peer's requests in order, so that one that asks a lot does not hold up the
//! others. A request is admitted whole or waits; nobody overtakes at the level that refuses.
//!
//! While nobody waits there is no task and no timer. The first to wait starts the task that grants
//! turns; it ends when the last waiter is gone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nearcast_core::{
    bucket::{BucketTree, Level},
    id::{ContentKey, PeerKey},
    time::Timestamp,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;

/// What may pass at once after a pause, at each level, in bytes: two whole runs, so that a run in
/// hand never keeps the next one from using the rate to the full.
pub(crate) const BURST_BYTES: u64 = 512 * 1024;

type Key = (ContentKey, PeerKey);

/// A limit on bytes, with fair turns. Clones share it.
#[derive(Clone)]
pub(crate) struct Limiter {
    shared: Arc<Shared>,
}

struct Shared {
    origin: Instant,
    turns: Mutex<Turns<oneshot::Sender<()>>>,
    /// A rate changed, or somebody left: who waits may have to wait less.
    changed: Notify,
    /// Where the task that grants turns is counted: nobody ends before it.
    tasks: TaskTracker,
}

/// Somebody who waits. Left without a turn, the task must know, lest it sleep for the sake of nobody.
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
    /// A limit of `rate` bytes per second on everything; none = no limit. Its task runs among `tasks`.
    pub(crate) fn new(rate: Option<u64>, tasks: TaskTracker) -> Limiter {
        Limiter {
            shared: Arc::new(Shared {
                origin: Instant::now(),
                turns: Mutex::new(Turns::new(BucketTree::new(rate, BURST_BYTES))),
                changed: Notify::new(),
                tasks,
            }),
        }
    }

    /// Waits until `bytes` may pass between us and a peer. Who stops waiting gives up the turn.
    pub(crate) async fn acquire(&self, content: ContentKey, peer: PeerKey, bytes: u64) {
        // Dropped after the receiving end below, so that the task finds it closed.
        let mut waiting = Waiting { shared: &self.shared, granted: true };
        let turn = {
            let mut turns = self.shared.lock();
            if turns.admit_at_once(self.shared.now(), (content, peer), bytes) {
                return;
            }
            let (grant, turn) = oneshot::channel();
            turns.enqueue((content, peer), bytes, grant);
            if !std::mem::replace(&mut turns.granting, true) {
                self.shared.tasks.spawn(grant_turns(self.shared.clone()));
            }
            turn
        };
        waiting.granted = false;
        // The task drops no waiter before granting it, unless the runtime itself goes down.
        let _ = turn.await;
        waiting.granted = true;
    }

    /// Changes the limit on everything, from now on.
    pub(crate) fn set_rate(&self, rate: Option<u64>) {
        self.change(|tree, now| tree.set_rate(now, rate));
    }

    /// Forgets a content's limit and its peers'.
    pub(crate) fn remove_content(&self, content: ContentKey) {
        self.change(|tree, _| tree.remove_content(content));
    }

    fn change(&self, change: impl FnOnce(&mut BucketTree, Timestamp)) {
        let now = self.shared.now();
        change(&mut self.shared.lock().tree, now);
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
            // Who stopped waiting is passed over at its turn, without spending its bytes.
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

/// Who waits, in the order of turns. Pure, so that fairness can be tested without a clock.
///
/// Invariant: a key is in `order` exactly once if it has waiters, and not at all otherwise.
struct Turns<W> {
    tree: BucketTree,
    waiting: BTreeMap<Key, VecDeque<(u64, W)>>,
    order: VecDeque<Key>,
    /// A task grants turns.
    granting: bool,
}

impl<W> Turns<W> {
    fn new(tree: BucketTree) -> Turns<W> {
        Turns { tree, waiting: BTreeMap::new(), order: VecDeque::new(), granting: false }
    }

    /// Whether `bytes` may pass now, with nobody overtaken. Then they are spent.
    fn admit_at_once(&mut self, now: Timestamp, (content, peer): Key, bytes: u64) -> bool {
        self.order.is_empty() && self.tree.take(now, content, peer, bytes).is_ok()
    }

    fn enqueue(&mut self, key: Key, bytes: u64, waiter: W) {
        let queue = self.waiting.entry(key).or_default();
        if queue.is_empty() {
            self.order.push_back(key);
        }
        queue.push_back((bytes, waiter));
    }

    /// Grants every turn that has come, and says when to look again; none if nobody waits.
    fn grant(
        &mut self,
        now: Timestamp,
        still_waits: impl Fn(&W) -> bool,
        mut granted: impl FnMut(W) -> bool,
    ) -> Option<Duration> {
        // Refused at their own level: passed over in this round, and so are others of the same content
        // when it was the content that refused.
        let mut passed_over = VecDeque::new();
        let mut full_contents = Vec::new();
        let mut soonest = None;
        while let Some(key) = self.order.pop_front() {
            let Some(bytes) = self.next_of(key, &still_waits) else {
                continue;
            };
            if full_contents.contains(&key.0) {
                passed_over.push_back(key);
                continue;
            }
            match self.tree.take(now, key.0, key.1, bytes) {
                Ok(()) => {
                    if let Some(waiter) = self.take_next(key) {
                        granted(waiter);
                    }
                }
                Err(refused) => {
                    soonest =
                        Some(soonest.map_or(refused.wait, |soonest: Duration| soonest.min(refused.wait)));
                    passed_over.push_back(key);
                    match refused.level {
                        Level::Global => break,
                        Level::Content => full_contents.push(key.0),
                        Level::Peer => {}
                    }
                }
            }
        }
        passed_over.append(&mut self.order);
        self.order = passed_over;
        soonest
    }

    /// Bytes that the first waiter of `key` wants; those who left are dropped.
    fn next_of(&mut self, key: Key, still_waits: impl Fn(&W) -> bool) -> Option<u64> {
        let queue = self.waiting.get_mut(&key)?;
        while queue.front().is_some_and(|(_, waiter)| !still_waits(waiter)) {
            queue.pop_front();
        }
        let next = queue.front().map(|&(bytes, _)| bytes);
        if next.is_none() {
            self.waiting.remove(&key);
        }
        next
    }

    fn take_next(&mut self, key: Key) -> Option<W> {
        let queue = self.waiting.get_mut(&key)?;
        let (_, waiter) = queue.pop_front()?;
        if queue.is_empty() {
            self.waiting.remove(&key);
        } else {
            self.order.push_back(key);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 256 * 1024;
    const CONTENT: ContentKey = ContentKey(1);

    /// Runs the queue to its end; who was granted when.
    fn run(turns: &mut Turns<u32>) -> Vec<(Timestamp, u32)> {
        let (mut now, mut grants) = (Timestamp::ZERO, Vec::new());
        loop {
            let wait = turns.grant(
                now,
                |_| true,
                |waiter| {
                    grants.push((now, waiter));
                    true
                },
            );
            match wait {
                None => return grants,
                Some(wait) => now = now + wait,
            }
        }
    }

    #[test]
    fn peers_take_turns_however_much_one_of_them_asks() {
        let mut turns = Turns::new(BucketTree::new(Some(RUN), 1));
        for peer in [1, 1, 1, 1, 2, 2, 3] {
            turns.enqueue((CONTENT, PeerKey(peer)), RUN, peer);
        }
        let order: Vec<u32> = run(&mut turns).into_iter().map(|(_, peer)| peer).collect();
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1]);
        assert!(turns.order.is_empty() && turns.waiting.is_empty());
    }

    #[test]
    fn a_slow_peer_does_not_hold_up_the_others() {
        let mut tree = BucketTree::new(Some(1000 * RUN), RUN);
        tree.set_peer_rate(Timestamp::ZERO, CONTENT, PeerKey(1), Some(RUN));
        let mut turns = Turns::new(tree);
        for peer in [1, 1, 1, 2, 2, 2] {
            turns.enqueue((CONTENT, PeerKey(peer)), RUN, peer);
        }
        let grants = run(&mut turns);
        let last_of = |peer| grants.iter().filter(|&&(_, of)| of == peer).map(|&(at, _)| at).max();
        assert!(last_of(2).unwrap() < Timestamp::from_millis(10));
        assert!(last_of(1).unwrap() >= Timestamp::from_millis(2000));
    }

    #[test]
    fn who_left_spends_nothing_and_keeps_nobody_waiting() {
        let mut turns = Turns::new(BucketTree::new(Some(1), 1));
        turns.enqueue((CONTENT, PeerKey(1)), 1_000_000, 1);
        turns.enqueue((CONTENT, PeerKey(2)), 1, 2);
        let mut granted = Vec::new();
        let wait = turns.grant(
            Timestamp::ZERO,
            |&waiter| waiter != 1,
            |waiter| {
                granted.push(waiter);
                true
            },
        );
        assert_eq!((wait, granted), (None, vec![2]));
    }

    #[tokio::test]
    async fn the_rate_holds_over_many_waiters_at_once() {
        let limiter = Limiter::new(Some(20 * 1024 * 1024), TaskTracker::new());
        let start = Instant::now();
        let waiters = (0..16u32).map(|number| {
            let limiter = limiter.clone();
            async move { limiter.acquire(CONTENT, PeerKey(number % 4), RUN).await }
        });
        futures::future::join_all(waiters).await;
        // 4 MiB less the burst of half a MiB, at 20 MiB/s. A loaded machine may only be slower.
        assert!(start.elapsed() >= Duration::from_millis(174), "{:?}", start.elapsed());
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn the_task_ends_when_the_last_waiter_leaves() {
        let tasks = TaskTracker::new();
        let limiter = Limiter::new(Some(1), tasks.clone());
        limiter.acquire(CONTENT, PeerKey(1), BURST_BYTES).await;
        let waits = limiter.acquire(CONTENT, PeerKey(1), BURST_BYTES);
        assert!(tokio::time::timeout(Duration::from_millis(20), waits).await.is_err(), "no turn for days");
        tasks.close();
        tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
    }

    #[tokio::test]
    async fn a_raised_limit_frees_who_waits() {
        let limiter = Limiter::new(Some(1), TaskTracker::new());
        limiter.acquire(CONTENT, PeerKey(1), BURST_BYTES).await;
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(CONTENT, PeerKey(1), BURST_BYTES).await }
        });
        tokio::task::yield_now().await;
        limiter.set_rate(None);
        let freed = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        freed.unwrap().unwrap();
    }
}
