//! The parts of the swarm, and its limits.

use std::{sync::Arc, time::Duration};

use libp2p::{
    Swarm, allow_block_list, connection_limits, ping,
    swarm::{Config, NetworkBehaviour, behaviour::toggle::Toggle},
};

use super::{
    NetworkConfig,
    dht::{Counters, Dht},
    inbound_max,
    network::{ConnectionCaps, Tasks},
    prefix_cap::PrefixCap,
    streams::Streams,
    tcp::TcpConfig,
    transport,
};
use crate::{address::ip_of, budget::Budget, error::StartError};

/// The most connections to one peer. Two, because both sides may dial at the same moment, and a
/// QUIC connection may follow a TCP connection.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// The most inbound streams of one connection that still negotiate their protocol.
const NEGOTIATING_STREAMS_MAX: usize = 32;
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A new connection is checked in the order of the fields: the cheap refusals come first.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) banned: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) prefixes: PrefixCap,
    pub(crate) streams: Streams,
    pub(crate) ping: ping::Behaviour,
    /// Only a directory has one.
    pub(crate) dht: Toggle<Dht>,
}

/// A swarm that does not listen yet. Its tasks are counted in `tasks`.
pub(crate) fn new_swarm(
    config: &NetworkConfig,
    streams: Streams,
    tasks: &Tasks,
    budget: &Arc<Budget>,
    counters: &Counters,
) -> Result<Swarm<Behaviour>, StartError> {
    let tcp = TcpConfig {
        sources: config.listen.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
        socket_buffer_bytes: config.socket_buffer_bytes,
    };
    let transport = transport::build(&config.keypair, config.security, tcp, budget, config.is_service)
        .map_err(|error| StartError::Network(error.to_string()))?;
    let local_peer = config.keypair.public().to_peer_id();
    let dht = config.dht.as_ref();
    let dht = dht.and_then(|wanted| Dht::new(local_peer, &config.listen, wanted, counters.clone()));
    let behaviour = Behaviour {
        banned: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits(config)),
        prefixes: PrefixCap::new(config.connections_per_prefix_max, config.prefix_cap_counts_loopback),
        streams,
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
        dht: dht.into(),
    };
    let (tracker, cut) = (tasks.tracker.clone(), tasks.cut.clone());
    let swarm_config = Config::with_executor(move |task| {
        let cut = cut.clone();
        tracker.spawn(async move {
            cut.run_until_cancelled(task).await;
        });
    })
    .with_idle_connection_timeout(config.idle_timeout)
    .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS_MAX);
    Ok(Swarm::new(transport, behaviour, local_peer, swarm_config))
}

impl Behaviour {
    /// Replaces the caps. Existing connections stay.
    pub(crate) fn set_caps(&mut self, caps: ConnectionCaps) {
        let limits = self.limits.limits_mut();
        *limits = with_max(limits.clone(), caps.connections_max);
        self.prefixes.set_max(caps.per_prefix_max);
    }
}

fn limits(config: &NetworkConfig) -> connection_limits::ConnectionLimits {
    // The budget bounds inbound handshakes: there the newest gets in, here it would be refused.
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_pending_outgoing(Some(config.pending_outbound_max))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
    with_max(limits, config.connections_max)
}

fn with_max(
    limits: connection_limits::ConnectionLimits,
    connections_max: u32,
) -> connection_limits::ConnectionLimits {
    limits
        .with_max_established(Some(connections_max))
        .with_max_established_incoming(Some(inbound_max(connections_max)))
}
