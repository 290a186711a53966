//! The tracker: a node that is a directory, and the tasks around it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nearcast_core::{
    atlas::{Atlas, AtlasBuilder, AtlasError},
    config::ConfigError,
};
use nearcast_node::{
    Node,
    address::Address,
    atlas::{self, AtlasFileError},
    config::NodeConfig,
    directory::Directory,
    error::StartError,
    vital::Vital,
};
use nearcast_service::{
    cli::{EXIT_AUTH, EXIT_BAD_OPTION, EXIT_IO, EXIT_NETWORK, exit_of_start, start_error_in_words},
    state::make_private_folder,
};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cartographer::{Cartographer, Current},
    config::{TrackerConfig, state_folder_hint},
    database::{Database, DatabaseError, Found},
    feeds::live::{Live, LiveError},
    health::{Health, counted},
    publishing::{Publisher, PublishingError},
    saving::{self, Saving},
};

/// The saved entries, in the state folder.
const DATABASE: &str = "directory.redb";
/// Exit code for a damaged file, as in `nearcast`.
const EXIT_CHECKSUM: u8 = 32;

/// A tracker could not start. Nothing was left behind but its state folder.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// The state folder cannot be made.
    #[error("cannot use {}: {source}{}", path.display(), instead(path))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The atlas is unusable.
    #[error(transparent)]
    Atlas(#[from] AtlasFileError),
    /// The saved entries can be neither read nor written.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The live feeds cannot start.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// Atlases cannot be published.
    #[error(transparent)]
    Publishing(#[from] PublishingError),
    /// The node did not start.
    #[error("{}", start_error_in_words(.0))]
    Start(#[from] StartError),
    /// The runtime shuts down.
    #[error("stopped while starting")]
    Stopped,
}

impl TrackerError {
    /// The exit code of the program.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            TrackerError::Folder { .. } | TrackerError::Database(_) => EXIT_IO,
            TrackerError::Atlas(AtlasFileError::Unreadable { .. }) => EXIT_IO,
            TrackerError::Atlas(AtlasFileError::Bad { source: AtlasError::NotAnAtlas, .. }) => {
                EXIT_BAD_OPTION
            }
            TrackerError::Atlas(AtlasFileError::Bad { .. }) => EXIT_CHECKSUM,
            TrackerError::Live(LiveError::Bmp { .. }) => EXIT_NETWORK,
            TrackerError::Live(LiveError::Updates { .. }) => EXIT_IO,
            TrackerError::Publishing(PublishingError::Key(_)) => EXIT_AUTH,
            TrackerError::Publishing(_) => EXIT_IO,
            TrackerError::Start(error) => exit_of_start(error),
            TrackerError::Stopped => 1,
        }
    }
}

/// A hint about a folder that cannot be used.
fn instead(folder: &Path) -> String {
    state_folder_hint(folder).map_or_else(String::new, |hint| format!("; {hint}"))
}

/// Why a reload was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The atlas is unusable; the one in use stays.
    #[error(transparent)]
    Atlas(#[from] AtlasFileError),
    /// The atlas knows less than the one in use, which stays.
    #[error("{} stays unused: {why}; a restart takes it all the same", path.display())]
    Less {
        /// The file.
        path: PathBuf,
        /// What the atlas lacks.
        why: String,
    },
}

/// A running tracker.
pub struct Tracker {
    node: Node,
    config: TrackerConfig,
    atlases: watch::Sender<Option<Current>>,
    interval: watch::Sender<Duration>,
    /// The live feeds, if there are any.
    live: Option<Arc<Live>>,
    saving: Option<Saving>,
    save_interval: watch::Sender<Duration>,
    /// Changes in files named by settings at the last reload, not reported yet.
    changes: Vec<String>,
    /// The version of the atlas file that was read last.
    loaded: Option<u64>,
    /// Tasks that end at once when told to.
    tasks: Vec<JoinHandle<Option<()>>>,
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").field("peer", &self.node.peer_id()).finish_non_exhaustive()
    }
}

