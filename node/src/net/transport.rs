//! How connections are made: TCP + (TLS or Noise) + yamux, and QUIC.

use std::time::Duration;

use libp2p::{
    PeerId,
    core::{Transport, muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    identity::Keypair,
    quic,
};

use super::{
    muxer::YamuxUpgrade,
    security::{Security, SecurityError, SecurityUpgrade},
    tcp::{TcpConfig, TcpTransport},
};

/// From the first packet to an authenticated, multiplexed connection.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A QUIC connection that hears nothing for this long is dead. Generous, because a busy machine may pause longer than
/// a network does.
const QUIC_IDLE_MS_MAX: u32 = 15_000;
/// Streams the other side may have open at once on a QUIC connection.
const QUIC_STREAMS_MAX: u32 = 64;

/// The whole stack, ready for a swarm.
pub(crate) fn build(
    identity: &Keypair,
    security: Security,
    tcp: TcpConfig,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SecurityError> {
    let tcp = TcpTransport::new(tcp)
        .upgrade(Version::V1Lazy)
        .authenticate(SecurityUpgrade::new(identity, security)?)
        .multiplex(YamuxUpgrade::default())
        .timeout(HANDSHAKE_TIMEOUT)
        .boxed();
    let quic = quic::tokio::Transport::new(quic_config(identity))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    Ok(tcp.or_transport(quic).map(|connection, _| connection.into_inner()).boxed())
}

fn quic_config(identity: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(identity);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = QUIC_IDLE_MS_MAX;
    config.max_concurrent_stream_limit = QUIC_STREAMS_MAX;
    config
}
