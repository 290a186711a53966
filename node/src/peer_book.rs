//! Who is who: peers by the small number the core knows them by, their ids, and their connections.
//!
//! Which addresses a peer has, and which of them may be dialled now, is decided by the core's address book; here are the
//! names, and multiaddrs.
//!
//! Invariants: an id has at most one number, and so has an address that was named without an id, however often it was named.
//! Whoever answers at such an address has a number of its own, of which the other is an alias, until somebody else answers
//! there. Whoever is here is in the core's book, and the other way round.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use nearcast_core::{
    addresses::{AddressBook, Place, Plan, Rank},
    id::PeerKey,
    prefix::Prefix,
    random::mix,
    registry::Endpoint,
    saturate::low_half,
    scope::Scope,
    time::Timestamp,
};

use crate::{
    address::{ip_of, peer_of, port_of},
    net::{Target, without_peer},
    wire::control::{PeerRecord, port},
};

/// A connection to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// The other end, as seen.
    pub(crate) remote: Multiaddr,
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) id: Option<PeerId>,
    /// Open connections, oldest first.
    pub(crate) connections: Vec<Connection>,
    /// Ports it says it listens on: TCP, then UDP.
    pub(crate) ports: (Option<u16>, Option<u16>),
    /// The IP of its best address, as the core's book has it.
    told: Option<IpAddr>,
    /// Addresses the user typed that are neither TCP nor QUIC at an IP: the dial says what is wrong with them.
    odd: Vec<Multiaddr>,
    alias_of: Option<PeerKey>,
    /// It is an HTTP server.
    is_server: bool,
}

impl Known {
    /// Whether it is an HTTP server: a web seed.
    pub(crate) fn is_server(&self) -> bool {
        self.is_server
    }

    /// Its IP as seen on a connection, else as told.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let seen = self.connections.iter().find_map(|connection| ip_of(&connection.remote));
        seen.or(self.told)
    }

    /// The number by which everybody knows it (WIRE.md, "Tags"); 0 while its id is not known.
    pub(crate) fn tag(&self) -> u32 {
        self.id.as_ref().map_or(0, tag)
    }

    /// Where others can reach it: the IP we see, the ports it claims.
    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        let ip = self.connections.iter().find_map(|connection| ip_of(&connection.remote))?;
        let (tcp, udp) = self.ports;
        (tcp.is_some() || udp.is_some()).then_some(Endpoint { ip, tcp, udp })
    }

    /// Whether a connection leads to it.
    pub(crate) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// The connection for new streams: over TCP if there is one, which moves bulk faster, else the oldest.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        let over_tcp =
            |connection: &&Connection| connection.remote.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        self.connections.iter().find(over_tcp).or_else(|| self.connections.first())
    }
}

/// Whose word it is that a peer is somewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Where the teller itself was seen.
    pub(crate) ip: Option<IpAddr>,
    /// How much its word counts.
    pub(crate) rank: Rank,
}

/// What to do to reach a peer.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Dial it, or whoever is there if its id is not known.
    Dial(Option<PeerId>, Vec<Target>),
    /// Its address was dialled enough of late.
    Later(Duration),
    /// Nobody knows where it is.
    None,
}

/// All peers known.
#[derive(Debug)]
pub(crate) struct PeerBook {
    peers: BTreeMap<PeerKey, Known>,
    by_id: BTreeMap<PeerId, PeerKey>,
    /// Numbers of addresses without an id, by the first address of each.
    by_address: BTreeMap<Multiaddr, PeerKey>,
    book: AddressBook,
    /// Peers that have a connection.
    online: usize,
}

impl PeerBook {
    /// An empty book. `seed` is a secret.
    pub(crate) fn new(seed: u64) -> PeerBook {
        PeerBook {
            peers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_address: BTreeMap::new(),
            book: AddressBook::new(seed),
            online: 0,
        }
    }

    /// Gives a number its name.
    fn name(&mut self, key: PeerKey, id: Option<PeerId>) -> PeerKey {
        self.peers.insert(key, Known { id, ..Known::default() });
        if let Some(id) = id {
            self.by_id.insert(id, key);
        }
        key
    }