impl Tracker {
    /// Starts the node and everything around it. Returns when the saved entries are restored.
    /// Reports its state to `health`.
    ///
    /// # Errors
    /// See [`TrackerError`].
    pub async fn start_with(config: TrackerConfig, health: Arc<Health>) -> Result<Tracker, TrackerError> {
        let folder = &config.state_dir;
        make_private_folder(folder)
            .map_err(|source| TrackerError::Folder { path: folder.clone(), source })?;
        let atlas = load(config.atlas.clone()).await?;
        let (database, found) = open(folder.join(DATABASE)).await?;
        saving::say(&found);
        let node = Node::start(NodeConfig { atlas: atlas.clone(), ..config.node() }).await?;
        match Tracker::around(node.clone(), database, config, atlas, health).await {
            Ok(tracker) => Ok(tracker),
            Err(error) => {
                node.shutdown(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    async fn around(
        node: Node,
        database: Database,
        config: TrackerConfig,
        atlas: Option<Arc<Atlas>>,
        health: Arc<Health>,
    ) -> Result<Tracker, TrackerError> {
        let publisher = config.signing_key.as_deref();
        let publisher = publisher
            .map(|key| Publisher::new(node.clone(), key, config.state_dir.join("atlas")))
            .transpose()?;
        let live = listen(&config, atlas.as_ref()).await?;
        if let Some(live) = &live {
            health.set_live(live.clone());
        }
        health.set_node(node.clone());
        let (save_interval, save_interval_seen) = watch::channel(config.save_interval);
        let saving = match node.directory() {
            Some(directory) => {
                let database = restore(database, directory.clone(), &health).await?;
                {
                    let (known, health) = (directory.clone(), health.clone());
                    Some(Saving::start(database, known, health, save_interval_seen, node.vital()))
                }
            }
            None => None,
        };
        let loaded = atlas.as_ref().map(|atlas| atlas.version());
        let (atlases, atlases_seen) = watch::channel(atlas.map(|atlas| Current { atlas, loaded: true }));
        let (interval, interval_seen) = watch::channel(config.atlas_interval);
        let cartographer = Cartographer {
            node: node.clone(),
            health,
            publisher,
            atlases: atlases_seen,
            interval: interval_seen,
        };
        let vital = node.vital();
        let mut tasks = vec![tokio::spawn(vital.guard("What puts atlases to use", cartographer.run()))];
        if let Some(live) = &live {
            let handing = hand_on(live.subscribe(), atlases.clone());
            tasks.push(tokio::spawn(vital.guard("What hands on atlases", handing)));
        }
        Ok(Tracker {
            node,
            config,
            atlases,
            interval,
            live,
            saving,
            save_interval,
            changes: Vec::new(),
            loaded,
            tasks,
        })
    }

    /// The addresses it listens on, each ending in `/p2p/ID`.
    pub fn addresses(&self) -> Vec<Address> {
        self.node.addresses()
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The essential tasks.
    pub fn vitals(&self) -> Vec<Vital> {
        let live = self.live.iter().map(|live| live.vital());
        live.chain([self.node.vital()]).cloned().collect()
    }

    /// Applies the settings that can change at run time, and reads the atlas again.
    ///
    /// # Errors
    /// What is wrong; then nothing changes.
    pub async fn apply(&mut self, config: &TrackerConfig) -> Result<(), ApplyError> {
        config.node().policy()?;
        let atlas = match load(config.atlas.clone()).await {
            Ok(atlas) => atlas,
            Err(TrackerError::Atlas(error)) => return Err(error.into()),
            // The runtime shuts down.
            Err(_) => None,
        };
        if let (Some(path), Some(atlas)) = (&config.atlas, &atlas) {
            self.compare(path, atlas)?;
        }
        self.node.set_caps(config.connections_max, config.caps).await?;
        self.node.limit(config.up, None).await;
        self.interval.send_replace(config.atlas_interval);
        self.save_interval.send_replace(config.save_interval);
        if let Some(directory) = self.node.directory() {
            directory.set_admission(config.admission());
        }
        self.changes.extend(config.admitted.change_since(&self.config.admitted));
        self.take_atlas(atlas);
        self.config = config.clone();
        Ok(())
    }

    /// Changes in files named by settings since the last call.
    pub fn take_changes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changes)
    }

    /// Checks that an atlas may replace the one in use. With live feeds every atlas passes, as it
    /// is then not used.
    fn compare(&self, path: &Path, atlas: &Atlas) -> Result<(), ApplyError> {
        let current = self.atlases.borrow();
        let Some(current) = current.as_ref().filter(|_| self.live.is_none()) else { return Ok(()) };
        let why = if atlas.knows_nobody() && !current.atlas.knows_nobody() {
            "it knows the AS of no address".to_owned()
        } else if let Some(loss) = atlas.counts().loss_since(&current.atlas.counts()) {
            format!("it is far smaller than the one in use: {loss}")
        } else {
            return Ok(());
        };
        Err(ApplyError::Less { path: path.to_owned(), why })
    }

    fn take_atlas(&mut self, atlas: Option<Arc<Atlas>>) {
        let Some(atlas) = atlas else { return };
        let used = self.atlases.borrow().as_ref().map(|current| current.atlas.version());
        if used == Some(atlas.version()) {
            return;
        }
        if self.live.is_some() {
            // The file is the base under the live routes, and is read into it only at a start.
            if self.loaded.replace(atlas.version()) != Some(atlas.version()) {
                tracing::info!("routes are told by feeds: another --atlas takes a restart");
            }
            return;
        }
        self.changes.push(format!("atlas (version {} instead of {})", atlas.version(), used.unwrap_or(0)));
        self.atlases.send_replace(Some(Current { atlas, loaded: true }));
    }

    /// Accepts no new connections, saves the directory, says goodbye and ends every task.
    pub async fn stop(self, grace: Duration) {
        // This cannot be out of range: it only lowers the number of connections.
        let _ = timeout(grace, self.node.set_caps(0, self.config.caps)).await;
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Some(live) = self.live {
            live.end().await;
        }
        if let Some(saving) = self.saving
            && timeout(grace, saving.stop()).await.is_err()
        {
            tracing::warn!("who is known was not written down in time; what was written before is kept");
        }
        self.node.shutdown(grace).await;
    }
}

/// Opens the database on a blocking thread.
async fn open(path: PathBuf) -> Result<(Database, Found), TrackerError> {
    let opened = tokio::task::spawn_blocking(move || Database::open(&path)).await;
    Ok(opened.map_err(|_| TrackerError::Stopped)??)
}

/// Restores the saved entries.
async fn restore(
    mut database: Database,
    directory: Directory,
    health: &Health,
) -> Result<Database, TrackerError> {
    let restored = tokio::task::spawn_blocking(move || {
        let tally = saving::restore(&mut database, &directory)?;
        Ok::<_, DatabaseError>((database, tally))
    });
    let (database, tally) = restored.await.map_err(|_| TrackerError::Stopped)??;
    if tally.contents > 0 {
        tracing::info!(
            "known from before: {}, of {}",
            counted(tally.members, "announcement by a peer", "announcements by peers"),
            counted(tally.contents, "content", "contents")
        );
    }
    health.on_restored(tally);
    Ok(database)
}

/// Starts the live feeds, if there are any.
async fn listen(config: &TrackerConfig, atlas: Option<&Arc<Atlas>>) -> Result<Option<Arc<Live>>, LiveError> {
    if !config.has_feeds() {
        return Ok(None);
    }
    let base = atlas.cloned().unwrap_or_else(|| Arc::new(AtlasBuilder::new(0).build()));
    let live = Live::start(config.live.clone(), base, &CancellationToken::new()).await?;
    if let Some(address) = live.bmp_address() {
        tracing::info!("routers may connect to {address} (BMP)");
    }
    Ok(Some(Arc::new(live)))
}

/// Hands on each atlas made from live routes.
async fn hand_on(mut made: watch::Receiver<Arc<Atlas>>, atlases: watch::Sender<Option<Current>>) {
    while made.changed().await.is_ok() {
        let atlas = made.borrow_and_update().clone();
        atlases.send_replace(Some(Current { atlas, loaded: false }));
    }
}

/// Reads an atlas on a blocking thread.
async fn load(path: Option<PathBuf>) -> Result<Option<Arc<Atlas>>, TrackerError> {
    let Some(path) = path else { return Ok(None) };
    let loaded = tokio::task::spawn_blocking(move || atlas::load(&path)).await;
    Ok(Some(loaded.map_err(|_| TrackerError::Stopped)??))
}
