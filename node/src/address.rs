//! Network addresses as users write them.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{fmt, net::IpAddr, str::FromStr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// A multiaddr, such as `/ip4/192.0.2.7/tcp/4001/p2p/12D3…`. Parsed once; the node's public API has no libp2p types.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub(crate) Multiaddr);

/// A text that is no multiaddr.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{text:?} is not a multiaddr ({reason}); write it like /ip4/192.0.2.7/tcp/4001 or /ip4/192.0.2.7/udp/4001/quic-v1"
)]
pub struct AddressError {
    text: String,
    reason: String,
}

impl Address {
    /// The peer it names in `/p2p/…`, as text.
    pub fn peer_id(&self) -> Option<String> {
        self.peer().map(|peer| peer.to_string())
    }

    /// The IP it names, if it names one rather than a host name.
    pub fn ip(&self) -> Option<IpAddr> {
        ip_of(&self.0)
    }

    /// The port it names.
    pub fn port(&self) -> Option<u16> {
        port_of(&self.0)
    }

    pub(crate) fn peer(&self) -> Option<PeerId> {
        peer_of(&self.0)
    }
}

/// The IP an address names.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// The first port an address names.
pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}

/// The last peer an address names.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    address.iter().filter_map(|part| if let Protocol::P2p(peer) = part { Some(peer) } else { None }).last()
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason: String| AddressError { text: text.to_owned(), reason };
        text.parse().map(Address).map_err(|reason: libp2p::multiaddr::Error| error(reason.to_string()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
