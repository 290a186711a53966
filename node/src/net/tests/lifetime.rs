//! The start and end of networks, connections and streams.

use std::net::Ipv4Addr;

use futures::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::net::tcp::reachable_ips;

/// Waits until the runtime has at most `wanted` tasks. The tasks of QUIC sockets end a moment after
/// their network.
async fn tasks_end(wanted: usize) {
    let metrics = tokio::runtime::Handle::current().metrics();
    let gone = async {
        while metrics.num_alive_tasks() > wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        panic!("{} tasks are left, not {wanted}", metrics.num_alive_tasks());
    }
}

#[tokio::test]
async fn shutdown_ends_every_task_and_every_stream_and_frees_the_port() {
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    let tcp = node.connect(&mut seeder, "tcp").await;
    let quic = node.connect(&mut seeder, "quic").await;
    let mut streams = vec![node.open(&tcp.0, ECHO).await, node.open(&quic.0, ECHO).await];
    let mut far = vec![seeder.inbound().await.stream, seeder.inbound().await.stream];
    patiently("the end", node.network.shutdown()).await;
    patiently("shutting down twice", node.network.shutdown()).await;
    for _ in 0..2 {
        assert_eq!(seeder.disconnected().await.0, node.peer());
    }
    // A stream whose connection is gone ends at both ends.
    for stream in streams.iter_mut().chain(&mut far) {
        let mut rest = Vec::new();
        let _ = patiently("the end of a stream", stream.read_to_end(&mut rest)).await;
        assert!(rest.is_empty());
    }
    let address = node.address("tcp");
    let again = TestNode::start(&[&address.to_string()]).await;
    again.network.shutdown().await;
    seeder.network.shutdown().await;
    drop((streams, far));
    tasks_end(before).await;
    assert!(node.network.dial(1, None, vec![address]).is_err());
}

#[tokio::test]
async fn a_network_nobody_holds_ends_by_itself() {
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.connect(&mut seeder, "tcp").await;
    drop(node);
    seeder.disconnected().await;
    drop(seeder);
    tasks_end(before).await;
}

#[tokio::test]
async fn a_reader_wakes_when_its_connection_is_closed_by_either_side() {
    for (transport, we_close) in [("tcp", true), ("tcp", false), ("quic", true), ("quic", false)] {
        let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
        let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
        let (ours, theirs) = node.connect(&mut seeder, transport).await;
        let mut stream = node.open(&ours, ECHO).await;
        let _far = seeder.inbound().await;
        let reading = tokio::spawn(async move { stream.read(&mut [0; 10]).await });
        match we_close {
            true => node.network.close(ours.connection),
            false => seeder.network.close(theirs.connection),
        }
        let read = patiently("the reader", reading).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{transport}: {read:?}");
        assert_eq!(node.disconnected().await.1, ours.connection);
    }
}

#[tokio::test]
async fn a_shutdown_is_not_held_up_by_a_peer_that_reads_nothing() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (link, _) = node.connect(&mut seeder, "tcp").await;
    let mut stream = node.open(&link, BULK).await;
    let _unread = seeder.inbound().await;
    let writing = tokio::spawn(async move {
        let chunk = vec![0; 256 * 1024];
        while stream.write_all(&chunk).await.is_ok() {}
    });
    patiently("the end", node.network.shutdown()).await;
    patiently("the writer", writing).await.unwrap();
}

/// In 50 rounds with fresh nodes, both connections of a pair open a stream from both ends the
/// moment they are up.
#[tokio::test(flavor = "multi_thread")]
async fn first_streams_of_fresh_connections_always_work() {
    for round in 0..50 {
        let mut seeder = TestNode::with(with_security(&["/ip4/127.3.0.1/tcp/0"], Security::Tls)).await;
        let mut node = TestNode::with(with_security(&["/ip4/127.2.0.9/tcp/0"], Security::Tls)).await;
        for token in 0..2 {
            node.network.dial(token, Some(seeder.peer()), vec![seeder.address("tcp")]).unwrap();
        }
        for _ in 0..2 {
            let ours = node.connected().await;
            first_stream(&node, &ours, &mut seeder, round).await;
            let theirs = seeder.connected().await;
            first_stream(&seeder, &theirs, &mut node, round).await;
        }
        tokio::join!(node.network.shutdown(), seeder.network.shutdown());
    }
}

