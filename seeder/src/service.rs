//! The seeder itself: a node that is an origin, and a task that keeps it serving what the root holds.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use nearcast_core::{id::ContentId, manifest::Manifest, paths::printable};
use nearcast_node::{
    address::Address,
    error::{ShareError, StartError},
    handle::{Node, Share},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    catalogue::{Catalogue, Change},
    config::SeederConfig,
};

/// How often the root is looked at. More often = new contents sooner, more directory reads.
pub const RESCAN_INTERVAL: Duration = Duration::from_secs(10);

/// A seeder could not start, or could not share. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum SeederError {
    /// The root cannot be read, or the state folder not made.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A content given by hand cannot be shared.
    #[error(transparent)]
    Share(#[from] ShareError),
}

/// A running seeder. Dropping it without [`Seeder::stop`] ends the rescans; the node goes with its
/// last handle.
#[derive(Debug)]
pub struct Seeder {
    node: NodeHandle,
    stop: watch::Sender<bool>,
    rescans: Option<JoinHandle<()>>,
}

/// Keeps `Seeder` printable whatever the node is.
#[derive(Clone)]
struct NodeHandle(Node);

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Node")
    }
}

impl Seeder {
    /// Starts the node and serves what is there; returns when the first scan is done, so that whoever
    /// is told "ready" finds every content.
    ///
    /// # Errors
    /// See [`SeederError`]: an unreadable root, or a node that cannot listen or use its identity.
    pub async fn start(config: SeederConfig) -> Result<Seeder, SeederError> {
        if let Some(folder) = config.identity.as_deref().and_then(|file| file.parent()) {
            make_private_folder(folder)
                .map_err(|source| SeederError::Folder { path: folder.to_owned(), source })?;
        }
        // Scanned before the node listens: a wrong root then leaves nothing to take down.
        let first_scan = match config.root.clone() {
            Some(root) => Some(first_scan(root).await?),
            None => None,
        };
        let node = Node::start(config.node()).await?;
        let (stop, stopped) = watch::channel(false);
        let rescans = match first_scan {
            Some((mut catalogue, changes)) => {
                apply(&node, &mut catalogue, changes).await;
                tracing::info!("contents served: {}", catalogue.len());
                Some(tokio::spawn(keep_serving(node.clone(), catalogue, stopped)))
            }
            None => None,
        };
        Ok(Seeder { node: NodeHandle(node), stop, rescans })
    }

    /// Where it listens, each address ending in `/p2p/ID`.
    pub fn addresses(&self) -> Vec<Address> {
        self.node.0.addresses()
    }

    /// The node that serves, for its counters.
    pub fn node(&self) -> &Node {
        &self.node.0
    }

    /// Serves one more content, from anywhere; `root` is the folder that contains its data.
    ///
    /// # Errors
    /// When its data is not there with the right sizes, or the node is full or stopped.
    pub async fn share(&self, manifest: Arc<Manifest>, root: PathBuf) -> Result<ContentId, SeederError> {
        Ok(self.node.0.share(Share { manifest, root }).await?.content)
    }

    /// Takes no new requests, finishes the runs being sent (at most `grace`), saves state and ends
    /// every task.
    pub async fn stop(self, grace: Duration) {
        self.stop.send_replace(true);
        if let Some(rescans) = self.rescans {
            // A scan in progress touches no state of ours that matters now; do not wait for a slow disk.
            rescans.abort();
        }
        self.node.0.shutdown(grace).await;
    }
}

#[cfg(unix)]
fn make_private_folder(folder: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

async fn first_scan(root: PathBuf) -> Result<(Catalogue, Vec<Change>), SeederError> {
    let (catalogue, changes) = scan(Catalogue::new(root.clone())).await;
    let changes = changes.map_err(|source| SeederError::Folder { path: root, source })?;
    Ok((catalogue, changes))
}

/// One scan on a blocking thread; the catalogue travels there and back.
async fn scan(mut catalogue: Catalogue) -> (Catalogue, io::Result<Vec<Change>>) {
    let scanned = tokio::task::spawn_blocking(move || {
        let changes = catalogue.scan();
        (catalogue, changes)
    });
    scanned.await.expect("a scan neither panics nor is cancelled")
}

async fn keep_serving(node: Node, mut catalogue: Catalogue, mut stopped: watch::Receiver<bool>) {
    let mut unreadable = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(RESCAN_INTERVAL) => {}
            _ = stopped.changed() => return,
        }
        let (returned, changes) = scan(catalogue).await;
        catalogue = returned;
        match changes {
            Ok(changes) => {
                unreadable = false;
                apply(&node, &mut catalogue, changes).await;
            }
            // An unmounted root must not unpublish everything, nor fill the log.
            Err(error) if !unreadable => {
                unreadable = true;
                tracing::warn!("the root cannot be read, going on with what was found before: {error}");
            }
            Err(_) => {}
        }
    }
}

async fn apply(node: &Node, catalogue: &mut Catalogue, changes: Vec<Change>) {
    for change in changes {
        match change {
            Change::Serve { torrent, manifest, root } => {
                let (name, content) = (printable(manifest.name()), manifest.content());
                match node.share(Share { manifest, root }).await {
                    Ok(_) => tracing::info!("serving {name} {content}"),
                    Err(error) => {
                        let reason = printable(&error.to_string());
                        if catalogue.on_refused(&torrent, &reason) {
                            say_refused(&torrent.to_string_lossy(), &reason);
                        }
                    }
                }
            }
            Change::Stop { torrent, content } => {
                node.unshare(content).await;
                let torrent = printable(&torrent.to_string_lossy());
                tracing::info!("no longer serving {torrent} {content}");
            }
            Change::Refuse { torrent, reason } => say_refused(&torrent.to_string_lossy(), &reason),
        }
    }
}

fn say_refused(torrent: &str, reason: &str) {
    tracing::warn!("not serving {}: {reason}", printable(torrent));
}
