//! Which run to ask a neighbour for: the rarest it can give, ties broken by place.
//!
//! Every engine starts its scans at its own random place and goes on from its last pick. So equal
//! runs are taken in disk order by one engine and in different order by different ones, and no
//! sorted structure is kept: a million engines pay one byte a run.

use std::num::NonZeroUsize;

use crate::{
    content::{
        held::Held,
        layout::RunIndex,
        run_set::{RunSet, bits, first_of},
    },
    links::availability::Availability,
};

/// Candidates weighed in one pick. With more, the rarest of a contiguous sample stands for the
/// rarest of all; the next pick samples elsewhere.
const CANDIDATES_WEIGHED_MAX: u32 = 2_048;

/// What a pick weighs. All sets are of one content.
pub(crate) struct Sight<'a> {
    /// What the neighbour holds.
    pub(crate) theirs: Held<'a>,
    /// What we hold.
    pub(crate) mine: &'a RunSet,
    /// What is on its way already.
    pub(crate) busy: &'a RunSet,
    /// What we want; none = all.
    pub(crate) wanted: Option<&'a RunSet>,
    pub(crate) availability: &'a Availability,
    /// Only runs that no neighbour but origins holds.
    pub(crate) unshared_only: bool,
    /// What our group lets us ask for; none = everything.
    pub(crate) open: Option<&'a RunSet>,
    /// What our group has; none = nothing.
    pub(crate) shut: Option<&'a RunSet>,
    /// Where a reader needs it; none = anywhere.
    pub(crate) within: Option<&'a RunSet>,
}

