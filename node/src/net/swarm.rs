//! The task that owns the swarm.
//!
//! It decides nothing: it turns requests into swarm calls and swarm events into [`NetEvent`]s. Events that the node does
//! not take hold the swarm back, never the other way round, so requests are always taken.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    ops::ControlFlow,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, allow_block_list, connection_limits,
    core::{ConnectedPoint, transport::{ListenerId, TransportError}},
    ping,
    swarm::{Config, ConnectionError, ConnectionId, NetworkBehaviour, SwarmEvent},
};
use tokio::time::{Instant, timeout_at};

use super::{
    NetEvent, NetworkConfig,
    dials::{Dial, Dials, root_cause, without_peer},
    network::{Command, Ends},
    prefix_cap::PrefixCap,
    streams::Streams,
    tcp::TcpConfig,
    transport,
};
use crate::{
    address::{Address, ip_of},
    error::StartError,
};

/// Connections to one peer. Two, because both sides may dial at the same moment, and one over QUIC may follow one over TCP.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
const PENDING_INBOUND_MAX: u32 = 128;
const PENDING_OUTBOUND_MAX: u32 = 64;
/// Inbound streams of one connection whose protocol is not agreed on yet.
const NEGOTIATING_STREAMS_MAX: usize = 32;
/// A connection without streams of ours is closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Pings in a row without answer after which a connection is dead. Two, for one may drown in a full uplink.
const PINGS_LOST_MAX: u32 = 2;
/// Banned peers remembered; then the oldest ban is forgotten.
const BANS_MAX: usize = 65_536;
/// Events kept here while the node's queue is full; beyond, requests wait too.
const BACKLOG_MAX: usize = 1024;
/// Every listener tells at least one address within this, or the start fails.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A wildcard listener tells its addresses one by one; after this long without another they are taken as complete.
const LISTEN_QUIET: Duration = Duration::from_millis(50);
/// How long connections may take to close politely.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The order of fields is the order of questions about a new connection: the cheap refusals come first.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    banned: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    limits: connection_limits::Behaviour,
    prefixes: PrefixCap,
    streams: Streams,
    ping: ping::Behaviour,
}

/// The task's state.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    ends: Ends,
    dials: Dials,
    /// Bans in the order they were made.
    bans: VecDeque<PeerId>,
    /// Pings lost in a row, for connections that lost any.
    pings_lost: BTreeMap<ConnectionId, u32>,
    /// Events that did not fit into the node's queue.
    backlog: VecDeque<NetEvent>,
}

enum Next {
    Stop,
    EventRoom,
    Orders,
    Command(Option<Command>),
    Swarm(SwarmEvent<BehaviourEvent>),
}

impl Driver {
    /// Sets up the swarm and listens.
    pub(crate) async fn start(config: &NetworkConfig, streams: Streams, ends: Ends) -> Result<Driver, StartError> {
        let mut driver = Driver {
            swarm: new_swarm(config, streams, &ends)?,
            ends,
            dials: Dials::default(),
            bans: VecDeque::new(),
            pings_lost: BTreeMap::new(),
            backlog: VecDeque::new(),
        };
        driver.listen(&config.listen).await?;
        Ok(driver)
    }

    /// Until told to stop, or nobody is left who could.
    pub(crate) async fn run(mut self) {
        while self.turn().await.is_continue() {}
        self.close_all().await;
    }

