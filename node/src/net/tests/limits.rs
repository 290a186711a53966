//! The limits, and what is refused because of them.

use super::*;

#[tokio::test]
async fn a_third_connection_to_the_same_peer_is_refused() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.connect(&mut seeder, "tcp").await;
    node.connect(&mut seeder, "tcp").await;
    node.network.dial(9, Some(seeder.peer()), vec![seeder.address("tcp")]).unwrap();
    let (reason, _) = node.dial_failed(9).await;
    assert!(reason.contains("limit"), "{reason}");
}

#[tokio::test]
async fn a_full_node_accepts_no_more_and_accepts_again_when_there_is_room() {
    let mut seeder =
        TestNode::with(NetworkConfig { connections_max: 2, ..config(&["/ip4/127.3.0.1/tcp/0"]) }).await;
    let mut first = TestNode::start(&["/ip4/127.2.0.1/tcp/0"]).await;
    let mut second = TestNode::start(&["/ip4/127.2.0.2/tcp/0"]).await;
    let mut third = TestNode::start(&["/ip4/127.2.0.3/tcp/0"]).await;
    let (link, _) = first.connect(&mut seeder, "tcp").await;
    second.connect(&mut seeder, "tcp").await;
    // The dialler sees the handshake succeed. It notices the refusal when the connection is closed
    // at once.
    third.network.dial(1, Some(seeder.peer()), vec![seeder.address("tcp")]).unwrap();
    third.turned_away().await;
    first.network.close(link.connection);
    assert_eq!(seeder.disconnected().await.0, first.peer());
    third.connect(&mut seeder, "tcp").await;
}

#[tokio::test]
async fn one_network_does_not_crowd_out_the_others() {
    let mut seeder = TestNode::with(NetworkConfig {
        connections_per_prefix_max: 1,
        prefix_cap_counts_loopback: true,
        ..config(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"])
    })
    .await;
    let mut first = TestNode::start(&["/ip4/127.2.0.1/tcp/0"]).await;
    let mut neighbour = TestNode::start(&["/ip4/127.2.0.2/tcp/0", "/ip4/127.2.0.2/udp/0/quic-v1"]).await;
    let mut stranger = TestNode::start(&["/ip4/127.2.1.1/tcp/0"]).await;
    first.connect(&mut seeder, "tcp").await;
    for transport in ["tcp", "quic"] {
        neighbour.network.dial(1, Some(seeder.peer()), vec![seeder.address(transport)]).unwrap();
        neighbour.turned_away().await;
    }
    stranger.connect(&mut seeder, "tcp").await;
    first.network.disconnect(seeder.peer());
    assert_eq!(seeder.disconnected().await.0, first.peer());
    neighbour.connect(&mut seeder, "tcp").await;
}

#[tokio::test]
async fn a_banned_peer_is_cut_off_and_cannot_come_back() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let mut friend = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.connect(&mut seeder, "tcp").await;
    seeder.network.ban(node.peer());
    assert_eq!(seeder.disconnected().await.0, node.peer());
    node.disconnected().await;
    for token in 1..4 {
        node.network.dial(token, Some(seeder.peer()), vec![seeder.address("tcp")]).unwrap();
        loop {
            match node.event().await {
                NetEvent::Disconnected { .. } | NetEvent::DialFailed { .. } => break,
                _ => {}
            }
        }
    }
    seeder.network.dial(8, Some(node.peer()), vec![node.address("tcp")]).unwrap();
    let (reason, _) = seeder.dial_failed(8).await;
    assert!(reason.contains("block list"), "{reason}");
    // The seeder's next connection event is the friend's: the banned peer does not get that far.
    friend.connect(&mut seeder, "tcp").await;
}

#[tokio::test]
async fn a_protocol_nobody_speaks_and_a_connection_that_is_gone_are_told_apart() {
    use crate::net::streams::OpenError;
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (link, _) = node.connect(&mut seeder, "tcp").await;
    let unknown = StreamProtocol::new("/nearcast-test/unknown/1");
    let error = node.network.open(link.peer, link.connection, unknown.clone()).await.unwrap_err();
    assert!(matches!(&error, OpenError::Unsupported(protocol) if *protocol == unknown), "{error}");
    node.open(&link, ECHO).await;
    node.network.close(link.connection);
    node.disconnected().await;
    let error = node.network.open(link.peer, link.connection, ECHO).await.unwrap_err();
    assert!(matches!(error, OpenError::Closed), "{error}");
}

