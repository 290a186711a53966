//! How much of the table of candidates each group fills, while a batch of candidates is learnt.
//!
//! A full table loses a candidate for each that it learns. To count the groups anew each time cost
//! half of all that a peer does which hears of fifty peers from each of forty neighbours.
//!
//! Invariants: `of` names the group of each candidate, in the order of the table; the size of a group
//! is the number of candidates that name it, and one more for a newcomer that is being let in.

use crate::{
    input::Via,
    saturate::to_u16,
    swarm::candidate::{Known, Teller},
};

/// What one teller told of in one way.
pub(super) type Group = (Via, Teller);

/// The groups of a table, their sizes, and the group of each candidate.
#[derive(Debug, Default)]
pub(super) struct Shares {
    groups: Vec<(Group, u32)>,
    of: Vec<u16>,
}

impl Shares {
    /// Counts the groups of a table.
    pub(super) fn of(table: &[Known]) -> Shares {
        let mut shares = Shares { groups: Vec::new(), of: Vec::with_capacity(table.len().saturating_add(1)) };
        table.iter().for_each(|known| shares.push(known.group()));
        shares
    }

    /// The size of the group of the candidate in this place of the table.
    pub(super) fn size_at(&self, at: usize) -> u32 {
        self.groups[usize::from(self.of[at])].1
    }

    /// The size of a group.
    pub(super) fn size_of(&self, group: Group) -> u32 {
        self.groups.iter().find(|(known, _)| *known == group).map_or(0, |&(_, size)| size)
    }

    /// One more candidate counts for a group.
    pub(super) fn add(&mut self, group: Group) {
        let at = self.position(group);
        self.groups[at].1 = self.groups[at].1.saturating_add(1);
    }

    /// One candidate less counts for a group.
    pub(super) fn subtract(&mut self, group: Group) {
        let at = self.position(group);
        self.groups[at].1 = self.groups[at].1.saturating_sub(1);
    }

    /// A candidate is at the end of the table now.
    pub(super) fn push(&mut self, group: Group) {
        self.add(group);
        let at = self.position(group);
        self.of.push(to_u16(at));
    }

    /// The last candidate of the table takes the place of this one, which is gone.
    pub(super) fn swap_remove(&mut self, at: usize) {
        let group = usize::from(self.of.swap_remove(at));
        self.groups[group].1 = self.groups[group].1.saturating_sub(1);
    }

    /// The candidate in this place goes over to another group.
    pub(super) fn move_to(&mut self, at: usize, group: Group) {
        let former = usize::from(self.of[at]);
        self.groups[former].1 = self.groups[former].1.saturating_sub(1);
        self.add(group);
        self.of[at] = to_u16(self.position(group));
    }

    /// Where a group stands, as an empty one if it is new.
    fn position(&mut self, group: Group) -> usize {
        self.groups.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
            self.groups.push((group, 0));
            self.groups.len().saturating_sub(1)
        })
    }
}