    /// Follows the core's book: whom it forgot is forgotten, and `key` is where it says.
    fn follow(&mut self, key: PeerKey) {
        for key in self.book.take_forgotten() {
            if let Some(id) = self.peers.remove(&key).and_then(|known| known.id)
                && self.by_id.get(&id) == Some(&key)
            {
                self.by_id.remove(&id);
            }
        }
        if let Some(known) = self.peers.get_mut(&key) {
            known.told = self.book.ip(key);
        }
    }

    /// The number of a peer by its id, new if need be.
    pub(crate) fn key_of(&mut self, id: PeerId) -> PeerKey {
        if let Some(&key) = self.by_id.get(&id) {
            return key;
        }
        let key = self.book.note_new();
        self.name(key, Some(id));
        self.follow(key);
        key
    }

    /// The number of the peer at an address that the user typed: neither it nor the address is ever forgotten.
    pub(crate) fn key_at(&mut self, address: &Multiaddr) -> PeerKey {
        let key = self.key_wanted(peer_of(address), &without_peer(address));
        match endpoint_of(address) {
            Some(endpoint) => self.book.type_in(key, endpoint),
            None => {
                let odd = self.peers.get_mut(&key).map(|known| &mut known.odd);
                odd.into_iter()
                    .filter(|odd| !odd.contains(address))
                    .for_each(|odd| odd.push(address.clone()));
            }
        }
        self.follow(key);
        key
    }

    /// The number of the peer at an address that a link names.
    pub(crate) fn key_linked(&mut self, peer: Option<PeerId>, endpoint: Endpoint) -> PeerKey {
        let address = multiaddrs(&endpoint).into_iter().next().unwrap_or_else(Multiaddr::empty);
        let key = self.key_wanted(peer, &address);
        self.book.link(key, endpoint);
        self.follow(key);
        key
    }

    /// The number of this peer, or of whoever is at this address.
    fn key_wanted(&mut self, id: Option<PeerId>, address: &Multiaddr) -> PeerKey {
        let known = match id {
            Some(id) => self.by_id.get(&id),
            None => self.by_address.get(address),
        };
        let key = known.copied().unwrap_or_else(|| {
            let key = self.book.keep_new();
            if id.is_none() {
                self.by_address.insert(address.clone(), key);
            }
            self.name(key, id)
        });
        self.book.keep(key);
        key
    }

    /// A new number, for an HTTP server: nothing else is known of it here.
    pub(crate) fn key_of_server(&mut self) -> PeerKey {
        let key = self.book.keep_new();
        self.peers.insert(key, Known { is_server: true, ..Known::default() });
        key
    }

    /// An HTTP server is not used any more.
    pub(crate) fn release_server(&mut self, key: PeerKey) {
        self.book.release(key);
        self.follow(key);
    }

    /// Somebody else says where a peer is. Its number, if that is believed or the peer is known.
    pub(crate) fn hear(
        &mut self,
        now: Timestamp,
        id: PeerId,
        endpoint: Endpoint,
        word: Word,
    ) -> Option<PeerKey> {
        let known = self.by_id.get(&id).copied();
        let prefix = Prefix::of(word.ip.unwrap_or(IpAddr::from([0; 4])));
        let heard = self.book.hear(now, known, endpoint, (word.rank, prefix));
        if let Some(key) = heard.filter(|_| known.is_none()) {
            self.name(key, Some(id));
        }
        self.follow(heard.unwrap_or(PeerKey(u32::MAX)));
        heard
    }

    /// A peer that came to us can be found again where it says it listens.
    pub(crate) fn learn_claimed(&mut self, key: PeerKey) {
        let claimed = self.peers.get(&key).and_then(Known::endpoint);
        if let Some(endpoint) = claimed.as_ref().and_then(serving) {
            self.book.claim(key, endpoint);
            self.follow(key);
        }
    }

    /// Whether the user typed an address of this peer.
    pub(crate) fn is_typed(&self, key: PeerKey) -> bool {
        self.names_of(key).chain([key]).any(|name| self.book.is_typed(name))
    }

    /// Whether the user typed an address of this peer, or a link names one.
    pub(crate) fn is_chosen(&self, key: PeerKey) -> bool {
        let is_chosen = |name: &PeerKey| {
            self.book.places(*name).any(|spot| spot.rank >= Rank::Typed || spot.rank == Rank::Link)
        };
        self.names_of(key).chain([key]).any(|name| is_chosen(&name))
    }