#[tokio::test]
async fn streams_nobody_takes_are_refused_and_counted_and_do_not_pile_up() {
    let mut seeder =
        TestNode::with(NetworkConfig { inbound_streams_waiting_max: 4, ..config(&["/ip4/127.3.0.1/tcp/0"]) })
            .await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (link, _) = node.connect(&mut seeder, "tcp").await;
    for _ in 0..300 {
        drop(node.open(&link, ECHO).await);
    }
    patiently("refusals", async {
        while seeder.network.refused_streams() < 296 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((seeder.network.refused_streams(), seeder.inbound.len()), (296, 4));
    // One stream is taken, so the next stream is accepted again.
    seeder.inbound().await;
    let _stream = node.open(&link, ECHO).await;
    patiently("the place to be filled", async {
        while seeder.inbound.len() < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(seeder.network.refused_streams(), 296);
}

#[tokio::test]
async fn streams_beyond_our_share_wait_and_do_not_end_the_connection() {
    use crate::net::streams::OpenError;
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (link, _) = node.connect(&mut seeder, "tcp").await;
    let mut held = Vec::new();
    // Pings take one of the 32 places.
    for _ in 0..31 {
        held.push(node.open(&link, ECHO).await);
    }
    let (network, peer, connection) = (node.network.clone(), link.peer, link.connection);
    let mut waiting = tokio::spawn(async move { network.open(peer, connection, ECHO).await });
    for _ in 0..31 {
        seeder.inbound().await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err());
    held.pop();
    let opened: Result<Stream, OpenError> = patiently("a free place", waiting).await.unwrap();
    assert!(opened.is_ok(), "{:?}", opened.err());
}

/// Connects to `node` by plain TCP and sends `said`. Returns how long it takes until the node
/// closes the connection.
async fn until_closed(node: &TestNode, said: &[u8]) -> Duration {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = node.address("tcp");
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let ip = ip_of(&address).unwrap();
    let started = std::time::Instant::now();
    let mut socket = tokio::net::TcpStream::connect((ip, port.unwrap())).await.unwrap();
    socket.write_all(said).await.unwrap();
    while patiently("the end", socket.read(&mut [0; 64])).await.is_ok_and(|read| read > 0) {}
    started.elapsed()
}

#[tokio::test]
async fn who_says_nothing_is_closed_sooner_than_who_is_slow() {
    let seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let (silent, slow) = tokio::join!(until_closed(&seeder, b""), until_closed(&seeder, b"\x13/mul"));
    // Three seconds and ten. A busy machine delays both alike.
    assert!(silent < slow, "{silent:?} and {slow:?}");
}

#[tokio::test]
async fn half_open_connections_that_fill_every_place_keep_nobody_out() {
    let config = NetworkConfig { pending_inbound_max: 4, ..config(&["/ip4/127.3.0.1/tcp/0"]) };
    let mut seeder = TestNode::with(config).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let address = seeder.address("tcp");
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(tokio::net::TcpStream::connect((ip_of(&address).unwrap(), port.unwrap())).await.unwrap());
    }
    node.connect(&mut seeder, "tcp").await;
    drop(silent);
}

#[tokio::test]
async fn who_has_said_nothing_takes_no_place_and_who_says_half_keeps_nobody_out() {
    use crate::budget::Kind;
    use tokio::io::AsyncWriteExt;
    // One network may have an eighth of the places.
    let max = 16;
    let config = NetworkConfig {
        pending_inbound_max: max,
        waiting_inbound_max: 32,
        ..config(&["/ip4/127.3.0.1/tcp/0"])
    };
    let mut seeder = TestNode::with(config).await;
    let address = seeder.address("tcp");
    let port = address.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let to = std::net::SocketAddr::new(ip_of(&address).unwrap(), port.unwrap());
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(tokio::net::TcpStream::connect(to).await.unwrap());
    }
    assert_eq!(seeder.network.budget().uses()[Kind::HalfOpen as usize].used, 0);
    for number in 0..64 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("127.9.{}.1:0", number % 16).parse().unwrap()).unwrap();
        let mut stranger = socket.connect(to).await.unwrap();
        stranger.write_all(b"\x13").await.unwrap();
        strangers.push(stranger);
    }
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.connect(&mut seeder, "tcp").await;
    assert!(seeder.network.budget().uses()[Kind::HalfOpen as usize].used <= u64::from(max));
    drop(strangers);
}

