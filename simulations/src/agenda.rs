//! What is still to happen: a queue of moments that only moves forward.
//!
//! It is a radix queue (Ahuja, Mehlhorn, Orlin and Tarjan 1990). `now` is the moment of the entry
//! that was popped last. An entry lies in the bucket named by the highest bit in which its moment
//! differs from `now`; bucket 0 holds what is due at `now`.
//!
//! Invariants:
//! - All entries of one moment lie in one bucket, in the order in which they were pushed. So entries
//!   of one moment come out first in, first out.
//! - Each entry of a bucket is due before each entry of every higher bucket.
//! - When `now` moves to the least moment of the lowest bucket, higher buckets stay right: `now`
//!   changes only in bits below theirs.
//!
//! An entry only ever moves to a lower bucket, at most 64 times. No comparison of entries, and no
//! sequence number, is needed.

use std::collections::VecDeque;

use nearcast_core::time::Timestamp;

/// Bits of a moment. Bucket `b` of 1 to this holds entries that differ from `now` first in bit
/// `b - 1`.
const BITS: usize = u64::BITS as usize;

/// A bucket that held more entries than this gives its memory back when it is emptied. Large buckets
/// span much time, so they are emptied seldom, and two of them would hold every entry twice over.
const KEPT_ENTRIES_MAX: usize = 1 << 16;

/// A queue of things by moment, first in first out within a moment.
///
/// Nothing is allocated once the buckets have grown to what a simulation needs, but for those with
/// more than 65,536 entries.
#[derive(Clone, Debug)]
pub struct Agenda<T> {
    /// The moment that was popped last.
    now: u64,
    /// Bucket 0. All of it is due at `now`.
    due: VecDeque<T>,
    /// Buckets 1 to 64.
    later: [Vec<(u64, T)>; BITS],
    /// The least moment in each of `later`, where that is not empty.
    least: [u64; BITS],
    /// A bit for each of `later` that is not empty.
    filled: u64,
    len: usize,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Agenda::new()
    }
}

impl<T> Agenda<T> {
    /// An empty agenda, at the start of time.
    pub fn new() -> Agenda<T> {
        Agenda {
            now: 0,
            due: VecDeque::new(),
            later: std::array::from_fn(|_| Vec::new()),
            least: [u64::MAX; BITS],
            filled: 0,
            len: 0,
        }
    }

