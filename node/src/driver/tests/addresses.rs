//! False addresses told by strangers: they cost a third party few connections, and do not displace
//! addresses the user named.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use libp2p::PeerId;
use nearcast_core::{addresses::targets::HEARSAY_PER_ADDRESS_MAX, id::ContentId, magnet::Magnet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
};

use super::{config, fetch, origin, patiently, raw::Raw, until};
use crate::{
    config::NodeConfig,
    error::{DownloadError, Reasons, Remedy},
    fetch::Source,
    node::Node,
    store::testing,
    wire::{
        EXCHANGE,
        control::{Frame, HELLO_BYTES_MAX, Hello, PEERS_MAX, PeerRecord, Peers, Said},
        read_frame, write_frame,
    },
};

/// Links with `node` from `ip` and tells it of peers. Returns when `node` has heard all of it.
async fn gossip(ip: &str, node: &Node, content: ContentId, records: Vec<PeerRecord>) {
    let raw = Raw::connect(ip, node, &[EXCHANGE]).await;
    let mut stream = raw.open(EXCHANGE).await;
    let hello = Hello { content: content.0.to_vec(), have: Vec::new(), have_all: true, ..Hello::default() };
    write_frame(&mut stream, &hello).await.unwrap();
    stream.flush().await.unwrap();
    patiently("a hello", read_frame::<Hello>(&mut stream, HELLO_BYTES_MAX)).await.unwrap().unwrap();
    for chunk in records.chunks(PEERS_MAX) {
        let said = Some(Said::Peers(Peers { peers: chunk.to_vec() }));
        write_frame(&mut stream, &Frame { said }).await.unwrap();
    }
    // The node ends the link when it reads this goodbye, after everything sent before.
    write_frame(&mut stream, &Frame { said: Some(Said::Goodbye(3)) }).await.unwrap();
    stream.flush().await.unwrap();
    let mut rest = Vec::new();
    // How the stream ends does not matter.
    let _ = patiently("the end of the link", stream.read_to_end(&mut rest)).await;
    raw.network.shutdown().await;
}

fn record(peer: &[u8], at: SocketAddr) -> PeerRecord {
    let SocketAddr::V4(at) = at else { panic!("IPv4 is enough here") };
    PeerRecord { peer: peer.to_vec(), ip: at.ip().octets().to_vec(), tcp_port: at.port().into(), udp_port: 0 }
}

/// A server of another protocol. It answers as an HTTPS server would, and counts connections.
pub(super) struct Victim {
    pub(super) address: SocketAddr,
    hits: Arc<AtomicUsize>,
    pub(super) hit: Arc<Notify>,
}

