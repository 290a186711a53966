//! Upload slots of a seed that were given and not used yet, and the neighbours that wait for a
//! slot.

use std::time::Duration;

use crate::{id::PeerKey, time::Timestamp};

/// Time for a neighbour with a slot to ask for something: a round trip, and a moment to choose.
/// After that, a neighbour that waits may have the slot. Less: neighbours that ask for nothing keep
/// others waiting for a shorter time. More: distant peers are not taken for such neighbours.
const TRIAL: Duration = Duration::from_millis(300);

/// The neighbours that hold an unused slot, and those that wait for a slot.
///
/// Invariant: the lists exist exactly while one of them is not empty, so that a content that gives
/// to nobody pays nothing.
#[derive(Debug, Default)]
pub(crate) struct Trials(Option<Box<Lists>>);

#[derive(Debug, Default)]
struct Lists {
    /// Since when each holds its slot, oldest first.
    holders: Vec<(PeerKey, Timestamp)>,
    /// Neighbours that found no slot and have had none yet, latest last.
    waiting: Vec<PeerKey>,
}

impl Trials {
    fn change(&mut self, change: impl FnOnce(&mut Lists)) {
        let lists = self.0.get_or_insert_default();
        change(lists);
        if lists.holders.is_empty() && lists.waiting.is_empty() {
            self.0 = None;
        }
    }

    /// A neighbour gets a slot.
    pub(crate) fn begin(&mut self, now: Timestamp, peer: PeerKey) {
        self.end(peer);
        self.change(|lists| lists.holders.push((peer, now)));
    }

    /// A neighbour uses its slot, loses it, or waits for none any more.
    pub(crate) fn end(&mut self, peer: PeerKey) {
        if self.0.is_some() {
            self.change(|lists| {
                lists.holders.retain(|(other, _)| *other != peer);
                lists.waiting.retain(|other| *other != peer);
            });
        }
    }

    /// A neighbour finds no slot.
    pub(crate) fn wait(&mut self, peer: PeerKey) {
        self.end(peer);
        self.change(|lists| lists.waiting.push(peer));
    }

    /// The waiting neighbour that came last. Peers that want to keep others from slots came before.
    pub(crate) fn next(&self) -> Option<PeerKey> {
        self.0.as_ref()?.waiting.last().copied()
    }

    /// When the next slot falls to a neighbour that waits. [`Timestamp::NEVER`]: none waits, or no
    /// slot is unused.
    pub(crate) fn due(&self) -> Timestamp {
        let lists = self.0.as_ref().filter(|lists| !lists.waiting.is_empty());
        let oldest = lists.and_then(|lists| lists.holders.first());
        oldest.map_or(Timestamp::NEVER, |(_, since)| *since + TRIAL)
    }

    /// Holders that had time to use their slot and did not, longest first.
    pub(crate) fn failed(&self, now: Timestamp) -> impl Iterator<Item = PeerKey> {
        let holders = self.0.iter().flat_map(|lists| lists.holders.iter());
        holders.take_while(move |(_, since)| now.since(*since) >= TRIAL).map(|(peer, _)| *peer)
    }

    /// Whether this neighbour had time to use its slot and did not.
    pub(crate) fn has_failed(&self, now: Timestamp, peer: PeerKey) -> bool {
        self.failed(now).any(|other| other == peer)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |lists| {
            let holders = lists.holders.capacity().saturating_mul(size_of::<(PeerKey, Timestamp)>());
            let waiting = lists.waiting.capacity().saturating_mul(size_of::<PeerKey>());
            size_of::<Lists>().saturating_add(holders).saturating_add(waiting)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn who_makes_no_use_of_a_slot_is_known_after_a_moment_and_who_does_is_not_there() {
        let mut trials = Trials::default();
        [1, 2, 3].into_iter().for_each(|peer| trials.begin(at(u64::from(peer) * 100), PeerKey(peer)));
        assert_eq!(trials.failed(at(399)).count(), 0);
        trials.end(PeerKey(2));
        assert_eq!(trials.failed(at(600)).collect::<Vec<_>>(), [PeerKey(1), PeerKey(3)]);
        trials.begin(at(600), PeerKey(1));
        assert_eq!(trials.failed(at(600)).collect::<Vec<_>>(), [PeerKey(3)], "given anew");
        [1, 3].into_iter().for_each(|peer| trials.end(PeerKey(peer)));
        assert_eq!(trials.heap_bytes(), 0);
    }

    #[test]
    fn who_came_last_is_next_and_nothing_is_due_while_nobody_waits() {
        let mut trials = Trials::default();
        trials.begin(at(100), PeerKey(1));
        assert_eq!(trials.due(), Timestamp::NEVER);
        [7, 5, 6].into_iter().for_each(|peer| trials.wait(PeerKey(peer)));
        assert_eq!((trials.next(), trials.due()), (Some(PeerKey(6)), at(400)));
        trials.begin(at(200), PeerKey(6));
        trials.end(PeerKey(5));
        assert_eq!(trials.next(), Some(PeerKey(7)), "who has a slot or is gone does not wait");
    }
}
