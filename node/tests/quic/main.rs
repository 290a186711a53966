//! Strangers at the QUIC listener of a seeder: raw datagrams, broken handshakes, noise on streams,
//! streams full of gaps. A separate test binary, because it counts the memory and the panics of the
//! whole process.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

mod gaps;
mod malformed;
mod raw;
mod reflection;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use libp2p::multiaddr::{Multiaddr, Protocol};
use nearcast_node::{
    Fetch, Node, Share,
    address::Address,
    config::NodeConfig,
    publish::{PublishOptions, Published, publish},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const CONTENT_BYTES: usize = 4 << 20;

/// Panics of any thread or task since the first test began.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Runs one test at a time, because the tests measure the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            usual(panic);
        }));
    });
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A seeder that listens over QUIC only, and the content it serves.
struct Stage {
    runtime: Runtime,
    seeder: Node,
    published: Published,
    network: u8,
    folder: TempDir,
    panics_before: usize,
}

impl Stage {
    /// A stage at 127.`network`.1.1.
    fn new(network: u8) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        let words = (0..CONTENT_BYTES as u32 / 4).map(|at| at.wrapping_mul(2_654_435_761));
        fs::write(&path, words.flat_map(u32::to_le_bytes).collect::<Vec<u8>>()).unwrap();
        let published =
            publish(&path, &PublishOptions::default(), &|_, _| {}, &AtomicBool::new(false)).unwrap();
        let runtime = Runtime::new().unwrap();
        let config = NodeConfig { origin: true, ..config(network, 1) };
        let seeder = runtime.block_on(async {
            let seeder = Node::start(config).await.unwrap();
            let manifest = Arc::new(published.manifest.clone());
            seeder.share(Share { manifest, root: published.root.clone() }).await.unwrap();
            seeder
        });
        let panics_before = PANICS.load(Ordering::Relaxed);
        Stage { runtime, seeder, published, network, folder, panics_before }
    }

    /// The address on which the seeder receives datagrams.
    fn to(&self) -> SocketAddr {
        let address = self.seeder.addresses().remove(0).to_string().parse::<Multiaddr>().unwrap();
        let mut parts = address.iter();
        match (parts.next(), parts.next()) {
            (Some(Protocol::Ip4(ip)), Some(Protocol::Udp(port))) => (ip, port).into(),
            _ => panic!("{address} is no address over UDP"),
        }
    }

    /// An address for a stranger.
    fn stranger(&self, number: u8) -> SocketAddr {
        ([127, self.network, 9, number], 0).into()
    }

    /// An honest client gets the whole content over QUIC. Returns the time.
    fn honest_get(&self, number: u8) -> Duration {
        let target = self.folder.path().join(format!("out{number}"));
        fs::create_dir(&target).unwrap();
        let begun = Instant::now();
        self.runtime.block_on(async {
            let node = Node::start(config(self.network, number)).await.unwrap();
            let download = node.fetch(self.wish(target.clone())).await.unwrap();
            let finished = tokio::time::timeout(Duration::from_secs(60), download.finished());
            finished.await.expect("an honest peer is served").unwrap();
            node.shutdown(Duration::ZERO).await;
        });
        let took = begun.elapsed();
        let bytes = fs::read(target.join("film")).unwrap();
        assert!(bytes == fs::read(self.published.root.join("film")).unwrap(), "other bytes arrived");
        took
    }

    fn wish(&self, folder: PathBuf) -> Fetch {
        Fetch {
            peers: self.seeder.addresses(),
            exchange_peers: false,
            ask_directories: false,
            patience: Duration::from_secs(30),
            find_on_lan: false,
            ..Fetch::new(self.published.manifest.clone(), folder)
        }
    }

    /// Asserts that nothing panicked, and that the seeder ends as usual.
    fn end(self) {
        assert_eq!(PANICS.load(Ordering::Relaxed), self.panics_before, "something panicked");
        self.runtime.block_on(self.seeder.shutdown(Duration::from_secs(1)));
    }
}

fn config(network: u8, host: u8) -> NodeConfig {
    let address: Address = format!("/ip4/127.{network}.{host}.1/udp/0/quic-v1").parse().unwrap();
    NodeConfig {
        listen: vec![address],
        seed: Some(u64::from(network) << 8 | u64::from(host)),
        ..NodeConfig::default()
    }
}

/// Bytes without meaning; each seed gives another sequence.
struct Noise(u64);

impl Noise {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.number().to_le_bytes()).take(length).collect()
    }
}