/// Opens a stream, and has the other end send `bytes` bytes over it.
async fn download(node: &TestNode, link: &Link, seeder: &mut TestNode, bytes: usize) {
    use futures::{AsyncReadExt, AsyncWriteExt};
    let mut ours = node.open(link, BULK).await;
    ours.write_all(b"?").await.unwrap();
    ours.flush().await.unwrap();
    let mut theirs = seeder.inbound().await;
    let sends = async {
        theirs.stream.write_all(&vec![7; bytes]).await.unwrap();
        theirs.stream.close().await.unwrap();
    };
    let mut read = Vec::new();
    let (_, all) = patiently("the bytes", futures::future::join(sends, ours.read_to_end(&mut read))).await;
    assert_eq!(all.unwrap(), bytes);
}

/// A full seeder closes an idle connection rather than the older one of a peer that downloads from
/// it.
async fn who_downloads_stays(transport: &str) {
    // One of the seeder's four places is kept free for the next newcomer.
    let listen = ["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"];
    let mut seeder = TestNode::with(NetworkConfig { connections_max: 4, ..config(&listen) }).await;
    let mut busy = TestNode::start(&["/ip4/127.2.0.1/tcp/0", "/ip4/127.2.0.1/udp/0/quic-v1"]).await;
    let mut idle = TestNode::start(&["/ip4/127.2.0.2/tcp/0", "/ip4/127.2.0.2/udp/0/quic-v1"]).await;
    let (link, _) = busy.connect(&mut seeder, transport).await;
    seeder.network.budget().pass(Duration::from_secs(60));
    idle.connect(&mut seeder, transport).await;
    seeder.network.budget().pass(Duration::from_secs(60));
    download(&busy, &link, &mut seeder, 16 * 1024).await;
    let mut third = TestNode::start(&["/ip4/127.2.0.3/tcp/0"]).await;
    let mut fourth = TestNode::start(&["/ip4/127.2.0.4/tcp/0"]).await;
    third.connect(&mut seeder, "tcp").await;
    fourth.connect(&mut seeder, "tcp").await;
    idle.disconnected().await;
    download(&busy, &link, &mut seeder, 1024).await;
}

#[tokio::test]
async fn who_downloads_over_tcp_is_in_use_and_keeps_its_connection() {
    who_downloads_stays("tcp").await;
}

#[tokio::test]
async fn who_downloads_over_quic_is_in_use_and_keeps_its_connection() {
    who_downloads_stays("quic").await;
}

/// Forwards packets to `to`, and no packets back: a peer that dials through it never gets an
/// answer.
async fn one_way(to: std::net::SocketAddr) -> std::net::SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.2.0.8:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            if from != to {
                // QUIC sends lost packets again.
                let _ = socket.send_to(&packet[..length], to).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_connection_being_made_over_quic_has_a_place_of_quic_and_one_over_tcp_one_of_tcp() {
    use crate::budget::Kind;
    let seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let node = TestNode::start(&["/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    let places = || {
        let uses = seeder.network.budget().uses();
        (uses[Kind::HalfOpen as usize].used, uses[Kind::HalfOpenQuic as usize].used)
    };
    let are = async |wanted: (u64, u64)| {
        patiently("the places", async {
            while places() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    let socket_of = |address: Multiaddr| {
        let port = address.iter().find_map(|part| match part {
            Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
            _ => None,
        });
        std::net::SocketAddr::new(ip_of(&address).unwrap(), port.unwrap())
    };
    let door = one_way(socket_of(seeder.address("quic"))).await;
    let by_door = Multiaddr::from(door.ip()).with(Protocol::Udp(door.port())).with(Protocol::QuicV1);
    node.network.dial(1, Some(seeder.peer()), vec![by_door]).unwrap();
    are((0, 1)).await;
    let mut stuck = tokio::net::TcpStream::connect(socket_of(seeder.address("tcp"))).await.unwrap();
    // A connection that has sent nothing is still in the lobby.
    tokio::io::AsyncWriteExt::write_all(&mut stuck, b"\x13").await.unwrap();
    are((1, 1)).await;
}
