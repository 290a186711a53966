//! When a directory writes itself under the keys of its contents, and at what pace.
//!
//! It looks first who stands there: a content that twenty directories know needs no further one. It
//! writes again before the record expires. All of this costs a bounded number of requests a second,
//! whatever the number of contents; what does not fit into the pace waits, and
//! [`Schedule::lapsed`] says how much does.
//!
//! Invariants: at most [`KEYS_MAX`] keys; one query at a time; each request
//! takes [`REQUEST_TIME`] on average, with one query ahead of its time at most.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{overlay::keys::Key, overlay::store::RECORD_LIFE, random::Random, time::Timestamp};

/// Time that each request to another directory takes of all that we provide: ten a second, on
/// average.
pub const REQUEST_TIME: Duration = Duration::from_millis(100);
/// A key under which so many others stand needs no further one.
pub const RECORDS_ENOUGH: usize = 20;
/// From so many others on we look first when we write again: it may be enough meanwhile.
const RECORDS_MANY: usize = 10;
/// Keys at most.
pub const KEYS_MAX: usize = 65_536;
/// We write again after this time, and up to a quarter later, so that writes spread over the life
/// of a record.
const REFRESH: Duration = Duration::from_secs(20 * 60);
/// After this time we look again at a key where enough others stood.
const LOOK_AGAIN: Duration = Duration::from_secs(12 * 60);
/// After this time we try again what failed.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// The share by which pauses are longer at random.
const SPREAD: f32 = 0.25;
/// A query of which nothing is heard for this long has failed.
const QUERY_MAX: Duration = Duration::from_secs(60);

/// How much a key matters. Whoever matters more goes first where the pace does not suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The directory's host itself has the content.
    Own,
    /// Several peers take part in it.
    Several,
    /// Somebody takes part in it.
    Few,
}

/// What is to be done about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Look who stands there.
    LookUp(Key),
    /// Write ourselves there.
    Provide(Key),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    weight: Weight,
    /// When it is next due.
    due: Timestamp,
    looks_first: bool,
    /// Whether many others stood there when we looked last.
    had_many: bool,
    /// When we were last written there.
    written: Option<Timestamp>,
    /// Whether enough others stand there.
    is_covered: bool,
    /// The round in which it was last wanted.
    round: u64,
}

/// Our keys, and what is next.
#[derive(Debug)]
pub struct Schedule {
    keys: BTreeMap<Key, Entry>,
    due: BTreeSet<(Weight, Timestamp, Key)>,
    /// What is under way, and since when.
    under_way: Option<(Act, Timestamp)>,
    /// Nothing begins before.
    free_at: Timestamp,
    round: u64,
    random: Random,
}

