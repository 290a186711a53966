//! A node as its owner sees it: start, fetch, share, stop. No libp2p types.

use std::{sync::Arc, time::Duration};

use libp2p::multiaddr::Protocol;
use nearcast_core::{atlas::Atlas, config::ConfigError, id::ContentId};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    address::Address,
    atlas_offers::AtlasOffers,
    command::{Command, DownloadParts},
    config::{Caps, NodeConfig},
    dht::{Dht, DhtStats, Keeper},
    directory::{Directory, DirectoryConfig},
    download::{DISKS_END_MAX, Download, say_abandoned, why_stopped},
    driver::{Driver, DriverParts, pilot},
    durations::{Durations, Measured},
    error::{DownloadError, ShareError, StartError},
    fetch::{Fetch, Share, Shared},
    giving::Givings,
    listed::Listed,
    nearness::{Nearness, Outlook},
    net::{Network, NetworkConfig, dht::DhtConfig, identity},
    open_files::{self, Budget},
    pulse::Pulse,
    referrals::Referrals,
    resolve,
    store::Workers,
    totals::Totals,
    vital::{Failure, Vital},
    wire,
};

/// Commands queued for the driver.
const COMMANDS_WAITING_MAX: usize = 256;
/// How long the tasks of a failed node may take to end.
const FAILED_GRACE: Duration = Duration::from_secs(1);
/// The least time for the rest of a shutdown, after the time for the disks. Connections say goodbye
/// for 4 s.
const REST_END_MAX: Duration = Duration::from_secs(5);

/// A running node. Clones share it. It ends at [`Node::shutdown`].
#[derive(Clone)]
pub struct Node {
    commands: mpsc::Sender<Command>,
    network: Network,
    directory: Option<Directory>,
    /// Other directories that are asked. `None`: this node takes no part in their hash table.
    referrals: Option<Referrals>,
    totals: watch::Receiver<Totals>,
    atlas_offers: watch::Receiver<AtlasOffers>,
    workers: Workers,
    tasks: TaskTracker,
    pulse: Pulse,
    measured: Measured,
    vital: Vital,
    /// Ends what the hash table does in the background.
    dht_stop: CancellationToken,
}

impl Node {
    /// Starts to listen, and starts every task.
    ///
    /// # Errors
    /// If an address cannot be listened on or the identity cannot be read. Nothing is left behind.
    pub async fn start(config: NodeConfig) -> Result<Node, StartError> {
        let keypair = match &config.identity {
            Some(path) => identity::load_or_create(path)?,
            None => identity::generate(),
        };
        let listen = config.listen.iter().map(|address| address.0.clone()).collect();
        let policy = config.policy().map_err(|error| StartError::Network(error.to_string()))?;
        let flight = config.flight.as_deref().map(pilot::create).transpose()?;
        let vital = Vital::default();
        let budget = open_files::claim(config.connections_max);
        let seed = config.seed.map_or_else(getrandom::u64, Ok);
        let seed = seed.map_err(|error| StartError::Network(error.to_string()))?;
        let dht = dht_config(&config, seed);
        let defaults = NetworkConfig { dht, ..NetworkConfig::new(keypair, listen) };
        let network_config = network_config(defaults, &config, &budget, &vital);
        let protocols = vec![wire::EXCHANGE, wire::DATA, wire::MANIFEST, wire::DIRECTORY];
        let (network, net_events, inbound) = Network::start(network_config, protocols).await?;
        let workers = Workers::for_this_machine(vital.clone())
            .map_err(|error| StartError::Network(error.to_string()))?;
        let (commands, command_queue) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (totals, totals_seen) = watch::channel(Totals::default());
        let (atlas_offers, atlas_offers_seen) = watch::channel(AtlasOffers::default());
        let directory = directory(&config, seed);
        let trackers: Vec<_> = config.trackers.iter().map(|address| address.0.clone()).collect();
        let trackers = resolve::addresses(&trackers, resolve::LOOKUP_TIMEOUT).await.found;
        let tasks = TaskTracker::new();
        let (pulse, measured) = (Pulse::default(), Measured::default());
        let nearness = locate(&config, &network, &vital).await;
        let dht_stop = CancellationToken::new();
        let referrals = begin_dht(&config, (&network, &directory), (seed, &vital), (&tasks, &dht_stop));
        let mut driver = Driver::new(DriverParts {
            nearness: Some(nearness),
            flight,
            config,
            policy,
            budget,
            seed,
            pulse: pulse.clone(),
            measured: measured.clone(),
            vital: vital.clone(),
            network: network.clone(),
            directory: directory.clone(),
            referrals: referrals.clone(),
            trackers,
            atlas_offers,
            net_events,
            inbound,
            commands: command_queue,
            totals,
            workers: workers.clone(),
            tasks: tasks.clone(),
        });
        // Whoever asks for totals before the loop has gone round gets true ones.
        driver.report_totals();
        tasks.spawn(vital.guard("The node's loop", driver.run()));
        Ok(Node {
            commands,
            network,
            directory,
            referrals,
            totals: totals_seen,
            atlas_offers: atlas_offers_seen,
            workers,
            tasks,
            pulse,
            measured,
            vital,
            dht_stop,
        })
    }

