//! TCP, with dials that leave from the IP we listen on.
//!
//! Nearness is judged by the IP at which a peer is seen, so that IP must be the one that its
//! operator chose, not one that the routing table prefers. A node told to listen on 127.2.0.9, or
//! on one of a server's several interfaces, dials from there too. Dials also use the listening port
//! when they can, because NATs map by source port.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent},
    },
    multiaddr::Protocol,
};
use socket2::SockRef;
use tokio::{
    io::ReadBuf,
    net::{TcpListener, TcpSocket, TcpStream},
    time::Sleep,
};

use super::read_ahead::ReadAhead;

/// Connections that the kernel holds for us until we accept them.
const BACKLOG: u32 = 1024;
/// A connect that takes longer is given up, so that the next address of the peer gets its turn.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after `accept` failed. What it lacked (file handles, memory) does not come back at
/// once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The peer that connects speaks first, and at once. A peer silent for this long does not want to
/// speak.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(3);

/// How sockets are set up.
#[derive(Clone, Debug, Default)]
pub(crate) struct TcpConfig {
    /// IPs that dials may leave from, besides those listened on with TCP. (A node may listen with
    /// QUIC only.)
    pub(crate) sources: Vec<IpAddr>,
    /// The kernel buffer for each direction and connection, in bytes. `None`: the system's own
    /// tuning, which is nearly always right.
    pub(crate) socket_buffer_bytes: Option<u32>,
}

/// The transport: `/ip4/…/tcp/…` and `/ip6/…/tcp/…`.
pub(crate) struct TcpTransport {
    config: TcpConfig,
    listeners: Vec<Listener>,
    /// Addresses not yet reported.
    fresh: Vec<(ListenerId, Multiaddr)>,
    /// Listeners removed and not yet reported.
    closed: Vec<ListenerId>,
    waker: Option<Waker>,
}

struct Listener {
    id: ListenerId,
    socket: TcpListener,
    local: SocketAddr,
    pause: Option<Pin<Box<Sleep>>>,
}

/// The sources that a dial may leave from, best first. `None`: the system chooses.
type Sources = Vec<Option<SocketAddr>>;

impl TcpTransport {
    pub(crate) fn new(config: TcpConfig) -> Self {
        TcpTransport { config, listeners: Vec::new(), fresh: Vec::new(), closed: Vec::new(), waker: None }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn is_own_listener(&self, remote: SocketAddr) -> bool {
        self.listeners.iter().any(|listener| listener.local == remote)
    }

    /// The sources for a dial to `remote`: the listening address, or its IP with another port. If
    /// loopback meets the outside world, an answer could never reach such a source; then the system
    /// chooses.
    fn sources(&self, remote: IpAddr, port_use: PortUse) -> Sources {
        let fits = |ip: IpAddr| ip.is_ipv4() == remote.is_ipv4();
        let same_world = |ip: IpAddr| !ip.is_unspecified() && ip.is_loopback() == remote.is_loopback();
        let mut locals = self.listeners.iter().map(|listener| listener.local);
        let exact = locals.clone().find(|local| fits(local.ip()) && same_world(local.ip()));
        let wildcard = locals.find(|local| fits(local.ip()) && local.ip().is_unspecified());
        let extra = self.config.sources.iter().copied().find(|ip| fits(*ip) && same_world(*ip));
        let with_port = exact.or(wildcard.filter(|_| extra.is_none())).filter(|_| port_use == PortUse::Reuse);
        let only_ip = exact.map(|local| local.ip()).or(extra).map(|ip| SocketAddr::new(ip, 0));
        let mut sources: Sources = [with_port, only_ip].into_iter().flatten().map(Some).collect();
        if only_ip.is_none() {
            sources.push(None);
        }
        sources
    }

    fn poll_listeners(&mut self, cx: &mut Context<'_>) -> Poll<TransportEvent<FirstBytes, io::Error>> {
        for listener in &mut self.listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                // The next poll starts with another listener, so that a busy listener does not
                // starve the others.
                let event = listener.event(accepted);
                self.listeners.rotate_left(1);
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    }
}

impl Listener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        if let Some(pause) = &mut self.pause {
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let accepted = std::task::ready!(self.socket.poll_accept(cx));
        if accepted.is_err() {
            self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
        }
        Poll::Ready(accepted)
    }

    fn event(&self, accepted: io::Result<(TcpStream, SocketAddr)>) -> TransportEvent<FirstBytes, io::Error> {
        let listener_id = self.id;
        let prepared = accepted.and_then(|(stream, remote)| {
            let local = stream.local_addr()?;
            stream.set_nodelay(true)?;
            Ok((stream, local, remote))
        });
        match prepared {
            Ok((stream, local, remote)) => TransportEvent::Incoming {
                listener_id,
                upgrade: FirstBytes::of(stream),
                local_addr: multiaddr(local),
                send_back_addr: multiaddr(remote),
            },
            Err(error) => TransportEvent::ListenerError { listener_id, error },
        }
    }
}

