//! Conversions of a peer's address between the forms of the core, the wire and libp2p.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::net::IpAddr;

use libp2p::{Multiaddr, multiaddr::Protocol};
use nearcast_core::{addresses::Place, registry::Endpoint, scope::Scope};

use crate::{
    net::Target,
    wire::control::{PeerRecord, port},
};

/// The part of an endpoint that may be dialled on a third party's word: ports of other services are
/// left out.
pub(super) fn serving(endpoint: &Endpoint) -> Option<Endpoint> {
    let may = |port: &u16| Scope::may_serve_at(*port);
    let Endpoint { ip, tcp, udp } = *endpoint;
    let endpoint = Endpoint { ip, tcp: tcp.filter(may), udp: udp.filter(may) };
    (endpoint.tcp.is_some() || endpoint.udp.is_some()).then_some(endpoint)
}

/// The endpoint of an address. `None`: it is not TCP or QUIC at an IP.
pub(crate) fn endpoint_of(address: &Multiaddr) -> Option<Endpoint> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let endpoint = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(tcp), None) => Endpoint { ip, tcp: Some(tcp), udp: None },
        (Protocol::Udp(udp), Some(Protocol::QuicV1)) => Endpoint { ip, tcp: None, udp: Some(udp) },
        _ => return None,
    };
    parts.next().is_none().then_some(endpoint)
}

pub(super) fn target(place: &Place) -> Target {
    let base = Multiaddr::from(place.ip);
    let address = match place.quic {
        false => base.with(Protocol::Tcp(place.port)),
        true => base.with(Protocol::Udp(place.port)).with(Protocol::QuicV1),
    };
    Target { address, once: place.counted }
}

pub(super) fn multiaddrs(endpoint: &Endpoint) -> Vec<Multiaddr> {
    let place = |port, quic| target(&Place { ip: endpoint.ip, port, quic, counted: false }).address;
    let tcp = endpoint.tcp.map(|port| place(port, false));
    tcp.into_iter().chain(endpoint.udp.map(|port| place(port, true))).collect()
}

/// A peer's endpoint as a record of the wire.
pub(crate) fn record(peer: &[u8], endpoint: &Endpoint) -> PeerRecord {
    let ip = match endpoint.ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    PeerRecord {
        peer: peer.to_vec(),
        ip,
        tcp_port: endpoint.tcp.map_or(0, u32::from),
        udp_port: endpoint.udp.map_or(0, u32::from),
    }
}

/// The endpoint in a record. `None`: the IP is malformed.
pub(crate) fn endpoint(record: &PeerRecord) -> Option<Endpoint> {
    let ip = match record.ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(&record.ip[..]).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(&record.ip[..]).ok()?).to_canonical(),
        _ => return None,
    };
    Some(Endpoint { ip, tcp: port(record.tcp_port), udp: port(record.udp_port) })
}

/// The addresses in a record, for tests and fuzz targets. `None`: the IP is malformed.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn addresses(record: &PeerRecord) -> Option<(IpAddr, Vec<Multiaddr>)> {
    let endpoint = endpoint(record)?;
    Some((endpoint.ip, multiaddrs(&endpoint)))
}

/// The first port of each kind among our own addresses, as we claim them: TCP, then UDP.
pub(crate) fn ports(listen: &[Multiaddr]) -> (u32, u32) {
    let find = |pick: fn(Protocol<'_>) -> Option<u16>| {
        listen.iter().find_map(|address| address.iter().find_map(pick)).map_or(0, u32::from)
    };
    let tcp = find(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let udp = find(|part| if let Protocol::Udp(port) = part { Some(port) } else { None });
    (tcp, udp)
}
