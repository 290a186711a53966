//! Networks that talk to each other over loopback sockets.

mod bulk;
mod connect;
mod interop;
mod lifetime;
mod limits;

use std::{future::Future, time::Duration};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, identity::Keypair, multiaddr::Protocol, swarm::ConnectionId,
};
use tokio::sync::mpsc;

use super::{InboundStream, NetEvent, Network, NetworkConfig, Security};
use crate::address::ip_of;

const ECHO: StreamProtocol = StreamProtocol::new("/nearcast-test/echo/1");
const BULK: StreamProtocol = StreamProtocol::new("/nearcast-test/bulk/1");
/// Far longer than any step here takes. A test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network and the queues it fills.
struct TestNode {
    network: Network,
    events: mpsc::Receiver<NetEvent>,
    inbound: mpsc::Receiver<InboundStream>,
}

/// An established connection, as its event reports it.
#[derive(Debug)]
struct Link {
    peer: PeerId,
    connection: ConnectionId,
    remote: Multiaddr,
    local: Option<Multiaddr>,
    outbound: bool,
    dial: Option<u64>,
}

fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn config(listen: &[&str]) -> NetworkConfig {
    NetworkConfig::new(Keypair::generate_ed25519(), addresses(listen))
}

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

impl TestNode {
    async fn start(listen: &[&str]) -> TestNode {
        TestNode::with(config(listen)).await
    }

    async fn with(config: NetworkConfig) -> TestNode {
        let (network, events, inbound) = Network::start(config, vec![ECHO, BULK]).await.unwrap();
        TestNode { network, events, inbound }
    }

    fn peer(&self) -> PeerId {
        self.network.local_peer()
    }

    fn address(&self, transport: &str) -> Multiaddr {
        let is = |address: &Multiaddr| match transport {
            "tcp" => address.iter().any(|part| matches!(part, Protocol::Tcp(_))),
            _ => address.iter().any(|part| matches!(part, Protocol::QuicV1)),
        };
        self.network.listen_addresses().into_iter().find(is).unwrap()
    }

    async fn event(&mut self) -> NetEvent {
        patiently("an event", self.events.recv()).await.unwrap()
    }

    async fn connected(&mut self) -> Link {
        loop {
            match self.event().await {
                NetEvent::Connected { peer, connection, remote, local, outbound, dial } => {
                    return Link { peer, connection, remote, local, outbound, dial };
                }
                NetEvent::DialFailed { reason, .. } => panic!("the dial failed: {reason}"),
                _ => {}
            }
        }
    }

    /// The reason why the dial failed, and the peer that answered instead, if one did.
    async fn dial_failed(&mut self, wanted: u64) -> (String, Option<PeerId>) {
        loop {
            if let NetEvent::DialFailed { token, peer, reason, others_found } = self.event().await {
                assert_eq!(token, wanted);
                let wrong_peer = others_found.last().map(|(other, _)| *other);
                assert!(wrong_peer.is_none() || wrong_peer != peer);
                return (reason, wrong_peer);
            }
        }
    }

    /// Waits until a dial has failed, or its connection was closed again: a peer refused after the
    /// handshake sees the handshake succeed.
    async fn turned_away(&mut self) {
        while !matches!(self.event().await, NetEvent::Disconnected { .. } | NetEvent::DialFailed { .. }) {}
    }

    async fn disconnected(&mut self) -> (PeerId, ConnectionId, u32) {
        loop {
            if let NetEvent::Disconnected { peer, connection, remaining, cause } = self.event().await {
                assert!(!cause.is_empty());
                return (peer, connection, remaining);
            }
        }
    }

    /// Dials `other` at its address of this transport. Returns both ends of the new connection.
    async fn connect(&mut self, other: &mut TestNode, transport: &str) -> (Link, Link) {
        let address = other.address(transport);
        self.network.dial(7, Some(other.peer()), vec![address]).unwrap();
        let ours = self.connected().await;
        assert_eq!((ours.peer, ours.outbound, ours.dial), (other.peer(), true, Some(7)));
        let theirs = other.connected().await;
        assert_eq!((theirs.peer, theirs.outbound, theirs.dial), (self.peer(), false, None));
        assert_eq!(ours.local, None);
        let local = theirs.local.as_ref().unwrap();
        // A QUIC listener on every interface does not know on which of them a connection came.
        assert!(*local == ours.remote || ip_of(local).unwrap().is_unspecified(), "{local}");
        (ours, theirs)
    }

    async fn open(&self, link: &Link, protocol: StreamProtocol) -> Stream {
        self.network.open(link.peer, link.connection, protocol).await.unwrap()
    }

    async fn inbound(&mut self) -> InboundStream {
        patiently("an inbound stream", self.inbound.recv()).await.unwrap()
    }
}

fn with_security(listen: &[&str], security: Security) -> NetworkConfig {
    NetworkConfig { security, ..config(listen) }
}
