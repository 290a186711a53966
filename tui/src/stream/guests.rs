//! Connections of players: few, and those that know the token before those that do not.
//!
//! Invariant: at most [`STRANGERS_MAX`] connections have not shown the token. One more ends the
//! oldest of them.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// Connections that have not shown the token.
const STRANGERS_MAX: usize = 16;
/// Pause after `accept` failed: the missing resource does not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

type Strangers = Arc<Mutex<VecDeque<(Arc<AtomicBool>, oneshot::Sender<()>)>>>;

/// Takes connections.
pub(super) struct Door {
    socket: TcpListener,
    strangers: Strangers,
}

impl Door {
    pub(super) fn new(socket: TcpListener) -> Door {
        Door { socket, strangers: Strangers::default() }
    }

    fn admit(&self, stream: TcpStream) -> Guest {
        let (evict, evicted) = oneshot::channel();
        let known = Known::default();
        // No code under the lock can leave the list in a bad state.
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = VecDeque::with_capacity(STRANGERS_MAX);
        for (stranger, evict) in strangers.drain(..).filter(|(_, evict)| !evict.is_closed()) {
            match stranger.load(Ordering::Relaxed) {
                // Its connection is no longer evicted: the sender is kept by nobody, and says nothing.
                true => _ = evict.send(()),
                false => kept.push_back((stranger, evict)),
            }
        }
        if kept.len() >= STRANGERS_MAX {
            kept.pop_front();
        }
        kept.push_back((known.0.clone(), evict));
        *strangers = kept;
        Guest { stream, evicted: Some(evicted), known }
    }
}

impl Listener for Door {
    type Io = Guest;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guest, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, remote)) => return (self.admit(stream), remote),
                Err(error) => {
                    tracing::debug!(%error, "cannot take a connection of a player");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Whether a connection has shown the token.
#[derive(Clone, Default)]
pub(super) struct Known(Arc<AtomicBool>);

impl Known {
    /// It has. From now on it is not ended for others.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Door>> for Known {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Known {
        stream.io().known.clone()
    }
}

/// One connection.
pub(super) struct Guest {
    stream: TcpStream,
    /// Resolves when it must end. An error means that it gave way to others. `None`: it stays.
    evicted: Option<oneshot::Receiver<()>>,
    known: Known,
}

impl Guest {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(evicted) = &mut self.evicted else { return Ok(()) };
        match Pin::new(evicted).poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.evicted = None;
                Ok(())
            }
            Poll::Ready(Err(_)) if self.known.0.load(Ordering::Relaxed) => {
                self.evicted = None;
                Ok(())
            }
            Poll::Ready(Err(_)) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
