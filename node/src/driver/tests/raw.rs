//! Somebody made of the wire's own parts, connected to a node: it can say what an honest one would not.

use libp2p::{PeerId, StreamProtocol, identity::Keypair, swarm::ConnectionId};
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::patiently;
use crate::{
    exchange::Wire,
    handle::Node,
    net::{NetEvent, Network, NetworkConfig},
};

/// A connection, without anything said on it.
pub(super) struct Raw {
    pub(super) network: Network,
    peer: PeerId,
    connection: ConnectionId,
}

impl Raw {
    /// Connects from an address of its own; whatever else happens to it is not looked at.
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

    /// Whether the other side speaks a protocol.
    pub(super) async fn speaks(&self, protocol: StreamProtocol) -> bool {
        self.network.open(self.peer, self.connection, protocol).await.is_ok()
    }
}
