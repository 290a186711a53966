//! Other supernodes that a supernode keeps in touch with.
//!
//! Invariants: at most [`SIBLINGS_MAX`], of which at most [`PER_NETWORK_MAX`] in one /16, [`PER_AS_MAX`] in one AS, and
//! [`ACROSS_MAX`] that came as islands; each spoke for itself over a connection of its own.

use super::{
    contact::Contact,
    ticket::{ALTERNATIVES_MAX, Ticket},
};
use crate::{id::PeerKey, random::Random, saturate::to_u32};

/// Siblings at most. A graph of thousands in which each has so many neighbours at random stays whole when half are gone.
pub(super) const SIBLINGS_MAX: usize = 32;
const PER_NETWORK_MAX: usize = 4;
const PER_AS_MAX: usize = 8;
/// Siblings that came from what looked like another network. More of them displace only each other, so that liars cannot
/// displace everybody.
const ACROSS_MAX: usize = 8;
/// One newcomer in so many takes the place of a sibling when there is no room.
const MIX_ONE_IN: u32 = 8;

/// A sibling: 24 bytes.
#[derive(Clone, Copy, Debug)]
struct Sibling {
    contact: Contact,
    /// The second in which its last ticket came.
    heard: u32,
    version: u32,
    room: u16,
    leaving: bool,
    across: bool,
}

/// The siblings of a supernode.
#[derive(Debug, Default)]
pub(super) struct Siblings {
    list: Vec<Sibling>,
}

impl Siblings {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn contacts(&self) -> impl Iterator<Item = Contact> + '_ {
        self.list.iter().map(|sibling| sibling.contact)
    }

    pub(super) fn versions(&self) -> impl Iterator<Item = u32> + '_ {
        self.list.iter().map(|sibling| sibling.version)
    }

    pub(super) fn has(&self, peer: PeerKey) -> bool {
        self.list.iter().any(|sibling| sibling.contact.peer == peer)
    }

    /// A ticket came at second `now`. `across`: its sketch shows another network.
    pub(super) fn note(
        &mut self,
        now: u32,
        contact: Contact,
        ticket: &Ticket,
        (room_max, across): (u16, bool),
        random: &mut Random,
    ) {
        let sibling = Sibling {
            contact,
            heard: now,
            version: ticket.version,
            room: ticket.room.min(room_max),
            leaving: ticket.leaving,
            across,
        };
        if let Some(known) = self.list.iter_mut().find(|known| known.contact.peer == contact.peer) {
            *known = Sibling { across: known.across, ..sibling };
            return;
        }
        let near = |is: fn(Contact, Contact) -> bool| {
            self.list.iter().filter(|known| is(known.contact, contact)).count()
        };
        let crowded =
            near(Contact::shares_network) >= PER_NETWORK_MAX || near(Contact::shares_as) >= PER_AS_MAX;
        let acrosses = self.list.iter().filter(|known| known.across).count();
        if across && acrosses >= ACROSS_MAX {
            self.replace(sibling, random, |known| known.across);
        } else if crowded {
            // A network that has its share changes places only with itself.
            let of_network = near(Contact::shares_network) >= PER_NETWORK_MAX;
            self.replace(sibling, random, |known| match of_network {
                true => known.contact.shares_network(contact),
                false => known.contact.shares_as(contact),
            });
        } else if self.list.len() < SIBLINGS_MAX {
            if self.list.len() == self.list.capacity() {
                self.list.reserve_exact(8);
            }
            self.list.push(sibling);
        } else if across || random.below(MIX_ONE_IN) == 0 {
            self.replace(sibling, random, |_| true);
        }
    }

    fn replace(&mut self, sibling: Sibling, random: &mut Random, which: impl Fn(&Sibling) -> bool) {
        let count = to_u32(self.list.iter().filter(|known| which(known)).count());
        let at = random.below(count) as usize;
        if let Some(place) = self.list.iter_mut().filter(|known| which(known)).nth(at) {
            *place = sibling;
        }
    }

    pub(super) fn remove(&mut self, peer: PeerKey) -> Option<Contact> {
        let at = self.list.iter().position(|sibling| sibling.contact.peer == peer)?;
        Some(self.list.swap_remove(at).contact)
    }

    /// A sibling, drawn.
    pub(super) fn draw(&self, random: &mut Random) -> Option<PeerKey> {
        let at = random.below(to_u32(self.list.len())) as usize;
        self.list.get(at).map(|sibling| sibling.contact.peer)
    }

    /// Whether a sibling said within `life` seconds that it has room.
    pub(super) fn has_room(&self, now: u32, life: u32) -> bool {
        self.list.iter().any(|sibling| sibling.takes(now, life))
    }

    /// Siblings for a node that is refused. Each that has room loses one place of it, so that not all are sent to the
    /// same. If none has room, some that are there.
    pub(super) fn alternatives(
        &mut self,
        now: u32,
        life: u32,
        to: PeerKey,
        random: &mut Random,
    ) -> Vec<Contact> {
        let mut found: Vec<Contact> = Vec::with_capacity(ALTERNATIVES_MAX);
        let first = random.below(to_u32(self.list.len())) as usize;
        let (before, after) = self.list.split_at_mut(first);
        for sibling in after.iter_mut().chain(before) {
            if found.len() < ALTERNATIVES_MAX && sibling.takes(now, life) && sibling.contact.peer != to {
                sibling.room = sibling.room.saturating_sub(1);
                found.push(sibling.contact);
            }
        }
        if found.is_empty() {
            return self.others(ALTERNATIVES_MAX, to, random);
        }
        found
    }

    /// Siblings for somebody to remember, drawn.
    pub(super) fn others(&self, most: usize, to: PeerKey, random: &mut Random) -> Vec<Contact> {
        let first = random.below(to_u32(self.list.len())) as usize;
        // Where a walk over a random start begins is random enough: places are.
        let around = self.list.iter().skip(first).chain(self.list.iter().take(first));
        let there = around.filter(|sibling| !sibling.leaving && sibling.contact.peer != to);
        there.map(|sibling| sibling.contact).take(most).collect()
    }

    /// Siblings to ask for room, those with most of it first.
    pub(super) fn roomiest(&self, now: u32, life: u32, most: usize) -> Vec<Contact> {
        let mut roomy: Vec<&Sibling> = self.list.iter().filter(|sibling| sibling.takes(now, life)).collect();
        roomy.sort_by_key(|sibling| std::cmp::Reverse(sibling.room));
        roomy.into_iter().take(most).map(|sibling| sibling.contact).collect()
    }

    pub(super) fn contact(&self, peer: PeerKey) -> Option<Contact> {
        self.contacts().find(|contact| contact.peer == peer)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.list.capacity().saturating_mul(size_of::<Sibling>())
    }

    pub(super) fn check(&self) {
        assert!(self.list.len() <= SIBLINGS_MAX);
        for one in &self.list {
            let near = |is: fn(Contact, Contact) -> bool| {
                self.list.iter().filter(|other| is(other.contact, one.contact)).count()
            };
            assert!(near(Contact::shares_network) <= PER_NETWORK_MAX, "too many of one /16");
            assert!(near(Contact::shares_as) <= PER_AS_MAX, "too many of one AS");
        }
        assert!(self.list.iter().filter(|sibling| sibling.across).count() <= ACROSS_MAX);
    }
}

