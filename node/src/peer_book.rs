//! Who is who: peers by the small number the core knows them by, their ids, addresses and connections.
//!
//! Invariant: an id has at most one number. A peer named only by address has a number without an
//! id until somebody answers there; if that turns out to be a peer that has a number, the first
//! number becomes an alias.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use nearcast_core::{id::PeerKey, random::mix, registry::Endpoint};

use crate::{
    address::{ip_of, peer_of},
    wire::control::PeerRecord,
};

/// Addresses remembered of one peer.
const ADDRESSES_MAX: usize = 8;
/// Peers remembered that are not connected; beyond it the ones known longest are forgotten.
const STRANGERS_MAX: usize = 20_000;

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
    /// Where to dial it, best first.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Open connections, oldest first.
    pub(crate) connections: Vec<Connection>,
    /// Ports it says it listens on: TCP, then UDP.
    pub(crate) ports: (Option<u16>, Option<u16>),
    alias_of: Option<PeerKey>,
}

impl Known {
    /// Its IP as seen on a connection, else as told.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let seen = self.connections.iter().find_map(|connection| ip_of(&connection.remote));
        seen.or_else(|| self.addresses.iter().find_map(ip_of))
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

    /// The connection for new streams: over TCP if there is one, which moves bulk faster, else the oldest.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        let over_tcp =
            |connection: &&Connection| connection.remote.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        self.connections.iter().find(over_tcp).or_else(|| self.connections.first())
    }
}

/// All peers known.
#[derive(Debug, Default)]
pub(crate) struct PeerBook {
    peers: BTreeMap<PeerKey, Known>,
    by_id: BTreeMap<PeerId, PeerKey>,
    strangers: BTreeSet<PeerKey>,
    /// Strangers that are not forgotten.
    kept: BTreeSet<PeerKey>,
    next: u32,
}

impl PeerBook {
    fn add(&mut self, known: Known) -> PeerKey {
        let key = PeerKey(self.next);
        self.next = self.next.wrapping_add(1);
        if let Some(id) = known.id {
            self.by_id.insert(id, key);
        }
        self.peers.insert(key, known);
        self.strangers.insert(key);
        if self.strangers.len() > STRANGERS_MAX
            && let Some(oldest) = self.strangers.iter().copied().find(|key| !self.kept.contains(key))
            && self.strangers.remove(&oldest)
            && let Some(known) = self.peers.remove(&oldest)
            && let Some(id) = known.id
        {
            self.by_id.remove(&id);
        }
        key
    }

    /// The number of a peer by its id, new if need be.
    pub(crate) fn key_of(&mut self, id: PeerId) -> PeerKey {
        match self.by_id.get(&id) {
            Some(&key) => key,
            None => self.add(Known { id: Some(id), ..Known::default() }),
        }
    }

    /// The number of the peer at an address the user named.
    pub(crate) fn key_at(&mut self, address: &Multiaddr) -> PeerKey {
        match peer_of(address) {
            Some(id) => {
                let key = self.key_of(id);
                self.learn_address(key, address);
                key
            }
            None => self.add(Known { addresses: vec![address.clone()], ..Known::default() }),
        }
    }

    /// The number of the peer at an address the user named, who is wanted again and again: it is never forgotten.
    pub(crate) fn keep_at(&mut self, address: &Multiaddr) -> PeerKey {
        let key = self.key_at(address);
        self.kept.insert(key);
        key
    }

    /// A new number, for an HTTP server: nothing else is known of it here.
    pub(crate) fn key_of_server(&mut self) -> PeerKey {
        self.add(Known::default())
    }

    /// One more place where a peer may be.
    pub(crate) fn learn_address(&mut self, key: PeerKey, address: &Multiaddr) {
        let Some(known) = self.peers.get_mut(&key) else { return };
        let bare: Multiaddr = address.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        if known.addresses.contains(&bare) {
            return;
        }
        if known.addresses.len() >= ADDRESSES_MAX {
            known.addresses.remove(0);
        }
        known.addresses.push(bare);
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
        let port = |number: u32| u16::try_from(number).ok().filter(|&port| port != 0);
        if let Some(known) = self.peers.get_mut(&key) {
            known.ports = (port(tcp), port(udp));
        }
    }

