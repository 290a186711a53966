//! Connections that are few and short, so that slow clients cannot block the listener.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{Sleep, sleep},
};

/// Connections at the same time. One more evicts the oldest.
pub(super) const CONNECTIONS_MAX: usize = 32;
/// The longest life of a connection. A collector that keeps its connection open connects again
/// after this time.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause after `accept` failed: the missing resource does not come back at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Closes connections. Clones share the same connections.
#[derive(Clone, Default)]
pub(super) struct Evictions(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl Evictions {
    fn lock(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a new connection. The receiver resolves when the connection must close.
    fn admit(&self) -> oneshot::Receiver<()> {
        let (evict, evicted) = oneshot::channel();
        let mut all = self.lock();
        all.retain(|connection| !connection.is_closed());
        if all.len() >= CONNECTIONS_MAX {
            // Dropping the sender closes the oldest connection.
            all.pop_front();
        }
        all.push_back(evict);
        evicted
    }

    /// Closes all connections.
    pub(super) fn evict_all(&self) {
        self.lock().clear();
    }
}

/// A listener whose connections are [`ShortConnection`]s.
pub(super) struct ShortListener {
    socket: TcpListener,
    connections: Evictions,
}

impl ShortListener {
    pub(super) fn new(socket: TcpListener, connections: Evictions) -> ShortListener {
        ShortListener { socket, connections }
    }
}

impl Listener for ShortListener {
    type Io = ShortConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ShortConnection, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, remote)) => {
                    let deadline = Box::pin(sleep(CONNECTION_TIME_MAX));
                    return (ShortConnection { stream, deadline, evicted: self.connections.admit() }, remote);
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection of an admin");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A connection that ends when its time is up or when a newer connection needs its place.
pub(super) struct ShortConnection {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    evicted: oneshot::Receiver<()>,
}

impl ShortConnection {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline.as_mut().poll(cx).is_ready() || Pin::new(&mut self.evicted).poll(cx).is_ready()
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for ShortConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ShortConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
