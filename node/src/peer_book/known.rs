//! What is known of one peer: its id, its connections, and the ports it claims.

use std::{net::IpAddr, time::Duration};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use nearcast_core::{id::PeerKey, random::mix, registry::Endpoint, saturate::low_half};

use crate::address::ip_of;

/// A connection to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// The remote address, as seen.
    pub(crate) remote: Multiaddr,
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) id: Option<PeerId>,
    /// Open connections, oldest first.
    pub(crate) connections: Vec<Connection>,
    /// Ports it says it listens on: TCP, then UDP.
    pub(crate) ports: (Option<u16>, Option<u16>),
    /// The IP of the peer's best address, from the core's book.
    pub(super) told: Option<IpAddr>,
    /// Addresses that the user typed and that are neither TCP nor QUIC at an IP. The dial reports
    /// what is wrong with them.
    pub(super) odd: Vec<Multiaddr>,
    pub(super) alias_of: Option<PeerKey>,
    /// The peer is an HTTP server.
    pub(super) is_server: bool,
    /// The last round trip that was measured.
    pub(crate) round_trip: Option<Duration>,
}

impl Known {
    /// Whether the peer is an HTTP server: a web seed.
    pub(crate) fn is_server(&self) -> bool {
        self.is_server
    }

    /// The peer's IP as seen on a connection, or else as told.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let seen = self.connections.iter().find_map(|connection| ip_of(&connection.remote));
        seen.or(self.told)
    }

    /// The tag by which all nodes know the peer (docs/wire.md, "Tags"). 0: its id is not known.
    pub(crate) fn tag(&self) -> u32 {
        self.id.as_ref().map_or(0, tag)
    }

    /// Where others can reach the peer: at the IP we see, and the ports it claims.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        let ip = self.connections.iter().find_map(|connection| ip_of(&connection.remote))?;
        let (tcp, udp) = self.ports;
        (tcp.is_some() || udp.is_some()).then_some(Endpoint { ip, tcp, udp })
    }

    /// Whether we have a connection to the peer.
    pub(crate) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// The connection for new streams: the oldest over TCP, which moves bulk faster, or else the
    /// oldest.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        let over_tcp =
            |connection: &&Connection| connection.remote.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        self.connections.iter().find(over_tcp).or_else(|| self.connections.first())
    }
}

/// The tag by which all nodes know a peer.
pub(crate) fn tag(id: &PeerId) -> u32 {
    let last = id.as_ref().digest().iter().rev().take(8).rev();
    low_half(mix(last.fold(0, |number, &byte| number << 8 | u64::from(byte))))
}
