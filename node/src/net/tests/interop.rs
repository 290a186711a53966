//! Interoperability: nodes of plain libp2p, with its stock TLS, Noise, yamux and QUIC, are peers
//! like any other.

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::{
    Swarm, SwarmBuilder, noise, ping,
    swarm::{NetworkBehaviour, SwarmEvent},
    tls, yamux,
};

use super::*;
use crate::budget::{Budget, Plan};
use crate::net::streams::{OpenRequest, Streams};

#[derive(NetworkBehaviour)]
struct StockBehaviour {
    ping: ping::Behaviour,
    streams: Streams,
}

/// A swarm of plain libp2p. Its TCP is ours, because the stock one is not among our dependencies.
struct Stock {
    swarm: Swarm<StockBehaviour>,
    inbound: mpsc::Receiver<InboundStream>,
}

fn stock(secured_by: Security) -> Stock {
    use crate::net::tcp::{TcpConfig, TcpTransport};
    use libp2p::core::{Transport, upgrade::Version};
    let (sender, inbound) = mpsc::channel(16);
    let swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_quic()
        .with_other_transport(|keypair| {
            let tcp = TcpTransport::new(TcpConfig::default()).upgrade(Version::V1Lazy);
            match secured_by {
                Security::Noise => tcp
                    .authenticate(noise::Config::new(keypair).unwrap())
                    .multiplex(yamux::Config::default())
                    .boxed(),
                _ => tcp
                    .authenticate(tls::Config::new(keypair).unwrap())
                    .multiplex(yamux::Config::default())
                    .boxed(),
            }
        })
        .unwrap()
        .with_behaviour(|_| StockBehaviour {
            ping: ping::Behaviour::default(),
            streams: Streams::new(vec![ECHO], sender, Default::default(), Budget::new(&Plan::new(16, false))),
        })
        .unwrap()
        .build();
    Stock { swarm, inbound }
}

impl Stock {
    async fn listen(&mut self, address: &str) -> Multiaddr {
        self.swarm.listen_on(address.parse().unwrap()).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                return address;
            }
        }
    }

    /// Echoes every message on inbound streams. `to`: also opens a stream there, and expects its
    /// own message back.
    async fn run(mut self, to: Option<Multiaddr>) {
        if let Some(address) = to {
            self.swarm.dial(address).unwrap();
        }
        let mut answering = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => if let SwarmEvent::OutgoingConnectionError { error, .. } = event {
                    panic!("{error:?}");
                },
                Some(inbound) = self.inbound.recv() => {
                    answering.spawn(answer(inbound.stream));
                }
            }
        }
    }
}

async fn answer(mut stream: Stream) {
    let mut message = vec![0; MESSAGE_BYTES];
    stream.read_exact(&mut message).await.unwrap();
    stream.write_all(&message).await.unwrap();
    stream.close().await.unwrap();
}

/// Several frames of ours, dozens of frames of plain libp2p.
const MESSAGE_BYTES: usize = 700_000;

async fn wants_its_message_back(mut stream: Stream) {
    let sent: Vec<u8> = (0..MESSAGE_BYTES).map(|i| (i * 31 % 253) as u8).collect();
    stream.write_all(&sent).await.unwrap();
    stream.flush().await.unwrap();
    let mut got = vec![0; MESSAGE_BYTES];
    stream.read_exact(&mut got).await.unwrap();
    assert!(got == sent);
}

async fn we_dial_stock(security: Security, listen: &str) {
    let mut stock = stock(security);
    let address = stock.listen(listen).await;
    let peer = *stock.swarm.local_peer_id();
    let running = tokio::spawn(stock.run(None));
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    node.network.dial(1, Some(peer), vec![address]).unwrap();
    let link = node.connected().await;
    let stream = node.open(&link, ECHO).await;
    patiently("the echo", wants_its_message_back(stream)).await;
    assert!(!running.is_finished());
    running.abort();
}

async fn stock_dials_us(security: Security, transport: &str) {
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    let stock = stock(security);
    let running = tokio::spawn(stock.run(Some(node.address(transport))));
    let link = node.connected().await;
    assert!(!link.outbound);
    let stream = node.open(&link, ECHO).await;
    patiently("the echo", wants_its_message_back(stream)).await;
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn stock_tls_and_yamux_accept_us() {
    we_dial_stock(Security::Tls, "/ip4/127.3.0.1/tcp/0").await;
}

#[tokio::test]
async fn stock_tls_and_yamux_reach_us() {
    stock_dials_us(Security::Tls, "tcp").await;
}

#[tokio::test]
async fn stock_noise_accepts_us() {
    we_dial_stock(Security::Noise, "/ip4/127.3.0.1/tcp/0").await;
}

#[tokio::test]
async fn stock_noise_reaches_us() {
    stock_dials_us(Security::Noise, "tcp").await;
}

#[tokio::test]
async fn stock_quic_accepts_us() {
    we_dial_stock(Security::Any, "/ip4/127.3.0.1/udp/0/quic-v1").await;
}

#[tokio::test]
async fn stock_quic_reaches_us() {
    stock_dials_us(Security::Any, "quic").await;
}

#[tokio::test]
async fn a_stock_peer_can_open_streams_to_us() {
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let mut stock = stock(Security::Tls);
    stock.swarm.dial(node.address("tcp")).unwrap();
    let connection = loop {
        if let SwarmEvent::ConnectionEstablished { connection_id, .. } = stock.swarm.select_next_some().await
        {
            break connection_id;
        }
    };
    let (reply, opened) = tokio::sync::oneshot::channel();
    let request = OpenRequest { protocol: ECHO, reply };
    stock.swarm.behaviour_mut().streams.open(node.peer(), connection, request);
    let running = tokio::spawn(stock.run(None));
    let stream = patiently("their stream", opened).await.unwrap().unwrap();
    let echo = tokio::spawn(answer(node.inbound().await.stream));
    patiently("the echo", wants_its_message_back(stream)).await;
    echo.await.unwrap();
    running.abort();
}
