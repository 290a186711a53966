//! Supernodes that we might get in touch with: siblings that were lost, and those that others named.
//!
//! Invariants: at most [`LEADS_MAX`]; of one teller at most [`PER_TELLER_MAX`]; what was only told displaces no sibling
//! that was lost. Lost siblings are what heals a network that was split: whoever has been there will be there again.

use super::contact::Contact;
use crate::id::PeerKey;

const LEADS_MAX: usize = 24;
const PER_TELLER_MAX: usize = 4;

/// Somebody to try.
#[derive(Clone, Copy, Debug)]
struct Lead {
    contact: Contact,
    /// The second in which it was lost, or told.
    since: u32,
    /// Who named it. `None`: it was our sibling, or the shell found it.
    teller: Option<PeerKey>,
}

/// Whom to try, in turn.
#[derive(Debug, Default)]
pub(super) struct Leads(Vec<Lead>);

impl Leads {
    /// Somebody the shell found: the next to try.
    pub(super) fn add_first(&mut self, now: u32, contact: Contact) {
        self.add(now, contact);
        self.0.rotate_right(1);
    }

    /// Somebody we knew.
    pub(super) fn add(&mut self, now: u32, contact: Contact) {
        self.0.retain(|lead| lead.contact.peer != contact.peer);
        if self.0.len() >= LEADS_MAX {
            // Hearsay first, then whoever was lost longest ago.
            let told = self.0.iter().position(|lead| lead.teller.is_some());
            let oldest = self.0.iter().enumerate().min_by_key(|(_, lead)| lead.since).map(|(at, _)| at);
            told.or(oldest).into_iter().for_each(|at| _ = self.0.remove(at));
        }
        self.push(Lead { contact, since: now, teller: None });
    }

    /// Somebody that a sibling or a child named.
    pub(super) fn tell(&mut self, now: u32, teller: PeerKey, contact: Contact) {
        let known = self.0.iter().any(|lead| lead.contact.peer == contact.peer);
        let told = self.0.iter().filter(|lead| lead.teller == Some(teller)).count();
        if !known && told < PER_TELLER_MAX && self.0.len() < LEADS_MAX {
            self.push(Lead { contact, since: now, teller: Some(teller) });
        }
    }

    fn push(&mut self, lead: Lead) {
        if self.0.capacity() == 0 {
            self.0.reserve_exact(LEADS_MAX);
        }
        self.0.push(lead);
    }

    /// The next to try; it goes to the end. Those that were lost too long ago are forgotten.
    pub(super) fn next(&mut self, now: u32, life: u32) -> Option<PeerKey> {
        self.0.retain(|lead| now.saturating_sub(lead.since) <= life);
        if self.0.is_empty() {
            return None;
        }
        self.0.rotate_left(1);
        self.0.last().map(|lead| lead.contact.peer)
    }

    /// It is a sibling now.
    pub(super) fn found(&mut self, peer: PeerKey) {
        self.0.retain(|lead| lead.contact.peer != peer);
    }

    /// It could not be reached. Hearsay that is wrong is forgotten.
    pub(super) fn fail(&mut self, peer: PeerKey) {
        self.0.retain(|lead| lead.contact.peer != peer || lead.teller.is_none());
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Lead>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32) -> Contact {
        Contact::new(PeerKey(number), [10, 0, 0, 1].into(), None)
    }

    #[test]
    fn hearsay_is_bounded_and_displaces_nobody_who_was_lost() {
        let mut leads = Leads::default();
        (0..20).for_each(|number| leads.add(number, contact(number)));
        (100..200).for_each(|number| leads.tell(20, PeerKey(666), contact(number)));
        assert_eq!(leads.0.len(), 24);
        (20..24).for_each(|number| leads.add(number, contact(number)));
        assert!(leads.0.iter().all(|lead| lead.teller.is_none()));
        leads.add(24, contact(24));
        assert!(leads.0.iter().all(|lead| lead.contact.peer != PeerKey(0)), "the oldest goes");
    }

    #[test]
    fn all_are_tried_in_turn_and_wrong_hearsay_is_forgotten() {
        let mut leads = Leads::default();
        leads.add(0, contact(1));
        leads.tell(0, PeerKey(9), contact(2));
        assert_eq!(
            [leads.next(0, 60), leads.next(0, 60), leads.next(0, 60)],
            [1, 2, 1].map(|n| Some(PeerKey(n)))
        );
        leads.fail(PeerKey(1));
        leads.fail(PeerKey(2));
        assert_eq!([leads.next(60, 60), leads.next(60, 60)], [Some(PeerKey(1)); 2]);
        assert_eq!(leads.next(61, 60), None);
    }
}
