//! Admission: every connection, inbound or outbound, passes here when it is made.
//!
//! During its handshake an inbound connection holds one of few places. It loses the place when it
//! had its chance and a newer connection needs it. Once made, a connection is counted together with
//! what it holds, and ends when it has to make room.

use std::{
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
};

use super::{dials::without_peer, held::Held, lobby::HandOver};
use crate::{
    address::ip_of,
    budget::{Budget, Holdings, Kind, Places, Ticket},
};

/// Finds the holdings of a connection.
type HoldingsOf<M> = Arc<dyn Fn(&M) -> Arc<Holdings> + Send + Sync>;

/// How an inbound connection gets a place for its handshake.
pub(crate) enum Door {
    /// TCP: the connection waited in the [`Lobby`](super::lobby::Lobby) and has its place already.
    Lobby(HandOver),
    /// QUIC: the connection arrives without asking, so another gives way at once.
    Open(Arc<Places>),
}

impl Door {
    fn ticket(&self, remote: &Multiaddr) -> Option<Ticket> {
        match self {
            Door::Lobby(hand_over) => hand_over.take(),
            Door::Open(places) => {
                Some(places.take(ip_of(remote).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
            }
        }
    }
}

/// A transport whose connections are counted.
pub(crate) struct Admission<T, M> {
    inner: T,
    gate: Gate<M>,
    door: Door,
}

struct Gate<M> {
    budget: Arc<Budget>,
    holdings_of: HoldingsOf<M>,
}

impl<M> Clone for Gate<M> {
    fn clone(&self) -> Self {
        Gate { budget: self.budget.clone(), holdings_of: self.holdings_of.clone() }
    }
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdmitted<E> {
    /// The connection could not be made.
    #[error(transparent)]
    Failed(E),
    /// The handshake took too long while other connections waited.
    #[error("the handshake took too long, and its place was needed")]
    Evicted,
}

impl<T, M> Admission<T, M> {
    pub(crate) fn new(
        inner: T,
        budget: Arc<Budget>,
        door: Door,
        holdings_of: impl Fn(&M) -> Arc<Holdings> + Send + Sync + 'static,
    ) -> Self {
        let gate = Gate { budget, holdings_of: Arc::new(holdings_of) };
        Admission { inner, gate, door }
    }
}

impl<M> Gate<M> {
    fn admit(&self, muxer: M, remote: &Multiaddr, inbound: bool) -> Held<M> {
        let holdings = (self.holdings_of)(&muxer);
        let remote = without_peer(remote);
        let place = self.budget.come_in(&holdings, ip_of(&remote), remote.to_vec(), inbound);
        Held::new(muxer, holdings, place)
    }
}

/// The handshake of an inbound connection.
pub(crate) struct Handshake<F, M> {
    upgrade: Pin<Box<F>>,
    ticket: Option<Ticket>,
    gate: Gate<M>,
    remote: Multiaddr,
}

impl<F, M> Unpin for Handshake<F, M> {}

impl<F, M, E> Future for Handshake<F, M>
where
    F: Future<Output = Result<(PeerId, M), E>>,
{
    type Output = Result<(PeerId, Held<M>), NotAdmitted<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.ticket.as_ref().is_some_and(|ticket| ticket.poll_evicted(cx).is_ready()) {
            return Poll::Ready(Err(NotAdmitted::Evicted));
        }
        let made = std::task::ready!(this.upgrade.as_mut().poll(cx));
        let ticket = this.ticket.take();
        let (peer, muxer) = made.map_err(NotAdmitted::Failed)?;
        if let Some(ticket) = ticket {
            ticket.made();
        }
        Poll::Ready(Ok((peer, this.gate.admit(muxer, &this.remote, true))))
    }
}

impl<T, M> Transport for Admission<T, M>
where
    T: Transport<Output = (PeerId, M)> + Unpin,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
    T::Error: Send + Sync + 'static,
    M: Send + 'static,
{
    type Output = (PeerId, Held<M>);
    type Error = NotAdmitted<T::Error>;
    type ListenerUpgrade = Handshake<T::ListenerUpgrade, M>;
    type Dial = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, addr).map_err(|error| error.map(NotAdmitted::Failed))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<Self::Error>> {
        let dial = self.inner.dial(addr.clone(), opts).map_err(|error| error.map(NotAdmitted::Failed))?;
        let gate = self.gate.clone();
        let dialing = Dialing::new(&gate.budget);
        let made = dial.map_err(NotAdmitted::Failed).map_ok(move |(peer, muxer)| {
            drop(dialing);
            (peer, gate.admit(muxer, &addr, false))
        });
        Ok(made.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        let this = &mut *self;
        let event = std::task::ready!(Pin::new(&mut this.inner).poll(cx)).map_err(NotAdmitted::Failed);
        Poll::Ready(match event {
            TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                let ticket = this.door.ticket(&send_back_addr);
                let (gate, remote) = (this.gate.clone(), send_back_addr.clone());
                let upgrade = Handshake { upgrade: Box::pin(upgrade), ticket, gate, remote };
                TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr }
            }
            other => other.map_upgrade(|_| unreachable!("only incoming connections are upgraded")),
        })
    }
}

/// A dial in progress, counted in the budget.
struct Dialing(Arc<Budget>);

impl Dialing {
    fn new(budget: &Arc<Budget>) -> Dialing {
        budget.meter(Kind::Dials).add(1);
        Dialing(budget.clone())
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        self.0.meter(Kind::Dials).sub(1);
    }
}
