//! What a download waits for, for people. Nothing decides by it.

use super::{Download, requests::Request};
use crate::{
    content::{held::Held, run_set::RunSet},
    links::{group::Group, peers::Link},
    reasons::Unasked,
    time::Timestamp,
};

impl Download {
    /// Whether a run has begun to arrive and is not whole yet.
    pub(crate) fn is_coming(&self) -> bool {
        self.requests.iter().any(Request::is_coming)
    }

    /// Whether a neighbour is not asked for now, because it answered that it gives nothing.
    pub(crate) fn is_refused(&self, now: Timestamp, link: &Link) -> bool {
        self.conduct.is_paused(now, link.peer)
    }

    /// Whether a neighbour is beyond the border of a group of ours, and is asked in turns.
    pub(crate) fn is_gated(&self, link: &Link) -> bool {
        self.groups.gate(link).is_some() && !self.is_endgame()
    }

    /// Why a neighbour is not asked for what we lack of `theirs`.
    pub(crate) fn unasked(&self, now: Timestamp, link: &Link, theirs: Held<'_>, have: &RunSet) -> Unasked {
        let lacking = |at: usize| {
            let wanted = self.wanted.as_ref().map_or(u64::MAX, |wanted| wanted.words()[at]);
            theirs.word(at) & wanted & !have.words()[at]
        };
        let idle = |at: usize| lacking(at) & !self.requests.busy().words()[at];
        let words = theirs.words();
        let any = |of: &Runs<'_>| any(words, of);
        let gate = self.groups.gate(link).filter(|_| !self.is_endgame());
        match () {
            () if self.disk_full || self.is_complete() => Unasked::Idle,
            () if !any(&lacking) => Unasked::Unheard,
            () if link.is_choking_us() => Unasked::Choked,
            () if link.in_flight > 0 => Unasked::Asked,
            () if self.is_refused(now, link) => Unasked::Refused,
            () if !any(&idle) => Unasked::Busy,
            () if link.is_origin() => Unasked::Spared,
            () => gate.map_or(Unasked::Between, |group| shut(group, words, &idle)),
        }
    }
}

/// Sets of 64 runs, by the number of their word.
type Runs<'a> = dyn Fn(usize) -> u64 + 'a;

/// Whether there is any run in these words.
fn any(words: usize, of: &Runs<'_>) -> bool {
    (0..words).any(|at| of(at) != 0)
}

/// Why a group asks nobody outside for any of these runs.
fn shut(group: &Group, words: usize, idle: &Runs<'_>) -> Unasked {
    match () {
        () if any(words, &|at| idle(at) & group.open().words()[at]) => Unasked::Between,
        () if any(words, &|at| idle(at) & !group.here().words()[at]) => Unasked::Turn,
        () if any(words, &|at| idle(at) & !group.inside().words()[at]) => Unasked::Announced,
        () => Unasked::Inside,
    }
}
