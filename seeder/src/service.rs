//! The seeder: a node that is an origin, and a task that serves what the root contains.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use nearcast_core::{atlas::Atlas, config::ConfigError, id::ContentId, magnet::Magnet, manifest::Manifest};
use nearcast_node::{
    Node, Share,
    address::Address,
    atlas::{self, AtlasFileError},
    config::NodeConfig,
    directory::AtlasOffer,
    error::{KeyError, ShareError, StartError},
    key::SecretKey,
};
use nearcast_service::{
    atlas::{Cache, Follow, Following, Known, News},
    cli::start_error_in_words,
    links::{link_addresses, undialled},
    state::{Claim, make_private_folder},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

pub use crate::keeper::Published;
use crate::{
    catalogue::Catalogue,
    config::{AtlasAuto, SeederConfig},
    folders::Folders,
    health::Health,
    keeper::{Keeper, Orders, Publishing},
    root::Root,
};

/// News that may wait for a reader; further ones are only logged. Room for a few batches of small
/// files.
const NEWS_WAITING_MAX: usize = 4_096;

/// A seeder could not start, or could not share a content. Nothing was left behind.
#[derive(Debug, thiserror::Error)]
pub enum SeederError {
    /// The root cannot be read, or the state folder cannot be made.
    #[error("cannot use {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process uses the same key: peers that ask for one of the two would get the other.
    #[error(
        "{} is in use by another process, perhaps another seeder; give this one a --state-dir of its own",
        .0.display()
    )]
    IdentityInUse(PathBuf),
    /// The signing key is unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The node did not start.
    #[error("{}", start_error_in_words(.0))]
    Start(#[from] StartError),
    /// The atlas is unusable.
    #[error(transparent)]
    Atlas(#[from] AtlasFileError),
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A content given to [`Seeder::share`] cannot be shared.
    #[error(transparent)]
    Share(#[from] ShareError),
}

/// A running seeder. Dropping it without [`Seeder::stop`] ends the scans of the root; the node ends
/// with its last handle.
pub struct Seeder {
    node: Node,
    health: Arc<Health>,
    orders: watch::Sender<Orders>,
    keeper: Option<JoinHandle<Option<()>>>,
    following: Option<Following>,
    news: Option<mpsc::Receiver<Published>>,
    /// The claim on the identity, held as long as the seeder runs.
    _identity: Option<Claim>,
}

impl std::fmt::Debug for Seeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeder").field("peer", &self.node.peer_id()).finish_non_exhaustive()
    }
}

impl Seeder {
    /// Starts the node and serves the contents of the root. Returns after the first scan, so that a
    /// client that hears "ready" finds every content.
    ///
    /// # Errors
    /// See [`SeederError`]: an unreadable root, or a node that cannot listen or use its identity.
    pub async fn start(config: SeederConfig) -> Result<Seeder, SeederError> {
        Seeder::start_with(config, Arc::default()).await
    }

    /// As [`Seeder::start`], and reports its state to `health`.
    ///
    /// # Errors
    /// As [`Seeder::start`].
    pub async fn start_with(config: SeederConfig, health: Arc<Health>) -> Result<Seeder, SeederError> {
        if let Some(folder) = config.identity.as_deref().and_then(Path::parent) {
            make_private_folder(folder)
                .map_err(|source| SeederError::Folder { path: folder.to_owned(), source })?;
        }
        let key = config.sign.as_deref().map(SecretKey::load).transpose()?.map(Arc::new);
        // Before anybody hears that we are here. A key that is made below is claimed afterwards.
        let claimed = config.identity.as_deref().filter(|key| key.exists()).map(claim).transpose()?;
        // Before the node listens: with a wrong root there is then nothing to take down.
        if let Some(root) = &config.root {
            std::fs::read_dir(root).map_err(|source| SeederError::Folder { path: root.clone(), source })?;
        }
        let atlas = match &config.atlas_auto {
            Some(auto) => last_good(auto).await,
            None => load_atlas(&config).await?,
        };
        let version = atlas.as_ref().map_or(0, |atlas| atlas.version());
        health.atlas_version.store(version, Relaxed);
        let node = Node::start(NodeConfig { atlas, ..config.node() }).await?;
        let identity = match (claimed, config.identity.as_deref()) {
            (None, Some(made)) => match claim(made) {
                Ok(claim) => Some(claim),
                Err(error) => {
                    node.shutdown(Duration::ZERO).await;
                    return Err(error);
                }
            },
            (claimed, _) => claimed,
        };
        health.set_node(node.clone());
        let listened = node.addresses();
        let in_links = if config.link_addresses.is_empty() { &listened } else { &config.link_addresses };
        if let Some(warning) = undialled(in_links) {
            tracing::warn!("{warning}");
        }
        let following = follow(&config, &node, version, &health);
        let (orders, orders_seen) = watch::channel(Orders::of(&config));
        let (news, news_seen) = mpsc::channel(NEWS_WAITING_MAX);
        let keeper = match config.root {
            Some(root) => {
                let keeper = Keeper {
                    node: node.clone(),
                    root: Root::new(root.clone()),
                    folders: Folders::new(),
                    catalogue: Catalogue::new(root.clone()),
                    publishing: config.publish.then(|| Publishing::new(config.hidden, key)),
                    health: health.clone(),
                    orders: orders_seen,
                    news,
                    looks_done: 0,
                };
                match keeper.begin().await {
                    Ok(keeper) => {
                        let keeping = node.vital().guard("What looks at the root", keeper.run());
                        Some(tokio::spawn(keeping))
                    }
                    Err(source) => {
                        node.shutdown(Duration::ZERO).await;
                        return Err(SeederError::Folder { path: root, source });
                    }
                }
            }
            None => {
                health.scanned.store(true, Relaxed);
                None
            }
        };
        Ok(Seeder { node, health, orders, keeper, following, news: Some(news_seen), _identity: identity })
    }