    /// The addresses without an id at which this peer answered last.
    pub(crate) fn names_of(&self, key: PeerKey) -> impl Iterator<Item = PeerKey> + '_ {
        self.by_address.values().copied().filter(move |name| self.alias(*name) == Some(key))
    }

    /// How to reach a peer that is not connected.
    pub(crate) fn way(&mut self, now: Timestamp, key: PeerKey) -> Way {
        let Some(known) = self.peers.get(&key) else { return Way::None };
        let odd = known.odd.iter().map(|address| Target { address: address.clone(), once: false });
        let targets: Vec<Target> = match self.book.plan(now, key) {
            Plan::Dial(places) => places.iter().map(target).chain(odd).collect(),
            Plan::Later(wait) if known.odd.is_empty() => return Way::Later(wait),
            Plan::Later(_) | Plan::Nowhere => odd.collect(),
        };
        if targets.is_empty() { Way::None } else { Way::Dial(known.id, targets) }
    }

    /// What [`PeerBook::way`] said was not done.
    pub(crate) fn on_dial_refused(&mut self, key: PeerKey) {
        self.book.on_dial_refused(key);
    }

    /// Somebody else answered at an address of this peer: said before its dial ends.
    pub(crate) fn on_other_found(&mut self, key: PeerKey, address: &Multiaddr) {
        if let (Some(ip), Some(port)) = (ip_of(address), port_of(address)) {
            self.book.on_other_found(key, (ip, port));
        }
    }

    /// A dial failed. False if the peer is given up.
    pub(crate) fn on_dial_failed(&mut self, now: Timestamp, key: PeerKey) -> bool {
        let left = self.book.on_dial_failed(now, key);
        self.follow(key);
        left
    }

    /// An address of a peer, for people.
    pub(crate) fn shown(&self, key: PeerKey) -> Option<String> {
        let known = self.get(key)?;
        if let Some(connection) = known.connection() {
            return Some(connection.remote.to_string());
        }
        let best = self.book.places(key).max_by_key(|spot| spot.rank);
        let address = best.and_then(|spot| multiaddrs(&spot.endpoint).into_iter().next());
        address.as_ref().or(known.odd.first()).map(ToString::to_string)
    }

    /// A peer, by number or by the number it is an alias of.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Known> {
        let known = self.peers.get(&key)?;
        // Whoever it is an alias of may be forgotten since; its own address is still one to try.
        known.alias_of.and_then(|real| self.peers.get(&real)).or(Some(known))
    }

    /// The number behind an alias.
    pub(crate) fn alias(&self, key: PeerKey) -> Option<PeerKey> {
        self.peers.get(&key)?.alias_of.filter(|real| self.peers.contains_key(real))
    }

    /// What a peer says of itself.
    pub(crate) fn set_ports(&mut self, key: PeerKey, tcp: u32, udp: u32) {
        if let Some(known) = self.peers.get_mut(&key) {
            known.ports = (port(tcp), port(udp));
        }
    }

    /// A connection is up. `dialed` is the number that was dialled; one that stands for an address alone becomes an alias of
    /// whoever answered there.
    pub(crate) fn on_connected(
        &mut self,
        now: Timestamp,
        id: PeerId,
        connection: Connection,
        dialed: Option<PeerKey>,
    ) -> PeerKey {
        let remote = dialed.and_then(|_| Some((ip_of(&connection.remote)?, port_of(&connection.remote)?)));
        let key = self.by_id.get(&id).copied().unwrap_or_else(|| {
            let key = self.book.note_new();
            self.name(key, Some(id))
        });
        let nameless = dialed.filter(|key| self.peers.get(key).is_some_and(|known| known.id.is_none()));
        if let Some(nameless) = nameless {
            self.answers_at(now, (nameless, remote.map(|(ip, _)| ip)), key);
        }
        self.book.on_connected(now, key, remote);
        if let Some(known) = self.peers.get_mut(&key) {
            self.online = self.online.saturating_add(known.connections.is_empty().into());
            known.connections.push(connection);
        }
        self.follow(key);
        key
    }

    /// This peer answers at an address that was named without an id; whoever did before is somewhere else now, or gone.
    fn answers_at(&mut self, now: Timestamp, (nameless, ip): (PeerKey, Option<IpAddr>), peer: PeerKey) {
        let Some(known) = self.peers.get_mut(&nameless) else { return };
        known.alias_of = Some(peer);
        self.book.join(now, (nameless, ip), peer);
    }

    /// A connection is gone.
    pub(crate) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId) -> Option<PeerKey> {
        let &key = self.by_id.get(&id)?;
        let known = self.peers.get_mut(&key)?;
        let before = known.connections.len();
        known.connections.retain(|other| other.id != connection);
        let gone = before.saturating_sub(known.connections.len());
        let is_offline = gone > 0 && known.connections.is_empty();
        self.online = self.online.saturating_sub(is_offline.into());
        // Who came to us and never said where it listens is forgotten.
        for _ in 0..gone {
            self.book.on_disconnected(key);
        }
        self.follow(key);
        Some(key)
    }

    /// How others are told of a peer.
    pub(crate) fn record(&self, key: PeerKey) -> Option<PeerRecord> {
        let known = self.peers.get(&key)?;
        Some(record(&known.id?.to_bytes(), &known.endpoint()?))
    }

    /// Peers connected.
    pub(crate) fn connected(&self) -> usize {
        self.online
    }
}

