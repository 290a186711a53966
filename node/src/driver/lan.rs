//! Peers on the local network become candidates for contents that are not complete.

use nearcast_core::{
    addresses::Rank,
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Join, Via},
    tier::Tier,
};
use tokio::time::Instant;

use super::{Driver, content::Content};
use crate::{
    events::Heard,
    lan::{self, Lan},
    peer_book::Word,
    wire::control::PeerRecord,
};

impl Driver {
    /// Starts speaking and listening on the local network, if this node is to.
    pub(super) fn start_lan(&mut self) {
        if !self.listens_on_lan() {
            return;
        }
        let lan = Lan {
            network: self.parts.network.clone(),
            events: self.services.events.clone(),
            stop: self.services.stop.clone(),
            seed: self.parts.seed.rotate_left(16),
        };
        let listening = self.parts.vital.guard("What listens to the local network", lan::run(lan));
        self.parts.tasks.spawn(listening);
    }

    /// Whether this node listens to peers on the local network.
    pub(super) fn listens_on_lan(&self) -> bool {
        self.parts.config.lan && lan::may_run(&self.parts.network)
    }

    pub(super) fn on_lan_heard(&mut self, heard: &Heard) {
        let said = &heard.said;
        if said.leaves {
            return self.lan.on_left(&said.peer);
        }
        let ip = heard.ip.into();
        if self.nearness.near(ip).tier() != Tier::Lan || !self.lan.on_heard(Instant::now(), said.peer) {
            return;
        }
        let record = PeerRecord {
            peer: said.peer.to_bytes(),
            ip: heard.ip.octets().to_vec(),
            tcp_port: said.tcp.into(),
            udp_port: said.udp.into(),
        };
        // The peer spoke from the address that it states. The sender of a packet can be forged, but
        // only by a host that is on this network too.
        let word = Word { ip: Some(ip), rank: Rank::Directory };
        let Some(candidate) = self.candidate(&record, word, Via::Lan) else { return };
        tracing::debug!(peer = %said.peer, %ip, "somebody is on the local network");
        let contents: Vec<ContentKey> = self.contents.keys().copied().collect();
        contents.into_iter().for_each(|content| self.offer_lan(content, vec![candidate]));
    }

    /// Joins a swarm. Peers on the local network may be in it, so they become candidates.
    pub(super) fn join(&mut self, content: ContentKey, join: Join) {
        let paused = self.contents.get(&content).is_some_and(Content::is_paused);
        self.input(content, Event::Join(Join { paused, ..join }));
        let ids: Vec<_> = self.lan.peers().collect();
        let peers: Vec<PeerKey> = ids.into_iter().map(|id| self.peers.key_of(id)).collect();
        let candidate = |peer| Candidate { peer, near: self.near(peer), via: Via::Lan };
        let candidates = peers.into_iter().map(candidate).collect();
        self.offer_lan(content, candidates);
    }

    fn offer_lan(&mut self, content: ContentKey, candidates: Vec<Candidate>) {
        let asks = self.contents.get(&content).and_then(|content| content.fetch.as_ref());
        let asks = asks.is_some_and(|state| state.fetch.find_on_lan);
        let seeks = self.engine.swarm(content).is_some_and(|swarm| !swarm.is_complete());
        if asks && seeks && !candidates.is_empty() {
            self.input(content, Event::Discovered { query: None, teller: None, candidates });
        }
    }
}
