//! The waiters, in the order of their turns. Pure, so that fairness can be tested without a clock.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::{
    id::ContentKey,
    place::prefix::Prefix,
    rates::{Account, Level, Rates},
    time::Timestamp,
};

/// The part of the queue that a waiter joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Among runs that go on.
    Front,
    /// Among runs that begin.
    Back,
}

/// The queue.
///
/// Invariant: an account is in `order` exactly once if it has waiters that begin, and not at all
/// otherwise.
pub struct Turns<W> {
    /// The limits that a waiter passes.
    pub rates: Rates,
    /// Waiters in the middle of a run, first come first served.
    going_on: VecDeque<(Account, u64, W)>,
    beginning: BTreeMap<Account, VecDeque<(u64, W)>>,
    order: VecDeque<Account>,
    /// A task is granting turns.
    pub granting: bool,
}

/// What has refused in this round, so that other waiters need not ask there.
#[derive(Default)]
struct Full {
    all: bool,
    prefixes: BTreeSet<Prefix>,
    contents: BTreeSet<ContentKey>,
    soonest: Option<Duration>,
}

impl Full {
    fn concerns(&self, account: &Account) -> bool {
        self.all
            || account.prefix.is_some_and(|prefix| self.prefixes.contains(&prefix))
            || self.contents.contains(&account.content)
    }
}

impl<W> Turns<W> {
    /// A queue in which nobody waits.
    pub fn new(rates: Rates) -> Turns<W> {
        Turns {
            rates,
            going_on: VecDeque::new(),
            beginning: BTreeMap::new(),
            order: VecDeque::new(),
            granting: false,
        }
    }

    /// Whether `bytes` may pass now without overtaking a waiter. If so, they are spent.
    pub fn admit_at_once(&mut self, now: Timestamp, account: Account, bytes: u64, place: Queue) -> bool {
        let first = self.going_on.is_empty() && (place == Queue::Front || self.order.is_empty());
        first && self.rates.take(now, account, bytes).is_ok()
    }

    /// Adds a waiter for `bytes`, at the end of its part of the queue.
    pub fn enqueue(&mut self, account: Account, bytes: u64, place: Queue, waiter: W) {
        if place == Queue::Front {
            return self.going_on.push_back((account, bytes, waiter));
        }
        let queue = self.beginning.entry(account).or_default();
        if queue.is_empty() {
            self.order.push_back(account);
        }
        queue.push_back((bytes, waiter));
    }

    /// Grants every turn that has come. Returns when to look again. `None`: no one waits.
    pub fn grant(
        &mut self,
        now: Timestamp,
        still_waits: impl Fn(&W) -> bool,
        mut granted: impl FnMut(W) -> bool,
    ) -> Option<Duration> {
        let mut full = Full::default();
        for (account, bytes, waiter) in std::mem::take(&mut self.going_on) {
            if !still_waits(&waiter) {
                continue;
            }
            if self.take(now, account, bytes, &mut full) {
                granted(waiter);
            } else {
                self.going_on.push_back((account, bytes, waiter));
            }
        }
        let mut passed_over = VecDeque::new();
        while !full.all
            && let Some(account) = self.order.pop_front()
        {
            let Some(bytes) = self.next_of(account, &still_waits) else { continue };
            if !self.take(now, account, bytes, &mut full) {
                passed_over.push_back(account);
            } else if let Some(waiter) = self.take_next(account) {
                granted(waiter);
            }
        }
        passed_over.append(&mut self.order);
        self.order = passed_over;
        full.soonest
    }

    /// Whether `bytes` may pass now. If not, notes what refused.
    fn take(&mut self, now: Timestamp, account: Account, bytes: u64, full: &mut Full) -> bool {
        if full.concerns(&account) {
            return false;
        }
        let Err(refused) = self.rates.take(now, account, bytes) else { return true };
        full.soonest = Some(full.soonest.map_or(refused.wait, |soonest| soonest.min(refused.wait)));
        match refused.level {
            Level::All => full.all = true,
            Level::Prefix => full.prefixes.extend(account.prefix),
            Level::Content => {
                full.contents.insert(account.content);
            }
            Level::Peer => {}
        }
        false
    }