/// What of an endpoint may be dialled because somebody says so: ports of other services are left alone.
fn serving(endpoint: &Endpoint) -> Option<Endpoint> {
    let may = |port: &u16| Scope::may_serve_at(*port);
    let Endpoint { ip, tcp, udp } = *endpoint;
    let endpoint = Endpoint { ip, tcp: tcp.filter(may), udp: udp.filter(may) };
    (endpoint.tcp.is_some() || endpoint.udp.is_some()).then_some(endpoint)
}

/// An address that is TCP or QUIC at an IP.
pub(crate) fn endpoint_of(address: &Multiaddr) -> Option<Endpoint> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    let endpoint = match (parts.next()?, parts.next()) {
        (Protocol::Tcp(tcp), None) => Endpoint { ip, tcp: Some(tcp), udp: None },
        (Protocol::Udp(udp), Some(Protocol::QuicV1)) => Endpoint { ip, tcp: None, udp: Some(udp) },
        _ => return None,
    };
    parts.next().is_none().then_some(endpoint)
}

fn target(place: &Place) -> Target {
    let base = Multiaddr::from(place.ip);
    let address = match place.quic {
        false => base.with(Protocol::Tcp(place.port)),
        true => base.with(Protocol::Udp(place.port)).with(Protocol::QuicV1),
    };
    Target { address, once: place.counted }
}

fn multiaddrs(endpoint: &Endpoint) -> Vec<Multiaddr> {
    let place = |port, quic| target(&Place { ip: endpoint.ip, port, quic, counted: false }).address;
    let tcp = endpoint.tcp.map(|port| place(port, false));
    tcp.into_iter().chain(endpoint.udp.map(|port| place(port, true))).collect()
}

/// The number by which everybody knows a peer.
pub(crate) fn tag(id: &PeerId) -> u32 {
    let last = id.as_ref().digest().iter().rev().take(8).rev();
    low_half(mix(last.fold(0, |number, &byte| number << 8 | u64::from(byte))))
}

/// An endpoint on the wire.
pub(crate) fn record(peer: &[u8], endpoint: &Endpoint) -> PeerRecord {
    let ip = match endpoint.ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    PeerRecord {
        peer: peer.to_vec(),
        ip,
        tcp_port: endpoint.tcp.map_or(0, u32::from),
        udp_port: endpoint.udp.map_or(0, u32::from),
    }
}

/// The endpoint in a record; none if it is malformed.
pub(crate) fn endpoint(record: &PeerRecord) -> Option<Endpoint> {
    let ip = match record.ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(&record.ip[..]).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(&record.ip[..]).ok()?).to_canonical(),
        _ => return None,
    };
    Some(Endpoint { ip, tcp: port(record.tcp_port), udp: port(record.udp_port) })
}

/// The addresses in a record, for tests and fuzz targets; none if they are malformed.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn addresses(record: &PeerRecord) -> Option<(IpAddr, Vec<Multiaddr>)> {
    let endpoint = endpoint(record)?;
    Some((endpoint.ip, multiaddrs(&endpoint)))
}

