//! The transports: TCP with TLS or Noise and yamux, and QUIC.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use libp2p::{
    PeerId,
    core::{Transport, muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    identity::Keypair,
    quic,
};

use super::{
    admission::{Admission, Door},
    lobby::Lobby,
    muxer::{Muxer, YamuxUpgrade},
    security::{Security, SecurityError, SecurityUpgrade},
    tcp::{TcpConfig, TcpTransport},
};
use crate::budget::{Budget, Holdings};

/// The time limit from the first packet to an authenticated, multiplexed connection.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A QUIC connection that hears nothing for this long is dead. Generous, because a busy machine may
/// pause longer than a network does.
const QUIC_IDLE_MS_MAX: u32 = 15_000;
/// The most streams that the other side may have open at once on a QUIC connection.
const QUIC_STREAMS_MAX: u32 = 64;
/// The most bytes of one QUIC stream under way to us and unread: 80 MB/s at a round trip of 50 ms.
const QUIC_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The same for a service, to which others send questions and requests: as much as over TCP.
const QUIC_STREAM_WINDOW_BYTES_SERVICE: u32 = 256 * 1024;
/// The same for all streams of a connection together, in windows of a stream. Six, because the
/// streams share this window: with less, a few bulk streams that are not read for a moment would
/// stop the control stream, and the opening of others.
const QUIC_CONNECTION_WINDOWS: u32 = 6;

/// The whole stack, ready for a swarm.
pub(crate) fn build(
    identity: &Keypair,
    security: Security,
    tcp: TcpConfig,
    budget: &Arc<Budget>,
    is_service: bool,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, SecurityError> {
    let lobby = Lobby::new(TcpTransport::new(tcp), budget.half_open.clone(), budget.lobby_max);
    let hand_over = lobby.hand_over();
    let tcp = lobby
        .upgrade(Version::V1Lazy)
        .authenticate(SecurityUpgrade::new(identity, security.at(SystemTime::now()))?)
        .multiplex(YamuxUpgrade::new(budget.clone()))
        .timeout(HANDSHAKE_TIMEOUT);
    let tcp = Admission::new(tcp, budget.clone(), Door::Lobby(hand_over), Muxer::holdings)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    let quic = quic::tokio::Transport::new(quic_config(identity, is_service));
    let ours = budget.clone();
    // What a QUIC connection holds cannot be seen from here. Its windows bound it.
    let door = Door::Open(budget.half_open_quic.clone());
    let quic = Admission::new(quic, budget.clone(), door, move |_| Holdings::new(&ours))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    Ok(tcp.or_transport(quic).map(|connection, _| connection.into_inner()).boxed())
}

fn quic_config(identity: &Keypair, is_service: bool) -> quic::Config {
    let window = if is_service { QUIC_STREAM_WINDOW_BYTES_SERVICE } else { QUIC_STREAM_WINDOW_BYTES };
    let mut config = quic::Config::new(identity);
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.max_idle_timeout = QUIC_IDLE_MS_MAX;
    config.max_concurrent_stream_limit = QUIC_STREAMS_MAX;
    config.max_stream_data = window;
    config.max_connection_data = QUIC_CONNECTION_WINDOWS * window;
    config
}