    /// The bytes that the first waiter of an account wants. Drops waiters that have left.
    fn next_of(&mut self, account: Account, still_waits: impl Fn(&W) -> bool) -> Option<u64> {
        let queue = self.beginning.get_mut(&account)?;
        while queue.front().is_some_and(|(_, waiter)| !still_waits(waiter)) {
            queue.pop_front();
        }
        let next = queue.front().map(|&(bytes, _)| bytes);
        if next.is_none() {
            self.beginning.remove(&account);
        }
        next
    }

    fn take_next(&mut self, account: Account) -> Option<W> {
        let queue = self.beginning.get_mut(&account)?;
        let (_, waiter) = queue.pop_front()?;
        if queue.is_empty() {
            self.beginning.remove(&account);
        } else {
            self.order.push_back(account);
        }
        Some(waiter)
    }
}

#[cfg(test)]
mod tests {
    use crate::{id::PeerKey, rates::Limits};

    use super::*;

    const KIB: u64 = 1024;
    const RATE: u64 = 1024 * KIB;

    fn of(peer: u32) -> Account {
        let ip = std::net::IpAddr::from([192, 0, peer as u8, 1]);
        Account { content: ContentKey(1), peer: PeerKey(peer), prefix: Some(Prefix::of(ip)) }
    }

    fn limited(limits: Limits) -> Turns<u32> {
        Turns::new(Rates::new(limits))
    }

    /// Runs the queue to its end. Returns when each waiter was granted its turn.
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

    fn order(turns: &mut Turns<u32>) -> Vec<u32> {
        run(turns).into_iter().map(|(_, peer)| peer).collect()
    }

    #[test]
    fn peers_take_turns_however_much_one_of_them_asks() {
        let mut turns = limited(Limits { all: Some(RATE), ..Limits::default() });
        for peer in [1, 1, 1, 1, 2, 2, 3] {
            turns.enqueue(of(peer), 20 * KIB, Queue::Back, peer);
        }
        assert_eq!(order(&mut turns), [1, 2, 3, 1, 2, 1, 1]);
        assert!(turns.order.is_empty() && turns.beginning.is_empty());
    }

    #[test]
    fn what_was_begun_goes_on_before_anything_else_begins() {
        let mut turns = limited(Limits { all: Some(RATE), ..Limits::default() });
        turns.enqueue(of(1), KIB, Queue::Back, 1);
        assert!(turns.admit_at_once(Timestamp::ZERO, of(4), KIB, Queue::Front));
        assert!(!turns.admit_at_once(Timestamp::ZERO, of(4), KIB, Queue::Back), "1 was there before");
        turns.enqueue(of(2), KIB, Queue::Front, 2);
        turns.enqueue(of(3), KIB, Queue::Front, 3);
        assert!(!turns.admit_at_once(Timestamp::ZERO, of(4), KIB, Queue::Front), "2 was there before");
        assert_eq!(order(&mut turns), [2, 3, 1]);
    }

    #[test]
    fn a_peer_or_network_at_its_limit_does_not_hold_up_the_others() {
        let slow = Some(100 * KIB);
        let limits = [
            Limits { all: Some(1000 * RATE), each_peer: slow, ..Limits::default() },
            Limits { all: Some(1000 * RATE), each_prefix: slow, ..Limits::default() },
        ];
        for limits in limits {
            let mut turns = limited(limits);
            for peer in [1, 1, 1, 1, 1, 2] {
                turns.enqueue(of(peer), 4 * KIB, Queue::Back, peer);
            }
            turns.enqueue(of(1), 4 * KIB, Queue::Front, 1);
            let grants = run(&mut turns);
            let last_of = |peer| grants.iter().filter(|&&(_, of)| of == peer).map(|&(at, _)| at).max();
            assert_eq!(last_of(2), Some(Timestamp::ZERO));
            assert!(last_of(1).unwrap() >= Timestamp::from_millis(190), "{grants:?}");
        }
    }

    #[test]
    fn who_left_spends_nothing_and_keeps_nobody_waiting() {
        let mut turns = limited(Limits { all: Some(1), ..Limits::default() });
        turns.enqueue(of(1), 1_000_000, Queue::Back, 1);
        turns.enqueue(of(1), 1_000_000, Queue::Front, 1);
        turns.enqueue(of(2), 1, Queue::Back, 2);
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
}