impl Transport for TcpTransport {
    type Output = ReadAhead<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = FirstBytes;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let wanted = socket_addr(&addr).ok_or(TransportError::MultiaddrNotSupported(addr))?;
        let socket = bind_listener(wanted, &self.config).map_err(TransportError::Other)?;
        let local = socket.local_addr().map_err(TransportError::Other)?;
        let ips = reachable_ips(local.ip()).map_err(TransportError::Other)?;
        let addresses = ips.into_iter().map(|ip| (id, multiaddr(SocketAddr::new(ip, local.port()))));
        self.fresh.extend(addresses);
        self.listeners.push(Listener { id, socket, local, pause: None });
        self.wake();
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| listener.id != id);
        let removed = self.listeners.len() < before;
        if removed {
            self.closed.push(id);
            self.wake();
        }
        removed
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let remote = socket_addr(&addr)
            .filter(|remote| remote.port() != 0 && !remote.ip().is_unspecified())
            .ok_or(TransportError::MultiaddrNotSupported(addr))?;
        if self.is_own_listener(remote) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "that is our own address");
            return Err(TransportError::Other(error));
        }
        let sources = self.sources(remote.ip(), opts.port_use);
        Ok(connect(sources, remote, self.config.clone()).boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        if let Some((listener_id, listen_addr)) = self.fresh.pop() {
            return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr });
        }
        if let Some(listener_id) = self.closed.pop() {
            return Poll::Ready(TransportEvent::ListenerClosed { listener_id, reason: Ok(()) });
        }
        let event = self.poll_listeners(cx);
        if event.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        event
    }
}

/// An inbound connection, until there is something to read on it.
pub(crate) struct FirstBytes {
    /// `None`: it was taken, because there is something to read.
    stream: Option<TcpStream>,
    deadline: Pin<Box<Sleep>>,
}

impl FirstBytes {
    fn of(stream: TcpStream) -> FirstBytes {
        let deadline = Box::pin(tokio::time::sleep(FIRST_BYTES_TIMEOUT));
        FirstBytes { stream: Some(stream), deadline }
    }
}

impl Future for FirstBytes {
    type Output = io::Result<ReadAhead<TcpStream>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        let mut byte = [0];
        // Peeks without taking the byte. Readiness alone is not enough: fresh sockets report it
        // too.
        let said = match &self.stream {
            Some(stream) => stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)),
            None => return Poll::Ready(Err(gone())),
        };
        match said {
            Poll::Ready(Ok(_)) => Poll::Ready(self.stream.take().map(ReadAhead::new).ok_or_else(gone)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.deadline.as_mut().poll(cx).map(|()| {
                    Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was said within 3 seconds"))
                })
            }
        }
    }
}

async fn connect(
    sources: Sources,
    remote: SocketAddr,
    config: TcpConfig,
) -> io::Result<ReadAhead<TcpStream>> {
    let mut refused = None;
    for source in sources {
        match connect_from(source, remote, &config).await {
            // The same two ends are connected already, or were a moment ago, or another program
            // holds the port and does not share it. The next source differs in port or IP.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) =>
            {
                refused = Some(error);
            }
            result => return result.and_then(prepare),
        }
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

async fn connect_from(
    source: Option<SocketAddr>,
    remote: SocketAddr,
    config: &TcpConfig,
) -> io::Result<TcpStream> {
    let socket = new_socket(remote, config)?;
    if let Some(source) = source {
        socket.set_reuseaddr(true)?;
        #[cfg(unix)]
        socket.set_reuseport(source.port() != 0)?;
        socket.bind(source)?;
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, socket.connect(remote)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 seconds")),
    }
}

fn bind_listener(wanted: SocketAddr, config: &TcpConfig) -> io::Result<TcpListener> {
    let socket = new_socket(wanted, config)?;
    socket.set_reuseaddr(true)?;
    socket.bind(wanted)?;
    let listener = socket.listen(BACKLOG)?;
    // Set after binding: our dials may share the port, but a second program that wants to listen on
    // it is refused, as it should be.
    #[cfg(unix)]
    SockRef::from(&listener).set_reuse_port(true)?;
    Ok(listener)
}

fn new_socket(address: SocketAddr, config: &TcpConfig) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        let socket = TcpSocket::new_v6()?;
        SockRef::from(&socket).set_only_v6(true)?;
        socket
    };
    // Before connect and listen, because the handshake settles the window scale. Accepted sockets
    // inherit it.
    if let Some(bytes) = config.socket_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

fn prepare(stream: TcpStream) -> io::Result<ReadAhead<TcpStream>> {
    stream.set_nodelay(true)?;
    Ok(ReadAhead::new(stream))
}

/// The IPs at which a socket bound to `bound` is reached: `bound` itself, or for a wildcard one IP
/// per interface.
pub(crate) fn reachable_ips(bound: IpAddr) -> io::Result<Vec<IpAddr>> {
    if !bound.is_unspecified() {
        return Ok(vec![bound]);
    }
    let ips = if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip());
    Ok(ips.filter(|ip| ip.is_ipv4() == bound.is_ipv4() && !is_link_local(*ip)).collect())
}

/// IPv6 link-local addresses mean nothing without an interface, which such a multiaddr does not
/// name.
fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// The address in `/ip4|ip6/…/tcp/…`, with or without `/p2p/…` at the end. `None`: the address has
/// another form, which another transport handles.
fn socket_addr(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let Some(Protocol::Tcp(port)) = parts.next() else {
        return None;
    };
    parts.all(|part| matches!(part, Protocol::P2p(_))).then_some(SocketAddr::new(ip, port))
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}
