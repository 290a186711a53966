//! Files that are read while they come: the engine hears where readers are, and readers of runs that
//! came.

use std::time::Duration;

use libp2p::PeerId;
use nearcast_core::{
    id::{ContentKey, ReaderId},
    input::{Event, Reading},
};

use super::Driver;

impl Driver {
    /// A reader is there now, or gone.
    pub(super) fn on_reader(&mut self, content: ContentKey, reader: ReaderId, reading: Option<Reading>) {
        let Some(state) = self.fetch_state(content) else { return };
        let is_first = state.readers.is_empty();
        match reading {
            Some(_) => _ = state.readers.insert(reader),
            None => _ = state.readers.remove(&reader),
        }
        self.input(content, Event::Reader { reader, reading });
        if is_first {
            self.tell_round_trips(content);
        }
    }

    /// What was measured before anybody read.
    fn tell_round_trips(&mut self, content: ContentKey) {
        for peer in self.links_of(content) {
            if let Some(rtt) = self.peers.get(peer).and_then(|known| known.round_trip) {
                self.input(content, Event::Rtt { peer, rtt });
            }
        }
    }

    /// A ping was answered.
    pub(super) fn on_round_trip(&mut self, peer: PeerId, rtt: Duration) {
        let Some(peer) = self.peers.on_round_trip(peer, rtt) else { return };
        let is_read = |content: &ContentKey| {
            let state = self.contents.get(content).and_then(|content| content.fetch.as_ref());
            state.is_some_and(|state| !state.readers.is_empty())
        };
        let linked = self.links.keys().filter(|&&(_, other)| other == peer).map(|&(content, _)| content);
        let read: Vec<ContentKey> = linked.filter(is_read).collect();
        read.into_iter().for_each(|content| self.input(content, Event::Rtt { peer, rtt }));
    }

    /// A run came.
    pub(super) fn wake_readers(&mut self, content: ContentKey) {
        if let Some(state) = self.fetch_state(content).filter(|state| !state.readers.is_empty()) {
            state.news.send_replace(());
        }
    }
}
