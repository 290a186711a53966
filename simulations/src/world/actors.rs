//! What scripted actors do instead of what their engines decide, and on top of it.

use std::time::Duration;

use nearcast_core::{
    id::{PeerKey, RequestId},
    input::Event,
    layout::RunIndex,
    message::Message,
    run_set::RunSet,
};

use super::{Gives, Happening, Takes, World, peer::Stage};

/// How often a liar boasts.
const BOAST_PAUSE: Duration = Duration::from_millis(500);

impl World {
    /// Whether `me` serves `peer` at all.
    pub(super) fn gives(&self, me: PeerKey, peer: PeerKey) -> bool {
        match self.peer(me).role.gives {
            Gives::Freely => true,
            Gives::Nothing => false,
            Gives::ToItsKind => self.peer(peer).role.gives == Gives::ToItsKind,
        }
    }

    fn neighbours(&self, me: PeerKey) -> Vec<PeerKey> {
        self.peer(me).links.iter().map(|link| link.peer).collect()
    }

    /// A liar tells its neighbours that it imports everything.
    pub(super) fn boast(&mut self, me: PeerKey) {
        let runs: Vec<RunIndex> = RunSet::full(self.layout.runs()).iter().collect();
        for peer in self.neighbours(me) {
            self.cross(me, peer, Event::Message { peer: me, message: Message::Importing(runs.clone()) });
        }
        self.schedule(self.now + BOAST_PAUSE, me, Happening::Boast);
    }

    /// A stranger links to every peer that has joined. Peers that join later get a link when the
    /// stranger comes again.
    pub(super) fn intrude(&mut self, me: PeerKey) {
        for other in self.keys() {
            let peer = self.peer(other);
            let is_there = peer.stage == Stage::There && peer.role.intrudes.is_none();
            if other != me && is_there && !self.are_linked(me, other) {
                self.dial(me, other);
            }
        }
        if let Some(pause) = self.peer(me).role.intrudes {
            self.schedule(self.now + pause, me, Happening::Intrude);
        }
    }

    /// A peer takes a little, so that it does not look idle.
    pub(super) fn sip(&mut self, me: PeerKey) {
        for peer in self.neighbours(me) {
            let runs = self.layout.runs();
            let Some(run) = self.layout.run_index(self.random.below(runs)) else { continue };
            let sips = &mut self.peer_mut(me).next_sip;
            let request = RequestId(*sips);
            *sips += 1;
            self.request(me, peer, request, (run, false));
        }
        if let Takes::Sips(pause) = self.peer(me).role.takes {
            self.schedule(self.now + pause, me, Happening::Sip);
        }
    }
}
