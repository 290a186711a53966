//! How a supernode keeps in touch: tickets to and fro, and islands that are seen and joined.

use super::Supernode;
use crate::{
    id::PeerKey,
    overlay::{
        contact::Contact,
        door::Output,
        host::Host,
        pace::{jitter, seconds, stretch},
        ticket::{LEADS_TOLD_MAX, Ticket},
    },
    saturate::to_u32,
    time::Timestamp,
};

/// Supernodes that one without siblings tries at once.
const LEADS_TRIED_ALONE: usize = 3;
/// Sketches with fewer marks than this say little: a newcomer has heard of nobody yet.
const ISLAND_MARKS_MIN: usize = 4;

impl Supernode {
    /// What we say of ourselves.
    pub(super) fn ticket(&self, now: Timestamp, host: &Host<'_>) -> Ticket {
        let second = seconds(now);
        let leaving = self.governor.is_leaving();
        let room = match leaving || self.strained {
            true => 0,
            false => self.room(second, host.config.governor.split_above),
        };
        let life = to_u32(host.config.gossip.sketch_life.as_secs());
        Ticket { room, leaving, version: host.version, sketch: self.roll.sketch(second, life) }
    }

    /// Sends tickets to a sibling, and to somebody who may be one.
    pub(super) fn gossip(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        let config = &host.config.gossip;
        let second = seconds(now);
        let every = if now < self.merging_until { config.every_merging } else { config.every };
        self.gossip_at = now + stretch(&mut self.random, every);
        self.children.tidy(second);
        let sibling = self.siblings.draw(&mut self.random);
        // Who is alone tries several at once.
        let leads = if sibling.is_some() { 1 } else { LEADS_TRIED_ALONE };
        if now >= self.look_up_at {
            outputs.push(Output::LookUp);
            // Who is alone tries what was found, and looks again.
            let pause = if sibling.is_some() { config.look_up_every } else { config.every };
            self.look_up_at = now + stretch(&mut self.random, pause);
        }
        let life = to_u32(config.lost_life.as_secs());
        let leads: Vec<PeerKey> = (0..leads).filter_map(|_| self.leads.next(second, life)).collect();
        for to in sibling.into_iter().chain(leads.into_iter().filter(|&lead| Some(lead) != sibling)) {
            self.tell(now, host, to, true, outputs);
        }
    }

    fn tell(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        to: PeerKey,
        answer: bool,
        outputs: &mut Vec<Output>,
    ) {
        let ticket = Box::new(self.ticket(now, host));
        let leads = self.siblings.others(LEADS_TOLD_MAX, to, &mut self.random);
        outputs.push(Output::Gossip { to, ticket, leads, answer });
    }

    /// A supernode sent its ticket.
    pub(in crate::overlay) fn on_told(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        (from, ticket): (Contact, &Ticket),
        (leads, answer): (&[Contact], bool),
        outputs: &mut Vec<Output>,
    ) {
        let config = &host.config.gossip;
        let (second, life) = (seconds(now), to_u32(config.sketch_life.as_secs()));
        let ours = self.roll.sketch(second, life);
        let tells = ours.marks().len().min(ticket.sketch.marks().len()) >= ISLAND_MARKS_MIN;
        let across = tells && ours.is_island(&ticket.sketch);
        self.roll.merge(second, life, from.peer, &ticket.sketch);
        // A supernode is nobody's child.
        self.children.lose(second, from.peer);
        let room_max = host.config.governor.split_above;
        self.siblings.note(second, from, ticket, (room_max, across), &mut self.random);
        self.leads.found(from.peer);
        for &contact in leads.iter().take(LEADS_TOLD_MAX) {
            if contact.peer != host.me && !self.siblings.has(contact.peer) {
                self.leads.tell(second, from.peer, contact);
            }
        }
        if across {
            self.merging_until = now + config.merging;
            self.gossip_at = self.gossip_at.min(now + jitter(&mut self.random, config.every_merging));
        }
        if answer {
            self.tell(now, host, from.peer, false, outputs);
        }
    }

    /// A child sees a supernode that does not seem to be in our network.
    pub(in crate::overlay) fn on_introduced(
        &mut self,
        now: Timestamp,
        by: PeerKey,
        contact: Contact,
        me: PeerKey,
    ) {
        let is_child = self.children.is_served(by);
        if is_child && contact.peer != me && !self.siblings.has(contact.peer) {
            self.leads.tell(seconds(now), by, contact);
        }
    }
}
