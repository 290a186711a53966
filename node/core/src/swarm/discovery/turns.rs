//! Whose word the next dial follows.
//!
//! As long as dials lead to somebody, the nearest candidate is tried first, whoever told of it. Whoever tells of nobodies
//! that are near would have all dials that way. So each dial that brought nobody owes a turn: the next one goes to the
//! teller that has waited longest. Whom the user named comes before all, and directories that the user or the link named
//! take turns with all others together, so that many strangers do not hold them up.
//!
//! Invariant: all candidates of one teller have the same turn; the lowest one has waited longest.

use super::Discovery;
use crate::{
    input::Via,
    swarm::candidate::{Known, Teller},
};

/// Turns owed at most: more than dials are under way at once make up for nothing.
const OWED_MAX: u8 = 8;

/// Turns that are owed. Two bytes: every engine has it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    owed: u8,
    /// The last turn that was owed went to a directory.
    was_directory: bool,
}

impl Turns {
    /// A dial brought nobody: the next one is somebody else's.
    pub(super) fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1).min(OWED_MAX);
    }
}

impl Discovery {
    /// Of those who may be dialled, by their positions: those whose teller has the turn, if one is owed.
    pub(super) fn of_turn(&mut self, ready: Vec<usize>) -> Vec<usize> {
        if self.turns.owed == 0 {
            return ready;
        }
        self.turns.owed = self.turns.owed.saturating_sub(1);
        let prefers = if self.turns.was_directory { Via::Exchange } else { Via::Directory };
        let waiting = |known: &Known| (known.via != Via::Named, known.via != prefers, known.turn);
        let first = ready.iter().map(|&at| &self.known[at]).min_by_key(|known| waiting(known));
        let Some(group) = first.map(Known::group) else { return ready };
        self.turns.was_directory = group.0 == Via::Directory;
        ready.into_iter().filter(|&at| self.known[at].group() == group).collect()
    }

    /// The turn of a teller that begins to wait: after all others.
    pub(super) fn last_turn(&self) -> u32 {
        self.known.iter().map(|known| known.turn).max().unwrap_or(0).saturating_add(1)
    }

    /// A candidate of this group is dialled: the others of the group wait from now on.
    pub(super) fn on_turn_taken(&mut self, group: (Via, Teller)) {
        let turn = self.last_turn();
        self.known.iter_mut().filter(|known| known.group() == group).for_each(|known| known.turn = turn);
    }
}
