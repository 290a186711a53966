//! The node as its users see it: start, fetch, share, stop. No libp2p types.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use libp2p::multiaddr::Protocol;
use nearcast_core::{
    atlas::Atlas,
    config::ConfigError,
    id::{ContentId, ContentKey},
    magnet::Magnet,
    manifest::Manifest,
    signature::PublisherKey,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, error::Elapsed, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;

use crate::{
    address::Address,
    atlas_offers::AtlasOffers,
    config::{Caps, NodeConfig, SeedGoal},
    directory::{Directory, DirectoryConfig},
    driver::{Command, Driver, DriverParts},
    durations::{Durations, Measured},
    error::{DownloadError, ShareError, StartError},
    giving::Givings,
    nearness::{Nearness, Outlook},
    net::{Network, NetworkConfig, identity},
    open_files,
    progress::{Progress, Summary},
    pulse::Pulse,
    resolve,
    store::Workers,
    vital::{Failure, Vital},
    wire,
};
pub use crate::{budget::BudgetUse, totals::Totals};

/// Commands that wait for the driver.
const COMMANDS_WAITING_MAX: usize = 256;
/// The tasks of a node that has failed may take so long to end.
const FAILED_GRACE: Duration = Duration::from_secs(1);
/// A disk that answers so late at the end does not answer: what waits for it is abandoned, and said. The slowest disks there
/// are make durable in it what a download may hold back, which is 64 MiB.
const DISKS_END_MAX: Duration = Duration::from_secs(30);
/// The rest of an end has so long at least, once the disks had their time: connections say goodbye for 4 s.
const REST_END_MAX: Duration = Duration::from_secs(5);
/// So long after its loop is gone a failure is told at the latest.
const FAILURE_TOLD: Duration = Duration::from_millis(100);

/// A running node. Clones share it. It ends at [`Node::shutdown`].
#[derive(Clone)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    network: Network,
    directory: Option<Directory>,
    totals: watch::Receiver<Totals>,
    atlas_offers: watch::Receiver<AtlasOffers>,
    workers: Workers,
    tasks: TaskTracker,
    pulse: Pulse,
    measured: Measured,
    vital: Vital,
}

/// What to download, and how.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The content.
    pub source: Source,
    /// The folder that gets the file or folder.
    pub folder: PathBuf,
    /// Replace what is there and differs.
    pub overwrite: bool,
    /// Files wanted, as glob patterns on their paths; empty = all.
    pub select: Vec<String>,
    /// Publishers one of whom must have signed it; empty = nobody must.
    pub signed_by: Vec<PublisherKey>,
    /// Peers to begin with.
    pub peers: Vec<Address>,
    /// HTTP servers that have the files (BEP 19), beside those that the source names. These may lie anywhere,
    /// the others only in the Internet.
    pub web_seeds: Vec<String>,
    /// Directories to ask.
    pub directories: Vec<Address>,
    /// Ask directories: those named, and neighbours that are directories of the content.
    pub ask_directories: bool,
    /// Learn of others from neighbours, and tell them.
    pub exchange_peers: bool,
    /// Try whoever says on the local network that it is there; see [`NodeConfig::lan`].
    pub find_on_lan: bool,
    /// How long to go on giving once all is here.
    pub seed: SeedGoal,
    /// Give up after this long without a source and without bytes.
    pub patience: Duration,
    /// How long a full disk is waited for; none = for ever.
    pub disk_wait: Option<Duration>,
    /// Contents that are larger are not downloaded; none = any size.
    pub bytes_max: Option<u64>,
    /// Where completed downloads are noted, so that they are known again at once; none = nowhere.
    pub state_dir: Option<PathBuf>,
}

/// Where a download begins.
#[derive(Clone, Debug)]
pub enum Source {
    /// A link: the manifest comes from peers.
    Magnet(Magnet),
    /// A manifest.
    Manifest(Arc<Manifest>),
}

/// Complete data to serve.
#[derive(Clone, Debug)]
pub struct Share {
    /// What it is.
    pub manifest: Arc<Manifest>,
    /// The folder that contains the content's file or folder. Never written to.
    pub root: PathBuf,
}

