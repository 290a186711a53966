//! Everybody in the demonstration: one origin and its peers, each a whole node with its own IP.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nearcast_core::manifest::Manifest;
use nearcast_node::{
    address::Address,
    config::{NodeConfig, SeedGoal},
    error::{DownloadError, StartError},
    handle::{Download, Fetch, Node, Source},
    progress::{Progress, Summary},
};
use nearcast_seeder::{config::SeederConfig, service::Seeder};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::error::CommandError;

/// Pretended networks, as distant from each other as networks get without an atlas.
pub(super) const NETWORKS: u32 = 3;
const ORIGIN: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 1);
/// A demonstration in which nothing moves for this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Addresses of the peers: neighbours in the list are in different networks.
pub(super) fn addresses(peers: u32) -> Vec<Ipv4Addr> {
    (0..peers)
        .map(|peer| Ipv4Addr::new(127, 1 + (peer % NETWORKS) as u8, 0, 1 + (peer / NETWORKS) as u8))
        .collect()
}

/// Where a peer keeps its copy.
pub(super) fn copy_folder(folder: &Path, peer: usize) -> PathBuf {
    folder.join(format!("peer-{peer}"))
}

fn listen(ip: Ipv4Addr) -> Result<Vec<Address>, StartError> {
    let address = format!("/ip4/{ip}/tcp/0").parse();
    address.map(|address| vec![address]).map_err(|error| StartError::Network(format!("{error}")))
}

/// Nodes that must be taken down, whatever happens in between.
#[derive(Default)]
pub(super) struct Stage {
    origin: Option<Seeder>,
    peers: Vec<Node>,
}

impl Stage {
    /// Starts the origin and gives it the content.
    pub(super) async fn raise_origin(
        &mut self,
        manifest: Arc<Manifest>,
        root: PathBuf,
    ) -> Result<(), CommandError> {
        let config = SeederConfig { listen: listen(ORIGIN)?, ..SeederConfig::default() };
        let origin = self.origin.insert(Seeder::start(config).await?);
        origin.share(manifest, root).await?;
        Ok(())
    }

    /// Starts all nodes first and all downloads then, so that they begin as a crowd.
    pub(super) async fn start_peers(
        &mut self,
        manifest: &Arc<Manifest>,
        folder: &Path,
        addresses: &[Ipv4Addr],
    ) -> Result<Downloads, CommandError> {
        for ip in addresses {
            let config = NodeConfig { listen: listen(*ip)?, ..NodeConfig::default() };
            self.peers.push(Node::start(config).await?);
        }
        let origin: Vec<Address> = self.origin.iter().flat_map(Seeder::addresses).collect();
        let mut downloads = Downloads::new();
        for (peer, node) in self.peers.iter().enumerate() {
            let folder = copy_folder(folder, peer);
            std::fs::create_dir_all(&folder)
                .map_err(|source| CommandError::Io { path: folder.clone(), source })?;
            let fetch = Fetch {
                source: Source::Manifest(Arc::clone(manifest)),
                folder,
                overwrite: false,
                select: Vec::new(),
                peers: origin.clone(),
                web_seeds: Vec::new(),
                directories: origin.clone(),
                ask_directories: true,
                exchange_peers: true,
                seed: SeedGoal::Forever,
                patience: PATIENCE,
                find_on_lan: false,
                signed_by: Vec::new(),
                disk_wait: None,
                state_dir: None,
            };
            downloads.add(node.fetch(fetch).await?);
        }
        Ok(downloads)
    }

    /// Ends every node, all at once.
    pub(super) async fn strike(self, grace: Duration) {
        let mut ending = JoinSet::new();
        for node in self.peers {
            ending.spawn(async move { node.shutdown(grace).await });
        }
        if let Some(origin) = self.origin {
            ending.spawn(origin.stop(grace));
        }
        while ending.join_next().await.is_some() {}
    }
}

/// The downloads of all peers, in the order of the peers.
pub(super) struct Downloads {
    started: Instant,
    progress: Vec<watch::Receiver<Progress>>,
    running: JoinSet<(usize, Download, Result<Summary, DownloadError>)>,
    /// Kept, because a download that is dropped leaves its swarm.
    seeding: Vec<Download>,
}

impl Downloads {
    fn new() -> Downloads {
        Downloads {
            started: Instant::now(),
            progress: Vec::new(),
            running: JoinSet::new(),
            seeding: Vec::new(),
        }
    }

    fn add(&mut self, mut download: Download) {
        let peer = self.progress.len();
        self.progress.push(download.progress());
        self.running.spawn(async move {
            let ended = download.finished().await;
            (peer, download, ended)
        });
    }

    /// Somebody is not done yet.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Time since the first started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The next peer that is done, and how it ended.
    pub(super) async fn next_end(&mut self) -> (usize, Result<Summary, DownloadError>) {
        match self.running.join_next().await {
            Some(Ok((peer, download, ended))) => {
                self.seeding.push(download);
                (peer, ended)
            }
            Some(Err(died)) => resume(died),
            None => std::future::pending().await,
        }
    }

    /// Shows every peer's newest snapshot.
    pub(super) fn snapshots(&self, mut see: impl FnMut(usize, &Progress)) {
        for (peer, progress) in self.progress.iter().enumerate() {
            see(peer, &progress.borrow());
        }
    }
}

/// Nobody aborts these tasks: what ended one without an answer is a panic, which goes on here.
fn resume(died: JoinError) -> ! {
    std::panic::resume_unwind(died.into_panic())
}

#[cfg(test)]
mod tests {
    use nearcast_core::tier::Tier;

    use super::*;

    #[test]
    fn peers_are_spread_over_three_distant_networks() {
        let all = addresses(7);
        assert_eq!(all[6], Ipv4Addr::new(127, 1, 0, 3));
        let tier = |a: usize, b: usize| Tier::by_prefix(all[a].into(), all[b].into());
        assert_eq!(tier(0, 3), Tier::Prefix24);
        assert_eq!(tier(0, 1), Tier::Remote);
        assert_eq!(Tier::by_prefix(ORIGIN.into(), all[0].into()), Tier::Remote);
    }
}
