//! The counts themselves, and the requests that were taken back lately.

use std::collections::{BTreeMap, VecDeque};

use super::{TakenBack, Wasted};
use crate::id::{PeerKey, RequestId};

/// Requests taken back whose reasons are kept until their answers come. The oldest are forgotten first.
const KEPT_MAX: usize = 256;

/// Counts of one engine.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) taken: BTreeMap<TakenBack, u64>,
    /// In bytes.
    pub(super) wasted: BTreeMap<Wasted, u64>,
    kept: VecDeque<(PeerKey, RequestId, TakenBack)>,
}

impl Counts {
    pub(super) fn on_taken(&mut self, peer: PeerKey, request: RequestId, why: TakenBack) {
        let count = self.taken.entry(why).or_default();
        *count = count.saturating_add(1);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back((peer, request, why));
    }

    pub(super) fn on_twice(&mut self, peer: PeerKey, request: RequestId, otherwise: Wasted, bytes: u32) {
        let is_it = |&(of, number, _): &(PeerKey, RequestId, TakenBack)| of == peer && number == request;
        let kept = self.kept.iter().position(is_it).and_then(|at| self.kept.remove(at));
        self.on_wasted(kept.map_or(otherwise, |(_, _, why)| Wasted::After(why)), bytes);
    }

    pub(super) fn on_wasted(&mut self, why: Wasted, bytes: u32) {
        let count = self.wasted.entry(why).or_default();
        *count = count.saturating_add(bytes.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_after_a_take_over_has_its_reason_once_and_for_its_own_peer() {
        let mut counts = Counts::default();
        let (peer, request) = (PeerKey(3), RequestId(7));
        counts.on_taken(peer, request, TakenBack::Slower);
        counts.on_twice(PeerKey(4), request, Wasted::Unasked, 10);
        counts.on_twice(peer, request, Wasted::Unasked, 20);
        counts.on_twice(peer, request, Wasted::Steered, 40);
        let wanted = [(Wasted::After(TakenBack::Slower), 20), (Wasted::Steered, 40), (Wasted::Unasked, 10)];
        assert_eq!(counts.wasted, wanted.into());
        assert_eq!(counts.taken, [(TakenBack::Slower, 1)].into());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut counts = Counts::default();
        for number in 0..10 * KEPT_MAX as u32 {
            counts.on_taken(PeerKey(1), RequestId(number), TakenBack::Overdue);
        }
        assert_eq!(counts.kept.len(), KEPT_MAX);
        assert_eq!(counts.taken[&TakenBack::Overdue], 10 * KEPT_MAX as u64);
    }
}