/// The first port of each kind among our own addresses, as we claim them: TCP, then UDP.
pub(crate) fn ports(listen: &[Multiaddr]) -> (u32, u32) {
    let find = |pick: fn(Protocol<'_>) -> Option<u16>| {
        listen.iter().find_map(|address| address.iter().find_map(pick)).map_or(0, u32::from)
    };
    let tcp = find(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
    let udp = find(|part| if let Protocol::Udp(port) = part { Some(port) } else { None });
    (tcp, udp)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::ZERO;

    fn connection(number: usize, remote: &str) -> Connection {
        Connection { id: ConnectionId::new_unchecked(number), remote: remote.parse().unwrap() }
    }

    #[test]
    fn an_address_without_an_id_is_an_alias_of_whoever_answers_there() {
        let mut book = PeerBook::new(1);
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/4001".parse().unwrap();
        let named = book.key_at(&address);
        assert_eq!(book.key_at(&address), named, "however often it is named");
        let (first, second) = (PeerId::random(), PeerId::random());
        let before = book.on_connected(NOW, first, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(named));
        assert_eq!((book.alias(named), book.key_of(first)), (Some(before), before));
        assert!(book.is_typed(before));
        book.on_disconnected(first, ConnectionId::new_unchecked(1));
        let Way::Dial(None, _) = book.way(NOW, named) else { panic!("whoever is there is wanted") };
        let now = book.on_connected(NOW, second, connection(2, "/ip4/127.0.0.1/tcp/4001"), Some(named));
        assert_eq!(book.alias(named), Some(now));
        assert!(book.is_typed(now) && !book.is_typed(before), "the user typed where it is, not who");
    }

    #[test]
    fn keys_that_change_behind_one_address_are_not_all_remembered() {
        let mut book = PeerBook::new(1);
        let named = book.key_at(&"/ip4/192.0.2.1/tcp/4001".parse().unwrap());
        for number in 0..20_000 {
            let id = PeerId::random();
            book.on_connected(NOW, id, connection(number, "/ip4/192.0.2.1/tcp/4001"), Some(named));
            book.on_disconnected(id, ConnectionId::new_unchecked(number));
        }
        assert!(book.peers.len() <= 2 + nearcast_core::addresses::strangers_max(), "{}", book.peers.len());
        assert_eq!(book.peers.len(), book.book.len());
    }

    #[test]
    fn two_addresses_of_one_peer_become_one_peer() {
        let mut book = PeerBook::new(1);
        let (first, second) = (
            book.key_at(&"/ip4/127.0.0.1/tcp/4001".parse().unwrap()),
            book.key_at(&"/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap()),
        );
        let id = PeerId::random();
        book.on_connected(NOW, id, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(first));
        let peer = book.key_of(id);
        assert_eq!(
            book.on_connected(NOW, id, connection(2, "/ip4/127.0.0.1/udp/4001/quic-v1"), Some(second)),
            peer
        );
        assert_eq!((book.alias(first), book.alias(second)), (Some(peer), Some(peer)));
        assert_eq!(book.get(second).unwrap().id, Some(id));
    }

    #[test]
    fn who_came_to_us_is_forgotten_and_who_we_know_is_kept() {
        let mut book = PeerBook::new(1);
        let (guest, host) = (PeerId::random(), PeerId::random());
        let guest_key = book.on_connected(NOW, guest, connection(1, "/ip4/192.0.2.1/tcp/5"), None);
        let named: Multiaddr = format!("/ip4/192.0.2.2/tcp/6/p2p/{host}").parse().unwrap();
        let host_key = book.key_at(&named);
        book.on_connected(NOW, host, connection(2, "/ip4/192.0.2.2/tcp/6"), Some(host_key));
        assert_eq!(book.connected(), 2);
        book.on_disconnected(guest, ConnectionId::new_unchecked(1));
        book.on_disconnected(host, ConnectionId::new_unchecked(2));
        assert!(book.get(guest_key).is_none() && book.get(host_key).is_some());
        assert_eq!(book.connected(), 0);
    }

    #[test]
    fn a_record_leads_back_to_the_address_it_was_made_of() {
        let endpoint = Endpoint { ip: "2001:db8::7".parse().unwrap(), tcp: Some(4001), udp: None };
        let record = record(&PeerId::random().to_bytes(), &endpoint);
        let (ip, addresses) = addresses(&record).unwrap();
        assert_eq!(ip, endpoint.ip);
        assert_eq!(addresses, ["/ip6/2001:db8::7/tcp/4001".parse::<Multiaddr>().unwrap()]);
    }

    fn dialled(way: &Way) -> Vec<String> {
        let Way::Dial(_, targets) = way else { return Vec::new() };
        targets.iter().map(|target| target.address.to_string()).collect()
    }

    #[test]
    fn a_wrong_name_at_an_address_costs_that_name_alone() {
        let mut book = PeerBook::new(1);
        let place = Endpoint { ip: "192.0.2.1".parse().unwrap(), tcp: Some(4_001), udp: None };
        let word = |teller: &str| Word { ip: teller.parse().ok(), rank: Rank::Hearsay };
        let wrong = book.hear(NOW, PeerId::random(), place.clone(), word("192.0.9.1")).unwrap();
        let Way::Dial(Some(_), targets) = book.way(NOW, wrong) else { panic!("it is tried") };
        book.on_other_found(wrong, &targets[0].address);
        assert!(!book.on_dial_failed(NOW, wrong), "nothing is left of it");
        assert!(book.get(wrong).is_none());
        let right = book.hear(NOW, PeerId::random(), place, word("192.0.8.1")).expect("the address is good");
        assert_eq!(dialled(&book.way(NOW, right)), ["/ip4/192.0.2.1/tcp/4001"]);
    }

    #[test]
    fn what_a_stranger_says_of_a_peer_never_displaces_what_the_user_typed() {
        let mut book = PeerBook::new(1);
        let seeder = PeerId::random();
        let typed = format!("/ip4/192.0.2.1/tcp/4701/p2p/{seeder}");
        let key = book.key_at(&typed.parse().unwrap());
        let word = Word { ip: "192.0.2.9".parse().ok(), rank: Rank::Hearsay };
        for port in 9_001..9_100 {
            let bogus = Endpoint { ip: "192.0.2.9".parse().unwrap(), tcp: Some(port), udp: None };
            assert_eq!(book.hear(NOW, seeder, bogus, word), Some(key));
        }
        for number in 0..50_000u32 {
            let ip = IpAddr::from((0x0800_0000 + number).to_be_bytes());
            book.hear(NOW, PeerId::random(), Endpoint { ip, tcp: Some(4001), udp: None }, word);
        }
        assert_eq!(dialled(&book.way(NOW, key)), ["/ip4/192.0.2.1/tcp/4701"]);
        assert!(book.peers.len() <= 1 + nearcast_core::addresses::hearsay_max(), "{}", book.peers.len());
        assert_eq!(book.peers.len(), book.book.len());
        assert_eq!(book.by_id.len(), book.peers.len());
    }

    #[test]
    fn an_address_without_a_name_that_leads_to_a_known_peer_is_not_lost_with_its_number() {
        let mut book = PeerBook::new(1);
        let id = PeerId::random();
        let guest = book.on_connected(NOW, id, connection(1, "/ip4/192.0.2.1/tcp/50000"), None);
        let typed = book.key_at(&"/ip4/192.0.2.1/tcp/4001".parse().unwrap());
        assert!(matches!(book.way(NOW, typed), Way::Dial(None, _)));
        assert_eq!(book.on_connected(NOW, id, connection(2, "/ip4/192.0.2.1/tcp/4001"), Some(typed)), guest);
        book.on_disconnected(id, ConnectionId::new_unchecked(1));
        book.on_disconnected(id, ConnectionId::new_unchecked(2));
        let later = NOW + Duration::from_secs(60);
        assert_eq!(dialled(&book.way(later, guest)), ["/ip4/192.0.2.1/tcp/4001"]);
        assert_eq!(book.connected(), 0);
    }

    #[test]
    fn an_address_that_cannot_be_dialled_is_tried_all_the_same_if_the_user_typed_it() {
        let mut book = PeerBook::new(1);
        let odd = "/dns4/absent.example/tcp/4001";
        let key = book.key_at(&odd.parse().unwrap());
        assert_eq!(dialled(&book.way(NOW, key)), [odd]);
    }

    #[test]
    fn web_servers_are_forgotten_with_their_content() {
        let mut book = PeerBook::new(1);
        let server = book.key_of_server();
        assert!(book.get(server).is_some_and(Known::is_server));
        book.release_server(server);
        assert!(book.get(server).is_none() && book.book.is_empty());
        let peer = book.key_at(&"/ip4/192.0.2.1/tcp/5".parse().unwrap());
        assert!(!book.get(peer).is_some_and(Known::is_server));
    }
}
