//! What came of each peer and directory that was asked, noted for the owner.

use nearcast_core::{
    id::{ContentKey, PeerKey},
    outcomes::{Outcome, Role},
};

use super::{Driver, network::Errand};

impl Driver {
    /// Notes what came of asking a peer in a role.
    pub(super) fn note_outcome(&mut self, key: ContentKey, (role, peer): (Role, PeerKey), outcome: Outcome) {
        let Some(address) = self.peers.shown(peer) else { return };
        let chosen = self.peers.is_chosen(peer);
        if let Some(state) = self.fetch_state(key) {
            state.outcomes.note((role, &address), chosen, outcome);
        }
    }

    /// Notes that a peer gave what it was asked for.
    pub(super) fn note_good(&mut self, key: ContentKey, (role, peer): (Role, PeerKey)) {
        let Some(address) = self.peers.shown(peer) else { return };
        if let Some(state) = self.fetch_state(key) {
            state.outcomes.note_good((role, &address));
        }
    }

    /// Notes that an errand failed for want of a connection.
    pub(super) fn note_errand(&mut self, peer: PeerKey, errand: Errand, reason: &str) {
        let (key, role) = match errand {
            Errand::Link(content) => (content, Role::Peer),
            Errand::Ask { content, .. } => (content, Role::Directory),
        };
        self.note_outcome(key, (role, peer), Outcome::Unreached(reason.to_owned()));
    }

    /// Notes peers still being dialled when a download ends: they have not answered.
    pub(super) fn note_unanswered(&mut self, key: ContentKey) {
        let is_of = |errand: &Errand| matches!(*errand, Errand::Link(content) | Errand::Ask { content, .. } if content == key);
        let waiting = self.errands.iter().flat_map(|(peer, errands)| errands.iter().map(|one| (*peer, *one)));
        let waiting: Vec<_> = waiting.filter(|(_, errand)| is_of(errand)).collect();
        for (peer, errand) in waiting {
            self.note_errand(peer, errand, "no answer");
        }
        self.note_unanswered_by_http(key);
    }
}
