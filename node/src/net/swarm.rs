//! The task that owns the swarm.
//!
//! It decides nothing: it turns requests into calls of the swarm, and events of the swarm into
//! [`NetEvent`]s. Events that the node does not take hold back the swarm, never the other way
//! round, so requests are always taken.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
    sync::atomic::Ordering,
    time::Duration,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::ConnectedPoint,
    ping,
    swarm::{ConnectionError, ConnectionId, ListenError, SwarmEvent},
};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    NetEvent, NetworkConfig, Target,
    behaviour::{Behaviour, BehaviourEvent, new_swarm},
    dials::{Dial, Dials, Made, keeps_source, root_cause, without_peer},
    inbound_max,
    network::{Command, Ends},
    streams::Streams,
};
use crate::error::StartError;

/// A connection is dead after this many pings in a row without an answer. Two, because one may
/// drown in a full uplink.
const PINGS_LOST_MAX: u32 = 2;
/// Banned peers remembered. Beyond that, the oldest ban is forgotten.
const BANS_MAX: usize = 65_536;
/// Events kept here while the node's queue is full. Beyond that, requests wait too.
const BACKLOG_MAX: usize = 1024;
/// How long connections may take to close politely.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// The task's state.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    ends: Ends,
    /// The addresses on which we were told to listen. Dials must not leave from elsewhere.
    listen: Vec<Multiaddr>,
    dials: Dials,
    /// Connections being closed that the node was never told of.
    unheard: BTreeSet<ConnectionId>,
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
    Dials,
    Orders,
    Command(Option<Command>),
    Swarm(SwarmEvent<BehaviourEvent>),
}

impl Driver {
    /// Sets up the swarm and listens.
    pub(crate) async fn start(
        config: &NetworkConfig,
        streams: Streams,
        ends: Ends,
    ) -> Result<Driver, StartError> {
        let mut driver = Driver {
            swarm: new_swarm(config, streams, &ends.tasks, &ends.budget, &ends.counters)?,
            ends,
            listen: config.listen.clone(),
            dials: Dials::default(),
            unheard: BTreeSet::new(),
            bans: VecDeque::new(),
            pings_lost: BTreeMap::new(),
            backlog: VecDeque::new(),
        };
        driver.listen(config).await?;
        Ok(driver)
    }

    /// Runs until told to stop, or until all handles are gone.
    pub(crate) async fn run(mut self) {
        while self.turn().await.is_continue() {}
        self.close_all().await;
    }