    async fn turn(&mut self) -> ControlFlow<()> {
        let Driver {
            swarm, ends, backlog, ..
        } = self;
        let next = tokio::select! {
            biased;
            () = ends.tasks.stop.cancelled() => Next::Stop,
            _ = ends.events.reserve(), if !backlog.is_empty() => Next::EventRoom,
            next = async {
                tokio::select! {
                    () = ends.orders.given.notified() => Next::Orders,
                    command = ends.commands.recv(), if backlog.len() < BACKLOG_MAX => Next::Command(command),
                    event = swarm.select_next_some(), if backlog.is_empty() => Next::Swarm(event),
                }
            } => next,
        };
        match next {
            Next::Stop | Next::Command(None) => return ControlFlow::Break(()),
            Next::EventRoom => self.flush_backlog(),
            Next::Orders => self.on_orders(),
            Next::Command(Some(Command::Dial { token, peer, addresses })) => {
                self.try_next_address(Dial::new(token, peer, addresses));
            }
            Next::Command(Some(Command::Open { peer, connection, request })) => {
                self.swarm.behaviour_mut().streams.open(peer, connection, request);
            }
            Next::Swarm(event) => self.on_swarm_event(event),
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, event: NetEvent) {
        self.backlog.push_back(event);
        self.flush_backlog();
    }

    fn flush_backlog(&mut self) {
        while let Ok(permit) = self.ends.events.try_reserve() {
            match self.backlog.pop_front() {
                Some(event) => permit.send(event),
                None => return,
            }
        }
        if self.ends.events.is_closed() {
            self.backlog.clear();
        }
    }

    fn on_orders(&mut self) {
        let orders = self.ends.orders.take();
        for connection in orders.close {
            self.swarm.close_connection(connection);
        }
        for peer in orders.disconnect {
            // Not connected is what was wanted.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        for peer in orders.ban {
            self.ban(peer);
        }
    }

    fn ban(&mut self, peer: PeerId) {
        if !self.swarm.behaviour_mut().banned.block_peer(peer) {
            return;
        }
        self.bans.push_back(peer);
        if self.bans.len() > BANS_MAX
            && let Some(oldest) = self.bans.pop_front()
        {
            self.swarm.behaviour_mut().banned.unblock_peer(oldest);
        }
    }

    fn try_next_address(&mut self, mut dial: Dial) {
        if dial.peer == Some(*self.swarm.local_peer_id()) {
            return self.dial_failed(dial, Some("that is ourselves"));
        }
        while let Some(options) = dial.next() {
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => return self.dials.insert(connection, dial),
                Err(error) => dial.failed(&error),
            }
        }
        self.dial_failed(dial, None);
    }

    fn dial_failed(&mut self, dial: Dial, reason: Option<&str>) {
        self.tell(NetEvent::DialFailed {
            token: dial.token,
            peer: dial.peer,
            reason: reason.map_or_else(|| dial.reason(), str::to_owned),
            wrong_peer: dial.wrong_peer,
        });
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => self.on_connected(peer_id, connection_id, &endpoint),
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                num_established,
                cause,
                ..
            } => self.on_disconnected(peer_id, connection_id, num_established, cause),
            SwarmEvent::OutgoingConnectionError {
                connection_id, error, ..
            } => {
                if let Some(mut dial) = self.dials.remove(connection_id) {
                    dial.failed(&error);
                    self.try_next_address(dial);
                }
            }
            SwarmEvent::IncomingConnectionError {
                send_back_addr, error, ..
            } => tracing::debug!(remote = %send_back_addr, cause = root_cause(&error), "inbound connection failed"),
            SwarmEvent::NewListenAddr { address, .. } => {
                self.add_listen_address(&address);
                self.tell(NetEvent::NewListenAddress(address));
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.ends.listen.send_modify(|known| known.retain(|other| *other != address));
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "cannot accept a connection"),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => tracing::error!(%error, "a listener ended"),
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let local = match endpoint {
            ConnectedPoint::Listener { local_addr, .. } => Some(local_addr.clone()),
            ConnectedPoint::Dialer { .. } => None,
        };
        let dial = self.dials.remove(connection).map(|dial| dial.token);
        self.tell(NetEvent::Connected {
            peer,
            connection,
            remote: without_peer(endpoint.get_remote_address()),
            local,
            outbound: endpoint.is_dialer(),
            dial,
        });
    }

    fn on_disconnected(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        remaining: u32,
        cause: Option<ConnectionError>,
    ) {
        self.pings_lost.remove(&connection);
        let cause = match cause {
            None => "closed by us".to_owned(),
            Some(ConnectionError::KeepAliveTimeout) => "idle".to_owned(),
            Some(error) => root_cause(&error),
        };
        self.tell(NetEvent::Disconnected {
            peer,
            connection,
            remaining,
            cause,
        });
    }

    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => {
                self.pings_lost.remove(&event.connection);
                self.tell(NetEvent::Rtt {
                    peer: event.peer,
                    connection: event.connection,
                    rtt,
                });
            }
            Err(ping::Failure::Unsupported) => {}
            Err(failure) => {
                let lost = self.pings_lost.entry(event.connection).or_default();
                *lost += 1;
                if *lost >= PINGS_LOST_MAX {
                    tracing::debug!(peer = %event.peer, %failure, "closing a connection that answers no pings");
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }

    fn add_listen_address(&self, address: &Multiaddr) {
        self.ends.listen.send_if_modified(|known| {
            let new = !known.contains(address);
            if new {
                known.push(address.clone());
            }
            new
        });
    }

    async fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), StartError> {
        let mut silent = BTreeMap::new();
        let mut skipped = None;
        for address in addresses {
            match self.swarm.listen_on(address.clone()) {
                Ok(listener) => {
                    silent.insert(listener.to_string(), address);
                }
                // A machine without IPv6 is no reason not to start, when all was asked for was "wherever you can".
                Err(TransportError::Other(error)) if is_missing_ipv6(address, &error) => {
                    tracing::info!(%address, "this machine has no IPv6");
                    skipped = Some(listen_error(address, root_cause(&error)));
                }
                Err(error) => return Err(listen_error(address, root_cause(&error))),
            }
        }
        match skipped {
            Some(error) if silent.is_empty() => Err(error),
            _ => self.hear_listeners(silent).await,
        }
    }

    /// Waits until every listener told an address.
    async fn hear_listeners(&mut self, mut silent: BTreeMap<String, &Multiaddr>) -> Result<(), StartError> {
        let any_wildcard = silent.values().any(|address| ip_of(address).is_some_and(|ip| ip.is_unspecified()));
        let give_up = Instant::now() + LISTEN_TIMEOUT;
        loop {
            let complete = silent.is_empty();
            if complete && !any_wildcard {
                return Ok(());
            }
            let until = if complete { Instant::now() + LISTEN_QUIET } else { give_up };
            match timeout_at(until, self.swarm.select_next_some()).await {
                Ok(SwarmEvent::NewListenAddr { listener_id, address }) => {
                    silent.remove(&listener_id.to_string());
                    self.add_listen_address(&address);
                }
                Ok(SwarmEvent::ListenerClosed { listener_id, reason, .. }) => {
                    return Err(listener_closed(&silent, listener_id, reason));
                }
                // Somebody may be quick enough to connect before we are done.
                Ok(event) => self.on_swarm_event(event),
                Err(_) => {
                    let mute = silent.into_values().next();
                    return mute.map_or(Ok(()), |address| {
                        Err(listen_error(address, "no address became known within 5 seconds".to_owned()))
                    });
                }
            }
        }
    }

    async fn close_all(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let until = Instant::now() + GOODBYE_TIMEOUT;
        while self.swarm.network_info().num_peers() > 0 {
            match timeout_at(until, self.swarm.select_next_some()).await {
                Ok(event) => self.on_swarm_event(event),
                Err(_) => break,
            }
        }
    }
}

