//! The network: our identity, our connections, and the streams on them.
//!
//! One task owns the swarm. The rest of the node talks to it through bounded queues, and moves
//! bytes on streams that bypass it.

mod admission;
mod backlog;
mod behaviour;
pub(crate) mod dht;
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

use self::dht::DhtConfig;
pub(crate) use self::{
    dials::{Target, without_peer},
    network::{ConnectionCaps, Network},
    security::Security,
    streams::{InboundStream, Wire},
};

/// The settings of the network.
#[derive(Clone, Debug)]
pub(crate) struct NetworkConfig {
    /// The addresses to listen on. Dials leave from the same IPs.
    pub(crate) listen: Vec<Multiaddr>,
    /// If a port is taken, listen on any other.
    pub(crate) listen_may_move: bool,
    /// Our identity.
    pub(crate) keypair: Keypair,
    /// The most established connections. An eighth of them is kept for dials of our own.
    pub(crate) connections_max: u32,
    /// The most inbound connections from one /24 (IPv6: /48). Fewer are harder to crowd out with;
    /// more suit big NATs better.
    pub(crate) connections_per_prefix_max: u32,
    /// Whether that cap holds for 127.0.0.0/8 and ::1 too, as it must in tests, where loopback
    /// stands for real networks.
    pub(crate) prefix_cap_counts_loopback: bool,
    /// The most inbound handshakes in progress. Beyond that the oldest make room.
    pub(crate) pending_inbound_max: u32,
    /// The most TCP connections that wait for a handshake. Beyond that, those of the network with
    /// the worst standing are sent away.
    pub(crate) waiting_inbound_max: u32,
    /// This node is a service: others download from it or ask it, and it receives little, so it
    /// need hold little for them.
    pub(crate) is_service: bool,
    /// The most dials in progress.
    pub(crate) pending_outbound_max: u32,
    /// The most inbound streams that wait to be taken. Further ones are refused. Each holds its
    /// peer's first 256 KiB.
    pub(crate) inbound_streams_waiting_max: usize,
    /// A connection without streams of ours is closed after this time. Longer means fewer
    /// handshakes, shorter means fewer sockets.
    pub(crate) idle_timeout: Duration,
    /// The handshakes offered and accepted over TCP.
    pub(crate) security: Security,
    /// The kernel buffer for each TCP socket and direction, in bytes. `None`: the system's own
    /// tuning.
    pub(crate) socket_buffer_bytes: Option<u32>,
    /// The hash table among directories. `None`: we are no directory.
    pub(crate) dht: Option<DhtConfig>,
    /// Reports a failure of the network's own task.
    pub(crate) vital: Vital,
}

impl NetworkConfig {
    /// The plan of what strangers may hold or cause.
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

    /// Settings for one person's node. A server raises `connections_max`.
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
            dht: None,
            vital: Vital::default(),
        }
    }
}

/// How many of all connections may be inbound. Otherwise strangers could take every place, and
/// choose which peers we know.
fn inbound_max(connections_max: u32) -> u32 {
    connections_max - connections_max / 8
}

/// The events of the network. For one connection the order is `Connected`, any number of `Rtt`,
/// `Disconnected`.
#[derive(Clone, Debug)]
pub(crate) enum NetEvent {
    /// A connection is up: authenticated, encrypted, ready for streams.
    Connected {
        peer: PeerId,
        connection: ConnectionId,
        /// The remote address as seen on the connection, without `/p2p`.
        remote: Multiaddr,
        /// Our own address. Known for inbound connections; with a QUIC listener on every interface
        /// only the port is known.
        local: Option<Multiaddr>,
        /// We dialled this connection.
        outbound: bool,
        /// The token of the dial that made the connection. `None`: no dial of ours wanted it.
        dial: Option<u64>,
    },
    /// A connection is gone, and with it all its streams.
    Disconnected {
        peer: PeerId,
        connection: ConnectionId,
        /// How many connections to the same peer are left.
        remaining: u32,
        cause: String,
    },
    /// No address of a dial led to the peer. Each dial ends in this event or in `Connected`.
    DialFailed {
        token: u64,
        peer: Option<PeerId>,
        reason: String,
        /// Other peers that answered, and at which addresses.
        others_found: Vec<(PeerId, Multiaddr)>,
    },
    /// A round trip was measured.
    Rtt { peer: PeerId, connection: ConnectionId, rtt: Duration },
    /// We can be reached at one more address. Also sent for the addresses known at the start.
    NewListenAddress(Multiaddr),
}
