//! Whole nodes over loopback sockets, and peers that lie to them.

mod addresses;
mod dial_back;
mod directories;
mod edited;
mod failing;
mod giving;
mod impostor;
mod lies;
mod owner;
mod rates;
mod raw;
mod reading;
mod replay;
mod signatures;
mod together;
mod versions;

use std::{future::Future, net::Ipv4Addr, sync::Arc, time::Duration};

use nearcast_core::manifest::Manifest;
use tempfile::TempDir;

use crate::{
    address::Address,
    config::NodeConfig,
    download::Download,
    fetch::{Fetch, Share, Source},
    node::Node,
    progress::Progress,
    store::testing::Data,
};

/// Far longer than any step here takes. A test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(90);

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Every test has a network of its own: 127.`network`.0.0/16.
fn config(network: u8, host: u8) -> NodeConfig {
    let ip = Ipv4Addr::new(127, network, host, 1);
    NodeConfig {
        listen: vec![format!("/ip4/{ip}/tcp/0").parse().unwrap()],
        seed: Some(u64::from(network) << 8 | u64::from(host)),
        ..NodeConfig::default()
    }
}

async fn node(network: u8, host: u8) -> Node {
    Node::start(config(network, host)).await.unwrap()
}

/// Starts an origin that serves these contents from the returned folder, which lives as long as the
/// test.
async fn origin(config: NodeConfig, contents: &[(Arc<Manifest>, &Data)]) -> (Node, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(NodeConfig { origin: true, ..config }).await.unwrap();
    for (number, (manifest, data)) in contents.iter().enumerate() {
        let root = folder.path().join(number.to_string());
        data.write_to(manifest, &root);
        node.share(Share { manifest: manifest.clone(), root }).await.unwrap();
    }
    (node, folder)
}

fn fetch(source: Source, folder: &std::path::Path, peers: Vec<Address>) -> Fetch {
    Fetch {
        peers,
        exchange_peers: false,
        patience: Duration::from_secs(30),
        find_on_lan: false,
        ..Fetch::new(source, folder)
    }
}

/// Waits until a download's progress satisfies `is`.
async fn until(download: &Download, what: &str, mut is: impl FnMut(&Progress) -> bool) -> Progress {
    let mut progress = download.progress();
    patiently(what, progress.wait_for(|progress| is(progress))).await.unwrap().clone()
}