impl Sight<'_> {
    fn word(&self, at: usize) -> u64 {
        let wanted = self.wanted.map_or(u64::MAX, |wanted| wanted.words()[at]);
        let open = self.open.map_or(u64::MAX, |open| open.words()[at]);
        let shut = self.shut.map_or(0, |shut| shut.words()[at]);
        let within = self.within.map_or(u64::MAX, |within| within.words()[at]);
        self.theirs.word(at)
            & wanted
            & open
            & within
            & !shut
            & !self.mine.words()[at]
            & !self.busy.words()[at]
    }

    /// The rarest run to ask for, looking from `start` on and round; none if there is none.
    pub(crate) fn pick(&self, start: u32) -> Option<RunIndex> {
        let words = NonZeroUsize::new(self.theirs.words())?;
        let (first, skip) = ((start / 64) as usize % words, start % 64);
        // No run a peer holds can be rarer than one holder; none an origin holds rarer than zero.
        let rarest_possible = u8::from(!self.unshared_only && self.availability_floor_is_one());
        let (mut best, mut best_count, mut weighed) = (None, u8::MAX, 0_u32);
        for step in 0..=words.get() {
            let at = first.saturating_add(step) % words;
            let mask = match step {
                0 => u64::MAX << skip,
                step if step == words.get() => !(u64::MAX << skip),
                _ => u64::MAX,
            };
            for run in bits(first_of(at), self.word(at) & mask) {
                let count = self.availability.of(run);
                if self.unshared_only && count > 0 {
                    continue;
                }
                if best.is_none() || count < best_count {
                    (best, best_count) = (Some(run), count);
                }
                weighed = weighed.saturating_add(1);
                if best_count <= rarest_possible || weighed >= CANDIDATES_WEIGHED_MAX {
                    return best;
                }
            }
        }
        best
    }

    /// The first run to ask for from `start` on, however rare.
    pub(crate) fn first_from(&self, start: u32) -> Option<RunIndex> {
        let asked = |run: &RunIndex| !self.unshared_only || self.availability.of(*run) == 0;
        let first = (start / 64) as usize;
        let words = (first..self.theirs.words()).flat_map(|at| {
            let mask = if at == first { u64::MAX << (start % 64) } else { u64::MAX };
            bits(first_of(at), self.word(at) & mask)
        });
        words.into_iter().find(asked)
    }

    /// Whether what `theirs` holds is itself counted, as an ordinary peer's is.
    fn availability_floor_is_one(&self) -> bool {
        self.theirs.iter().next().is_some_and(|run| self.availability.of(run) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(runs: u32, members: &[u32]) -> RunSet {
        let mut set = RunSet::empty(runs);
        members.iter().for_each(|&run| assert!(set.insert(RunIndex::new(run))));
        set
    }

    fn pick(
        theirs: &RunSet,
        mine: &RunSet,
        busy: &RunSet,
        availability: &Availability,
        start: u32,
    ) -> Option<u32> {
        let sight = Sight {
            theirs: theirs.into(),
            mine,
            busy,
            wanted: None,
            availability,
            unshared_only: false,
            open: None,
            shut: None,
            within: None,
        };
        sight.pick(start).map(RunIndex::get)
    }

    #[test]
    fn the_rarest_run_is_picked_wherever_it_lies() {
        let mut availability = Availability::new(200);
        let (all, none) = (RunSet::full(200), RunSet::empty(200));
        availability.add_all((&all).into());
        (0..200).filter(|&run| run != 130).for_each(|run| availability.add(RunIndex::new(run)));
        for start in [0, 63, 64, 130, 131, 199] {
            assert_eq!(pick(&all, &none, &none, &availability, start), Some(130), "from {start}");
        }
    }

    #[test]
    fn equal_runs_are_taken_in_order_from_the_start_and_round() {
        let mut availability = Availability::new(130);
        let all = RunSet::full(130);
        availability.add_all((&all).into());
        let (mut busy, mut order) = (RunSet::empty(130), Vec::new());
        let mut start = 100;
        while let Some(run) = pick(&all, &RunSet::empty(130), &busy, &availability, start) {
            busy.insert(RunIndex::new(run));
            order.push(run);
            start = run + 1;
        }
        let expected: Vec<u32> = (100..130).chain(0..100).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn held_busy_and_unwanted_runs_are_not_picked() {
        let mut availability = Availability::new(10);
        let all = RunSet::full(10);
        availability.add_all((&all).into());
        let (mine, busy, wanted) = (set(10, &[0, 1, 2]), set(10, &[3, 4]), set(10, &[1, 4, 7]));
        let sight = Sight {
            theirs: (&all).into(),
            mine: &mine,
            busy: &busy,
            wanted: Some(&wanted),
            availability: &availability,
            unshared_only: false,
            open: None,
            shut: None,
            within: None,
        };
        assert_eq!(sight.pick(0), Some(RunIndex::new(7)));
        assert_eq!(sight.pick(8), Some(RunIndex::new(7)));
        let open = set(10, &[5, 6]);
        let sight = Sight { wanted: None, open: Some(&open), ..sight };
        assert_eq!(sight.pick(6), Some(RunIndex::new(6)));
    }

    #[test]
    fn from_an_origin_only_what_no_peer_holds() {
        let mut availability = Availability::new(4);
        [0, 1, 3].into_iter().for_each(|run| availability.add(RunIndex::new(run)));
        let (all, none) = (RunSet::full(4), RunSet::empty(4));
        let mut sight = Sight {
            theirs: (&all).into(),
            mine: &none,
            busy: &none,
            wanted: None,
            availability: &availability,
            unshared_only: true,
            open: None,
            shut: None,
            within: None,
        };
        assert_eq!(sight.pick(0), Some(RunIndex::new(2)));
        let busy = set(4, &[2]);
        sight.busy = &busy;
        assert_eq!(sight.pick(0), None);
    }

    #[test]
    fn counts_that_reached_many_stay_many() {
        let mut availability = Availability::new(1);
        let run = RunIndex::new(0);
        (0..300).for_each(|_| availability.add(run));
        (0..300).for_each(|_| availability.subtract(run));
        assert_eq!(availability.of(run), u8::MAX);
    }
}
