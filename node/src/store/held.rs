//! A have-map that costs nothing while it is full: an operator shares thousands of whole contents.

use nearcast_core::{layout::RunIndex, run_set::RunSet};

/// A set of runs.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// Every one of so many runs.
    All(u32),
    /// These.
    Some(RunSet),
}

impl Held {
    pub(crate) fn contains(&self, run: RunIndex) -> bool {
        match self {
            Held::All(_) => true,
            Held::Some(set) => set.contains(run),
        }
    }

    /// True if it was not there.
    pub(crate) fn insert(&mut self, run: RunIndex) -> bool {
        match self {
            Held::All(_) => false,
            Held::Some(set) => set.insert(run),
        }
    }

    /// True if it was there.
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