impl Victim {
    pub(super) fn start(ip: [u8; 4]) -> Victim {
        let listener = TcpListener::bind((Ipv4Addr::from(ip), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (hits, hit) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, tell) = (hits.clone(), hit.clone());
        std::thread::spawn(move || {
            while let Ok((mut connection, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                tell.notify_one();
                let mut heard = [0; 64];
                // Whether reading or writing succeeds does not matter.
                let _ = connection.read(&mut heard);
                let _ = connection.write_all(&[0x15, 3, 3, 0, 2, 2, 40]);
            }
        });
        Victim { address, hits, hit }
    }

    pub(super) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_of_lies_about_the_seeder_does_not_keep_it_from_being_found_again() {
    let (manifest, data) = testing::content(64 << 10, &[4 << 20]);
    let keys = tempfile::tempdir().unwrap();
    let identity = Some(keys.path().join("seeder.key"));
    let slow = NodeConfig { identity: identity.clone(), up: Some(1 << 20), ..config(91, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    let address = seeder.addresses().remove(0);
    let leecher = Node::start(config(91, 2)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), vec![address.clone()]);
    wish.exchange_peers = true;
    let download = leecher.fetch(wish).await.unwrap();
    until(&download, "the first bytes", |progress| progress.bytes_have > 0).await;
    // The seeder's own name at eight false ports, and two thousand names that no peer has.
    let name = address.peer().unwrap().to_bytes();
    let elsewhere = |port: u16| record(&name, SocketAddr::from(([127, 91, 9, 1], port)));
    let nobody = |number: u16| {
        let at = SocketAddr::from(([127, 91, 200, (number % 250) as u8], 4_000 + number / 250));
        record(&PeerId::random().to_bytes(), at)
    };
    let lies = (9_001..9_009).map(elsewhere).chain((0..2_000).map(nobody)).collect();
    gossip("127.91.9.1", &leecher, manifest.content(), lies).await;
    seeder.shutdown(Duration::ZERO).await;
    let listen = vec![address.to_string().split("/p2p/").next().unwrap().parse().unwrap()];
    let again = NodeConfig { identity, listen, ..config(91, 1) };
    let (seeder, _folder) = origin(again, &[(manifest.clone(), &data)]).await;
    patiently("the rest", download.finished()).await.unwrap();
    assert!(data.is_in(&manifest, folder.path()));
    leecher.shutdown(Duration::ZERO).await;
    seeder.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_under_256_names_is_knocked_at_twice_and_no_more() {
    let (manifest, data) = testing::content(64 << 10, &[64 << 20]);
    let slow = NodeConfig { up: Some(64 << 10), ..config(92, 1) };
    let (seeder, _folder) = origin(slow, &[(manifest.clone(), &data)]).await;
    let leecher = Node::start(config(92, 2)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut wish = fetch(Source::Manifest(manifest.clone()), folder.path(), seeder.addresses());
    wish.exchange_peers = true;
    let download = leecher.fetch(wish).await.unwrap();
    until(&download, "the first bytes", |progress| progress.bytes_have > 0).await;
    let victim = Victim::start([127, 92, 8, 1]);
    let lies = |tellers: u8| {
        let names = (0..256).map(|_| record(&PeerId::random().to_bytes(), victim.address)).collect();
        (format!("127.92.9.{tellers}"), names)
    };
    for teller in 1..4 {
        let (from, records) = lies(teller);
        gossip(&from, &leecher, manifest.content(), records).await;
    }
    patiently("somebody to be tried", victim.hit.notified()).await;
    // Long enough for hundreds of connections without the limit: candidates are tried again after
    // 0.5, 1 and 2 s.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!((1..=HEARSAY_PER_ADDRESS_MAX).contains(&victim.hits()), "{} connections", victim.hits());
    download.stop().await;
    leecher.shutdown(Duration::ZERO).await;
    seeder.shutdown(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_does_not_lead_to_this_machine_and_the_error_says_how_the_user_may() {
    let victim = Victim::start([127, 93, 8, 1]);
    let listen = vec!["/ip4/0.0.0.0/tcp/0".parse().unwrap()];
    let node = Node::start(NodeConfig { listen, ..config(93, 2) }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = format!("/ip4/{}/tcp/{}", victim.address.ip(), victim.address.port());
    let named = |content: u8| Magnet {
        addresses: vec![address.clone()],
        peers: vec![victim.address.to_string().parse().unwrap()],
        ..Magnet::new(ContentId([content; 32]))
    };
    let mut wish = fetch(Source::Magnet(named(1)), folder.path(), Vec::new());
    wish.patience = Duration::from_secs(2);
    let download = node.fetch(wish).await.unwrap();
    let ended = patiently("an error", download.finished()).await;
    let Err(DownloadError::Unreachable(Reasons::Asked(attempts))) = ended else {
        panic!("nobody is there: {ended:?}");
    };
    let refused = attempts.shown.iter().find(|attempt| attempt.at == address).unwrap();
    assert_eq!(refused.remedy, Some(Remedy::NamePeer));
    assert!(refused.text.contains("this machine"), "{attempts}");
    assert_eq!(victim.hits(), 0);
    let typed = vec![address.parse().unwrap()];
    let wish = fetch(Source::Magnet(named(2)), folder.path(), typed);
    let download = node.fetch(wish).await.unwrap();
    patiently("the user's own address to be tried", victim.hit.notified()).await;
    download.stop().await;
    patiently("an end", node.shutdown(Duration::ZERO)).await;
}
