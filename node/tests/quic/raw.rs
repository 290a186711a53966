//! A QUIC client without a runtime, so that a test sees every datagram before it is sent, and may
//! drop it.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use libp2p::{identity::Keypair, tls};
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, StreamId, TransportConfig, crypto::rustls::QuicClientConfig,
};

/// Far longer than a handshake takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The TLS settings of libp2p, with a new key.
pub(crate) fn libp2p_tls() -> rustls::ClientConfig {
    tls::make_client_config(&Keypair::generate_ed25519(), None).unwrap()
}

/// One client with one connection.
pub(crate) struct Raw {
    socket: UdpSocket,
    to: SocketAddr,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    pub(crate) connection: Connection,
    /// The time of the connection. It follows the clock or runs ahead, so that no datagram has to
    /// wait.
    pub(crate) now: Instant,
}

impl Raw {
    /// A client ready to dial; nothing is sent yet.
    pub(crate) fn new(
        from: SocketAddr,
        to: SocketAddr,
        tls: rustls::ClientConfig,
        transport: TransportConfig,
    ) -> Raw {
        let socket = UdpSocket::bind(from).unwrap();
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        config.transport_config(Arc::new(transport));
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
        let now = Instant::now();
        let (handle, connection) = endpoint.connect(now, config, to, "l").unwrap();
        Raw { socket, to, endpoint, handle, connection, now }
    }

    /// The next datagram to send. `None`: there is none.
    pub(crate) fn datagram(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let transmit = self.connection.poll_transmit(self.now, 1, &mut bytes)?;
        bytes.truncate(transmit.size);
        Some(bytes)
    }

    pub(crate) fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.to).unwrap();
    }

    /// Sends all datagrams, then takes in those that come within `wait`.
    pub(crate) fn turn(&mut self, wait: Duration) {
        self.now = self.now.max(Instant::now());
        while let Some(datagram) = self.datagram() {
            self.send(&datagram);
        }
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut room = [0; 2_048];
        while let Ok((bytes, _)) = self.socket.recv_from(&mut room) {
            self.hear(&room[..bytes]);
            self.socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        }
        self.now = self.now.max(Instant::now());
        if self.connection.poll_timeout().is_some_and(|at| at <= self.now) {
            self.connection.handle_timeout(self.now);
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        let mut answer = Vec::new();
        let data = BytesMut::from(datagram);
        let event = self.endpoint.handle(self.now, self.to, None, None, data, &mut answer);
        if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
            self.connection.handle_event(event);
        }
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(event);
            }
        }
    }

    /// Why the connection is over. `None`: it is not.
    pub(crate) fn lost(&mut self) -> Option<ConnectionError> {
        std::iter::from_fn(|| self.connection.poll()).find_map(|event| match event {
            Event::ConnectionLost { reason } => Some(reason),
            _ => None,
        })
    }

    /// Completes the handshake, and takes in the first messages of the other side.
    pub(crate) fn establish(&mut self) -> Result<(), ConnectionError> {
        let begun = Instant::now();
        while self.connection.is_handshaking() {
            assert!(begun.elapsed() < PATIENCE, "no end of the handshake");
            self.turn(Duration::from_millis(20));
            if let Some(reason) = self.lost() {
                return Err(reason);
            }
        }
        // A server that rejects the certificate says so after the client's handshake is done.
        (0..5).for_each(|_| self.turn(Duration::from_millis(20)));
        self.lost().map_or(Ok(()), Err)
    }

    pub(crate) fn open(&mut self) -> StreamId {
        self.connection.streams().open(Dir::Bi).expect("the other side allows a stream")
    }

    /// Waits until the other side ends the connection; returns the reason.
    pub(crate) fn until_lost(&mut self) -> ConnectionError {
        let begun = Instant::now();
        loop {
            if let Some(reason) = self.lost() {
                return reason;
            }
            assert!(begun.elapsed() < PATIENCE, "the connection goes on");
            self.turn(Duration::from_millis(20));
        }
    }
}