impl Schedule {
    /// A schedule without keys.
    pub fn new(seed: u64) -> Schedule {
        Schedule {
            keys: BTreeMap::new(),
            due: BTreeSet::new(),
            under_way: None,
            free_at: Timestamp::ZERO,
            round: 0,
            random: Random::new(seed),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many keys are neither written nor covered by others at the moment.
    pub fn lapsed(&self, now: Timestamp) -> usize {
        let counts = |entry: &Entry| entry.written.is_some_and(|written| now.since(written) < RECORD_LIFE);
        self.keys.values().filter(|entry| !entry.is_covered && !counts(entry)).count()
    }

    /// Begins to tell anew which keys are wanted.
    pub fn begin_round(&mut self) {
        self.round = self.round.saturating_add(1);
    }

    /// A key is wanted in this round. False: there are too many, and nothing that matters less gives
    /// way.
    pub fn want(&mut self, now: Timestamp, key: Key, weight: Weight) -> bool {
        if let Some(entry) = self.keys.get_mut(&key) {
            entry.round = self.round;
            if entry.weight != weight {
                let moved = self.due.remove(&(entry.weight, entry.due, key));
                entry.weight = weight;
                if moved {
                    self.due.insert((weight, entry.due, key));
                }
            }
            return true;
        }
        if self.keys.len() >= KEYS_MAX {
            let least = self.due.last().filter(|(least, ..)| *least > weight).map(|(.., key)| *key);
            let Some(least) = least else { return false };
            self.drop_key(&least);
        }
        let entry = Entry {
            weight,
            due: now,
            looks_first: true,
            had_many: false,
            written: None,
            is_covered: false,
            round: self.round,
        };
        self.due.insert((weight, now, key));
        self.keys.insert(key, entry);
        true
    }

    /// Ends the round: keys that were not wanted in it are dropped, and returned if we stand under
    /// them.
    pub fn end_round(&mut self) -> Vec<Key> {
        let stale = self.keys.iter().filter(|(_, entry)| entry.round != self.round);
        let stale: Vec<(Key, bool)> = stale.map(|(key, entry)| (*key, entry.written.is_some())).collect();
        stale.iter().for_each(|(key, _)| self.drop_key(key));
        stale.into_iter().filter_map(|(key, is_written)| is_written.then_some(key)).collect()
    }

    fn drop_key(&mut self, key: &Key) {
        if let Some(entry) = self.keys.remove(key) {
            self.due.remove(&(entry.weight, entry.due, *key));
        }
    }

    /// What to do now. `None`: nothing until [`Schedule::next_at`].
    pub fn poll(&mut self, now: Timestamp) -> Option<Act> {
        if let Some((act, since)) = self.under_way {
            if now.since(since) < QUERY_MAX {
                return None;
            }
            self.failed(now, act.key(), 0);
        }
        if now < self.free_at {
            return None;
        }
        let first_of = |weight| {
            let from = (weight, Timestamp::ZERO, Key([0; 32]));
            self.due.range(from..=(weight, now, Key([255; 32]))).next().copied()
        };
        let due = [Weight::Own, Weight::Several, Weight::Few].into_iter().find_map(first_of)?;
        let (.., key) = due;
        self.due.remove(&due);
        let looks_first = self.keys.get(&key).is_some_and(|entry| entry.looks_first);
        let act = if looks_first { Act::LookUp(key) } else { Act::Provide(key) };
        self.under_way = Some((act, now));
        Some(act)
    }

    /// When to poll next, if nothing else happens. `None`: there is nothing to do.
    pub fn next_at(&self) -> Option<Timestamp> {
        if let Some((_, since)) = self.under_way {
            return Some(since + QUERY_MAX);
        }
        let first_of = |weight| {
            let from = (weight, Timestamp::ZERO, Key([0; 32]));
            let first = self.due.range(from..=(weight, Timestamp::NEVER, Key([255; 32]))).next();
            first.map(|&(_, due, _)| due)
        };
        let soonest = [Weight::Own, Weight::Several, Weight::Few].into_iter().filter_map(first_of).min()?;
        Some(soonest.max(self.free_at))
    }

    /// A look-up found so many other directories under a key, at the cost of so many requests.
    pub fn looked_up(&mut self, now: Timestamp, key: Key, found: usize, requests: u32) {
        let enough = found >= RECORDS_ENOUGH;
        let pause = if enough { self.random.stretch(LOOK_AGAIN, SPREAD) } else { Duration::ZERO };
        self.end(key, requests, now + pause, |entry| {
            entry.is_covered = enough;
            // Where enough others stand nothing is written, so we have to look again.
            entry.looks_first = enough;
            entry.had_many = found >= RECORDS_MANY;
        });
    }

    /// We were written under a key, at the cost of so many requests.
    pub fn provided(&mut self, now: Timestamp, key: Key, requests: u32) {
        let pause = self.random.stretch(REFRESH, SPREAD);
        self.end(key, requests, now + pause, |entry| {
            entry.written = Some(now);
            entry.looks_first = entry.had_many;
        });
    }

    /// A query about a key came to nothing, at the cost of so many requests.
    pub fn failed(&mut self, now: Timestamp, key: Key, requests: u32) {
        let pause = self.random.stretch(TRY_AGAIN, SPREAD);
        self.end(key, requests, now + pause, |_| ());
    }

    /// Ends the query about a key, if that is what is under way. The key is due again at `due`, and
    /// the requests are paid for.
    fn end(&mut self, key: Key, requests: u32, due: Timestamp, change: impl FnOnce(&mut Entry)) {
        let Some((_, since)) = self.under_way.take_if(|(act, _)| act.key() == key) else { return };
        self.free_at = self.free_at.max(since) + REQUEST_TIME.saturating_mul(requests);
        if let Some(entry) = self.keys.get_mut(&key) {
            change(entry);
            // It may have been dropped and wanted again meanwhile.
            self.due.remove(&(entry.weight, entry.due, key));
            entry.due = due;
            self.due.insert((entry.weight, due, key));
        }
    }
}

impl Act {
    /// The key that it is about.
    pub fn key(self) -> Key {
        match self {
            Act::LookUp(key) | Act::Provide(key) => key,
        }
    }
}

#[cfg(test)]
mod tests;