    /// The addresses it listens on, each ending in `/p2p/ID`.
    pub fn addresses(&self) -> Vec<Address> {
        self.node.addresses()
    }

    /// The node, for its counters.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The contents published from now on. `None`: already taken.
    pub fn news(&mut self) -> Option<mpsc::Receiver<Published>> {
        self.news.take()
    }

    /// Serves one more content from any place; `root` is the folder that contains its data.
    ///
    /// # Errors
    /// If its data is missing or has other sizes, or if the node is full or stopped.
    pub async fn share(&self, manifest: Arc<Manifest>, root: PathBuf) -> Result<ContentId, SeederError> {
        Ok(self.node.share(Share { manifest, root }).await?.content)
    }

    /// Applies the settings that can change at run time: rates, caps, the atlas, the time between
    /// scans, addresses in links. Scans the root at once.
    ///
    /// # Errors
    /// A setting that is out of range, or a problem of the atlas; then nothing changes.
    pub async fn apply(&self, config: &SeederConfig) -> Result<(), SeederError> {
        config.node().policy()?;
        if let Some(atlas) = load_atlas(config).await? {
            self.health.atlas_version.store(atlas.version(), Relaxed);
            self.node.set_atlas(atlas).await;
        }
        self.node.limit(config.up, None).await;
        self.node.set_caps(config.connections_max, config.caps).await?;
        self.orders.send_modify(|orders| {
            let looks_wanted = orders.looks_wanted + 1;
            *orders = Orders { looks_wanted, stop: orders.stop, ..Orders::of(config) };
        });
        Ok(())
    }

    /// Accepts no new requests, finishes the runs being sent (within `grace`), saves state and ends
    /// every task.
    pub async fn stop(self, grace: Duration) {
        self.orders.send_modify(|orders| orders.stop = true);
        if let Some(keeper) = self.keeper {
            // A scan in progress changes no state that still matters; do not wait for a slow disk.
            keeper.abort();
        }
        if let Some(following) = self.following {
            following.finish(Duration::ZERO).await;
        }
        self.node.shutdown(grace).await;
    }
}

/// Claims the key of this seeder's identity for this process alone.
fn claim(identity: &Path) -> Result<Claim, SeederError> {
    let folder = |source| SeederError::Folder { path: identity.to_owned(), source };
    Claim::of(identity).map_err(folder)?.ok_or_else(|| SeederError::IdentityInUse(identity.to_owned()))
}

/// Loads the configured atlas on a blocking thread, as decompressing and checking it takes a
/// moment.
async fn load_atlas(config: &SeederConfig) -> Result<Option<Arc<Atlas>>, SeederError> {
    let Some(path) = config.atlas.clone() else { return Ok(None) };
    let loading = tokio::task::spawn_blocking(move || atlas::load(&path));
    // This fails only while the runtime shuts down.
    Ok(loading.await.ok().transpose()?)
}

impl Orders {
    fn of(config: &SeederConfig) -> Orders {
        let link_addresses = config.link_addresses.clone();
        Orders { rescan: config.rescan, link_addresses, looks_wanted: 0, stop: false }
    }
}

/// The last good atlas. A missing or damaged atlas is no reason not to serve.
async fn last_good(auto: &AtlasAuto) -> Option<Arc<Atlas>> {
    let cache = Cache::new(auto.folder.clone(), &auto.key);
    match tokio::task::spawn_blocking(move || cache.load()).await {
        Ok(Ok(atlas)) => atlas,
        Ok(Err(error)) => {
            tracing::warn!("{error}; going on without an atlas until a good one comes");
            None
        }
        // The runtime shuts down.
        Err(_) => None,
    }
}

/// Starts to follow newer atlases, if configured, and to announce them to peers that ask.
fn follow(config: &SeederConfig, node: &Node, version: u64, health: &Arc<Health>) -> Option<Following> {
    let AtlasAuto { key, folder, age_max } = config.atlas_auto.clone()?;
    let known = Known { directories: config.node().trackers, ..Known::default() };
    let cache = Cache::new(folder, &key);
    let following = Follow { node: node.clone(), cache, key, known, version, age_max }.start();
    let handing = hand_on(following.news(), node.clone(), health.clone());
    tokio::spawn(node.vital().guard("What tells of atlases", handing));
    Some(following)
}

async fn hand_on(mut news: watch::Receiver<Option<News>>, node: Node, health: Arc<Health>) {
    while news.changed().await.is_ok() {
        let Some(News { atlas, link }) = news.borrow_and_update().clone() else { continue };
        health.atlas_version.store(atlas.version(), Relaxed);
        let link = Magnet { addresses: link_addresses(&node.addresses()), ..link };
        let offer = AtlasOffer { version: atlas.version(), link: link.to_string() };
        if let Some(directory) = node.directory()
            && let Err(error) = directory.offer_atlas(offer)
        {
            tracing::warn!("{error}");
        }
    }
}