async fn first_stream(from: &TestNode, link: &Link, to: &mut TestNode, round: u8) {
    let mut near = from.open(link, ECHO).await;
    near.write_all(&[round; 100]).await.unwrap();
    near.close().await.unwrap();
    let mut far = to.inbound().await.stream;
    let mut got = Vec::new();
    patiently("the first bytes", far.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, [round; 100]);
}

#[tokio::test]
async fn a_connection_lives_as_long_as_its_streams_and_an_idle_one_is_closed() {
    let with = |listen: &[&str]| NetworkConfig { idle_timeout: Duration::from_millis(300), ..config(listen) };
    let mut seeder = TestNode::with(with(&["/ip4/127.3.0.1/tcp/0"])).await;
    let mut node = TestNode::with(with(&["/ip4/127.2.0.9/tcp/0"])).await;
    let (used, _) = node.connect(&mut seeder, "tcp").await;
    let mut near = node.open(&used, ECHO).await;
    let mut far = seeder.inbound().await.stream;
    let (idle, _) = node.connect(&mut seeder, "tcp").await;
    // The idle connection is closed first, though it is younger.
    assert_eq!(node.disconnected().await, (seeder.peer(), idle.connection, 1));
    near.write_all(b"still here").await.unwrap();
    near.flush().await.unwrap();
    let mut got = [0; 10];
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"still here");
    drop((near, far));
    assert_eq!(node.disconnected().await, (seeder.peer(), used.connection, 0));
}

#[tokio::test]
async fn every_dial_taken_on_is_answered_however_late_the_node_listens() {
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let mut taken = 0;
    // The events are not read, so the queues fill up, and dials are refused in the end.
    patiently("full queues", async {
        while node.network.dial(taken, None, Vec::new()).is_ok() {
            taken += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!((1000..3000).contains(&taken), "{taken}");
    for token in 0..taken {
        node.dial_failed(token).await;
    }
    node.network.dial(taken, None, Vec::new()).unwrap();
    node.dial_failed(taken).await;
}

#[tokio::test]
async fn the_default_addresses_work_on_this_machine_whatever_it_lacks() {
    let listen: Vec<String> =
        crate::config::NodeConfig::default().listen.iter().map(ToString::to_string).collect();
    let listen: Vec<&str> = listen.iter().map(String::as_str).collect();
    let mut seeder = TestNode::start(&listen).await;
    let mut node = TestNode::start(&listen).await;
    let known: Vec<_> = node.network.listen_addresses().iter().filter_map(ip_of).collect();
    for ip in reachable_ips(Ipv4Addr::UNSPECIFIED.into()).unwrap() {
        assert_eq!(known.iter().filter(|&&other| other == ip).count(), 2, "{ip} over TCP and over QUIC");
    }
    node.connect(&mut seeder, "tcp").await;
    node.connect(&mut seeder, "quic").await;
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_is_cut_off() {
    use tokio::io::AsyncReadExt as _;
    let node = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let address = node.address("tcp").to_string();
    let parts: Vec<&str> = address.split('/').collect();
    let mut silent = tokio::net::TcpStream::connect(format!("{}:{}", parts[2], parts[4])).await.unwrap();
    let mut heard = Vec::new();
    let _ = patiently("the end of patience", silent.read_to_end(&mut heard)).await;
}

/// Sends 1 MiB and the end of the stream, and then shuts the node down at once. Over TCP only:
/// QUIC's goodbye discards data under way, so a sender that leaves has to wait for the receiver
/// first.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_over_tcp_before_a_shutdown_arrives() {
    for _ in 0..20 {
        let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
        let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
        let (link, _) = node.connect(&mut seeder, "tcp").await;
        let mut near = node.open(&link, BULK).await;
        let mut far = seeder.inbound().await.stream;
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            let read = far.read_to_end(&mut got).await;
            (got.len(), read.map_err(|error| error.to_string()))
        });
        near.write_all(&vec![9; 1 << 20]).await.unwrap();
        near.close().await.unwrap();
        node.network.shutdown().await;
        let got = patiently("the last bytes", reading).await.unwrap();
        assert_eq!(got, (1 << 20, Ok(1 << 20)));
    }
}
