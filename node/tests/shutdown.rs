//! When a node ends, everything it started ends. A separate test binary, because it counts the
//! threads and sockets of the whole process.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use nearcast_node::{
    Fetch, Node, Share,
    address::Address,
    config::{NodeConfig, SeedGoal},
    publish::{PublishOptions, Published, publish},
};

const CONTENT_BYTES: usize = 48 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// Number of open sockets of this process.
fn sockets() -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let is_socket = |path: &Path| path.to_string_lossy().starts_with("socket:");
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| is_socket(&target))).count()
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let names = fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path().join("comm"));
    let mut names: Vec<String> = names.filter_map(|path| fs::read_to_string(path).ok()).collect();
    names.sort_unstable();
    names
}

/// Waits until `count` is zero. The tasks of the QUIC stack end by themselves a moment after its
/// last socket is closed, and nothing reports that.
fn await_none_left(what: &str, count: impl Fn() -> usize) {
    let begun = Instant::now();
    while count() > 0 {
        assert!(begun.elapsed() < Duration::from_secs(2), "{} {what} are left", count());
        std::thread::yield_now();
    }
}

fn config(listen: &[String]) -> NodeConfig {
    NodeConfig {
        listen: listen.iter().map(|text| text.parse().unwrap()).collect(),
        seed: Some(7),
        ..NodeConfig::default()
    }
}

fn content(folder: &Path) -> Published {
    let path = folder.join("film");
    let bytes: Vec<u8> =
        (0..CONTENT_BYTES as u32 / 4).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(&path, bytes).unwrap();
    publish(&path, &PublishOptions::default(), &|_, _| {}, &AtomicBool::new(false)).unwrap()
}

/// The address without the peer id, for a second listen.
fn bare(address: &Address) -> String {
    address.to_string().split("/p2p/").next().unwrap().to_owned()
}

/// Two nodes that are ended in the middle of a download. Returns the addresses they listened on.
async fn begin_and_end(published: &Published, target: &Path) -> Vec<String> {
    let serving = NodeConfig {
        origin: true,
        up: Some(8_000_000),
        ..config(&["/ip4/127.75.1.1/tcp/0".to_owned(), "/ip4/127.75.1.1/udp/0/quic-v1".to_owned()])
    };
    let source = Node::start(serving).await.unwrap();
    let manifest = Arc::new(published.manifest.clone());
    source.share(Share { manifest: manifest.clone(), root: published.root.clone() }).await.unwrap();
    let listen = ["/ip4/127.75.2.1/tcp/0".to_owned(), "/ip4/127.75.2.1/udp/0/quic-v1".to_owned()];
    let leecher = Node::start(config(&listen)).await.unwrap();
    let wish = Fetch {
        peers: source.addresses(),
        directories: source.addresses(),
        seed: SeedGoal::Forever,
        patience: Duration::from_secs(30),
        find_on_lan: false,
        ..Fetch::new(manifest, target)
    };
    let download = leecher.fetch(wish).await.unwrap();
    let mut progress = download.progress();
    let some = progress.wait_for(|progress| progress.bytes_have > 0);
    tokio::time::timeout(PATIENCE, some).await.unwrap().unwrap();
    let addresses = [source.addresses(), leecher.addresses()].concat();
    let begun = Instant::now();
    leecher.shutdown(Duration::from_secs(1)).await;
    source.shutdown(Duration::from_secs(1)).await;
    println!("both ended in {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    addresses.iter().map(bare).collect()
}

#[test]
fn after_a_shutdown_no_task_thread_or_socket_is_left_and_ports_are_free() {
    let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let published = content(folder.path());
    let threads_before = threads();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sockets_before = sockets();

    let addresses = runtime.block_on(begin_and_end(&published, target.path()));
    await_none_left("tasks", || runtime.metrics().num_alive_tasks());
    await_none_left("sockets", || sockets() - sockets_before);

    assert_eq!(addresses.len(), 4);
    runtime.block_on(async {
        let again = Node::start(config(&addresses)).await.expect("the same addresses are free again");
        again.shutdown(Duration::ZERO).await;
    });
    await_none_left("tasks", || runtime.metrics().num_alive_tasks());
    drop(runtime);
    let mut left = threads();
    threads_before
        .iter()
        .for_each(|name| drop(left.iter().position(|other| other == name).map(|at| left.remove(at))));
    // libp2p has one timer thread for the whole process, which never ends.
    assert!(left.iter().all(|name| name.trim() == "futures-timer"), "threads are left: {left:?}");
}
