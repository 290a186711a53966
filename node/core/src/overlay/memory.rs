//! The supernodes that a leaf knows: its parents, and twenty more.
//!
//! Invariants: nobody is remembered twice; a slot's marks go with its contact; the last [`TOLD_SLOTS`] slots are the
//! only ones in which refusals displace anybody, so that a supernode which refuses and names its friends cannot fill
//! the memory of a leaf.

use super::contact::Contact;
use crate::{id::PeerKey, random::Random, saturate::to_u32};

/// A primary parent and two warm ones.
pub(super) const PARENTS: usize = 3;
/// All that a leaf remembers.
pub(super) const SLOTS: usize = PARENTS + 20;
/// Slots for those whom refusals name, once all are in use.
const TOLD_SLOTS: usize = 6;

/// A set of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks(u32);

impl Marks {
    fn has(self, slot: usize) -> bool {
        self.0 & Marks::bit(slot) != 0
    }

    fn set(&mut self, slot: usize, is: bool) {
        if is { self.0 |= Marks::bit(slot) } else { self.0 &= !Marks::bit(slot) }
    }

    fn swap(&mut self, a: usize, b: usize) {
        let (of_a, of_b) = (self.has(a), self.has(b));
        self.set(a, of_b);
        self.set(b, of_a);
    }

    fn bit(slot: usize) -> u32 {
        1_u32.checked_shl(to_u32(slot)).unwrap_or(0)
    }
}

/// What a leaf remembers: 204 bytes.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    slots: [Contact; SLOTS],
    /// Asked to take us, and not answered yet.
    asked: Marks,
    /// Did not take us in this round.
    tried: Marks,
    /// Parents in their places, which did take us.
    attached: Marks,
}

impl Memory {
    pub(super) fn new() -> Memory {
        let none = Marks::default();
        Memory { slots: [Contact::NOBODY; SLOTS], asked: none, tried: none, attached: none }
    }

    pub(super) fn slot_of(&self, peer: PeerKey) -> Option<usize> {
        self.slots.iter().position(|contact| contact.is_somebody() && contact.peer == peer)
    }

    pub(super) fn contact(&self, slot: usize) -> Contact {
        self.slots[slot]
    }

    pub(super) fn is_attached(&self, slot: usize) -> bool {
        self.attached.has(slot)
    }

    pub(super) fn is_asked(&self, slot: usize) -> bool {
        self.asked.has(slot)
    }

    pub(super) fn asked(&self) -> u32 {
        self.asked.0.count_ones()
    }

    /// The primary parent.
    pub(super) fn primary(&self) -> Option<Contact> {
        self.is_attached(0).then_some(self.slots[0])
    }

