//! A have-map that takes no memory for its bits while it is full: an operator shares thousands of
//! complete contents.

use nearcast_core::{layout::RunIndex, run_set::RunSet};

/// A set of runs.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// All runs; the number is how many there are.
    All(u32),
    /// Some of the runs.
    Some(RunSet),
}

impl Held {
    pub(crate) fn contains(&self, run: RunIndex) -> bool {
        match self {
            Held::All(_) => true,
            Held::Some(set) => set.contains(run),
        }
    }

    /// Adds a run. True if the set did not contain it.
    pub(crate) fn insert(&mut self, run: RunIndex) -> bool {
        match self {
            Held::All(_) => false,
            Held::Some(set) => set.insert(run),
        }
    }

    /// Removes a run. True if the set contained it.
    pub(crate) fn remove(&mut self, run: RunIndex) -> bool {
        if let Held::All(runs) = *self {
            *self = Held::Some(RunSet::full(runs));
        }
        match self {
            Held::All(_) => false,
            Held::Some(set) => set.remove(run),
        }
    }

    pub(crate) fn to_set(&self) -> RunSet {
        match self {
            Held::All(runs) => RunSet::full(*runs),
            Held::Some(set) => set.clone(),
        }
    }
}
