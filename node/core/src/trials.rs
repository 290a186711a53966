//! Upload slots that were given and have not been made use of yet.

use std::time::Duration;

use crate::{id::PeerKey, time::Timestamp};

/// Who has a slot asks for something within this time: a round trip, and a moment to choose. Then a newcomer may have the
/// slot. Less = who asks for nothing keeps newcomers waiting less, more = distant peers are not taken for such.
const TRIAL: Duration = Duration::from_millis(300);

/// Who holds such a slot, and since when, oldest first.
///
/// Invariant: the list is there exactly while it is not empty, so that who gives to nobody pays nothing.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "an empty list takes eight bytes, and worlds have millions of them")]
pub(crate) struct Trials(Option<Box<Vec<(PeerKey, Timestamp)>>>);

impl Trials {
    /// A slot is given to somebody.
    pub(crate) fn begin(&mut self, now: Timestamp, peer: PeerKey) {
        self.end(peer);
        self.0.get_or_insert_default().push((peer, now));
    }

    /// It is made use of, or taken back.
    pub(crate) fn end(&mut self, peer: PeerKey) {
        let Some(list) = &mut self.0 else { return };
        list.retain(|(other, _)| *other != peer);
        if list.is_empty() {
            self.0 = None;
        }
    }

    /// Those who had time to make use of theirs, longest first.
    pub(crate) fn failed(&self, now: Timestamp) -> impl Iterator<Item = PeerKey> {
        let list = self.0.iter().flat_map(|list| list.iter());
        list.take_while(move |(_, since)| now.since(*since) >= TRIAL).map(|(peer, _)| *peer)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let list =
            self.0.as_ref().map(|list| list.capacity().saturating_mul(size_of::<(PeerKey, Timestamp)>()));
        list.map_or(0, |bytes| bytes.saturating_add(size_of::<Vec<(PeerKey, Timestamp)>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_no_use_of_a_slot_is_known_after_a_moment_and_who_does_is_not_there() {
        let at = Timestamp::from_millis;
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
}
