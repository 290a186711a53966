//! A peer made of the wire's own parts and connected to a node: it can send what an honest peer
//! would not.

use libp2p::{PeerId, StreamProtocol, identity::Keypair, swarm::ConnectionId};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::patiently;
use crate::{
    net::{NetEvent, Network, NetworkConfig, Wire},
    node::Node,
};

/// A connection on which nothing has been sent.
pub(super) struct Raw {
    pub(super) network: Network,
    peer: PeerId,
    connection: ConnectionId,
}

impl Raw {
    /// Connects from an address of its own, and ignores all later events of the connection.
    pub(super) async fn connect(ip: &str, to: &Node, protocols: &[StreamProtocol]) -> Raw {
        let listen = vec![format!("/ip4/{ip}/tcp/0").parse().unwrap()];
        let config = NetworkConfig::new(Keypair::generate_ed25519(), listen);
        let (network, mut events, inbound) = Network::start(config, protocols.to_vec()).await.unwrap();
        network.dial(1, None, vec![to.addresses().remove(0).0]).unwrap();
        let (peer, connection) = loop {
            let event = patiently("a connection", events.recv()).await.unwrap();
            if let NetEvent::Connected { peer, connection, .. } = event {
                break (peer, connection);
            }
        };
        tokio::spawn(async move {
            let _inbound = inbound;
            while events.recv().await.is_some() {}
        });
        Raw { network, peer, connection }
    }

    /// Opens a stream.
    pub(super) async fn open(&self, protocol: StreamProtocol) -> Wire {
        self.network.open(self.peer, self.connection, protocol).await.unwrap().compat()
    }

    /// Whether the node speaks a protocol.
    pub(super) async fn speaks(&self, protocol: StreamProtocol) -> bool {
        self.network.open(self.peer, self.connection, protocol).await.is_ok()
    }
}
