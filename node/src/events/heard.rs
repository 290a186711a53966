//! What is heard on the local network.

use std::net::Ipv4Addr;

use libp2p::PeerId;

/// What a peer announces about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) peer: PeerId,
    /// The ports it listens on, over TCP and over QUIC. 0: none.
    pub(crate) tcp: u16,
    pub(crate) udp: u16,
    /// The peer leaves.
    pub(crate) leaves: bool,
}

/// An announcement, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) said: Said,
    /// The source of the packet.
    pub(crate) ip: Ipv4Addr,
}
