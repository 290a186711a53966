//! Remembers what was counted for which peer, so that a peer that leaves and comes back counts
//! once.
//!
//! Invariant: at most [`REMEMBERED_MAX`] deeds are remembered. The oldest is forgotten first, and
//! counts again then.

use std::{
    collections::{BTreeSet, VecDeque},
    hash::{BuildHasher, RandomState},
};

use libp2p::PeerId;
use nearcast_core::id::ContentKey;

/// Deeds remembered, over all contents: about 2 MiB.
const REMEMBERED_MAX: usize = 65_536;

/// What a peer does and we count.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Deed {
    /// The peer received something from us.
    Took,
    /// The peer became complete.
    Completed,
}

/// The deeds counted lately, by hash. Two deeds with the same hash count as one, which happens once
/// in a hundred million.
#[derive(Debug, Default)]
pub(super) struct Once {
    numbers: RandomState,
    known: BTreeSet<u64>,
    order: VecDeque<u64>,
}

impl Once {
    /// Whether a deed is to be counted: it was not counted lately.
    pub(super) fn is_new(&mut self, content: ContentKey, peer: &PeerId, deed: Deed) -> bool {
        let number = self.numbers.hash_one((content.0, peer, deed));
        if !self.known.insert(number) {
            return false;
        }
        self.order.push_back(number);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_counts_once_for_each_content_and_peer() {
        let (mut once, peer, other) = (Once::default(), PeerId::random(), PeerId::random());
        assert!(once.is_new(ContentKey(1), &peer, Deed::Took));
        assert!(!once.is_new(ContentKey(1), &peer, Deed::Took));
        assert!(once.is_new(ContentKey(1), &peer, Deed::Completed));
        assert!(once.is_new(ContentKey(2), &peer, Deed::Took));
        assert!(once.is_new(ContentKey(1), &other, Deed::Took));
    }

    #[test]
    fn no_more_is_remembered_than_the_bound() {
        let (mut once, peer) = (Once::default(), PeerId::random());
        for content in 0..=REMEMBERED_MAX as u32 {
            assert!(once.is_new(ContentKey(content), &peer, Deed::Took));
        }
        assert_eq!((once.known.len(), once.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(once.is_new(ContentKey(0), &peer, Deed::Took), "the oldest is forgotten");
        assert!(!once.is_new(ContentKey(2), &peer, Deed::Took), "the others are not");
    }
}
