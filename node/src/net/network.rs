//! The handle through which the node uses its network.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, swarm::ConnectionId};
use nearcast_core::atlas::Atlas;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    NetEvent, NetworkConfig, Target,
    dht::{Counters, DhtStats, Order},
    streams::{InboundStream, OPEN_TIMEOUT, OpenError, OpenRequest},
    swarm,
};
use crate::{budget::Budget, error::StartError, repeats::Repeats};

/// Requests queued for the swarm's task.
const COMMANDS_WAITING_MAX: usize = 256;
/// Events queued for the node. The swarm waits while the queue is full.
const EVENTS_WAITING_MAX: usize = 1024;
/// How long a shutdown waits for connections to close politely before it cuts them.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// A request to the swarm's task.
#[derive(Debug)]
pub(crate) enum Command {
    Dial { token: u64, peer: Option<PeerId>, targets: Vec<Target> },
    Open { peer: PeerId, connection: ConnectionId, request: OpenRequest },
    Dht(Order),
}

/// Orders that must not be lost when the queue of commands is full. Sets, so that repeated orders
/// cost nothing. The connections there are, and the peers that misbehave, bound their size.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    waiting: Mutex<OrderSets>,
    pub(crate) given: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct OrderSets {
    pub(crate) close: BTreeSet<ConnectionId>,
    pub(crate) disconnect: BTreeSet<PeerId>,
    pub(crate) ban: BTreeSet<PeerId>,
    pub(crate) caps: Option<ConnectionCaps>,
    pub(crate) atlas: Option<Arc<Atlas>>,
}

/// The caps on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionCaps {
    pub(crate) connections_max: u32,
    pub(crate) per_prefix_max: u32,
}

/// Counts of what was refused, and the state of the log lines about it. The swarm's task counts;
/// others read.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pub(crate) streams: AtomicU64,
    pub(crate) streams_said: Repeats,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_said: Repeats,
    pub(crate) accepts_said: Repeats,
}

impl Orders {
    pub(crate) fn take(&self) -> OrderSets {
        std::mem::take(&mut *self.lock())
    }

    fn give(&self, order: impl FnOnce(&mut OrderSets)) {
        order(&mut self.lock());
        self.given.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, OrderSets> {
        // Sets stay sound after a panic elsewhere.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running network. Clones share it. It ends at [`Network::shutdown`], or when the last clone is
/// dropped.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    local_peer: PeerId,
    commands: mpsc::Sender<Command>,
    orders: Arc<Orders>,
    listen: watch::Receiver<Vec<Multiaddr>>,
    refused: Arc<Refused>,
    budget: Arc<Budget>,
    counters: Counters,
    tasks: Tasks,
}

/// All tasks of the network, so that a shutdown can wait until all are gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    pub(crate) tracker: TaskTracker,
    /// Asks the tasks to end politely.
    pub(crate) stop: CancellationToken,
    /// Ends the tasks at once.
    pub(crate) cut: CancellationToken,
}

/// A dial was not begun. No event will follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DialRefused {
    /// Too many requests are queued. Try later.
    #[error("too many requests to the network are waiting")]
    Busy,
    /// The network was shut down.
    #[error("the network has stopped")]
    Stopped,
}

/// The ends of the queues that the swarm's task holds.
pub(crate) struct Ends {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) events: mpsc::Sender<NetEvent>,
    pub(crate) listen: watch::Sender<Vec<Multiaddr>>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Counters,
    pub(crate) tasks: Tasks,
}

impl Network {
    /// Starts to listen, and returns once every address is bound. Streams of `protocols` are
    /// accepted.
    pub(crate) async fn start(
        config: NetworkConfig,
        protocols: Vec<StreamProtocol>,
    ) -> Result<(Network, mpsc::Receiver<NetEvent>, mpsc::Receiver<InboundStream>), StartError> {
        let (command_sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
        let (events, event_receiver) = mpsc::channel(EVENTS_WAITING_MAX);
        let (inbound, inbound_receiver) = mpsc::channel(config.inbound_streams_waiting_max);
        let (listen, listen_receiver) = watch::channel(Vec::new());
        let network = Network {
            local_peer: config.keypair.public().to_peer_id(),
            commands: command_sender,
            orders: Arc::default(),
            listen: listen_receiver,
            refused: Arc::default(),
            budget: Budget::new(&config.plan()),
            counters: Counters::default(),
            tasks: Tasks::default(),
        };
        let streams =
            super::streams::Streams::new(protocols, inbound, network.refused.clone(), network.budget.clone());
        let ends = Ends {
            commands,
            orders: network.orders.clone(),
            events,
            listen,
            refused: network.refused.clone(),
            budget: network.budget.clone(),
            counters: network.counters.clone(),
            tasks: network.tasks.clone(),
        };
        let driver = swarm::Driver::start(&config, streams, ends).await?;
        network.tasks.tracker.spawn(config.vital.guard("The network", driver.run()));
        Ok((network, event_receiver, inbound_receiver))
    }

    pub(crate) fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// All addresses at which we can be reached, with their ports.
    pub(crate) fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.listen.borrow().clone()
    }

