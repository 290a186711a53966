//! Links: how they are dialled, how they begin, how they end, and how neighbours come back.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    input::{Event, Neighbour, RunFailure},
    message::Message,
    output::UnlinkReason,
    time::Timestamp,
};

use super::{
    super::{agenda::Happening, whereabouts::Way},
    CONTENT, LATENCY, STALL, World,
};

/// After this time a dial has failed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

impl World<'_> {
    pub(super) fn dial(&mut self, peer: PeerKey) {
        if self.slot(peer).is_some() {
            return self.schedule(2 * LATENCY, Happening::Linked(peer));
        }
        match self.whereabouts.dial(self.shell.now, peer) {
            Way::There if self.is_up(peer) => self.schedule(2 * LATENCY, Happening::Linked(peer)),
            Way::There | Way::Nobody => self.schedule(DIAL_TIMEOUT, Happening::DialFailed(peer)),
            Way::Later(wait) => self.schedule(Duration::ZERO, Happening::DialLater(peer, wait)),
            Way::Nowhere => self.schedule(Duration::ZERO, Happening::Hopeless(peer)),
        }
    }

    pub(super) fn dial_failed(&mut self, peer: PeerKey) {
        if !self.shell.dialing.contains(&(CONTENT, peer)) {
            return;
        }
        if self.slot(peer).is_some() || self.whereabouts.dial_failed(self.shell.now, peer) {
            return self.shell.dial_failed(CONTENT, peer);
        }
        self.shell.dialing.remove(&(CONTENT, peer));
        self.shell.event(CONTENT, Event::Hopeless { peer });
    }

    /// A dial that was put off, or that had no address, is no longer in flight.
    pub(super) fn not_dialled(&mut self, peer: PeerKey, event: Event) {
        if self.shell.dialing.remove(&(CONTENT, peer)) {
            self.shell.event(CONTENT, event);
        }
    }

    pub(super) fn link(&mut self, peer: PeerKey) {
        if self.is_linked(peer) {
            return;
        }
        if let Some(source) = self.source(peer) {
            let source = &self.sources[source];
            if !source.up {
                return self.dial_failed(peer);
            }
            let (map, origin) = (source.map.clone(), source.origin);
            let near = self.near_sources();
            self.whereabouts.connected(self.shell.now, peer);
            let about = Neighbour { near, origin, directory: false, manifest: true, web_seed: false };
            return self.shell.link(CONTENT, peer, map, about);
        }
        let Some(slot) = self.slot(peer).filter(|_| !self.shell.is_banned(peer)) else {
            return self.shell.dial_failed(CONTENT, peer);
        };
        let habit = self.story.habits[slot];
        self.names += 1;
        self.slots[slot].links += 1;
        let about = Neighbour {
            near: self.near(habit.place),
            origin: habit.origin,
            directory: habit.directory,
            manifest: habit.manifest,
            web_seed: false,
        };
        let map = self.shell.set(u16::from(habit.map) * 0x101);
        self.shell.link(CONTENT, peer, map, about);
        if habit.unchokes {
            self.schedule(LATENCY, Happening::Said(peer, Message::Unchoke));
        }
    }

    pub(super) fn unlinked(&mut self, peer: PeerKey, why: UnlinkReason) {
        if let Some(source) = self.source(peer) {
            self.sources[source].queue.clear();
            self.whereabouts.disconnected(peer);
            if why == UnlinkReason::Relink {
                self.schedule(2 * LATENCY, Happening::Linked(peer));
            }
        } else if let Some(slot) = self.slot(peer) {
            if why == UnlinkReason::Banned {
                let due = self.slots[slot].due.keys().copied().collect();
                self.under_way.insert(peer, (self.shell.now, due));
            }
            if why == UnlinkReason::Relink || self.story.habits[slot].returns {
                self.returns(slot);
            }
        }
    }

    /// The neighbour takes another name if it was banned, or if it is due to.
    pub(super) fn rename(&mut self, slot: usize) {
        let is_banned = self.shell.is_banned(self.name(slot));
        let slot = &mut self.slots[slot];
        slot.generation += u32::from(is_banned | std::mem::take(&mut slot.renames));
        slot.moves += u32::from(std::mem::take(&mut slot.moving));
    }

    pub(super) fn returns(&mut self, slot: usize) {
        self.slots[slot].due.clear();
        self.rename(slot);
        let after = self.story.habits[slot].delay + 2 * LATENCY;
        self.schedule(after, Happening::Linked(self.name(slot)));
    }

    /// The node ends the link of a neighbour that leaves a request unanswered.
    pub(super) fn give_up_silent(&mut self, peer: PeerKey) {
        let Some(link) = self.shell.links.get(&(CONTENT, peer)) else { return };
        let asked = self.asked_at.get(&peer).copied().unwrap_or(Timestamp::ZERO);
        if self.shell.now.since(asked) < STALL {
            return;
        }
        if let Some((&request, _)) = link.open.first_key_value() {
            self.shell.failed(CONTENT, peer, request, RunFailure::Silent);
        }
    }
}
