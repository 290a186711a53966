//! Whose word the next dial follows.
//!
//! As long as dials lead to somebody, the nearest candidate is tried first, whoever told of it. Whoever tells of nobodies
//! that are near would have all dials that way. So each dial that brought nobody owes a turn: the next one goes to the
//! teller that has waited longest. Whom the user named comes before all, and directories that the user or the link named
//! take turns with all others together, so that many strangers do not hold them up.
//!
//! Invariant: all candidates of one teller have the same turn; the lowest one has waited longest.

use super::{Discovery, Known};
use crate::{HaveMaps, id::PeerKey, input::Via, prefix::Network, random::mix};

/// Who told of a candidate: a network, as names and addresses cost little. Where no network is known it is an address, and
/// where none is known either, a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Teller(u32);

impl Teller {
    /// Nobody in particular: the user, the link, or whoever is on the local network.
    pub(crate) const NOBODY: Teller = Teller(0);

    /// Whom a word of this peer counts for.
    pub(crate) fn of(view: &dyn HaveMaps, peer: PeerKey) -> Teller {
        // Networks are odd; the others are even, and not 0.
        let even = |hash: u64| Teller(u32::try_from(hash >> 33).unwrap_or(u32::MAX).max(1) << 1);
        match (view.network(peer), view.host(peer)) {
            (Network::UNKNOWN, Some(host)) => even(mix(host)),
            (Network::UNKNOWN, None) => even(mix(!u64::from(peer.0))),
            (network, _) => Teller(network.number()),
        }
    }
}

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