fn new_swarm(config: &NetworkConfig, streams: Streams, ends: &Ends) -> Result<Swarm<Behaviour>, StartError> {
    let tcp = TcpConfig {
        sources: config.listen.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
        socket_buffer_bytes: config.socket_buffer_bytes,
    };
    let transport = transport::build(&config.keypair, config.security, tcp)
        .map_err(|error| StartError::Network(error.to_string()))?;
    let behaviour = Behaviour {
        banned: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits(config.connections_max)),
        prefixes: PrefixCap::new(config.connections_per_prefix_max, config.prefix_cap_counts_loopback),
        streams,
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
    };
    let (tracker, cut) = (ends.tasks.tracker.clone(), ends.tasks.cut.clone());
    let swarm_config = Config::with_executor(move |task| {
        let cut = cut.clone();
        tracker.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    })
    .with_idle_connection_timeout(IDLE_TIMEOUT)
    .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX);
    let local_peer = config.keypair.public().to_peer_id();
    Ok(Swarm::new(transport, behaviour, local_peer, swarm_config))
}

fn limits(connections_max: u32) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_INBOUND_MAX))
        .with_max_pending_outgoing(Some(PENDING_OUTBOUND_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_established(Some(connections_max))
        // Else others could take every place, and choose whom we know.
        .with_max_established_incoming(Some(connections_max - connections_max / 8))
}

fn is_missing_ipv6(address: &Multiaddr, error: &io::Error) -> bool {
    let wildcard6 = ip_of(address).is_some_and(|ip| ip.is_ipv6() && ip.is_unspecified());
    let text = root_cause(error);
    wildcard6 && (text.contains("Address family not supported") || text.contains("Cannot assign requested address"))
}

fn listen_error(address: &Multiaddr, reason: String) -> StartError {
    StartError::Listen {
        address: Address(address.clone()),
        reason,
    }
}

fn listener_closed(
    silent: &BTreeMap<String, &Multiaddr>,
    listener: ListenerId,
    reason: Result<(), io::Error>,
) -> StartError {
    let reason = reason.err().map_or_else(|| "the listener ended".to_owned(), |error| root_cause(&error));
    match silent.get(&listener.to_string()) {
        Some(address) => listen_error(address, reason),
        None => StartError::Network(reason),
    }
}
