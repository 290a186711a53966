//! Resolves host names in addresses before anything is dialled: the transports take IPs only.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use libp2p::{Multiaddr, multiaddr::Protocol};
use nearcast_core::magnet::HostPort;
use tokio::{net::lookup_host, time::timeout};

/// How long to wait for a name server.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a name that a stranger chose is waited for while there are others to ask.
pub(crate) const STRANGERS_LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);
/// The most IPs used of one name.
const IPS_MAX: usize = 4;

/// Addresses with IPs in place of host names, in their order.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// The addresses.
    pub(crate) found: Vec<Multiaddr>,
    /// Addresses whose name has no IP now, and why.
    pub(crate) nameless: Vec<(Multiaddr, String)>,
}

/// The addresses, with each host name replaced by its present IPs. A name without IPs is dropped,
/// with a warning. All names are looked up at once: else each slow one would hold up the others.
pub(crate) async fn addresses(named: &[Multiaddr], within: Duration) -> Resolved {
    let mut resolved = Resolved::default();
    for looked_up in join_all(named.iter().map(|address| ips_of(address, within))).await {
        match looked_up {
            Ok(found) => resolved.found.extend(found),
            Err(nameless) => resolved.nameless.push(nameless),
        }
    }
    resolved
}

async fn ips_of(address: &Multiaddr, within: Duration) -> Result<Vec<Multiaddr>, (Multiaddr, String)> {
    let Some((name, v4, v6)) = host(address) else { return Ok(vec![address.clone()]) };
    let ips = lookup(&name, 0, within).await.map_err(|why| (address.clone(), why))?;
    let with_ip = |ip: SocketAddr| {
        let rest = address.iter().skip(1);
        std::iter::once(Protocol::from(ip.ip())).chain(rest).collect::<Multiaddr>()
    };
    let right = ips.into_iter().filter(|ip| if ip.is_ipv4() { v4 } else { v6 });
    Ok(right.take(IPS_MAX).map(with_ip).collect())
}

/// The addresses of peers that a magnet link names by host and port, over TCP and over QUIC.
pub(crate) async fn host_ports(peers: &[HostPort], within: Duration) -> Vec<Multiaddr> {
    let found = join_all(peers.iter().map(|peer| lookup(peer.host(), peer.port(), within))).await;
    let mut resolved = Vec::new();
    for socket in found.into_iter().flat_map(|found| found.unwrap_or_default().into_iter().take(IPS_MAX)) {
        let ip = Multiaddr::from(socket.ip());
        resolved.push(ip.clone().with(Protocol::Tcp(socket.port())));
        resolved.push(ip.with(Protocol::Udp(socket.port())).with(Protocol::QuicV1));
    }
    resolved
}

/// Whether an address can be dialled without asking a name server.
pub(crate) fn is_ip(address: &Multiaddr) -> bool {
    host(address).is_none()
}

fn host(address: &Multiaddr) -> Option<(String, bool, bool)> {
    match address.iter().next()? {
        Protocol::Dns(name) => Some((name.into_owned(), true, true)),
        Protocol::Dns4(name) => Some((name.into_owned(), true, false)),
        Protocol::Dns6(name) => Some((name.into_owned(), false, true)),
        _ => None,
    }
}

async fn lookup(name: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match timeout(within, lookup_host((bare, port))).await {
        Ok(Ok(found)) => Ok(found.collect()),
        Ok(Err(error)) => {
            tracing::warn!(name, %error, "a host name has no address");
            Err(format!("its name has no address: {error}"))
        }
        Err(_) => {
            tracing::warn!(name, "a host name was not resolved in time");
            Err(format!("no name server answered within {} seconds", within.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_become_ips_and_ips_stay() {
        let named = ["/dns4/localhost/tcp/4001".parse().unwrap(), "/ip4/192.0.2.1/tcp/5".parse().unwrap()];
        let resolved = addresses(&named, LOOKUP_TIMEOUT).await;
        assert!(resolved.nameless.is_empty());
        assert_eq!(resolved.found, ["/ip4/127.0.0.1/tcp/4001".parse().unwrap(), named[1].clone()]);
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told_with_the_reason_and_holds_up_no_other() {
        let named: Vec<Multiaddr> =
            ["/dns/nobody.invalid/tcp/1", "/ip4/192.0.2.1/tcp/5"].map(|text| text.parse().unwrap()).to_vec();
        let resolved = addresses(&named, LOOKUP_TIMEOUT).await;
        assert_eq!(resolved.found, [named[1].clone()]);
        assert!(
            matches!(&resolved.nameless[..], [(address, why)] if *address == named[0] && !why.is_empty())
        );
        assert!(is_ip(&named[1]) && !is_ip(&named[0]));
    }

    #[tokio::test]
    async fn a_host_and_port_is_tried_over_both_transports() {
        let resolved = host_ports(&["127.0.0.1:4001".parse().unwrap()], LOOKUP_TIMEOUT).await;
        let expected: [Multiaddr; 2] =
            ["/ip4/127.0.0.1/tcp/4001".parse().unwrap(), "/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap()];
        assert_eq!(resolved, expected);
    }
}
