//! Peers that look what their neighbours announced, instead of being told at once
//! ([`Fidelity::Pulled`]).
//!
//! A world of a hundred thousand peers has a thousand million announcements. As events they would be
//! nearly all that happens. Here a peer reads its neighbours' logs when it is about to decide what to
//! ask for: at its ticks, from a neighbour that has just brought something or unchoked it, and twenty
//! times a second while it has asked for nothing.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    input::{Event, Input},
    message::Message,
};

use super::{Fidelity, World, event::Happening, peer::Link};

/// How often a peer looks that has asked for nothing.
const IDLE_PAUSE: Duration = Duration::from_millis(50);

impl World {
    fn is_pulling(&self, me: PeerKey) -> bool {
        let peer = self.peer(me);
        self.config.fidelity == Fidelity::Pulled && !peer.role.origin
    }

    /// Reads what one neighbour announced.
    pub(super) fn pull_from(&mut self, me: PeerKey, peer: PeerKey) {
        if !self.is_pulling(me) {
            return;
        }
        let upto = self.peer(peer).log_len();
        let Some(link) = self.peer_mut(me).link_mut(peer) else { return };
        let heard = std::mem::replace(&mut link.heard, upto);
        if heard < upto {
            let message = Message::Have(self.peer(peer).log(heard, upto).to_vec());
            self.event(me, peer, Event::Message { peer, message });
        }
    }

    /// Reads what all neighbours announced.
    pub(super) fn pull(&mut self, me: PeerKey) {
        // Who has everything needs no news.
        if !self.is_pulling(me) || self.peer(me).have.is_full() {
            return;
        }
        let mut links = std::mem::take(&mut self.peer_mut(me).links);
        let mut news = Vec::new();
        for Link { peer, heard, .. } in &mut links {
            let other = self.peer(*peer);
            let upto = other.log_len();
            news.extend(other.log(*heard, upto).iter().map(|&run| (*peer, run)));
            *heard = upto;
        }
        self.peer_mut(me).links = links;
        if !news.is_empty() {
            let content = self.content_of(me, None);
            self.handle(me, Input::Event { content, event: Event::Heard(news) });
        }
    }

    /// A peer that has asked for nothing looks, and will look again.
    pub(super) fn pull_in_idleness(&mut self, me: PeerKey) {
        self.peer_mut(me).pulls = false;
        if self.peer(me).open == 0 {
            self.pull(me);
        }
        self.plan_pull(me);
    }

    /// Plans to look, if a peer has asked for nothing and lacks something.
    pub(super) fn plan_pull(&mut self, me: PeerKey) {
        if !self.is_pulling(me) {
            return;
        }
        let now = self.now;
        let peer = self.peer_mut(me);
        if peer.open == 0 && !peer.pulls && !peer.links.is_empty() && !peer.have.is_full() {
            peer.pulls = true;
            self.schedule(now + IDLE_PAUSE, me, Happening::Pull);
        }
    }
}
