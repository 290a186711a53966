//! The lobby: TCP connections that wait for a place for their handshake.
//!
//! The system's own queue does not distinguish its callers, so honest peers would wait behind all
//! others. The lobby takes connections out of that queue at once, waits until they have sent
//! something, and admits them by the standing of their network. A waiting connection takes a
//! socket, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Ready, ready},
    io,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, BoxFuture, abortable},
    stream::FuturesUnordered,
};
use libp2p::{
    Multiaddr,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
};
use nearcast_core::budget::{Queue, Turn};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep},
};

use super::{read_ahead::ReadAhead, tcp::TcpTransport};
use crate::{
    address::ip_of,
    budget::{Places, Ticket},
};

/// Connections taken out of the system's queue at once, before other tasks get their turn.
const ARRIVALS_AT_ONCE: usize = 64;
/// While the lobby is full, the least time between two arrivals: each costs a waiting connection
/// its place.
const CROWDED_PACE: Duration = Duration::from_micros(100);
/// How far arrivals may lag behind that pace and catch up at once: timers are no finer.
const PACE_SLACK: Duration = Duration::from_millis(5);
/// An honest peer speaks at once. A connection silent for longer than this is the first to be sent
/// away.
const SPEAK_FIRST: Duration = Duration::from_millis(250);
/// A connection that has waited longer has been given up by its peer.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A transport that admits connections as places become free.
pub(crate) struct Lobby {
    tcp: TcpTransport,
    places: Arc<Places>,
    hand_over: HandOver,
    max: usize,
    next: u64,
    /// Connections that have sent nothing yet.
    silent: FuturesUnordered<Abortable<BoxFuture<'static, (u64, Said)>>>,
    visitors: BTreeMap<u64, Visitor>,
    silent_numbers: BTreeSet<u64>,
    /// Connections that have sent something.
    queue: Queue<u64>,
    paced_until: Option<Instant>,
    /// Timers: until there is a place, and until the next arrival may be taken in.
    pause: Option<Pin<Box<Sleep>>>,
    arrivals_pause: Option<Pin<Box<Sleep>>>,
}

/// A connection in the lobby.
struct Visitor {
    ip: IpAddr,
    since: Instant,
    listener_id: ListenerId,
    local_addr: Multiaddr,
    send_back_addr: Multiaddr,
    state: State,
}

enum State {
    /// The connection has sent nothing.
    Silent(AbortHandle),
    /// The connection is ready to be admitted.
    Spoken(ReadAhead<TcpStream>),
}

/// Carries the ticket of the connection reported last. It passes by the layers in between, which
/// know nothing of tickets.
#[derive(Clone, Default)]
pub(crate) struct HandOver(Arc<Mutex<Option<Ticket>>>);

impl HandOver {
    fn put(&self, ticket: Ticket) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticket);
    }

    /// Takes the ticket, once for each connection.
    pub(crate) fn take(&self) -> Option<Ticket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A socket on which something has arrived.
type Said = io::Result<ReadAhead<TcpStream>>;

type Event = TransportEvent<Ready<Said>, io::Error>;

impl Lobby {
    /// A lobby in which at most `max` connections wait for places.
    pub(crate) fn new(tcp: TcpTransport, places: Arc<Places>, max: u32) -> Lobby {
        Lobby {
            tcp,
            places,
            hand_over: HandOver::default(),
            max: max.max(1) as usize,
            next: 0,
            silent: FuturesUnordered::new(),
            visitors: BTreeMap::new(),
            silent_numbers: BTreeSet::new(),
            queue: Queue::default(),
            paced_until: None,
            pause: None,
            arrivals_pause: None,
        }
    }

    /// Where the ticket of each connection is found.
    pub(crate) fn hand_over(&self) -> HandOver {
        self.hand_over.clone()
    }

