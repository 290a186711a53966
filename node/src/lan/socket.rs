//! The task that sends and listens on the local network.
//!
//! It asks three times at the start, answers questions, and announces itself every 45 to 56
//! seconds, so that lost packets are made up for later. It does not repeat its questions: with many
//! peers, that would flood the network.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use libp2p::PeerId;
use nearcast_core::{random::Random, scope::Scope};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::message::{self, MESSAGE_BYTES_MAX, Message};
use crate::{
    address::ip_of,
    events::{Events, Heard, LanSaid, TaskEvent, report},
    net::Network,
    peer_book,
};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353);
/// A packet with this time to live has passed no router (RFC 6762, section 11).
const HOPS: u32 = 255;
/// How often we announce ourselves, at most; up to a quarter is added at random.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(45);
/// Pauses before each of the questions at the start.
const QUESTION_PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_secs(1), Duration::from_secs(3)];
/// The base of the pause before an answer. We wait 2 to 2.5 times as long, at random, so that not
/// all peers answer at once.
const ANSWER_PAUSE: Duration = Duration::from_millis(40);
/// Pause between two answers. A peer that asks more often gets no further answer meanwhile.
const ANSWER_INTERVAL: Duration = Duration::from_secs(1);
/// Answers of other peers passed on in a second, at most. Further ones are dropped.
const HEARD_PER_SECOND_MAX: u32 = 64;

/// Everything the task needs.
pub(crate) struct Lan {
    pub(crate) network: Network,
    pub(crate) events: Events,
    pub(crate) stop: CancellationToken,
    /// Seed for its random pauses.
    pub(crate) seed: u64,
}

/// Whether this node listens on an address that may be on a local network. Loopback does not count.
pub(crate) fn may_run(network: &Network) -> bool {
    network.listen_addresses().iter().filter_map(ip_of).any(|ip| !ip.is_loopback())
}

/// Sends and listens until stopped.
pub(crate) async fn run(lan: Lan) {
    let stop = lan.stop.clone();
    let mut speaker = match Speaker::new(lan) {
        Ok(speaker) => speaker,
        Err(error) => return tracing::info!(%error, "nobody is looked for on the local network"),
    };
    while let Some(()) = stop.run_until_cancelled(speaker.turn()).await {}
    speaker.say(true).await;
}

struct Speaker {
    lan: Lan,
    socket: UdpSocket,
    random: Random,
    /// Our addresses on local networks, and for each the prefix length of its subnet.
    places: BTreeMap<Ipv4Addr, u8>,
    questions: std::array::IntoIter<Duration, 3>,
    ask_at: Option<Instant>,
    announce_at: Instant,
    answer_at: Option<Instant>,
    answered: Option<Instant>,
    /// The second being counted, and how many answers were passed on in it.
    heard: (Instant, u32),
    buffer: Box<[u8; MESSAGE_BYTES_MAX]>,
}

enum Next {
    Ask,
    Say,
    Packet(io::Result<(usize, SocketAddr)>),
}

impl Speaker {
    fn new(lan: Lan) -> io::Result<Speaker> {
        let now = Instant::now();
        let mut questions = QUESTION_PAUSES.into_iter();
        let mut speaker = Speaker {
            socket: open()?,
            random: Random::new(lan.seed),
            lan,
            places: BTreeMap::new(),
            ask_at: questions.next().map(|pause| now + pause),
            questions,
            announce_at: now + ANNOUNCE_INTERVAL,
            answer_at: None,
            answered: None,
            heard: (now, 0),
            buffer: Box::new([0; MESSAGE_BYTES_MAX]),
        };
        speaker.look_around();
        // Announce ourselves after the first question, so that the peers learn of us too.
        speaker.answer_at = Some(now + ANSWER_PAUSE);
        Ok(speaker)
    }

    /// Joins the local networks on whose addresses we listen. Runs again and again, because
    /// interfaces come and go.
    fn look_around(&mut self) {
        let listen: Vec<IpAddr> = self.lan.network.listen_addresses().iter().filter_map(ip_of).collect();
        let local = |interface: if_addrs::Interface| match interface.addr {
            if_addrs::IfAddr::V4(v4) => Some((v4.ip, v4.prefixlen)),
            if_addrs::IfAddr::V6(_) => None,
        };
        let ours = |(ip, _): &(Ipv4Addr, u8)| {
            let scope = Scope::of(IpAddr::V4(*ip));
            listen.contains(&IpAddr::V4(*ip)) && matches!(scope, Scope::Private | Scope::Link)
        };
        let all = if_addrs::get_if_addrs().unwrap_or_default();
        let places: BTreeMap<_, _> = all.into_iter().filter_map(local).filter(ours).collect();
        for place in places.keys().filter(|place| !self.places.contains_key(place)) {
            if let Err(error) = self.socket.join_multicast_v4(*GROUP.ip(), *place) {
                tracing::debug!(%place, %error, "cannot listen to this local network");
            }
        }
        self.places = places;
    }

