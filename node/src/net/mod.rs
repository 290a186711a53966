//! The network: who we are, whom we are connected to, and streams between us.
//!
//! One task owns the swarm; the rest of the node talks to it through bounded queues, and moves its bytes on streams that
//! never pass it.

mod admission;
mod backlog;
mod behaviour;
mod dials;
mod frames;
mod held;
pub(crate) mod identity;
mod listening;
mod lobby;
mod muxer;
mod network;
mod pace;
mod prefix_cap;
mod read_ahead;
mod security;
mod streams;
mod swarm;
mod tcp;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

use std::time::Duration;

use libp2p::{Multiaddr, PeerId, identity::Keypair, swarm::ConnectionId};

use crate::{budget::Plan, vital::Vital};

pub(crate) use self::{
    dials::{Target, without_peer},
    network::{ConnectionCaps, Network},
    security::Security,
    streams::InboundStream,
};

/// What the network is told before it starts.
#[derive(Clone, Debug)]
pub(crate) struct NetworkConfig {
    /// Where to listen; dials leave from the same IPs.
    pub(crate) listen: Vec<Multiaddr>,
    /// Where a port is taken, any other will do.
    pub(crate) listen_may_move: bool,
    /// Who we are.
    pub(crate) keypair: Keypair,
    /// Established connections at most; an eighth of them is kept for those we dial ourselves.
    pub(crate) connections_max: u32,
    /// Inbound connections from one /24 (IPv6: /48) at most. Fewer = harder to crowd out, more = kinder to big NATs.
    pub(crate) connections_per_prefix_max: u32,
    /// Whether that cap holds for 127.0.0.0/8 and ::1 too, as it must where loopback stands for real networks.
    pub(crate) prefix_cap_counts_loopback: bool,
    /// Connections that others are making at most; then the oldest make room.
    pub(crate) pending_inbound_max: u32,
    /// Connections over TCP that wait for a place among those; then whose network stands worst is sent away.
    pub(crate) waiting_inbound_max: u32,
    /// Others download from us, or ask us, and we nothing from them: little of theirs needs to be held.
    pub(crate) is_service: bool,
    /// Connections that we are making at most.
    pub(crate) pending_outbound_max: u32,
    /// Inbound streams that wait to be taken at most; further ones are refused. Each holds its peer's first 256 KiB.
    pub(crate) inbound_streams_waiting_max: usize,
    /// A connection without streams of ours is closed after this. Longer = fewer handshakes, shorter = fewer sockets.
    pub(crate) idle_timeout: Duration,
    /// Handshakes offered and accepted over TCP.
    pub(crate) security: Security,
    /// Bytes of kernel buffer per TCP socket and direction; none = the system's own tuning.
    pub(crate) socket_buffer_bytes: Option<u32>,
    /// Told if the network's own task fails.
    pub(crate) vital: Vital,
}

impl NetworkConfig {
    /// What strangers may hold or cause.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            half_open_max: self.pending_inbound_max,
            lobby_max: self.waiting_inbound_max,
            inbound_max: inbound_max(self.connections_max),
            per_network_max: self.connections_per_prefix_max,
            counts_loopback: self.prefix_cap_counts_loopback,
            dials_max: self.pending_outbound_max,
            ..Plan::new(self.connections_max, self.is_service)
        }
    }

    /// Settings for a person's node; a server raises `connections_max`.
    pub(crate) fn new(keypair: Keypair, listen: Vec<Multiaddr>) -> Self {
        NetworkConfig {
            listen,
            listen_may_move: false,
            keypair,
            connections_max: 256,
            connections_per_prefix_max: 32,
            pending_inbound_max: 128,
            waiting_inbound_max: 256,
            is_service: false,
            pending_outbound_max: 64,
            prefix_cap_counts_loopback: false,
            inbound_streams_waiting_max: 256,
            idle_timeout: Duration::from_secs(30),
            security: Security::default(),
            socket_buffer_bytes: None,
            vital: Vital::default(),
        }
    }
}

/// Of so many connections these may be others' doing. Else others could take every place, and choose whom we know.
fn inbound_max(connections_max: u32) -> u32 {
    connections_max - connections_max / 8
}

/// What the network tells. For one connection the order is `Connected`, any number of `Rtt`, `Disconnected`.
#[derive(Clone, Debug)]
pub(crate) enum NetEvent {
    /// A connection is up: authenticated, encrypted, ready for streams.
    Connected {
        peer: PeerId,
        connection: ConnectionId,
        /// The other end as seen on the connection, without `/p2p`.
        remote: Multiaddr,
        /// Our end; known for inbound connections (of QUIC listeners on every interface only the port).
        local: Option<Multiaddr>,
        /// We dialled.
        outbound: bool,
        /// The token of the dial that made it.
        dial: Option<u64>,
    },
    /// A connection is gone, and all its streams.
    Disconnected {
        peer: PeerId,
        connection: ConnectionId,
        /// Connections to the same peer that are left.
        remaining: u32,
        cause: String,
    },
    /// None of a dial's addresses led to the peer. Every dial ends in this or in `Connected`.
    DialFailed {
        token: u64,
        peer: Option<PeerId>,
        reason: String,
        /// Who else answered, and where.
        others_found: Vec<(PeerId, Multiaddr)>,
    },
    /// A round trip was measured.
    Rtt { peer: PeerId, connection: ConnectionId, rtt: Duration },
    /// We can be reached at one more address; told for those known at the start, too.
    NewListenAddress(Multiaddr),
}