/// A content that is being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Its id.
    pub content: ContentId,
}

impl Node {
    /// Listens, and starts every task.
    ///
    /// # Errors
    /// If an address cannot be listened on or the identity cannot be read; nothing is left behind.
    pub async fn start(config: NodeConfig) -> Result<Node, StartError> {
        let keypair = match &config.identity {
            Some(path) => identity::load_or_create(path)?,
            None => identity::generate(),
        };
        let listen = config.listen.iter().map(|address| address.0.clone()).collect();
        let policy = config.policy().map_err(|error| StartError::Network(error.to_string()))?;
        let vital = Vital::default();
        let budget = open_files::claim(config.connections_max);
        let network_config = NetworkConfig {
            connections_max: budget.connections_max(config.connections_max),
            connections_per_prefix_max: config.connections_per_prefix_max(),
            pending_inbound_max: budget.pending_inbound_max,
            waiting_inbound_max: budget.waiting_inbound_max,
            pending_outbound_max: budget.pending_outbound_max,
            vital: vital.clone(),
            listen_may_move: config.listen_may_move,
            is_service: config.origin || config.directory.is_some(),
            ..NetworkConfig::new(keypair, listen)
        };
        let protocols = vec![wire::EXCHANGE, wire::DATA, wire::MANIFEST, wire::DIRECTORY];
        let (network, net_events, inbound) = Network::start(network_config, protocols).await?;
        let workers = Workers::for_this_machine(vital.clone())
            .map_err(|error| StartError::Network(error.to_string()))?;
        let seed = match config.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| StartError::Network(error.to_string()))?,
        };
        let (commands, command_queue) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (totals, totals_seen) = watch::channel(Totals::default());
        let (atlas_offers, atlas_offers_seen) = watch::channel(AtlasOffers::default());
        let of_own = config.origin.then(DirectoryConfig::default);
        let directory = config.directory.clone().or(of_own);
        let directory =
            directory.map(|wanted| Directory::new(wanted, seed.rotate_left(32), config.atlas.clone()));
        let trackers: Vec<_> = config.trackers.iter().map(|address| address.0.clone()).collect();
        let trackers = resolve::addresses(&trackers).await;
        let tasks = TaskTracker::new();
        let (pulse, measured) = (Pulse::default(), Measured::default());
        let nearness = locate(&config, &network, &vital).await;
        let driver = Driver::new(DriverParts {
            nearness: Some(nearness),
            config,
            policy,
            budget,
            seed,
            pulse: pulse.clone(),
            measured: measured.clone(),
            vital: vital.clone(),
            network: network.clone(),
            directory: directory.clone(),
            trackers,
            atlas_offers,
            net_events,
            inbound,
            commands: command_queue,
            totals,
            workers: workers.clone(),
            tasks: tasks.clone(),
        });
        tasks.spawn(vital.guard("The node's loop", driver.run()));
        Ok(Node {
            commands,
            network,
            directory,
            totals: totals_seen,
            atlas_offers: atlas_offers_seen,
            workers,
            tasks,
            pulse,
            measured,
            vital,
        })
    }

    /// Our peer id.
    pub fn peer_id(&self) -> String {
        self.network.local_peer().to_string()
    }

    /// Where we listen, each with our peer id.
    pub fn addresses(&self) -> Vec<Address> {
        let peer = self.network.local_peer();
        let listen = self.network.listen_addresses();
        listen.into_iter().map(|address| Address(address.with(Protocol::P2p(peer)))).collect()
    }

    /// Begins a download and returns at once; looking at what is there already shows as its phase.
    ///
    /// # Errors
    /// If this node takes part in that content already, or has stopped.
    pub async fn fetch(&self, fetch: Fetch) -> Result<Download, DownloadError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Fetch { fetch: Box::new(fetch), reply };
        let parts = match self.commands.send(command).await {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        let Some(parts) = parts else { return Err(why_stopped(&self.vital).await) };
        Ok(Download { parts: parts?, commands: self.commands.clone(), vital: self.vital.clone() })
    }

    /// Serves complete data. Sizes are checked now, bytes whenever they are read.
    ///
    /// # Errors
    /// If data is missing or of another size, or too many contents are open.
    pub async fn share(&self, share: Share) -> Result<Shared, ShareError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Share { share, reply }).await.map_err(|_| ShareError::Stopped)?;
        answer.await.map_err(|_| ShareError::Stopped)?
    }

    /// Serves a content no longer.
    pub async fn unshare(&self, content: ContentId) {
        // A node that has stopped serves nothing.
        let _ = self.commands.send(Command::Unshare { content }).await;
    }

    /// Sets other limits on all bytes sent and received, in bytes per second; none = no limit.
    pub async fn limit(&self, up: Option<u64>, down: Option<u64>) {
        // A node that has stopped moves nothing.
        let _ = self.commands.send(Command::Limit { up, down }).await;
    }

    /// Sets other caps, on connections (all together), contents and networks. What is over one is not cut
    /// off, but nothing is added to it.
    ///
    /// # Errors
    /// Names the setting that is out of range; then nothing is changed.
    pub async fn set_caps(&self, connections_max: u32, caps: Caps) -> Result<(), ConfigError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Cap { connections_max, caps, reply };
        if self.commands.send(command).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        // A node that has stopped connects to nobody.
        Ok(())
    }

    /// Goes by another atlas from now on: peers met later are placed by it.
    pub async fn set_atlas(&self, atlas: Arc<Atlas>) {
        if let Some(directory) = &self.directory {
            directory.set_atlas(atlas.clone());
        }
        // A node that has stopped meets nobody.
        let _ = self.commands.send(Command::Atlas(atlas)).await;
    }

    /// The directory this node is, if it is one; see [`NodeConfig::directory`].
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The atlases that directories offer, of those newer than ours when they were told; only if [`NodeConfig::hear_of_atlases`] is set.
    /// Anybody may offer anything: what is behind the link must be signed by somebody trusted.
    pub fn atlas_offers(&self) -> watch::Receiver<AtlasOffers> {
        self.atlas_offers.clone()
    }

    /// How long ago the node's loop went round: much more than a second means that it hangs.
    pub fn pulse_age(&self) -> Duration {
        self.pulse.age()
    }

    /// Waits until something without which this node cannot go on has failed. Whoever owns the node ends then: it neither
    /// receives nor gives any more, and no method of it waits for what will not come.
    pub async fn failed(&self) -> Failure {
        self.vital.failed().await
    }

    /// The tasks this node cannot do without. What its owner runs around it can be watched together with them.
    pub fn vital(&self) -> &Vital {
        &self.vital
    }

    /// The threads that touch disks.
    #[cfg(test)]
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Has the loop fail.
    #[cfg(test)]
    pub(crate) async fn fail(&self) {
        self.commands.send(Command::Fail).await.expect("the loop runs");
    }

    /// Sums over all contents, renewed several times a second.
    pub fn totals(&self) -> watch::Receiver<Totals> {
        self.totals.clone()
    }

    /// The busiest contents, at most `max`, and what was given of each. None if the node's loop has ended.
    pub async fn givings(&self, max: usize) -> Option<Givings> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Givings { max, reply }).await.ok()?;
        answer.await.ok()
    }

    /// How long it took to read what was sent, from the wish to its being verified in memory.
    pub fn disk_reads(&self) -> Durations {
        self.measured.reads().durations()
    }

    /// How long neighbours that wanted something waited until they were served. Who still waits is not in it.
    pub fn slot_waits(&self) -> Durations {
        self.measured.waits().durations()
    }

    /// Finishes the runs being sent (for at most `grace`), saves what was received, and ends every task. A disk that does not
    /// answer is waited for half a minute; what is then left is abandoned, and said in the log.
    pub async fn shutdown(&self, grace: Duration) {
        self.shutdown_within(grace, DISKS_END_MAX).await;
    }

    /// The same; what a disk does has so long, beyond `grace`.
    pub(crate) async fn shutdown_within(&self, grace: Duration, disks: Duration) {
        let until = Instant::now() + grace + disks;
        let rest = || until.max(Instant::now()) + REST_END_MAX;
        let (reply, done) = oneshot::channel();
        let driver = async {
            if self.commands.send(Command::Shutdown { grace, until, reply }).await.is_ok() {
                // An error means that the driver has ended already.
                let _ = done.await;
            }
        };
        say_abandoned("the node's loop", &timeout_at(rest(), driver).await);
        say_abandoned("connections", &timeout_at(rest(), self.network.shutdown()).await);
        self.tasks.close();
        match self.vital.failure() {
            None => say_abandoned("what waits for a disk", &timeout_at(rest(), self.tasks.wait()).await),
            // Who told the others to end is gone: some may wait for it for ever.
            Some(_) => _ = timeout(FAILED_GRACE, self.tasks.wait()).await,
        }
        let workers = self.workers.clone();
        // Joins threads: not on a thread of the runtime. It fails only if that goes down itself.
        let joining = tokio::task::spawn_blocking(move || workers.shut_down());
        say_abandoned("a disk thread", &timeout_at(rest(), joining).await);
    }
}

