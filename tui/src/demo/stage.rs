//! The nodes of the demonstration: one origin and its peers, each a whole node with its own IP
//! address.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use nearcast_core::{atlas::Atlas, manifest::Manifest};
use nearcast_node::{
    Download, Fetch, Node, Share,
    address::Address,
    config::{NodeConfig, SeedGoal},
    error::{DownloadError, StartError},
    progress::{Progress, Summary},
};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
};

use super::internet::ORIGIN;
use crate::error::CommandError;

/// If nothing moves for this long, the demonstration has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The folder of a peer's copy.
pub(super) fn copy_folder(folder: &Path, peer: usize) -> PathBuf {
    folder.join(format!("peer-{peer}"))
}

pub(super) fn listen(ip: Ipv4Addr) -> Result<Vec<Address>, StartError> {
    let address = format!("/ip4/{ip}/tcp/0").parse();
    address.map(|address| vec![address]).map_err(|error| StartError::Network(format!("{error}")))
}

/// The running nodes. They must be shut down, whatever happens.
#[derive(Default)]
pub(super) struct Stage {
    origin: Option<Node>,
    atlas: Option<Arc<Atlas>>,
    peers: Vec<Node>,
    /// What each peer sends at most, in bytes a second; the origin five times as much. `None`: as
    /// much as it can.
    pace: Option<u64>,
}

impl Stage {
    /// A stage whose nodes send at most so much, in bytes a second: the origin five times as much.
    pub(super) fn paced(pace: u64) -> Stage {
        Stage { pace: Some(pace), ..Stage::default() }
    }

    /// The addresses of the origin.
    pub(super) fn origin(&self) -> Vec<Address> {
        self.origin.iter().flat_map(Node::addresses).collect()
    }

    /// Starts an origin that uses the atlas and shares the content.
    pub(super) async fn raise_origin(
        &mut self,
        manifest: Arc<Manifest>,
        root: PathBuf,
        atlas: Arc<Atlas>,
    ) -> Result<(), CommandError> {
        self.atlas = Some(atlas.clone());
        let config = NodeConfig {
            listen: listen(ORIGIN)?,
            atlas: Some(atlas),
            origin: true,
            up: self.pace.map(|pace| pace.saturating_mul(5)),
            ..NodeConfig::default()
        };
        let origin = self.origin.insert(Node::start(config).await?);
        origin.share(Share { manifest, root }).await?;
        Ok(())
    }

    /// Starts all nodes first and then all downloads, so that the downloads begin together.
    pub(super) async fn start_peers(
        &mut self,
        manifest: &Arc<Manifest>,
        folder: &Path,
        addresses: &[Ipv4Addr],
    ) -> Result<Downloads, CommandError> {
        for ip in addresses {
            let atlas = self.atlas.clone();
            let config = NodeConfig { listen: listen(*ip)?, atlas, up: self.pace, ..NodeConfig::default() };
            self.peers.push(Node::start(config).await?);
        }
        let origin = self.origin();
        let mut downloads = Downloads::new();
        for (peer, node) in self.peers.iter().enumerate() {
            let folder = copy_folder(folder, peer);
            std::fs::create_dir_all(&folder)
                .map_err(|source| CommandError::Io { path: folder.clone(), source })?;
            let fetch = Fetch {
                peers: origin.clone(),
                directories: origin.clone(),
                seed: SeedGoal::Forever,
                patience: PATIENCE,
                find_on_lan: false,
                ..Fetch::new(Arc::clone(manifest), folder)
            };
            downloads.add(node.fetch(fetch).await?);
        }
        Ok(downloads)
    }

    /// Shuts down all nodes at the same time.
    pub(super) async fn strike(self, grace: Duration) {
        let mut ending = JoinSet::new();
        for node in self.peers {
            ending.spawn(async move { node.shutdown(grace).await });
        }
        if let Some(origin) = self.origin {
            ending.spawn(async move { origin.shutdown(grace).await });
        }
        while ending.join_next().await.is_some() {}
    }
}

/// The downloads of all peers, in the order of the peers.
pub(super) struct Downloads {
    started: Instant,
    progress: Vec<watch::Receiver<Progress>>,
    running: JoinSet<(usize, Download, Result<Summary, DownloadError>)>,
    /// The complete ones: they seed until their node ends.
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

    fn add(&mut self, download: Download) {
        let peer = self.progress.len();
        self.progress.push(download.progress());
        self.running.spawn(async move {
            let ended = download.finished().await;
            (peer, download, ended)
        });
    }

    /// Whether some peer is not complete.
    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Time since the first download started.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The next peer whose download ends, and the result.
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

    /// Passes the newest snapshot of every peer to `see`.
    pub(super) fn snapshots(&self, mut see: impl FnMut(usize, &Progress)) {
        for (peer, progress) in self.progress.iter().enumerate() {
            see(peer, &progress.borrow());
        }
    }
}

/// These tasks are never aborted, so a task without a result panicked. The panic continues here.
fn resume(died: JoinError) -> ! {
    std::panic::resume_unwind(died.into_panic())
}
