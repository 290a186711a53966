//! Names and addresses of directories, between the forms of libp2p and of the core.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::net::{IpAddr, Ipv4Addr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use nearcast_core::registry::{Endpoint, PeerName};

/// The name of a peer. `None`: its key is of another kind than ours.
pub(super) fn name_of(peer: &PeerId) -> Option<PeerName> {
    PeerName::from_id(&peer.to_bytes())
}

/// The id of a peer.
pub(super) fn id_of(name: &PeerName) -> Option<PeerId> {
    PeerId::from_bytes(&name.to_id()).ok()
}

/// Where an address leads. `None`: it is not TCP or QUIC at an IP, or goes through somebody else.
pub(super) fn endpoint_of(address: &Multiaddr) -> Option<Endpoint> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        #[cfg(test)]
        Protocol::Memory(number) => return in_memory::endpoint_of(number),
        _ => return None,
    };
    let endpoint = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(port), None) => Endpoint { ip, tcp: Some(port), udp: None },
        (Protocol::Udp(port), Some(Protocol::QuicV1)) => Endpoint { ip, tcp: None, udp: Some(port) },
        _ => return None,
    };
    parts.next().is_none().then_some(endpoint)
}

/// The addresses of an endpoint: TCP first.
pub(super) fn addresses_of(endpoint: &Endpoint) -> Vec<Multiaddr> {
    #[cfg(test)]
    if let Some(address) = in_memory::address_of(endpoint) {
        return vec![address];
    }
    let base = Multiaddr::from(endpoint.ip);
    let tcp = endpoint.tcp.map(|port| base.clone().with(Protocol::Tcp(port)));
    let udp = endpoint.udp.map(|port| base.clone().with(Protocol::Udp(port)).with(Protocol::QuicV1));
    tcp.into_iter().chain(udp).collect()
}

/// What we say about an address of our own: the port alone. Others put the IP that they see in
/// front of it, and learn nothing of our private addresses. `None`: it is no address of ours that
/// others could use.
pub(super) fn port_alone(listen: &Multiaddr) -> Option<Multiaddr> {
    #[cfg(test)]
    if let Some(Protocol::Memory(_)) = listen.iter().next() {
        return Some(listen.clone());
    }
    let ip = Ipv4Addr::UNSPECIFIED.into();
    addresses_of(&Endpoint { ip, ..endpoint_of(listen)? }).pop()
}

/// Where a directory is, of which we see the IP, and which claims these addresses: the IP as seen,
/// and the first port of each kind that it claims for that IP or for none. `None`: it claims none.
pub(super) fn as_seen(seen: IpAddr, claimed: &[Multiaddr]) -> Option<Endpoint> {
    let claims = claimed.iter().filter_map(endpoint_of);
    let mut endpoint = Endpoint { ip: seen.to_canonical(), tcp: None, udp: None };
    for claim in claims.filter(|claim| claim.ip.is_unspecified() || claim.ip.to_canonical() == endpoint.ip) {
        endpoint.tcp = endpoint.tcp.or(claim.tcp);
        endpoint.udp = endpoint.udp.or(claim.udp);
    }
    (endpoint.tcp.is_some() || endpoint.udp.is_some()).then_some(endpoint)
}

/// In tests, nodes in one process talk through memory. Their numbers stand for IPs, and a port that
/// nothing else uses for memory.
#[cfg(test)]
mod in_memory {
    use super::*;

    const PORT: u16 = 4_809;

    pub(super) fn endpoint_of(number: u64) -> Option<Endpoint> {
        let ip = Ipv4Addr::from_bits(u32::try_from(number).ok()?).into();
        Some(Endpoint { ip, tcp: Some(PORT), udp: None })
    }

    pub(super) fn address_of(endpoint: &Endpoint) -> Option<Multiaddr> {
        match endpoint {
            Endpoint { ip: IpAddr::V4(ip), tcp: Some(PORT), .. } => {
                Some(Protocol::Memory(ip.to_bits().into()).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_directory_is_at_the_ip_that_we_see_and_at_ports_that_it_claims() {
        let seen: IpAddr = "198.51.100.7".parse().unwrap();
        let at = |claimed: &[&str]| {
            let claimed: Vec<_> = claimed.iter().map(|text| address(text)).collect();
            as_seen(seen, &claimed)
        };
        let both = Endpoint { ip: seen, tcp: Some(4_810), udp: Some(4_811) };
        assert_eq!(at(&["/ip4/0.0.0.0/tcp/4810", "/ip4/0.0.0.0/udp/4811/quic-v1"]), Some(both.clone()));
        assert_eq!(at(&["/ip4/198.51.100.7/tcp/4810", "/ip4/198.51.100.7/udp/4811/quic-v1"]), Some(both));
        let foreign = ["/ip4/203.0.113.9/tcp/4810", "/dns4/example.org/tcp/4810", "/ip4/0.0.0.0/udp/53"];
        assert_eq!(at(&foreign), None, "nobody can point at somebody else");
        let circuit =
            "/ip4/198.51.100.7/tcp/4810/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp/p2p-circuit";
        assert_eq!(at(&[circuit]), None, "a relay's port is not its own");
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn we_tell_our_ports_and_no_address() {
        let told = |text| port_alone(&address(text)).map(|address| address.to_string());
        assert_eq!(told("/ip4/10.0.0.7/tcp/4810").unwrap(), "/ip4/0.0.0.0/tcp/4810");
        assert_eq!(told("/ip6/fe80::1/udp/4811/quic-v1").unwrap(), "/ip4/0.0.0.0/udp/4811/quic-v1");
        assert_eq!(told("/dns4/example.org/tcp/4810"), None);
    }
}
