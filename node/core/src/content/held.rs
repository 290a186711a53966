//! The runs that a neighbour holds, as far as it has told.

use crate::content::{
    layout::RunIndex,
    run_set::{RunSet, bits, first_of},
};

/// The runs that a neighbour holds as far as it has told us: its set, except for the runs that it
/// gained or lost and has not told us of yet.
///
/// A node keeps a have-map of each neighbour, and nothing in it is untold. A simulator keeps one
/// set of each peer, which all neighbours of that peer share, and a short list for each link.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    set: &'a RunSet,
    untold: &'a [RunIndex],
}

impl<'a> From<&'a RunSet> for Held<'a> {
    fn from(set: &'a RunSet) -> Held<'a> {
        Held { set, untold: &[] }
    }
}

impl<'a> Held<'a> {
    /// A set of which a part is not told yet. `untold` names each run at most once: a run in the
    /// set that was not announced, or a run not in the set that was not taken back.
    pub fn new(set: &'a RunSet, untold: &'a [RunIndex]) -> Held<'a> {
        Held { set, untold }
    }

    /// Number of runs the content has.
    pub fn runs(&self) -> u32 {
        self.set.runs()
    }

    /// Number of runs it holds.
    pub fn count(&self) -> u32 {
        self.untold.iter().fold(self.set.count(), |count, &run| match self.set.contains(run) {
            true => count.saturating_sub(1),
            false => count.saturating_add(1),
        })
    }

    /// Whether it holds no run.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether it holds every run.
    pub fn is_full(&self) -> bool {
        self.count() == self.runs()
    }

    /// Whether it holds `run`.
    pub fn contains(&self, run: RunIndex) -> bool {
        self.set.contains(run) != self.untold.contains(&run)
    }

    /// The runs it holds, in order.
    pub fn iter(&self) -> impl Iterator<Item = RunIndex> + use<'a> {
        let held = *self;
        (0..self.words()).flat_map(move |at| bits(first_of(at), held.word(at)))
    }

    /// The runs in which it differs from a set of the same content, in order.
    pub(crate) fn differing<'b>(&self, other: &'b RunSet) -> impl Iterator<Item = RunIndex> + use<'a, 'b> {
        let held = *self;
        (0..self.words()).flat_map(move |at| bits(first_of(at), held.word(at) ^ other.words()[at]))
    }

    /// Number of words, of 64 runs each.
    pub(crate) fn words(&self) -> usize {
        self.set.words().len()
    }

    /// The bits of the 64 runs of word `at`.
    pub(crate) fn word(&self, at: usize) -> u64 {
        let untold = self.untold.iter().filter(|run| (run.get() / 64) as usize == at);
        untold.fold(self.set.words()[at], |word, run| word ^ 1 << (run.get() % 64))
    }

    /// A copy as a set of its own.
    pub fn to_set(&self) -> RunSet {
        let mut set = self.set.clone();
        for &run in self.untold {
            if !set.remove(run) {
                set.insert(run);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_untold_is_not_held_yet_and_what_left_untold_still_is() {
        let mut set = RunSet::empty(130);
        for run in [0, 64, 129] {
            set.insert(RunIndex::new(run));
        }
        let untold = [RunIndex::new(129), RunIndex::new(3)];
        let held = Held::new(&set, &untold);
        assert_eq!(held.iter().map(RunIndex::get).collect::<Vec<_>>(), [0, 3, 64]);
        assert_eq!((held.count(), held.to_set().count()), (3, 3));
        assert!(held.contains(RunIndex::new(3)) && !held.contains(RunIndex::new(129)));
        assert!(!held.is_full() && !held.is_empty());
        assert_eq!(Held::from(&set).iter().collect::<Vec<_>>(), set.iter().collect::<Vec<_>>());
    }
}
