//! Raw streams on a chosen connection.
//!
//! This behaviour hands out negotiated streams and does nothing else. Each user of a stream reads
//! and writes it in a task of its own, with the muxer's back-pressure, and no byte passes the
//! swarm. The connection matters because two connections to the same peer may differ in everything
//! (TCP or QUIC, near or far), and a reply belongs where its request came from.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{
        Endpoint,
        transport::PortUse,
        upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo},
    },
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::Compat;

use super::{dials::without_peer, network::Refused};
use crate::budget::Budget;

/// A stream in tokio's form.
pub(crate) type Wire = Compat<Stream>;

/// The time limit from the request for a stream to the agreed protocol.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Opens on one connection that wait for the other side. More are refused.
const OPENS_IN_FLIGHT_MAX: usize = 32;

/// A stream that the other side opened.
#[derive(Debug)]
pub(crate) struct InboundStream {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    /// The remote address of the connection, as seen.
    pub(crate) remote: Arc<Multiaddr>,
    pub(crate) protocol: StreamProtocol,
    pub(crate) stream: Stream,
}

/// Why a stream could not be opened. A connection that still exists is as good as before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The connection is gone, or was never there.
    #[error("the connection is closed")]
    Closed,
    /// The peer did not agree in time.
    #[error("the peer did not accept the stream within {} seconds", OPEN_TIMEOUT.as_secs())]
    Timeout,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak {0}")]
    Unsupported(StreamProtocol),
    /// The stream broke during the negotiation of its protocol.
    #[error("the stream broke while it was opened: {0}")]
    Broken(std::io::Error),
    /// Too many opens are waiting on this connection.
    #[error("{OPENS_IN_FLIGHT_MAX} streams are being opened on this connection already")]
    Busy,
}

/// A request for a stream, and the channel for its answer. If it is dropped unanswered, the asker
/// gets [`OpenError::Closed`].
#[derive(Debug)]
pub(crate) struct OpenRequest {
    pub(crate) protocol: StreamProtocol,
    pub(crate) reply: oneshot::Sender<Result<Stream, OpenError>>,
}

/// The behaviour.
pub(crate) struct Streams {
    accepted: Arc<[StreamProtocol]>,
    inbound: mpsc::Sender<InboundStream>,
    refused: Arc<Refused>,
    budget: Arc<Budget>,
    /// Requests on their way to their connections. The swarm takes them out at once.
    requests: VecDeque<(PeerId, ConnectionId, OpenRequest)>,
    waker: Option<Waker>,
}

impl Streams {
    /// Accepts `protocols`, and sends their streams to `inbound`. A stream that finds the queue
    /// full is reset, and counted in `refused`.
    pub(crate) fn new(
        protocols: Vec<StreamProtocol>,
        inbound: mpsc::Sender<InboundStream>,
        refused: Arc<Refused>,
        budget: Arc<Budget>,
    ) -> Self {
        let accepted = protocols.into();
        Streams { accepted, inbound, refused, budget, requests: VecDeque::new(), waker: None }
    }