    /// The budget of what strangers hold or cause.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Inbound streams refused so far because too many were waiting.
    pub(crate) fn refused_streams(&self) -> u64 {
        self.refused.streams.load(Ordering::Relaxed)
    }

    /// Inbound connections refused so far because a cap was reached.
    pub(crate) fn refused_connections(&self) -> u64 {
        self.refused.connections.load(Ordering::Relaxed)
    }

    /// Replaces the caps on connections. Existing connections stay.
    pub(crate) fn set_caps(&self, caps: ConnectionCaps) {
        self.orders.give(|orders| orders.caps = Some(caps));
    }

    /// Dials `peer`. `None`: any peer at the addresses.
    #[cfg(test)]
    pub(crate) fn dial(
        &self,
        token: u64,
        peer: Option<PeerId>,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), DialRefused> {
        let target = |address| Target { address, once: false };
        self.dial_targets(token, peer, addresses.into_iter().map(target).collect())
    }

    /// Dials `peer`. `None`: any peer at the addresses. The answer is an event with the same token.
    pub(crate) fn dial_targets(
        &self,
        token: u64,
        peer: Option<PeerId>,
        targets: Vec<Target>,
    ) -> Result<(), DialRefused> {
        let dial = Command::Dial { token, peer, targets };
        self.commands.try_send(dial).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => DialRefused::Busy,
            mpsc::error::TrySendError::Closed(_) => DialRefused::Stopped,
        })
    }

    /// Opens a stream on exactly this connection.
    pub(crate) async fn open(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        protocol: StreamProtocol,
    ) -> Result<Stream, OpenError> {
        let (reply, answer) = oneshot::channel();
        let open = Command::Open { peer, connection, request: OpenRequest { protocol, reply } };
        let opened = async {
            self.commands.send(open).await.map_err(|_| OpenError::Closed)?;
            answer.await.unwrap_or(Err(OpenError::Closed))
        };
        tokio::time::timeout(OPEN_TIMEOUT, opened).await.unwrap_or(Err(OpenError::Timeout))
    }

    /// Has the hash table do something. If there is none, or the network has stopped, whoever waits
    /// for the answer hears that nobody gives one.
    pub(crate) async fn order(&self, order: Order) {
        // The answer's channel is dropped with an order that cannot be given.
        let _ = self.commands.send(Command::Dht(order)).await;
    }

    /// What the hash table did, and what it holds.
    pub(crate) fn dht_stats(&self) -> DhtStats {
        self.counters.get()
    }

    /// Notes how many keys there are to stand under, and under how many nobody stands.
    pub(crate) fn note_keys(&self, keys: usize, lapsed: usize) {
        self.counters.note_keys(keys, lapsed);
    }

    /// Replaces the atlas of the hash table.
    pub(crate) fn set_atlas(&self, atlas: Arc<Atlas>) {
        self.orders.give(|orders| orders.atlas = Some(atlas));
    }

    /// Closes one connection; its streams break. Over TCP, bytes written before still go out
    /// (within a second). Over QUIC, bytes that the peer has not confirmed are lost.
    pub(crate) fn close(&self, connection: ConnectionId) {
        self.orders.give(|orders| {
            orders.close.insert(connection);
        });
    }

    /// Closes all connections to a peer.
    pub(crate) fn disconnect(&self, peer: PeerId) {
        self.orders.give(|orders| {
            orders.disconnect.insert(peer);
        });
    }

    /// Closes all connections to a peer, and refuses further ones as long as this network lives.
    pub(crate) fn ban(&self, peer: PeerId) {
        self.orders.give(|orders| {
            orders.ban.insert(peer);
        });
    }

    /// Closes everything. When this returns, no task of the network is left.
    pub(crate) async fn shutdown(&self) {
        self.tasks.stop.cancel();
        self.tasks.tracker.close();
        if tokio::time::timeout(CLOSE_TIMEOUT, self.tasks.tracker.wait()).await.is_err() {
            self.tasks.cut.cancel();
            self.tasks.tracker.wait().await;
        }
    }
}
