//! The addresses at which peers are seen, and the results of dials.

use futures::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{address::ip_of, error::StartError};

async fn is_seen_at_its_listen_ip(transport: &str, listen: &str) {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let mut node = TestNode::start(&[listen]).await;
    let (_, theirs) = node.connect(&mut seeder, transport).await;
    assert_eq!(ip_of(&theirs.remote), Some([127, 2, 0, 9].into()));
}

#[tokio::test]
async fn a_node_is_seen_at_its_listen_ip_over_tcp() {
    is_seen_at_its_listen_ip("tcp", "/ip4/127.2.0.9/tcp/0").await;
}

#[tokio::test]
async fn a_node_is_seen_at_its_listen_ip_over_quic() {
    is_seen_at_its_listen_ip("quic", "/ip4/127.2.0.9/udp/0/quic-v1").await;
}

#[tokio::test]
async fn a_node_that_listens_with_quic_alone_dials_tcp_from_the_same_ip() {
    is_seen_at_its_listen_ip("tcp", "/ip4/127.2.0.9/udp/0/quic-v1").await;
}

#[tokio::test]
async fn dials_leave_from_the_listening_port_and_from_another_when_it_is_taken() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (_, first) = node.connect(&mut seeder, "tcp").await;
    assert_eq!(first.remote, node.address("tcp"));
    let (_, second) = node.connect(&mut seeder, "tcp").await;
    assert_ne!(second.remote, node.address("tcp"));
    assert_eq!(ip_of(&second.remote), ip_of(&first.remote));
}

#[tokio::test]
async fn nodes_on_one_port_at_several_ips_keep_their_ips() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let first = TestNode::start(&["/ip4/127.1.0.1/tcp/0", "/ip4/127.1.0.1/udp/0/quic-v1"]).await;
    let port = |transport: &str| {
        let address = first.address(transport).to_string();
        address.split('/').nth(4).unwrap().to_owned()
    };
    let (tcp, udp) = (port("tcp"), port("quic"));
    for n in 2..5u8 {
        let listen =
            [format!("/ip4/127.{n}.0.{n}/tcp/{tcp}"), format!("/ip4/127.{n}.0.{n}/udp/{udp}/quic-v1")];
        let mut node = TestNode::start(&[&listen[0], &listen[1]]).await;
        for transport in ["tcp", "quic"] {
            let (_, seen) = node.connect(&mut seeder, transport).await;
            assert_eq!(ip_of(&seen.remote), Some([127, n, 0, n].into()), "{transport}");
        }
    }
}

#[tokio::test]
async fn the_port_of_another_program_is_refused_by_name() {
    let node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let taken = node.address("tcp");
    let error = Network::start(config(&[&taken.to_string()]), vec![]).await.unwrap_err();
    let StartError::Listen { address, reason } = error else {
        panic!("{error}");
    };
    assert_eq!(address.0, taken);
    assert!(reason.contains("in use"), "{reason}");
    let error = Network::start(config(&["/ip4/127.0.0.1/udp/0"]), vec![]).await.unwrap_err();
    assert!(error.to_string().contains("/ip4/127.0.0.1/udp/0"), "{error}");
}

#[tokio::test]
async fn a_wildcard_listener_tells_a_concrete_address_per_interface() {
    let mut node = TestNode::start(&["/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1"]).await;
    let known = node.network.listen_addresses();
    for address in &known {
        let told = node.event().await;
        assert!(matches!(&told, NetEvent::NewListenAddress(new) if new == address), "{told:?}");
    }
    for transport in ["tcp", "quic"] {
        assert!(ip_of(&node.address(transport)).is_some());
    }
    assert!(known.iter().all(|address| !ip_of(address).unwrap().is_unspecified()), "{known:?}");
    assert!(known.iter().all(|address| !address.to_string().contains("/0/")), "{known:?}");
    assert!(known.iter().any(|address| ip_of(address).unwrap().is_loopback()), "{known:?}");
}

#[tokio::test]
async fn a_node_bound_to_one_ip_without_quic_does_not_dial_quic_from_elsewhere() {
    let seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.network.dial(1, Some(seeder.peer()), vec![seeder.address("quic")]).unwrap();
    let (reason, _) = node.dial_failed(1).await;
    assert!(reason.contains("no usable address"), "{reason}");
}

#[tokio::test]
async fn a_wildcard_node_dials_from_its_port() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/0.0.0.0/tcp/0"]).await;
    let (_, theirs) = node.connect(&mut seeder, "tcp").await;
    let port = node.address("tcp").to_string().split('/').nth(4).unwrap().to_owned();
    assert!(theirs.remote.to_string().ends_with(&format!("/tcp/{port}")), "{}", theirs.remote);
}