    async fn turn(&mut self) -> ControlFlow<()> {
        let Driver { swarm, ends, backlog, dials, .. } = self;
        let due = dials.next_due();
        let next = tokio::select! {
            biased;
            () = ends.tasks.stop.cancelled() => Next::Stop,
            _ = ends.events.reserve(), if !backlog.is_empty() => Next::EventRoom,
            next = async {
                tokio::select! {
                    () = ends.orders.given.notified() => Next::Orders,
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Next::Dials,
                    command = ends.commands.recv(), if backlog.len() < BACKLOG_MAX => Next::Command(command),
                    event = swarm.select_next_some(), if backlog.is_empty() => Next::Swarm(event),
                }
            } => next,
        };
        match next {
            Next::Stop | Next::Command(None) => return ControlFlow::Break(()),
            Next::EventRoom => self.flush_backlog(),
            Next::Dials => {
                for dial in self.dials.due(Instant::now()) {
                    self.try_next_address(dial);
                }
            }
            Next::Orders => self.on_orders(),
            Next::Command(Some(Command::Dial { token, peer, targets })) => {
                let keeps = |target: &Target| keeps_source(&self.listen, &target.address);
                let usable = targets.into_iter().filter(keeps).collect();
                self.begin_dial(Dial::new(Instant::now(), token, peer, usable));
            }
            Next::Command(Some(Command::Open { peer, connection, request })) => {
                self.swarm.behaviour_mut().streams.open(peer, connection, request);
            }
            Next::Command(Some(Command::Dht(order))) => {
                if let Some(dht) = self.swarm.behaviour_mut().dht.as_mut() {
                    dht.on_order(order);
                }
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
            // An error means that the peer is not connected, which is the aim.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        for peer in orders.ban {
            self.ban(peer);
        }
        if let (Some(atlas), Some(dht)) = (orders.atlas, self.swarm.behaviour_mut().dht.as_mut()) {
            dht.set_atlas(atlas);
        }
        if let Some(caps) = orders.caps {
            self.swarm.behaviour_mut().set_caps(caps);
            let inbound = inbound_max(caps.connections_max);
            self.ends.budget.set_connections(inbound, caps.per_prefix_max);
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

    fn begin_dial(&mut self, dial: Dial) {
        if dial.peer == Some(*self.swarm.local_peer_id()) {
            return self.dial_failed(&dial, Some("that is ourselves"));
        }
        let dial = self.dials.insert(dial);
        self.try_next_address(dial);
    }

    /// Tries the next address of a dial, if there is one. Ends the dial if no attempt is left that
    /// could succeed.
    fn try_next_address(&mut self, number: u64) {
        while !self.dials.get_mut(number).is_none_or(|dial| dial.is_over(Instant::now()))
            && let Some(options) = self.dials.next(Instant::now(), number)
        {
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => return,
                Err(error) => drop(self.dials.failed(Instant::now(), connection, &error)),
            }
        }
        if self.dials.get_mut(number).is_some_and(|dial| dial.is_over(Instant::now()))
            && let Some(dial) = self.dials.end(number)
        {
            self.dial_failed(&dial, None);
        }
    }

    fn dial_failed(&mut self, dial: &Dial, reason: Option<&str>) {
        self.tell(NetEvent::DialFailed {
            token: dial.token,
            peer: dial.peer,
            reason: reason.map_or_else(|| dial.reason(), str::to_owned),
            others_found: dial.others_found.clone(),
        });
    }

    pub(crate) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint)
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                self.on_disconnected(peer_id, connection_id, num_established, cause)
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(dial) = self.dials.failed(Instant::now(), connection_id, &error) {
                    self.try_next_address(dial);
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                if matches!(error, ListenError::Denied { .. }) {
                    self.ends.refused.connections.fetch_add(1, Ordering::Relaxed);
                    if let Some(kept_back) = self.ends.refused.connections_said.due() {
                        let cause = root_cause(&error);
                        tracing::info!(remote = %send_back_addr, cause, kept_back, "a connection was refused");
                    }
                }
                tracing::debug!(remote = %send_back_addr, cause = root_cause(&error), "inbound connection failed");
            }
            SwarmEvent::NewListenAddr { address, .. } => self.add_listen_address(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.ends.listen.send_modify(|known| known.retain(|other| *other != address));
            }
            SwarmEvent::ListenerError { error, .. } => {
                if let Some(kept_back) = self.ends.refused.accepts_said.due() {
                    tracing::warn!(%error, kept_back, "cannot accept a connection; trying on");
                }
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                tracing::error!(%error, "a listener ended")
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let local = match endpoint {
            ConnectedPoint::Listener { local_addr, .. } => Some(local_addr.clone()),
            ConnectedPoint::Dialer { .. } => None,
        };
        let dial = match self.dials.made(connection) {
            Made::Dialled(token) => Some(token),
            Made::Other => None,
            Made::Superfluous => {
                self.unheard.insert(connection);
                self.swarm.close_connection(connection);
                return;
            }
        };
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
        if self.unheard.remove(&connection) {
            return;
        }
        let cause = match cause {
            None => "closed by us".to_owned(),
            Some(ConnectionError::KeepAliveTimeout) => "idle".to_owned(),
            Some(error) => root_cause(&error),
        };
        self.tell(NetEvent::Disconnected { peer, connection, remaining, cause });
    }

    fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => {
                self.pings_lost.remove(&event.connection);
                self.tell(NetEvent::Rtt { peer: event.peer, connection: event.connection, rtt });
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

    pub(crate) fn add_listen_address(&mut self, address: Multiaddr) {
        let new = self.ends.listen.send_if_modified(|known| {
            let new = !known.contains(&address);
            if new {
                known.push(address.clone());
            }
            new
        });
        if new {
            self.tell(NetEvent::NewListenAddress(address));
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
