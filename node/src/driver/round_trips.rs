//! How far peers are: downloads hear of round trips to their neighbours.

use std::time::Duration;

use libp2p::PeerId;
use nearcast_core::{
    id::{ContentKey, PeerKey},
    input::Event,
};

use super::{Driver, links::Link};

impl Driver {
    /// A ping was answered.
    pub(super) fn on_round_trip(&mut self, peer: PeerId, rtt: Duration) {
        let Some(peer) = self.peers.on_round_trip(peer, rtt) else { return };
        let fetched = self.contents.iter().filter(|(_, content)| content.fetch.is_some());
        let contents: Vec<ContentKey> = fetched.map(|(key, _)| *key).collect();
        contents.into_iter().for_each(|content| self.tell_round_trip(content, peer));
    }

    /// A neighbour is new, or what was measured has changed.
    pub(super) fn tell_round_trip(&mut self, content: ContentKey, peer: PeerKey) {
        let is_linked = self.links.get(&(content, peer)).and_then(Link::up).is_some();
        if let Some(rtt) = self.peers.get(peer).and_then(|known| known.round_trip).filter(|_| is_linked) {
            self.input(content, Event::Rtt { peer, rtt });
        }
    }
}