    async fn turn(&mut self) {
        let say_at = self.answer_at.map_or(self.announce_at, |answer| answer.min(self.announce_at));
        let ask_at = self.ask_at.unwrap_or(say_at);
        let next = tokio::select! {
            packet = self.socket.recv_from(&mut self.buffer[..]) => Next::Packet(packet),
            () = sleep_until(ask_at), if self.ask_at.is_some() => Next::Ask,
            () = sleep_until(say_at) => Next::Say,
        };
        match next {
            Next::Ask => {
                self.ask_at = self.questions.next().map(|pause| Instant::now() + pause);
                self.send_everywhere(|_| message::question()).await;
            }
            Next::Say => {
                self.look_around();
                self.say(false).await;
                let now = Instant::now();
                (self.answer_at, self.answered) = (None, Some(now));
                self.announce_at = now + self.random.stretch(ANNOUNCE_INTERVAL, 0.25);
            }
            Next::Packet(Ok((length, from))) => self.on_packet(length, from).await,
            // For example, a network went away. Without a pause the error could repeat at once.
            Next::Packet(Err(error)) => {
                tracing::debug!(%error, "cannot hear the local network");
                tokio::time::sleep(ANSWER_INTERVAL).await;
            }
        }
    }

    async fn on_packet(&mut self, length: usize, from: SocketAddr) {
        let IpAddr::V4(ip) = from.ip() else { return };
        if !self.is_here(ip) {
            return;
        }
        match message::read(&self.buffer[..length]) {
            Some(Message::Question) => {
                let soon = Instant::now() + ANSWER_PAUSE + self.random.stretch(ANSWER_PAUSE, 0.5);
                let allowed = self.answered.map_or(soon, |answered| soon.max(answered + ANSWER_INTERVAL));
                self.answer_at.get_or_insert(allowed);
            }
            Some(Message::Answer(said)) if said.peer != self.us() && self.may_hear() => {
                let heard = Heard { said, ip };
                report(&self.lan.events, TaskEvent::LanHeard(heard)).await;
            }
            _ => {}
        }
    }

    fn us(&self) -> PeerId {
        self.lan.network.local_peer()
    }

    /// Whether an address is on one of our subnets. A packet from elsewhere has passed a router
    /// that should not have forwarded it.
    fn is_here(&self, ip: Ipv4Addr) -> bool {
        self.places.iter().any(|(place, &bits)| {
            let differs = (place.to_bits() ^ ip.to_bits()).leading_zeros();
            differs >= u32::from(bits)
        })
    }

    fn may_hear(&mut self) -> bool {
        let now = Instant::now();
        if now.saturating_duration_since(self.heard.0) >= Duration::from_secs(1) {
            self.heard = (now, 0);
        }
        self.heard.1 += 1;
        self.heard.1 <= HEARD_PER_SECOND_MAX
    }

    /// Announces that we are there, or leave, on each network with our ports there.
    async fn say(&mut self, leaves: bool) {
        let (peer, listen) = (self.us(), self.lan.network.listen_addresses());
        let answer = |place: Ipv4Addr| {
            let here: Vec<_> =
                listen.iter().filter(|address| ip_of(address) == Some(IpAddr::V4(place))).cloned().collect();
            let (tcp, udp) = peer_book::ports(&here);
            message::answer(&LanSaid { peer, tcp: tcp as u16, udp: udp as u16, leaves })
        };
        self.send_everywhere(answer).await;
    }

    async fn send_everywhere(&self, message: impl Fn(Ipv4Addr) -> Vec<u8>) {
        for &place in self.places.keys() {
            let chosen = SockRef::from(&self.socket).set_multicast_if_v4(&place);
            let sent = match chosen {
                Ok(()) => self.socket.send_to(&message(place), GROUP).await.map(drop),
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!(%place, %error, "cannot speak on this local network");
            }
        }
    }
}

/// One socket for all networks. The port is shared with the system's own resolver and with other
/// nearcast nodes.
fn open() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, GROUP.port())).into())?;
    // Other nodes on this machine hear us too.
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    // Otherwise packets of other groups that programs on this machine joined would arrive here.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    UdpSocket::from_std(socket.into())
}
