//! Which teller the next dial follows.
//!
//! As long as dials lead to links, the nearest candidate is tried first, whoever told of it. A
//! teller that names near peers that do not exist would then take all dials. So each dial that
//! brought no link owes a turn: the next dial goes to a candidate of the teller that has waited
//! longest. Candidates that the user named come before all others. Directories that the user or the
//! link named take turns with all other tellers together, so that many strangers do not hold them
//! up.
//!
//! Invariant: all candidates of one teller have the same turn; the lowest turn has waited longest.

use super::Discovery;
use crate::{
    input::Via,
    swarm::candidate::{Known, Teller},
};

/// The most turns owed. More turns than there are dials under way would make up for nothing.
const OWED_MAX: u8 = 8;

/// The turns that are owed. They take two bytes, because every engine has them.
#[derive(Debug, Default)]
pub(super) struct Turns {
    owed: u8,
    /// The last owed turn went to a directory.
    was_directory: bool,
}

impl Turns {
    /// A dial brought no link: the next dial goes to another teller.
    pub(super) fn owe(&mut self) {
        self.owed = self.owed.saturating_add(1).min(OWED_MAX);
    }
}

impl Discovery {
    /// Of the candidates that may be dialled (by position), those whose teller has the turn. All of
    /// them if no turn is owed.
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

    /// A candidate of this group is dialled: the others of the group begin to wait.
    pub(super) fn on_turn_taken(&mut self, group: (Via, Teller)) {
        let turn = self.last_turn();
        self.known.iter_mut().filter(|known| known.group() == group).for_each(|known| known.turn = turn);
    }
}