    /// A connection is up. `dialed` is the number that was dialled; if it stood for an address alone,
    /// it gets the id, or becomes an alias of the number that has it.
    pub(crate) fn on_connected(
        &mut self,
        id: PeerId,
        connection: Connection,
        dialed: Option<PeerKey>,
    ) -> PeerKey {
        let nameless = dialed.filter(|key| self.peers.get(key).is_some_and(|known| known.id.is_none()));
        let key = match (nameless, self.by_id.get(&id)) {
            (Some(nameless), None) => {
                self.by_id.insert(id, nameless);
                self.peers.entry(nameless).and_modify(|known| known.id = Some(id));
                nameless
            }
            (Some(nameless), Some(&real)) => {
                self.peers.entry(nameless).and_modify(|known| known.alias_of = Some(real));
                real
            }
            (None, _) => self.key_of(id),
        };
        self.strangers.remove(&key);
        if let Some(known) = self.peers.get_mut(&key) {
            known.connections.push(connection);
        }
        key
    }

    /// A connection is gone.
    pub(crate) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId) -> Option<PeerKey> {
        let &key = self.by_id.get(&id)?;
        let known = self.peers.get_mut(&key)?;
        known.connections.retain(|other| other.id != connection);
        if known.connections.is_empty() {
            if known.addresses.is_empty() {
                // It came to us and we never knew where it listens.
                self.peers.remove(&key);
                self.by_id.remove(&id);
            } else {
                self.strangers.insert(key);
            }
        }
        Some(key)
    }

    /// How others are told of a peer.
    pub(crate) fn record(&self, key: PeerKey) -> Option<PeerRecord> {
        let known = self.peers.get(&key)?;
        Some(record(&known.id?.to_bytes(), &known.endpoint()?))
    }

    /// Peers connected.
    pub(crate) fn connected(&self) -> usize {
        self.peers.len() - self.strangers.len()
    }
}

/// The number by which everybody knows a peer.
pub(crate) fn tag(id: &PeerId) -> u32 {
    let last = id.as_ref().digest().iter().rev().take(8).rev();
    mix(last.fold(0, |number, &byte| number << 8 | u64::from(byte))) as u32
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

/// The addresses in a record; none if they are malformed.
pub(crate) fn addresses(record: &PeerRecord) -> Option<(IpAddr, Vec<Multiaddr>)> {
    let ip = match record.ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(&record.ip[..]).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(&record.ip[..]).ok()?).to_canonical(),
        _ => return None,
    };
    let port = |number: u32| u16::try_from(number).ok().filter(|&port| port != 0);
    let base = Multiaddr::from(ip);
    let tcp = port(record.tcp_port).map(|port| base.clone().with(Protocol::Tcp(port)));
    let quic =
        port(record.udp_port).map(|port| base.clone().with(Protocol::Udp(port)).with(Protocol::QuicV1));
    Some((ip, tcp.into_iter().chain(quic).collect()))
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

    fn connection(number: usize, remote: &str) -> Connection {
        Connection { id: ConnectionId::new_unchecked(number), remote: remote.parse().unwrap() }
    }

    #[test]
    fn a_peer_named_by_address_gets_its_id_when_it_answers() {
        let mut book = PeerBook::default();
        let key = book.key_at(&"/ip4/127.0.0.1/tcp/4001".parse().unwrap());
        let id = PeerId::random();
        assert_eq!(book.on_connected(id, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(key)), key);
        assert_eq!(book.key_of(id), key);
    }

    #[test]
    fn two_addresses_of_one_peer_become_one_peer() {
        let mut book = PeerBook::default();
        let (first, second) = (
            book.key_at(&"/ip4/127.0.0.1/tcp/4001".parse().unwrap()),
            book.key_at(&"/ip4/127.0.0.1/udp/4001/quic-v1".parse().unwrap()),
        );
        let id = PeerId::random();
        book.on_connected(id, connection(1, "/ip4/127.0.0.1/tcp/4001"), Some(first));
        assert_eq!(
            book.on_connected(id, connection(2, "/ip4/127.0.0.1/udp/4001/quic-v1"), Some(second)),
            first
        );
        assert_eq!(book.alias(second), Some(first));
        assert_eq!(book.get(second).unwrap().id, Some(id));
    }

    #[test]
    fn who_came_to_us_is_forgotten_and_who_we_know_is_kept() {
        let mut book = PeerBook::default();
        let (guest, host) = (PeerId::random(), PeerId::random());
        let guest_key = book.on_connected(guest, connection(1, "/ip4/192.0.2.1/tcp/5"), None);
        let named: Multiaddr = format!("/ip4/192.0.2.2/tcp/6/p2p/{host}").parse().unwrap();
        let host_key = book.key_at(&named);
        book.on_connected(host, connection(2, "/ip4/192.0.2.2/tcp/6"), Some(host_key));
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
}
