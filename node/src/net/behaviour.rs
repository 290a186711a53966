//! What the swarm is made of, and its limits.

use std::{sync::Arc, time::Duration};

use libp2p::{
    Swarm, allow_block_list, connection_limits, ping,
    swarm::{Config, NetworkBehaviour},
};

use super::{
    NetworkConfig, inbound_max,
    network::{ConnectionCaps, Tasks},
    prefix_cap::PrefixCap,
    streams::Streams,
    tcp::TcpConfig,
    transport,
};
use crate::{address::ip_of, budget::Budget, error::StartError};

/// Connections to one peer. Two, because both sides may dial at the same moment, and one over QUIC may follow one over TCP.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Inbound streams of one connection whose protocol is not agreed on yet.
const NEGOTIATING_STREAMS_MAX: usize = 32;
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The order of fields is the order of questions about a new connection: the cheap refusals come first.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) banned: allow_block_list::Behaviour<allow_block_list::BlockedPeers>,
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) prefixes: PrefixCap,
    pub(crate) streams: Streams,
    pub(crate) ping: ping::Behaviour,
}

/// A swarm that listens nowhere yet; its tasks are counted in `tasks`.
pub(crate) fn new_swarm(
    config: &NetworkConfig,
    streams: Streams,
    tasks: &Tasks,
    budget: &Arc<Budget>,
) -> Result<Swarm<Behaviour>, StartError> {
    let tcp = TcpConfig {
        sources: config.listen.iter().filter_map(ip_of).filter(|ip| !ip.is_unspecified()).collect(),
        socket_buffer_bytes: config.socket_buffer_bytes,
    };
    let transport = transport::build(&config.keypair, config.security, tcp, budget, config.is_service)
        .map_err(|error| StartError::Network(error.to_string()))?;
    let behaviour = Behaviour {
        banned: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits(config)),
        prefixes: PrefixCap::new(config.connections_per_prefix_max, config.prefix_cap_counts_loopback),
        streams,
        ping: ping::Behaviour::new(
            ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT),
        ),
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
    let local_peer = config.keypair.public().to_peer_id();
    Ok(Swarm::new(transport, behaviour, local_peer, swarm_config))
}

impl Behaviour {
    /// Other caps from now on; connections that are there stay.
    pub(crate) fn set_caps(&mut self, caps: ConnectionCaps) {
        let limits = self.limits.limits_mut();
        *limits = with_max(limits.clone(), caps.connections_max);
        self.prefixes.set_max(caps.per_prefix_max);
    }
}

fn limits(config: &NetworkConfig) -> connection_limits::ConnectionLimits {
    // Connections that others are making are bounded by the budget: there the newest gets in, here it would be refused.
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