impl Sibling {
    fn takes(&self, now: u32, life: u32) -> bool {
        self.room > 0 && !self.leaving && now.saturating_sub(self.heard) <= life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32, asn: u32) -> Contact {
        let ip = std::net::Ipv4Addr::from_bits(0x0a00_0000 + (number << 14));
        Contact::new(PeerKey(number), ip.into(), Some(crate::asn::Asn(asn)))
    }

    fn ticket(room: u16) -> Ticket {
        Ticket { room, version: 1, ..Ticket::default() }
    }

    #[test]
    fn no_network_and_no_liar_takes_all_places() {
        let (mut siblings, mut random) = (Siblings::default(), Random::new(1));
        (0..32).for_each(|it| siblings.note(1, contact(it * 16, it), &ticket(9), (500, false), &mut random));
        assert_eq!(siblings.list.len(), SIBLINGS_MAX);
        siblings.check();
        // A hundred of one AS, then a hundred islands.
        (1_000..1_100)
            .for_each(|it| siblings.note(2, contact(it * 16, 77), &ticket(9), (500, false), &mut random));
        (2_000..2_100)
            .for_each(|it| siblings.note(3, contact(it * 16, it), &ticket(9), (500, true), &mut random));
        siblings.check();
        let honest = siblings.contacts().filter(|contact| contact.peer.0 < 1_000 * 16).count();
        assert!(honest >= SIBLINGS_MAX - PER_AS_MAX - ACROSS_MAX, "{honest}");
    }

    #[test]
    fn room_is_handed_out_once_and_only_while_its_ticket_lives() {
        let (mut siblings, mut random) = (Siblings::default(), Random::new(1));
        siblings.note(10, contact(16, 1), &ticket(2), (500, false), &mut random);
        siblings.note(10, contact(32, 2), &ticket(0), (500, false), &mut random);
        let to = PeerKey(7);
        for _ in 0..2 {
            assert_eq!(siblings.alternatives(60, 60, to, &mut random), [contact(16, 1)]);
        }
        assert!(!siblings.has_room(60, 60));
        assert_eq!(siblings.alternatives(60, 60, to, &mut random).len(), 2, "some that are there");
        siblings.note(10, contact(16, 1), &ticket(u16::MAX), (500, false), &mut random);
        assert_eq!(siblings.list[0].room, 500, "nobody has more room than a whole supernode");
        assert!(siblings.has_room(70, 60) && !siblings.has_room(71, 60));
        assert_eq!(siblings.alternatives(60, 60, PeerKey(16), &mut random), [contact(32, 2)]);
    }
}