    /// Our peer id.
    pub fn peer_id(&self) -> String {
        self.network.local_peer().to_string()
    }

    /// The addresses we listen on, each with our peer id.
    pub fn addresses(&self) -> Vec<Address> {
        let peer = self.network.local_peer();
        let listen = self.network.listen_addresses();
        listen.into_iter().map(|address| Address(address.with(Protocol::P2p(peer)))).collect()
    }

    /// Begins a download and returns at once. While existing files are checked, the phase of its
    /// progress says so.
    ///
    /// # Errors
    /// If this node takes part in the content already, or has stopped.
    pub async fn fetch(&self, fetch: Fetch) -> Result<Download, DownloadError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Fetch { fetch: Box::new(fetch), reply };
        let parts = match self.commands.send(command).await {
            Ok(()) => answer.await.ok(),
            Err(_) => None,
        };
        let Some(parts) = parts else { return Err(why_stopped(&self.vital).await) };
        Ok(self.handle_of(parts?))
    }

    fn handle_of(&self, parts: DownloadParts) -> Download {
        let (commands, workers) = (self.commands.clone(), self.workers.clone());
        Download { parts, commands, workers, vital: self.vital.clone() }
    }

    /// What this node downloads and serves at the moment, in the order in which it was begun. Empty
    /// if the node has stopped.
    ///
    /// ```
    /// # async fn show(node: &nearcast_node::Node) {
    /// for one in node.downloads().await {
    ///     println!("{} {:?}: {} of {} bytes", one.content, one.state, one.bytes_have, one.bytes_total);
    /// }
    /// # }
    /// ```
    pub async fn downloads(&self) -> Vec<Listed> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::List { reply }).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// Another handle to a download that was begun with [`Node::fetch`]. `None`: this node downloads
    /// no such content, or has stopped.
    ///
    /// ```
    /// # use nearcast_node::Node;
    /// # async fn pause_all(node: &Node) {
    /// for one in node.downloads().await {
    ///     if let Some(download) = node.download(one.content).await {
    ///         download.pause().await;
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn download(&self, content: ContentId) -> Option<Download> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Find { content, reply }).await.ok()?;
        Some(self.handle_of(answer.await.ok()??))
    }

    /// Serves complete data. Sizes are checked now, bytes each time they are read.
    ///
    /// # Errors
    /// If data is missing or of another size, or too many contents are open.
    pub async fn share(&self, share: Share) -> Result<Shared, ShareError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Share { share, reply }).await.map_err(|_| ShareError::Stopped)?;
        answer.await.map_err(|_| ShareError::Stopped)?
    }

    /// Stops serving a content.
    pub async fn unshare(&self, content: ContentId) {
        // A node that has stopped serves nothing.
        let _ = self.commands.send(Command::Unshare { content }).await;
    }

    /// Replaces the limits on all bytes sent and received, in bytes per second. `None`: no limit.
    pub async fn limit(&self, up: Option<u64>, down: Option<u64>) {
        // A node that has stopped moves nothing.
        let _ = self.commands.send(Command::Limit { up, down }).await;
    }

    /// Replaces the caps on connections (in total), contents and networks. What exceeds a cap is
    /// not cut off, but nothing is added to it.
    ///
    /// # Errors
    /// The error names the setting that is out of range; then nothing is changed.
    pub async fn set_caps(&self, connections_max: u32, caps: Caps) -> Result<(), ConfigError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Cap { connections_max, caps, reply };
        if self.commands.send(command).await.is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        // A node that has stopped makes no connections.
        Ok(())
    }

    /// Replaces the atlas. Peers met from now on are placed by it.
    pub async fn set_atlas(&self, atlas: Arc<Atlas>) {
        if let Some(directory) = &self.directory {
            directory.set_atlas(atlas.clone());
            self.network.set_atlas(atlas.clone());
        }
        // A node that has stopped meets no peers.
        let _ = self.commands.send(Command::Atlas(atlas)).await;
    }

    /// The directory that this node runs. `None`: it runs none; see [`NodeConfig::directory`].
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// What the hash table among directories did, and what it holds. `None`: this node takes no
    /// part in it.
    pub fn dht(&self) -> Option<DhtStats> {
        self.referrals.as_ref().map(|_| self.network.dht_stats())
    }

    /// The offers of directories, of atlases that were newer than ours at the time. Empty unless
    /// [`NodeConfig::hear_of_atlases`] is set. Any directory may offer anything: the atlas behind a
    /// link must be signed by a trusted publisher.
    pub fn atlas_offers(&self) -> watch::Receiver<AtlasOffers> {
        self.atlas_offers.clone()
    }

    /// The time since the node's loop last ran. Much more than a second means that the loop hangs.
    pub fn pulse_age(&self) -> Duration {
        self.pulse.age()
    }

    /// Waits until a part fails that this node cannot go on without. The owner should end the node
    /// then: it neither receives nor sends any more. Methods of a failed node do not wait for what
    /// will not come.
    pub async fn failed(&self) -> Failure {
        self.vital.failed().await
    }

    /// The tasks that this node cannot go on without. The owner can watch tasks of its own together
    /// with them.
    pub fn vital(&self) -> &Vital {
        &self.vital
    }

    /// The threads that use the disks.
    #[cfg(test)]
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Makes the loop fail.
    #[cfg(test)]
    pub(crate) async fn fail(&self) {
        self.commands.send(Command::Fail).await.expect("the loop runs");
    }

    /// Totals over all contents, updated several times a second.
    pub fn totals(&self) -> watch::Receiver<Totals> {
        self.totals.clone()
    }

    /// The busiest contents, at most `max`, and what was sent of each. `None`: the node's loop has
    /// ended.
    pub async fn givings(&self, max: usize) -> Option<Givings> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Givings { max, reply }).await.ok()?;
        answer.await.ok()
    }

    /// How long the reads of sent runs took, from the request for a run until it is verified in
    /// memory.
    pub fn disk_reads(&self) -> Durations {
        self.measured.reads().durations()
    }

    /// How long interested neighbours waited until they were served. Neighbours still waiting are
    /// not included.
    pub fn slot_waits(&self) -> Durations {
        self.measured.waits().durations()
    }

    /// Finishes the runs being sent (for at most `grace`), saves what was received, and ends every
    /// task. Waits half a minute for a disk that does not answer. What is left then is abandoned,
    /// and a warning is logged.
    pub async fn shutdown(&self, grace: Duration) {
        self.shutdown_within(grace, DISKS_END_MAX).await;
    }

    /// As [`Node::shutdown`], with another time for disks in addition to `grace`.
    pub(crate) async fn shutdown_within(&self, grace: Duration, disks: Duration) {
        let until = Instant::now() + grace + disks;
        self.dht_stop.cancel();
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
            // The loop that tells the other tasks to end is gone. Some tasks may wait for it for
            // ever.
            Some(_) => _ = timeout(FAILED_GRACE, self.tasks.wait()).await,
        }
        let workers = self.workers.clone();
        // Joins threads, so it must not run on a thread of the runtime. Fails only if the runtime
        // ends.
        let joining = tokio::task::spawn_blocking(move || workers.shut_down());
        say_abandoned("a disk thread", &timeout_at(rest(), joining).await);
    }
}

