//! Connections: the events of the network, and the work that waits for a connection.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentKey, PeerKey, QueryId},
    input::{Candidate, Event, Via},
    tier::Near,
};

use super::Driver;
use crate::{
    address::ip_of,
    budget::Holdings,
    exchange::{directory, link, manifest, serve},
    net::{InboundStream, NetEvent},
    peer_book::{Connection, Way},
    wire,
};

/// Work to do once a peer is connected.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    /// Open a link for this content.
    Link(ContentKey),
    /// Ask the peer as a directory.
    Ask { content: ContentKey, query: QueryId, wanted: u16 },
}

/// How long to wait when the network takes no more dials.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// Why an errand was not done.
#[derive(Clone, Copy, Debug)]
enum Undone {
    /// The dial failed.
    Failed,
    /// The peer may not be dialled yet, or the network is busy. Try again after this pause.
    Later(Duration),
    /// The peer has no address left to dial.
    Hopeless,
}

/// The event that tells the engine that an errand was not done.
fn undone(peer: PeerKey, errand: Errand, why: Undone) -> (ContentKey, Event) {
    match (errand, why) {
        (Errand::Link(content), Undone::Failed) => (content, Event::DialFailed { peer }),
        (Errand::Link(content), Undone::Later(wait)) => (content, Event::DialLater { peer, wait }),
        (Errand::Link(content), Undone::Hopeless) => (content, Event::Hopeless { peer }),
        (Errand::Ask { content, query, .. }, _) => (content, Event::QueryFailed { query }),
    }
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
            NetEvent::DialFailed { token, peer, reason, others_found } => {
                tracing::debug!(?peer, ?others_found, reason, "a dial failed");
                let key = PeerKey(token as u32);
                others_found.iter().for_each(|(_, at)| self.peers.on_other_found(key, at));
                self.on_dial_failed(key, &reason);
            }
            NetEvent::Rtt { peer, connection, rtt } => {
                tracing::trace!(%peer, %connection, ?rtt, "round trip");
                self.on_round_trip(peer, rtt);
            }
            NetEvent::NewListenAddress(address) => tracing::debug!(%address, "listening"),
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, remote: Multiaddr, dial: Option<u64>) {
        let dialed = dial.map(|token| PeerKey(token as u32));
        let now = self.now();
        let key = self.peers.on_connected(now, peer, Connection { id: connection, remote }, dialed);
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

    fn on_dial_failed(&mut self, peer: PeerKey, reason: &str) {
        let errands = self.errands.remove(&peer).unwrap_or_default();
        for errand in &errands {
            self.note_errand(peer, *errand, reason);
        }
        let now = self.now();
        // A peer that the address book gives up has no address left: trying it again is useless.
        let why = if self.peers.on_dial_failed(now, peer) { Undone::Failed } else { Undone::Hopeless };
        for errand in errands {
            let (content, event) = undone(peer, errand, why);
            self.input(content, event);
        }
    }

    /// Does the errand at once if the peer is connected. Otherwise dials the peer first.
    pub(super) fn send_on_errand(&mut self, peer: PeerKey, errand: Errand) {
        let connected = self.peers.get(peer).is_some_and(|known| known.connection().is_some());
        if connected {
            return self.run_errand(peer, errand);
        }
        if let Some(waiting) = self.errands.get_mut(&peer) {
            return waiting.push(errand);
        }
        let now = self.now();
        let why = match self.peers.way(now, peer) {
            Way::Dial(id, targets) => match self.parts.network.dial_targets(u64::from(peer.0), id, targets) {
                Ok(()) => {
                    self.errands.insert(peer, vec![errand]);
                    return;
                }
                Err(_) => {
                    self.peers.on_dial_refused(peer);
                    Undone::Later(BUSY_PAUSE)
                }
            },
            Way::Later(wait) => Undone::Later(wait),
            Way::None => Undone::Hopeless,
        };
        let (content, event) = undone(peer, errand, why);
        self.input(content, event);
    }

    fn run_errand(&mut self, named: PeerKey, errand: Errand) {
        // The dialled name may prove to be a known peer. Then the errand goes to that peer.
        let alias = self.peers.alias(named);
        match errand {
            Errand::Link(content) => match alias {
                Some(real) => {
                    self.input(content, Event::DialFailed { peer: named });
                    let candidate = Candidate { peer: real, near: self.near(real), via: Via::Named };
                    self.input(
                        content,
                        Event::Discovered { query: None, teller: None, candidates: vec![candidate] },
                    );
                }
                None => self.open_link(content, named),
            },
            Errand::Ask { content, query, wanted } => {
                self.ask(content, alias.unwrap_or(named), query, wanted)
            }
        }
    }

    /// The nearness of a peer, by the address of its connection, or else by its other known
    /// addresses.
    pub(super) fn near(&self, peer: PeerKey) -> Near {
        let ip = self.peers.get(peer).and_then(crate::peer_book::Known::ip);
        ip.map_or(Near::UNKNOWN, |ip| self.nearness.near(ip))
    }

    /// Starts the task for a stream that a peer opened.
    pub(super) fn on_inbound(&mut self, inbound: InboundStream) {
        let (tasks, events) = (&self.parts.tasks, self.services.events.clone());
        let budget = self.parts.network.budget();
        // A connection may be gone already. Then its streams end by themselves.
        let holdings = budget.of(inbound.connection).unwrap_or_else(|| Holdings::new(budget));
        let ip = ip_of(&inbound.remote).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        if inbound.protocol == wire::EXCHANGE {
            let place = budget.hellos.take(ip);
            tasks.spawn(link::receive(inbound, self.services.known.clone(), place, holdings, events));
        } else if inbound.protocol == wire::DATA {
            tasks.spawn(serve::receive(inbound, budget.openings.take(ip), events));
        } else if inbound.protocol == wire::MANIFEST {
            let Some(place) = holdings.manifest() else { return };
            tasks.spawn(manifest::serve(inbound, place, events));
        } else if inbound.protocol == wire::DIRECTORY {
            let Some(place) = holdings.directory() else { return };
            let desk = self.parts.directory.clone().map(|directory| directory::Desk {
                directory,
                dial_back: self.services.dial_back.clone(),
                referrals: self.parts.referrals.clone(),
            });
            tasks.spawn(directory::serve(inbound, place, desk));
        }
    }

    /// Notes that a peer broke the protocol: connections from its address wait longer for
    /// admission.
    pub(super) fn blame(&self, peer: PeerKey) {
        let connections = self.peers.get(peer).into_iter().flat_map(|known| &known.connections);
        if let Some(ip) = connections.filter_map(|connection| ip_of(&connection.remote)).next() {
            self.parts.network.budget().blame(ip);
        }
    }

    /// Bans a peer for good.
    pub(super) fn ban(&mut self, peer: PeerKey) {
        self.blame(peer);
        if let Some(id) = self.peers.get(peer).and_then(|known| known.id) {
            self.totals.banned += 1;
            if let Some(kept_back) = self.banned_said.due() {
                tracing::warn!(peer = %id, kept_back, "banned for breaking the protocol, by false data or answers that nobody asked for");
            }
            self.parts.network.ban(id);
        }
    }
}
