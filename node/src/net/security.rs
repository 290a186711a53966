//! Secure connections: the other end is authenticated, and the bytes are encrypted. TLS comes
//! first, Noise is for peers without TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::SystemTime,
};

use futures::{AsyncRead, AsyncWrite, future::BoxFuture};
use futures_rustls::TlsStream;
use libp2p::{
    PeerId,
    core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
    identity::Keypair,
    noise,
};

use super::tls::{self, TlsError, TlsUpgrade};

const NOISE: &str = "/noise";

/// The handshakes that a node offers and accepts over TCP. QUIC has its own TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Security {
    /// TLS, or else Noise. TLS is fastest, and every libp2p node supports one of them.
    #[default]
    Any,
    /// TLS only.
    #[cfg_attr(not(test), expect(dead_code, reason = "interoperability tests pin the handshake"))]
    Tls,
    /// Noise only.
    Noise,
}

/// 2025-01-01, in seconds since 1970. This program is younger, so a clock that shows an earlier
/// time is wrong. This happens on a board without a battery, before it has the time from the
/// network.
const YOUNGEST_WRONG_SECONDS: u64 = 1_735_689_600;

impl Security {
    /// The handshakes usable at this clock time. TLS checks the dates of certificates; Noise has no
    /// dates. Neither needs a date to prove who a peer is.
    pub(crate) fn at(self, now: SystemTime) -> Security {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match self {
            Security::Any if since.as_secs() < YOUNGEST_WRONG_SECONDS => {
                tracing::warn!(
                    "the clock of this machine is wrong, it says {} days after 1970-01-01: connections over TCP go without \
                     TLS (by Noise), and those over QUIC fail. Set the clock, and start again",
                    since.as_secs() / 86_400
                );
                Security::Noise
            }
            usual => usual,
        }
    }
}

/// Upgrades a TCP connection to an authenticated, encrypted one.
#[derive(Clone)]
pub(crate) struct SecurityUpgrade {
    offered: &'static [&'static str],
    tls: TlsUpgrade,
    noise: noise::Config,
}

/// Why a connection could not be secured, or the security layer could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecurityError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("Noise failed: {0}")]
    Noise(#[from] noise::Error),
}

impl SecurityUpgrade {
    pub(crate) fn new(identity: &Keypair, security: Security) -> Result<Self, SecurityError> {
        Ok(SecurityUpgrade {
            offered: match security {
                Security::Any => &[tls::PROTOCOL, NOISE],
                Security::Tls => &[tls::PROTOCOL],
                Security::Noise => &[NOISE],
            },
            tls: TlsUpgrade::new(identity)?,
            noise: noise::Config::new(identity)?,
        })
    }
}

impl UpgradeInfo for SecurityUpgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Copied<std::slice::Iter<'static, &'static str>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.offered.iter().copied()
    }
}

type Secured<C> = Result<(PeerId, SecureStream<C>), SecurityError>;

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for SecurityUpgrade {
    type Output = (PeerId, SecureStream<C>);
    type Error = SecurityError;
    type Future = BoxFuture<'static, Secured<C>>;

    fn upgrade_inbound(self, socket: C, chosen: &'static str) -> Self::Future {
        Box::pin(async move {
            if chosen == tls::PROTOCOL {
                let (peer, stream) = self.tls.upgrade_inbound(socket, chosen).await?;
                return Ok((peer, SecureStream::Tls(Box::new(stream))));
            }
            let (peer, stream) = self.noise.upgrade_inbound(socket, chosen).await?;
            Ok((peer, SecureStream::Noise(Box::new(stream))))
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for SecurityUpgrade {
    type Output = (PeerId, SecureStream<C>);
    type Error = SecurityError;
    type Future = BoxFuture<'static, Secured<C>>;

    fn upgrade_outbound(self, socket: C, chosen: &'static str) -> Self::Future {
        Box::pin(async move {
            if chosen == tls::PROTOCOL {
                let (peer, stream) = self.tls.upgrade_outbound(socket, chosen).await?;
                return Ok((peer, SecureStream::Tls(Box::new(stream))));
            }
            let (peer, stream) = self.noise.upgrade_outbound(socket, chosen).await?;
            Ok((peer, SecureStream::Noise(Box::new(stream))))
        })
    }
}

/// An encrypted byte stream, by TLS or Noise.
pub(crate) enum SecureStream<C> {
    Tls(Box<TlsStream<C>>),
    Noise(Box<noise::Output<C>>),
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for SecureStream<C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            SecureStream::Tls(stream) => Pin::new(stream).poll_read(cx, out),
            SecureStream::Noise(stream) => Pin::new(stream).poll_read(cx, out),
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SecureStream<C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            SecureStream::Tls(stream) => Pin::new(stream).poll_write(cx, data),
            SecureStream::Noise(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            SecureStream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            SecureStream::Noise(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            SecureStream::Tls(stream) => Pin::new(stream).poll_close(cx),
            SecureStream::Noise(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_this_program_was_made_is_not_asked_for_dates() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(Security::Any.at(at(60)), Security::Noise);
        assert_eq!(Security::Any.at(at(YOUNGEST_WRONG_SECONDS)), Security::Any);
        assert_eq!(Security::Any.at(SystemTime::now()), Security::Any);
        assert_eq!(Security::Tls.at(at(60)), Security::Tls, "what a test pins stays");
    }
}
