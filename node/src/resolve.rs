//! Resolves host names in addresses before anything is dialled: the transports take IPs only.

use std::{net::SocketAddr, time::Duration};

use libp2p::{Multiaddr, multiaddr::Protocol};
use nearcast_core::magnet::HostPort;
use tokio::{net::lookup_host, time::timeout};

/// How long to wait for a name server.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The most IPs used of one name.
const IPS_MAX: usize = 4;

/// The addresses, with each host name replaced by its present IPs. A name without IPs is dropped,
/// with a warning.
pub(crate) async fn addresses(named: &[Multiaddr]) -> Vec<Multiaddr> {
    let mut resolved = Vec::with_capacity(named.len());
    for address in named {
        match host(address) {
            None => resolved.push(address.clone()),
            Some((name, v4, v6)) => {
                let ips = lookup(&name, 0).await.into_iter().filter(|ip| if ip.is_ipv4() { v4 } else { v6 });
                let with_ip = |ip: SocketAddr| {
                    let rest = address.iter().skip(1);
                    std::iter::once(Protocol::from(ip.ip())).chain(rest).collect::<Multiaddr>()
                };
                resolved.extend(ips.take(IPS_MAX).map(with_ip));
            }
        }
    }
    resolved
}

/// The addresses of peers that a magnet link names by host and port, over TCP and over QUIC.
pub(crate) async fn host_ports(peers: &[HostPort]) -> Vec<Multiaddr> {
    let mut resolved = Vec::new();
    for peer in peers {
        for socket in lookup(peer.host(), peer.port()).await.into_iter().take(IPS_MAX) {
            let ip = Multiaddr::from(socket.ip());
            resolved.push(ip.clone().with(Protocol::Tcp(socket.port())));
            resolved.push(ip.with(Protocol::Udp(socket.port())).with(Protocol::QuicV1));
        }
    }
    resolved
}

fn host(address: &Multiaddr) -> Option<(String, bool, bool)> {
    match address.iter().next()? {
        Protocol::Dns(name) => Some((name.into_owned(), true, true)),
        Protocol::Dns4(name) => Some((name.into_owned(), true, false)),
        Protocol::Dns6(name) => Some((name.into_owned(), false, true)),
        _ => None,
    }
}

async fn lookup(name: &str, port: u16) -> Vec<SocketAddr> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match timeout(LOOKUP_TIMEOUT, lookup_host((bare, port))).await {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            tracing::warn!(name, %error, "a host name has no address");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(name, "a host name was not resolved in time");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_become_ips_and_ips_stay() {
        let named = ["/dns4/localhost/tcp/4001".parse().unwrap(), "/ip4/192.0.2.1/tcp/5".parse().unwrap()];
        let resolved = addresses(&named).await;
        assert_eq!(resolved, ["/ip4/127.0.0.1/tcp/4001".parse().unwrap(), named[1].clone()]);
    }

    #[tokio::test]
    async fn a_host_and_port_is_tried_over_both_transports() {
        let resolved = host_ports(&["127.0.0.1:4001".parse().unwrap()]).await;
        let expected: [Multiaddr; 2] =
            ["/ip4/127.0.0.1/tcp/4001".parse().unwrap(), "/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap()];
        assert_eq!(resolved, expected);
    }
}