/// What did not end in time is left to the end of the process.
fn say_abandoned<T>(what: &str, ended: &Result<T, Elapsed>) {
    if ended.is_err() {
        tracing::warn!(
            "{what} did not end in time, as a disk that does not answer may have it; it is abandoned"
        );
    }
}

/// Why the driver no longer answers. It is gone a moment before its failure is told.
async fn why_stopped(vital: &Vital) -> DownloadError {
    match timeout(FAILURE_TOLD, vital.failed()).await {
        Ok(failure) => DownloadError::Failed(failure),
        Err(_) => DownloadError::Stopped,
    }
}

/// Finds out where we are. The atlas is looked through on a blocking thread, before the first peer is met.
async fn locate(config: &NodeConfig, network: &Network, vital: &Vital) -> Nearness {
    let told: Vec<_> = config.listen.iter().map(|address| address.0.clone()).collect();
    let mut nearness = Nearness::new(&told, &network.listen_addresses());
    if let Some(atlas) = config.atlas.clone() {
        let ours = nearness.ours().to_vec();
        let outlook = vital.blocking("What finds out where we are", move || Outlook::new(atlas, &ours));
        if let Some(outlook) = outlook.await {
            nearness.look_around(outlook);
        }
    }
    nearness
}

/// What a download's owner holds.
pub(crate) struct DownloadParts {
    pub(crate) content: ContentKey,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) manifest: watch::Receiver<Option<Arc<Manifest>>>,
    pub(crate) outcome: Option<oneshot::Receiver<Result<Summary, DownloadError>>>,
    pub(crate) seeded: watch::Receiver<bool>,
    pub(crate) cancelled: Arc<AtomicBool>,
}