    /// Requests a stream on exactly this connection.
    pub(crate) fn open(&mut self, peer: PeerId, connection: ConnectionId, request: OpenRequest) {
        self.requests.push_back((peer, connection, request));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn handler(&self, peer: PeerId, connection: ConnectionId, remote: &Multiaddr, inbound: bool) -> Handler {
        self.budget.name(connection, &without_peer(remote), inbound);
        Handler {
            peer,
            connection,
            remote: Arc::new(remote.clone()),
            accepted: self.accepted.clone(),
            inbound: self.inbound.clone(),
            refused: self.refused.clone(),
            wanted: VecDeque::new(),
            in_flight: 0,
        }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, remote, true))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, remote, false))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection, event)) = self.requests.pop_front() {
            return Poll::Ready(ToSwarm::NotifyHandler {
                peer_id,
                handler: NotifyHandler::One(connection),
                event,
            });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The part of [`Streams`] that lives with one connection.
pub(crate) struct Handler {
    peer: PeerId,
    connection: ConnectionId,
    remote: Arc<Multiaddr>,
    accepted: Arc<[StreamProtocol]>,
    inbound: mpsc::Sender<InboundStream>,
    refused: Arc<Refused>,
    wanted: VecDeque<OpenRequest>,
    /// Requests passed to the connection and not answered yet.
    in_flight: usize,
}

impl Handler {
    fn deliver(&self, protocol: StreamProtocol, stream: Stream) {
        let (peer, connection, remote) = (self.peer, self.connection, self.remote.clone());
        let inbound = InboundStream { peer, connection, remote, protocol, stream };
        // Never waits: this runs inside the connection's task, which has other streams to serve.
        if self.inbound.try_send(inbound).is_err() {
            self.refused.streams.fetch_add(1, Ordering::Relaxed);
            if let Some(kept_back) = self.refused.streams_said.due() {
                let peer = self.peer;
                tracing::warn!(%peer, kept_back, "too many streams are waiting to be accepted; one was refused");
            }
        }
    }

    fn answer(&mut self, request: OpenRequest, result: Result<Stream, OpenError>) {
        self.in_flight -= 1;
        // If the asker has left, the stream is dropped, which resets it.
        let _ = request.reply.send(result);
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenRequest;
    type ToBehaviour = Infallible;
    type InboundProtocol = Accept;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenRequest;

    fn listen_protocol(&self) -> SubstreamProtocol<Accept> {
        SubstreamProtocol::new(Accept(self.accepted.clone()), ()).with_timeout(OPEN_TIMEOUT)
    }

    fn on_behaviour_event(&mut self, request: OpenRequest) {
        if self.in_flight + self.wanted.len() >= OPENS_IN_FLIGHT_MAX {
            let _ = request.reply.send(Err(OpenError::Busy));
        } else {
            self.wanted.push_back(request);
        }
    }

    // The connection polls its handler after every event that it passes to it, so no wake-up is
    // needed.
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, OpenRequest, Infallible>> {
        let Some(request) = self.wanted.pop_front() else {
            return Poll::Pending;
        };
        self.in_flight += 1;
        let offer = Offer(request.protocol.clone());
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
            protocol: SubstreamProtocol::new(offer, request).with_timeout(OPEN_TIMEOUT),
        })
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Accept, Offer, (), OpenRequest>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => self.deliver(protocol, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.answer(info, Ok(protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let error = open_error(&info.protocol, error);
                self.answer(info, Err(error));
            }
            _ => {}
        }
    }
}

fn open_error(protocol: &StreamProtocol, error: StreamUpgradeError<Infallible>) -> OpenError {
    match error {
        StreamUpgradeError::Timeout => OpenError::Timeout,
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported(protocol.clone()),
        StreamUpgradeError::Io(error) => OpenError::Broken(error),
        StreamUpgradeError::Apply(never) => match never {},
    }
}

/// Accepts any of our protocols, and remembers which.
#[derive(Clone)]
pub(crate) struct Accept(Arc<[StreamProtocol]>);

impl UpgradeInfo for Accept {
    type Info = StreamProtocol;
    type InfoIter = AcceptNames;

    fn protocol_info(&self) -> AcceptNames {
        AcceptNames { names: self.0.clone(), next: 0 }
    }
}

impl InboundUpgrade<Stream> for Accept {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

/// Iterates over the names without copying the list: the connection asks for the names at every
/// poll.
pub(crate) struct AcceptNames {
    names: Arc<[StreamProtocol]>,
    next: usize,
}

impl Iterator for AcceptNames {
    type Item = StreamProtocol;

    fn next(&mut self) -> Option<StreamProtocol> {
        let name = self.names.get(self.next)?.clone();
        self.next += 1;
        Some(name)
    }
}

/// Proposes one protocol.
pub(crate) struct Offer(StreamProtocol);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(self.0.clone())
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}
