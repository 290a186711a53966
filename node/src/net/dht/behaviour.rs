//! The hash table as a part of the swarm.

use std::task::{Context, Poll, ready};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint as Side, transport::PortUse},
    kad,
    swarm::{
        ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, behaviour::ExternalAddrConfirmed,
    },
};

use super::{Dht, Link, places::port_alone, records::Records};
use crate::net::without_peer;

/// Kademlia, whose connections we use.
type Kad = kad::Behaviour<Records>;

impl NetworkBehaviour for Dht {
    type ConnectionHandler = <Kad as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Side,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(connection, peer, remote, role, port_use)
    }

    /// Adds the addresses for a dial of Kademlia's own. A dial with addresses is not its own, and
    /// needs none.
    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Side,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let Some(peer) = peer.filter(|_| addresses.is_empty()) else { return Ok(Vec::new()) };
        let told = self.kad.handle_pending_outbound_connection(connection, Some(peer), &[], role)?;
        let proved = self.proved(peer);
        let (mut may, doubtful): (Vec<_>, Vec<_>) =
            told.iter().map(without_peer).partition(|address| proved.contains(address));
        may.dedup();
        if may.is_empty() {
            let now = self.now();
            may = self.gate.aim(now, doubtful);
            self.counters.lock().dials_refused = self.gate.refused;
        }
        Ok(may)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // Kademlia would tell others all of our listening addresses, private ones too.
            FromSwarm::NewListenAddr(new) => return self.on_listening(new.addr),
            FromSwarm::NewListener(_)
            | FromSwarm::ExpiredListenAddr(_)
            | FromSwarm::ExternalAddrConfirmed(_)
            | FromSwarm::ExternalAddrExpired(_)
            | FromSwarm::NewExternalAddrCandidate(_)
            | FromSwarm::NewExternalAddrOfPeer(_) => return,
            FromSwarm::ConnectionEstablished(new) => {
                let remote = without_peer(new.endpoint.get_remote_address());
                let is_inbound = new.endpoint.is_listener();
                self.links.insert(new.connection_id, Link { peer: new.peer_id, remote, is_inbound });
            }
            FromSwarm::ConnectionClosed(closed) => self.links.remove(closed.connection_id),
            _ => {}
        }
        self.kad.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(new) => self.on_linked(new.connection_id),
            FromSwarm::DialFailure(failed) => {
                let was_try = self.forget_dial(failed.connection_id);
                // A peer that is connected, or being dialled, is not dialled again: that says
                // nothing about it.
                if !was_try && !matches!(failed.error, DialError::DialPeerConditionFalse(_)) {
                    self.on_unreached(failed.peer_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.kad.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<(), THandlerInEvent<Self>>> {
        loop {
            if let Some(pending) = self.pending.pop_front() {
                return Poll::Ready(pending);
            }
            let next = self.on_time();
            self.chores.sleep.as_mut().reset(next.into());
            match self.kad.poll(cx) {
                Poll::Ready(ToSwarm::GenerateEvent(event)) => self.on_kad_event(event),
                Poll::Ready(other) => return Poll::Ready(other.map_out(|_| ())),
                Poll::Pending => {
                    if self.pending.is_empty() {
                        ready!(self.chores.sleep.as_mut().poll(cx));
                    }
                }
            }
        }
    }
}

impl Dht {
    /// We listen at one more address: others are told of its port.
    fn on_listening(&mut self, address: &Multiaddr) {
        let Some(port) = port_alone(address) else { return };
        self.kad.on_swarm_event(FromSwarm::ExternalAddrConfirmed(ExternalAddrConfirmed { addr: &port }));
        let ports = &mut self.kad.store_mut().ports;
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
}