    /// The moment of what was popped last; the start of time before that.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now)
    }

    /// Entries that are still to come.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is still to come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Notes that `what` is due at `at`, after everything that was pushed for that moment before.
    ///
    /// `at` must not be before [`Agenda::now`]: that is an error of the caller, which debug builds
    /// report. Other builds take such a moment as `now`.
    #[inline]
    pub fn push(&mut self, at: Timestamp, what: T) {
        debug_assert!(at.as_nanos() >= self.now, "{at:?} is before {:?}", self.now());
        self.len += 1;
        self.place(at.as_nanos().max(self.now), what);
    }

    /// Takes what is due next, with its moment. `None`: nothing is still to come.
    #[inline]
    pub fn pop(&mut self) -> Option<(Timestamp, T)> {
        if self.due.is_empty() {
            self.move_on();
        }
        let what = self.due.pop_front()?;
        self.len -= 1;
        Some((Timestamp::from_nanos(self.now), what))
    }

    /// The moment of what is due next. The agenda does not move on, so earlier things may still be
    /// pushed.
    #[inline]
    pub fn peek(&self) -> Option<Timestamp> {
        if !self.due.is_empty() {
            return Some(self.now());
        }
        let lowest = self.lowest()?;
        Some(Timestamp::from_nanos(self.least[lowest]))
    }

    /// The lowest of `later` that is not empty.
    fn lowest(&self) -> Option<usize> {
        (self.filled != 0).then(|| self.filled.trailing_zeros() as usize)
    }

    #[inline]
    fn place(&mut self, at: u64, what: T) {
        let differs = at ^ self.now;
        if differs == 0 {
            self.due.push_back(what);
            return;
        }
        let bucket = differs.ilog2() as usize;
        if self.filled & 1 << bucket == 0 {
            self.filled |= 1 << bucket;
            self.least[bucket] = at;
        } else {
            self.least[bucket] = self.least[bucket].min(at);
        }
        self.later[bucket].push((at, what));
    }

    /// Moves `now` to the next moment and spreads that moment's bucket over lower ones, which are
    /// all empty.
    fn move_on(&mut self) {
        let Some(lowest) = self.lowest() else { return };
        self.filled &= !(1 << lowest);
        self.now = self.least[lowest];
        let mut bucket = std::mem::take(&mut self.later[lowest]);
        for (at, what) in bucket.drain(..) {
            self.place(at, what);
        }
        if bucket.capacity() <= KEPT_ENTRIES_MAX {
            self.later[lowest] = bucket;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cmp::Reverse, collections::BinaryHeap};

    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    #[test]
    fn things_come_in_order_of_time_and_within_a_moment_first_in_first_out() {
        let mut agenda = Agenda::new();
        for (moment, what) in [(5, 'b'), (9, 'd'), (5, 'c'), (0, 'a'), (u64::MAX, 'e')] {
            agenda.push(at(moment), what);
        }
        assert_eq!(agenda.len(), 5);
        assert_eq!(agenda.pop(), Some((at(0), 'a')));
        assert_eq!(agenda.pop(), Some((at(5), 'b')));
        agenda.push(at(5), 'x');
        assert_eq!(agenda.pop(), Some((at(5), 'c')));
        assert_eq!(agenda.pop(), Some((at(5), 'x')));
        assert_eq!(agenda.pop(), Some((at(9), 'd')));
        assert_eq!(agenda.pop(), Some((Timestamp::NEVER, 'e')));
        assert_eq!(agenda.pop(), None);
        assert!(agenda.is_empty());
    }

    #[test]
    fn a_look_at_what_is_next_leaves_room_for_earlier_things() {
        let mut agenda = Agenda::new();
        agenda.push(at(1 << 40), 2);
        assert_eq!(agenda.peek(), Some(at(1 << 40)));
        agenda.push(at(7), 1);
        assert_eq!(agenda.peek(), Some(at(7)));
        assert_eq!(agenda.pop(), Some((at(7), 1)));
        assert_eq!(agenda.now(), at(7));
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "is before")]
    fn a_debug_build_reports_what_is_pushed_too_late() {
        let mut agenda = Agenda::new();
        agenda.push(at(10), ());
        agenda.pop();
        agenda.push(at(9), ());
    }

    #[test]
    fn buckets_are_used_again_and_grow_no_larger_than_what_lies_in_them_at_once() {
        let mut agenda = Agenda::new();
        for round in 0..200 {
            for number in 0..1_000 {
                agenda.push(at((round << 13) + 1_000 + number * 7), number);
            }
            while agenda.pop().is_some() {}
            assert!(agenda.later.iter().all(|bucket| bucket.capacity() <= 1_024));
        }
        assert!(agenda.later.iter().any(|bucket| bucket.capacity() > 0));
    }

    /// What is done to an agenda: push at so much after now, or pop.
    fn steps() -> impl Strategy<Value = Vec<Option<u64>>> {
        let delay = prop_oneof![
            3 => 0..4_u64,
            3 => 0..1_000_000_u64,
            1 => any::<u64>(),
        ];
        let step = prop_oneof![3 => delay.prop_map(Some), 2 => Just(None)];
        proptest::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn it_does_what_a_heap_with_sequence_numbers_does(steps in steps()) {
            let mut agenda = Agenda::new();
            let mut heap = BinaryHeap::new();
            let mut sequence = 0_u32;
            let steps = steps.into_iter().chain(std::iter::repeat_n(None, 400));
            for step in steps {
                if let Some(delay) = step {
                    let moment = agenda.now().as_nanos().saturating_add(delay);
                    agenda.push(at(moment), sequence);
                    heap.push(Reverse((at(moment), sequence)));
                    sequence += 1;
                } else {
                    prop_assert_eq!(agenda.peek(), heap.peek().map(|&Reverse((moment, _))| moment));
                    prop_assert_eq!(agenda.pop(), heap.pop().map(|Reverse(entry)| entry));
                }
                prop_assert_eq!(agenda.len(), heap.len());
            }
            prop_assert!(agenda.is_empty());
        }
    }
}
