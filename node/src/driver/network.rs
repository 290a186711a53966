//! Connections: what the network tells, and what waits for a connection.

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentKey, PeerKey, QueryId},
    input::{Candidate, Event, Via},
    tier::Near,
};

use super::Driver;
use crate::{
    exchange::{directory, link, manifest, serve},
    net::{InboundStream, NetEvent},
    peer_book::Connection,
    wire,
};

/// What is to be done once a peer is connected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    /// Link for this content.
    Link(ContentKey),
    /// Ask it as a directory.
    Ask { content: ContentKey, query: QueryId, wanted: u16 },
}

impl Driver {
    pub(super) fn on_net_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Connected { peer, connection, remote, local, outbound, dial } => {
                tracing::debug!(%peer, %remote, ?local, outbound, "connected");
                self.on_connected(peer, connection, remote, dial);
            }
            NetEvent::Disconnected { peer, connection, remaining, cause } => {
                tracing::debug!(%peer, remaining, cause, "disconnected");
                self.on_disconnected(peer, connection);
            }
            NetEvent::DialFailed { token, peer, reason, wrong_peer } => {
                tracing::debug!(?peer, ?wrong_peer, reason, "a dial failed");
                self.on_dial_failed(PeerKey(token as u32), &reason);
            }
            // It decides nothing yet.
            NetEvent::Rtt { peer, connection, rtt } => {
                tracing::trace!(%peer, %connection, ?rtt, "round trip")
            }
            NetEvent::NewListenAddress(address) => tracing::debug!(%address, "listening"),
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, remote: Multiaddr, dial: Option<u64>) {
        let dialed = dial.map(|token| PeerKey(token as u32));
        let key = self.peers.on_connected(peer, Connection { id: connection, remote }, dialed);
        for named in dialed.into_iter().chain([key]) {
            for errand in self.errands.remove(&named).unwrap_or_default() {
                self.run_errand(named, errand);
            }
        }
    }

    fn on_disconnected(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(key) = self.peers.on_disconnected(peer, connection) else { return };
        let broken: Vec<_> = self
            .links
            .iter()
            .filter(|((_, other), link)| *other == key && link.is_over(connection))
            .map(|(&(content, _), _)| content)
            .collect();
        for content in broken {
            self.on_link_gone(content, key, "the connection is gone");
        }
    }

    fn on_dial_failed(&mut self, key: PeerKey, reason: &str) {
        for errand in self.errands.remove(&key).unwrap_or_default() {
            self.on_errand_failed(key, errand, reason);
        }
    }

    fn on_errand_failed(&mut self, peer: PeerKey, errand: Errand, reason: &str) {
        match errand {
            Errand::Link(content) => {
                self.note_trouble(content, peer, reason);
                self.input(content, Event::DialFailed { peer });
            }
            Errand::Ask { content, query, .. } => self.input(content, Event::QueryFailed { query }),
        }
    }

    /// Does it now if the peer is connected, else dials it first.
    pub(super) fn send_on_errand(&mut self, peer: PeerKey, errand: Errand) {
        let connected = self.peers.get(peer).is_some_and(|known| known.connection().is_some());
        if connected {
            return self.run_errand(peer, errand);
        }
        let waiting = self.errands.entry(peer).or_default();
        waiting.push(errand);
        if waiting.len() > 1 {
            return;
        }
        let (id, addresses) = match self.peers.get(peer) {
            Some(known) => (known.id, known.addresses.clone()),
            None => (None, Vec::new()),
        };
        let dialed = match addresses.is_empty() {
            true => Err("no address is known of it".to_owned()),
            false => {
                let dialed = self.parts.network.dial(u64::from(peer.0), id, addresses);
                dialed.map_err(|refused| refused.to_string())
            }
        };
        if let Err(reason) = dialed {
            self.on_dial_failed(peer, &reason);
        }
    }

    fn run_errand(&mut self, named: PeerKey, errand: Errand) {
        // Two names turned out to be one peer: the errand is the other name's.
        let alias = self.peers.alias(named);
        match errand {
            Errand::Link(content) => match alias {
                Some(real) => {
                    self.input(content, Event::DialFailed { peer: named });
                    let candidate = Candidate { peer: real, near: self.near(real), via: Via::Named };
                    self.input(content, Event::Discovered { query: None, candidates: vec![candidate] });
                }
                None => self.open_link(content, named),
            },
            Errand::Ask { content, query, wanted } => {
                self.ask(content, alias.unwrap_or(named), query, wanted)
            }
        }
    }

    /// Where a peer is, by the address on its connection, else by what is known of it.
    pub(super) fn near(&self, peer: PeerKey) -> Near {
        let ip = self.peers.get(peer).and_then(crate::peer_book::Known::ip);
        ip.map_or(Near::UNKNOWN, |ip| self.nearness.near(ip))
    }

    /// The task for a stream somebody opened.
    pub(super) fn on_inbound(&mut self, inbound: InboundStream) {
        let (tasks, events) = (&self.parts.tasks, self.services.events.clone());
        if inbound.protocol == wire::EXCHANGE {
            tasks.spawn(link::receive(inbound, events));
        } else if inbound.protocol == wire::DATA {
            tasks.spawn(serve::receive(inbound, events));
        } else if inbound.protocol == wire::MANIFEST {
            tasks.spawn(manifest::serve(inbound, events));
        } else if inbound.protocol == wire::DIRECTORY {
            tasks.spawn(directory::serve(inbound, self.parts.directory.clone()));
        }
    }

    /// Never again anything with this peer.
    pub(super) fn ban(&mut self, peer: PeerKey) {
        if let Some(id) = self.peers.get(peer).and_then(|known| known.id) {
            self.totals.banned += 1;
            if let Some(kept_back) = self.banned_said.due() {
                tracing::warn!(peer = %id, kept_back, "banned for breaking the protocol, by false data or answers that nobody asked for");
            }
            self.parts.network.ban(id);
        }
    }
}