/// A download under way. Dropping it does not stop it; [`Download::stop`] does.
pub struct Download {
    parts: DownloadParts,
    commands: mpsc::Sender<Command>,
    vital: Vital,
}

impl Download {
    /// How it goes, renewed several times a second.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.parts.progress.clone()
    }

    /// The manifest, once it is known.
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        self.parts.manifest.borrow().clone()
    }

    /// Waits until everything wanted is here, verified and durable. To be asked once.
    ///
    /// # Errors
    /// Why it ended without; see [`DownloadError`].
    pub async fn finished(&mut self) -> Result<Summary, DownloadError> {
        let Some(outcome) = &mut self.parts.outcome else { return Err(DownloadError::Stopped) };
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Err(why_stopped(&self.vital).await),
        }
    }

    /// Waits until the goal of giving is reached.
    pub async fn seeded(&mut self) {
        // An error means that the node has stopped: nothing more is given.
        let _ = self.parts.seeded.wait_for(|&seeded| seeded).await;
    }

    /// Leaves the swarm; what was received is durable when this returns, unless the disk does not answer for half a minute.
    pub async fn stop(self) {
        self.parts.cancelled.store(true, Ordering::Relaxed);
        let (reply, done) = oneshot::channel();
        let command = Command::Stop { content: self.parts.content, reply };
        let stopped = async {
            if self.commands.send(command).await.is_ok() {
                // An error means that the driver has ended already.
                let _ = done.await;
            }
        };
        say_abandoned("a download", &timeout(DISKS_END_MAX, stopped).await);
    }
}