/// The settings of the network: what the user wants, as far as the open files suffice.
fn network_config(
    defaults: NetworkConfig,
    config: &NodeConfig,
    budget: &Budget,
    vital: &Vital,
) -> NetworkConfig {
    NetworkConfig {
        connections_max: budget.connections_max(config.connections_max),
        connections_per_prefix_max: config.connections_per_prefix_max(),
        pending_inbound_max: budget.pending_inbound_max,
        waiting_inbound_max: budget.waiting_inbound_max,
        pending_outbound_max: budget.pending_outbound_max,
        vital: vital.clone(),
        listen_may_move: config.listen_may_move,
        is_service: config.origin || config.directory.is_some(),
        ..defaults
    }
}

/// The directory that this node runs: the one that the user wants, or an origin's own.
fn directory(config: &NodeConfig, seed: u64) -> Option<Directory> {
    let of_own = config.origin.then(DirectoryConfig::default);
    let directory = config.directory.clone().or(of_own);
    directory.map(|wanted| Directory::new(wanted, seed.rotate_left(32), config.atlas.clone()))
}

/// The hash table of this node. `None`: the user wants none, or the node is no directory.
fn dht_config(config: &NodeConfig, seed: u64) -> Option<DhtConfig> {
    let takes_part = config.dht && (config.origin || config.directory.is_some());
    takes_part.then(|| DhtConfig { seed: seed.rotate_left(8), atlas: config.atlas.clone() })
}

/// Begins to keep the hash table of a directory filled. `None`: there is none.
fn begin_dht(
    config: &NodeConfig,
    (network, directory): (&Network, &Option<Directory>),
    (seed, vital): (u64, &Vital),
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Option<Referrals> {
    let directory = directory.clone().filter(|_| config.dht)?;
    let dht = Dht::new(network.clone());
    let keeper = Keeper {
        dht: dht.clone(),
        directory: directory.clone(),
        // A tracker that is told of our contents is a directory as well.
        join: config.join.iter().chain(&config.trackers).map(|address| address.0.clone()).collect(),
        file: config.known_directories.clone(),
        seed: seed.rotate_left(16),
        vital: vital.clone(),
    };
    let (kept, stopped) = (vital.guard("What keeps the hash table", keeper.run()), stop.clone());
    tasks.spawn(async move { stopped.run_until_cancelled(kept).await });
    let parts = (dht, network.clone(), directory);
    Some(Referrals::new(parts, seed.rotate_left(48), tasks.clone(), stop.clone()))
}

/// Finds out where we are. Searches the atlas on a blocking thread, before the first peer is met.
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