    /// Takes new connections out of the system's queue. Ready with any other event.
    fn poll_arrivals(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        for _ in 0..ARRIVALS_AT_ONCE {
            std::task::ready!(self.poll_pace(cx));
            match std::task::ready!(Pin::new(&mut self.tcp).poll(cx)) {
                TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr } => {
                    let ip = ip_of(&send_back_addr).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
                    let number = self.next;
                    self.next += 1;
                    let (first_bytes, handle) = abortable(upgrade.map(move |said| (number, said)).boxed());
                    self.silent.push(first_bytes);
                    let (since, state) = (Instant::now(), State::Silent(handle));
                    let visitor = Visitor { ip, since, listener_id, local_addr, send_back_addr, state };
                    self.visitors.insert(number, visitor);
                    self.silent_numbers.insert(number);
                    self.paced_until = self.paced_until.map(|until| until + CROWDED_PACE);
                }
                other => return Poll::Ready(other.map_upgrade(|_| unreachable!("others have no upgrade"))),
            }
        }
        // There may be more connections. They are taken after other tasks had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Ready when one more connection may be taken in.
    fn poll_pace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.visitors.len() < self.max {
            self.paced_until = None;
            return Poll::Ready(());
        }
        let now = Instant::now();
        let behind = now.checked_sub(PACE_SLACK).unwrap_or(now);
        let until = self.paced_until.map_or(behind, |until| until.max(behind));
        self.paced_until = Some(until);
        if until <= now {
            return Poll::Ready(());
        }
        let mut timer = Box::pin(tokio::time::sleep_until(until));
        let polled = timer.as_mut().poll(cx);
        self.arrivals_pause = Some(timer);
        polled
    }

    /// Sends connections away while too many wait, or have waited too long.
    fn make_room(&mut self) {
        let now = Instant::now();
        while let Some((&oldest, visitor)) = self.visitors.first_key_value()
            && now.duration_since(visitor.since) > WAIT_MAX
        {
            self.send_away(oldest);
        }
        while self.visitors.len() > self.max
            && let Some(number) = self.last(now)
        {
            self.send_away(number);
        }
    }

    /// The connection to send away first: one that had time to speak and did not, or else one of
    /// the network with the worst standing.
    fn last(&self, now: Instant) -> Option<u64> {
        let silent = self.silent_numbers.first().copied();
        let since = silent.and_then(|number| self.visitors.get(&number)).map(|visitor| visitor.since);
        if since.is_some_and(|since| now.duration_since(since) > SPEAK_FIRST) {
            return silent;
        }
        self.places.last(&self.queue).map(|(number, _)| number).or(silent)
    }

    fn send_away(&mut self, number: u64) {
        if let Some(visitor) = self.visitors.remove(&number) {
            self.queue.leave(number, visitor.ip);
            self.silent_numbers.remove(&number);
            if let State::Silent(handle) = visitor.state {
                handle.abort();
            }
        }
    }

    /// Notes connections that have sent something by now.
    fn poll_silent(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(heard)) = self.silent.poll_next_unpin(cx) {
            // Connections that were sent away show up here, too.
            let Ok((number, said)) = heard else { continue };
            let Some(visitor) = self.visitors.get_mut(&number) else { continue };
            let ip = visitor.ip;
            self.silent_numbers.remove(&number);
            if let Ok(stream) = said {
                visitor.state = State::Spoken(stream);
                self.queue.arrive(number, ip);
            } else {
                self.visitors.remove(&number);
                self.places.fail(ip, 1);
            }
        }
    }

    /// Admits the next connection, once there is a place.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let (number, ip) = match self.places.next(&self.queue) {
            Turn::Of(number, ip) => (number, ip),
            Turn::Nobody => return Poll::Pending,
            Turn::From(time) => {
                let mut pause = Box::pin(tokio::time::sleep_until(self.places.instant(time)));
                if pause.as_mut().poll(cx).is_ready() {
                    // The time of the next connection has come by now.
                    cx.waker().wake_by_ref();
                }
                self.pause = Some(pause);
                return Poll::Pending;
            }
        };
        std::task::ready!(self.places.poll_room(cx, ip, &mut self.pause));
        self.queue.leave(number, ip);
        let Some(visitor) = self.visitors.remove(&number) else { return Poll::Pending };
        let Visitor { listener_id, local_addr, send_back_addr, state: State::Spoken(stream), .. } = visitor
        else {
            return Poll::Pending;
        };
        self.hand_over.put(self.places.take(ip));
        Poll::Ready(TransportEvent::Incoming {
            listener_id,
            upgrade: ready(Ok(stream)),
            local_addr,
            send_back_addr,
        })
    }
}

impl Transport for Lobby {
    type Output = ReadAhead<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<Said>;
    type Dial = <TcpTransport as Transport>::Dial;

    fn listen_on(&mut self, id: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.tcp.listen_on(id, addr)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let all = self.visitors.iter();
        let gone: Vec<_> =
            all.filter(|(_, visitor)| visitor.listener_id == id).map(|(who, _)| *who).collect();
        gone.into_iter().for_each(|who| self.send_away(who));
        self.tcp.remove_listener(id)
    }

    fn dial(&mut self, addr: Multiaddr, opts: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        self.tcp.dial(addr, opts)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Event> {
        let this = &mut *self;
        if let Poll::Ready(event) = this.poll_arrivals(cx) {
            return Poll::Ready(event);
        }
        this.poll_silent(cx);
        // Only after `poll_silent`, so that the bytes of new connections have been noticed.
        this.make_room();
        this.poll_next(cx)
    }
}