    /// All parents that took us.
    pub(super) fn parents(&self) -> impl Iterator<Item = Contact> + '_ {
        (0..PARENTS).filter(|&slot| self.is_attached(slot)).map(|slot| self.slots[slot])
    }

    /// Everybody who is remembered.
    pub(super) fn everybody(&self) -> impl Iterator<Item = Contact> + '_ {
        self.slots.iter().copied().filter(|contact| contact.is_somebody())
    }

    pub(super) fn note_asked(&mut self, slot: usize) {
        self.asked.set(slot, true);
    }

    /// The answer came, or none will come.
    pub(super) fn note_answered(&mut self, slot: usize, took_us: bool) {
        self.asked.set(slot, false);
        self.tried.set(slot, !took_us);
    }

    /// Gives up on all answers that are still to come.
    pub(super) fn give_up_asked(&mut self) {
        self.tried.0 |= self.asked.0;
        self.asked = Marks::default();
    }

    pub(super) fn new_round(&mut self) {
        self.tried = Marks::default();
    }

    /// A parent took us: it gets this parent's place, and who stood there stands in its.
    pub(super) fn attach(&mut self, slot: usize, place: usize) {
        self.detach(slot);
        self.swap(slot, place);
        self.attached.set(place, true);
        self.tried.set(place, false);
    }

    pub(super) fn detach(&mut self, slot: usize) {
        self.attached.set(slot, false);
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.slots.swap(a, b);
        self.asked.swap(a, b);
        self.tried.swap(a, b);
        self.attached.swap(a, b);
    }

    /// A place in which there is no warm parent.
    pub(super) fn free_place(&self) -> Option<usize> {
        (1..PARENTS).find(|&place| !self.is_attached(place))
    }

    /// Whether somebody is apart from all parents.
    pub(super) fn is_apart(&self, contact: Contact) -> bool {
        self.parents().all(|parent| parent.peer != contact.peer && contact.is_apart(parent))
    }

    /// Who to ask next to be the primary parent: warm parents first, then anybody, drawn.
    pub(super) fn next_try(&self, random: &mut Random) -> Option<usize> {
        let open = |slot: &usize| {
            self.slots[*slot].is_somebody() && !self.tried.has(*slot) && !self.asked.has(*slot)
        };
        let warm = draw((1..PARENTS).filter(open).filter(|&slot| self.is_attached(slot)), random);
        warm.or_else(|| draw((0..SLOTS).filter(open), random))
    }

    /// Who to ask next to be a warm parent.
    pub(super) fn next_warm(&self, random: &mut Random) -> Option<usize> {
        let open = |slot: &usize| {
            let contact = self.slots[*slot];
            let free = !self.tried.has(*slot) && !self.asked.has(*slot) && !self.is_attached(*slot);
            contact.is_somebody() && free && self.is_apart(contact)
        };
        draw((0..SLOTS).filter(open), random)
    }

    /// Remembers somebody a parent named, or the shell found: in a free slot, or in place of one that did not take us.
    pub(super) fn learn(&mut self, contact: Contact, random: &mut Random) {
        self.enter(contact, |memory| {
            let gone = |slot: &usize| memory.tried.has(*slot);
            memory.free_slot().or_else(|| draw((PARENTS..SLOTS).filter(gone), random))
        });
    }

    /// Remembers somebody a refusal named.
    pub(super) fn learn_told(&mut self, contact: Contact, random: &mut Random) -> Option<usize> {
        let told = SLOTS.saturating_sub(TOLD_SLOTS)..SLOTS;
        self.enter(contact, |memory| {
            let tried = |slot: &usize| memory.tried.has(*slot);
            memory.free_slot().or_else(|| draw(told.clone().filter(tried), random))
        })
    }

    /// Remembers where our parent sends us, or whom the shell found while we have no parent, whoever has to go for it.
    pub(super) fn learn_surely(&mut self, contact: Contact, random: &mut Random) -> Option<usize> {
        let told = SLOTS.saturating_sub(TOLD_SLOTS)..SLOTS;
        self.enter(contact, |memory| {
            let idle = |slot: &usize| !memory.asked.has(*slot);
            memory.free_slot().or_else(|| draw(told.clone().filter(idle), random))
        })
    }

    fn free_slot(&self) -> Option<usize> {
        (0..SLOTS).rfind(|&slot| !self.slots[slot].is_somebody())
    }

    /// The slot in which a contact stands from now on; where it is remembered already, that one.
    fn enter(&mut self, contact: Contact, place: impl FnOnce(&Memory) -> Option<usize>) -> Option<usize> {
        if !contact.is_somebody() {
            return None;
        }
        if let Some(slot) = self.slot_of(contact.peer) {
            return Some(slot);
        }
        let slot = place(self).filter(|&slot| !self.is_attached(slot) && !self.is_asked(slot))?;
        self.slots[slot] = contact;
        self.tried.set(slot, false);
        Some(slot)
    }

    pub(super) fn check(&self) {
        for (slot, contact) in self.slots.iter().enumerate() {
            let marked = self.asked.has(slot) || self.attached.has(slot);
            assert!(contact.is_somebody() || !marked, "nobody in slot {slot} was asked, or took us");
            assert!(!self.attached.has(slot) || slot < PARENTS, "a parent in slot {slot}");
            let known = !contact.is_somebody() || self.slot_of(contact.peer) == Some(slot);
            assert!(known, "{:?} is remembered twice", contact.peer);
        }
    }
}

/// One of them, all alike.
fn draw(mut of: impl Iterator<Item = usize> + Clone, random: &mut Random) -> Option<usize> {
    let count = to_u32(of.clone().count());
    if count > 0 { of.nth(random.below(count) as usize) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32) -> Contact {
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + (number << 16));
        Contact::new(PeerKey(number), ip.into(), Some(crate::asn::Asn(number + 1)))
    }

    #[test]
    fn refusals_displace_only_a_few() {
        let (mut memory, mut random) = (Memory::new(), Random::new(1));
        (0..SLOTS as u32).for_each(|number| memory.learn(contact(number), &mut random));
        assert_eq!(memory.everybody().count(), SLOTS);
        (0..SLOTS).for_each(|slot| memory.note_answered(slot, false));
        for number in 100..200 {
            let slot = memory.learn_told(contact(number), &mut random);
            slot.into_iter().for_each(|slot| memory.note_answered(slot, false));
            memory.check();
        }
        let honest = memory.everybody().filter(|contact| contact.peer.0 < 100).count();
        assert_eq!(honest, SLOTS - TOLD_SLOTS);
    }

    #[test]
    fn warm_parents_are_tried_first_and_marks_go_with_contacts() {
        let (mut memory, mut random) = (Memory::new(), Random::new(2));
        (0..10).for_each(|number| memory.learn(contact(number), &mut random));
        let slot = |memory: &Memory, number| memory.slot_of(PeerKey(number)).unwrap();
        for (number, place) in [(3, 0), (4, 1), (5, 2)] {
            memory.attach(slot(&memory, number), place);
        }
        memory.check();
        memory.detach(0);
        memory.note_answered(0, false);
        let mut tried = Vec::new();
        while let Some(slot) = memory.next_try(&mut random) {
            tried.push(memory.contact(slot).peer.0);
            memory.note_answered(slot, false);
        }
        assert_eq!(tried.len(), 9, "everybody but the one that was lost");
        assert!(tried[..2].iter().all(|peer| [4, 5].contains(peer)), "{tried:?}");
        memory.attach(slot(&memory, 5), 0);
        assert_eq!((memory.primary().map(|it| it.peer), memory.free_place()), (Some(PeerKey(5)), Some(2)));
        memory.check();
    }
}