#[tokio::test]
async fn a_peer_whose_id_is_unknown_can_be_dialled() {
    let seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let dead: Multiaddr = "/ip4/127.3.0.1/tcp/1".parse().unwrap();
    node.network.dial(3, None, vec![dead, seeder.address("tcp")]).unwrap();
    let link = node.connected().await;
    assert_eq!((link.peer, link.dial), (seeder.peer(), Some(3)));
}

#[tokio::test]
async fn tcp_is_preferred_and_quic_is_the_way_out() {
    let seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    let (tcp, quic) = (seeder.address("tcp"), seeder.address("quic"));
    node.network.dial(1, Some(seeder.peer()), vec![quic.clone(), tcp.clone()]).unwrap();
    assert_eq!(node.connected().await.remote, tcp);
    let dead = "/ip4/127.3.0.1/tcp/1".parse().unwrap();
    node.network.dial(2, Some(seeder.peer()), vec![quic.clone(), dead]).unwrap();
    assert_eq!(node.connected().await.remote, quic);
}

#[tokio::test]
async fn dialling_ourselves_is_refused_whatever_we_are_called() {
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    node.network.dial(1, Some(node.peer()), vec![node.address("tcp")]).unwrap();
    assert!(node.dial_failed(1).await.0.contains("ourselves"));
    for (token, transport) in [(2, "tcp"), (3, "quic")] {
        node.network.dial(token, None, vec![node.address(transport)]).unwrap();
        let (reason, _) = node.dial_failed(token).await;
        assert!(reason.contains("our"), "{reason}");
    }
}

#[tokio::test]
async fn another_peer_at_the_address_is_found_out_and_the_next_address_is_tried() {
    let other = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let wanted = TestNode::start(&["/ip4/127.4.0.1/tcp/0"]).await;
    node.network.dial(1, Some(wanted.peer()), vec![other.address("tcp")]).unwrap();
    let (reason, wrong) = node.dial_failed(1).await;
    assert_eq!(wrong, Some(other.peer()), "{reason}");
    node.network.dial(2, Some(wanted.peer()), vec![other.address("tcp"), wanted.address("tcp")]).unwrap();
    assert_eq!(node.connected().await.peer, wanted.peer());
}

#[tokio::test]
async fn nobody_at_the_address_is_told_with_the_reason() {
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    node.network.dial(1, None, addresses(&["/ip4/127.3.0.1/tcp/1"])).unwrap();
    let (reason, _) = node.dial_failed(1).await;
    assert!(reason.contains("/ip4/127.3.0.1/tcp/1") && reason.contains("refused"), "{reason}");
    node.network.dial(2, None, Vec::new()).unwrap();
    assert!(node.dial_failed(2).await.0.contains("no usable address"));
    node.network.dial(3, None, addresses(&["/dns4/example.org/tcp/1"])).unwrap();
    node.dial_failed(3).await;
}

#[tokio::test]
async fn a_stream_runs_on_the_connection_that_was_chosen() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0", "/ip4/127.3.0.1/udp/0/quic-v1"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0", "/ip4/127.2.0.9/udp/0/quic-v1"]).await;
    let tcp = node.connect(&mut seeder, "tcp").await;
    let quic = node.connect(&mut seeder, "quic").await;
    for round in 0..6u8 {
        let (ours, theirs) = if round % 2 == 0 { &tcp } else { &quic };
        let mut near = node.open(ours, ECHO).await;
        near.write_all(&[round]).await.unwrap();
        near.close().await.unwrap();
        let mut far = seeder.inbound().await;
        assert_eq!((far.connection, far.peer, far.protocol), (theirs.connection, node.peer(), ECHO));
        let mut got = Vec::new();
        far.stream.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, [round]);
    }
    // Also from the side that was dialled.
    let _near = seeder.open(&quic.1, BULK).await;
    let far = node.inbound().await;
    assert_eq!((far.connection, far.protocol), (quic.0.connection, BULK));
}

#[tokio::test]
async fn round_trips_are_measured_on_every_connection() {
    let mut seeder = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
    let mut node = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
    let (link, _) = node.connect(&mut seeder, "tcp").await;
    loop {
        if let NetEvent::Rtt { peer, connection, rtt } = node.event().await {
            assert_eq!((peer, connection), (seeder.peer(), link.connection));
            assert!(rtt < PATIENCE);
            return;
        }
    }
}

#[tokio::test]
async fn nodes_that_dial_each_other_at_the_same_moment_end_up_connected() {
    for _ in 0..20 {
        let mut a = TestNode::start(&["/ip4/127.2.0.9/tcp/0"]).await;
        let mut b = TestNode::start(&["/ip4/127.3.0.1/tcp/0"]).await;
        a.network.dial(1, Some(b.peer()), vec![b.address("tcp")]).unwrap();
        b.network.dial(1, Some(a.peer()), vec![a.address("tcp")]).unwrap();
        assert_eq!(a.connected().await.peer, b.peer());
        assert_eq!(b.connected().await.peer, a.peer());
    }
}
