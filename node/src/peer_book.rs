//! The peer book: peers by the number that the core knows them by, their ids, and their
//! connections.
//!
//! The core's address book decides which addresses a peer has, and which of them may be dialled
//! now. This module has the ids and the multiaddrs.
//!
//! Invariants: an id has at most one number. So has an address that was named without an id,
//! however often it was named. The peer that answers at such an address has a number of its own.
//! The number of the address is an alias of it, until another peer answers there. The peers here
//! are exactly those in the core's book.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod known;
mod places;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use nearcast_core::{
    addresses::{AddressBook, Plan, Rank},
    id::PeerKey,
    prefix::Prefix,
    registry::Endpoint,
    time::Timestamp,
};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::places::addresses;
use self::places::{multiaddrs, serving, target};
pub(crate) use self::{
    known::{Connection, Known, tag},
    places::{endpoint, endpoint_of, ports, record},
};
use crate::{
    address::{ip_of, peer_of, port_of},
    net::{Target, without_peer},
    wire::control::{PeerRecord, port},
};

/// The source of a statement that a peer is at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// Where the teller itself was seen.
    pub(crate) ip: Option<IpAddr>,
    /// How much the teller's statement counts.
    pub(crate) rank: Rank,
}

/// How to reach a peer.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Dial these addresses. `None` as id: accept any peer that answers.
    Dial(Option<PeerId>, Vec<Target>),
    /// The address was dialled often enough lately. Try again after this time.
    Later(Duration),
    /// No address of the peer is known.
    None,
}

/// Round trips that differ by less, or by less than a quarter, are the same.
const ROUND_TRIP_SLACK: Duration = Duration::from_millis(10);

/// All peers known.
#[derive(Debug)]
pub(crate) struct PeerBook {
    peers: BTreeMap<PeerKey, Known>,
    by_id: BTreeMap<PeerId, PeerKey>,
    /// Numbers of addresses named without an id, by the first address of each.
    by_address: BTreeMap<Multiaddr, PeerKey>,
    book: AddressBook,
    /// How many peers have a connection.
    online: usize,
}

impl PeerBook {
    /// An empty book. `seed` must be secret.
    pub(crate) fn new(seed: u64) -> PeerBook {
        PeerBook {
            peers: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_address: BTreeMap::new(),
            book: AddressBook::new(seed),
            online: 0,
        }
    }

    /// Enters a number, and its id if known.
    fn name(&mut self, key: PeerKey, id: Option<PeerId>) -> PeerKey {
        self.peers.insert(key, Known { id, ..Known::default() });
        if let Some(id) = id {
            self.by_id.insert(id, key);
        }
        key
    }

    /// Follows the core's book: forgets the peers it forgot, and updates the IP of `key`.
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

    /// The number of a peer by its id. A new number if the id is unknown.
    pub(crate) fn key_of(&mut self, id: PeerId) -> PeerKey {
        if let Some(&key) = self.by_id.get(&id) {
            return key;
        }
        let key = self.book.note_new();
        self.name(key, Some(id));
        self.follow(key);
        key
    }

    /// The number of the peer at an address that the user typed. The peer and the address are never
    /// forgotten.
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

    /// The number of the peer at an address that a magnet link names.
    pub(crate) fn key_linked(&mut self, peer: Option<PeerId>, endpoint: Endpoint) -> PeerKey {
        let address = multiaddrs(&endpoint).into_iter().next().unwrap_or_else(Multiaddr::empty);
        let key = self.key_wanted(peer, &address);
        self.book.link(key, endpoint);
        self.follow(key);
        key
    }

    /// The number of the peer with this id, or of an address named without an id.
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

    /// A new number for an HTTP server. Nothing else of the server is stored here.
    pub(crate) fn key_of_server(&mut self) -> PeerKey {
        let key = self.book.keep_new();
        self.peers.insert(key, Known { is_server: true, ..Known::default() });
        key
    }

    /// Frees the number of an HTTP server that is no longer used.
    pub(crate) fn release_server(&mut self, key: PeerKey) {
        self.book.release(key);
        self.follow(key);
    }

    /// Notes where a third party says that a peer is. Returns the peer's number if the peer is
    /// known or the statement is believed.
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

    /// Notes the address at which a peer that came to us says it listens, so that we can dial it
    /// later.
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

    /// Whether the user typed an address of this peer, or a magnet link names one.
    pub(crate) fn is_chosen(&self, key: PeerKey) -> bool {
        let is_chosen = |name: &PeerKey| {
            self.book.places(*name).any(|spot| spot.rank >= Rank::Typed || spot.rank == Rank::Link)
        };
        self.names_of(key).chain([key]).any(|name| is_chosen(&name))
    }

    /// The numbers of addresses named without an id at which this peer answered last.
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

    /// Notes that the dial planned by [`PeerBook::way`] was not made.
    pub(crate) fn on_dial_refused(&mut self, key: PeerKey) {
        self.book.on_dial_refused(key);
    }

    /// Notes that another peer answered at an address of this peer. Called before the dial ends.
    pub(crate) fn on_other_found(&mut self, key: PeerKey, address: &Multiaddr) {
        if let (Some(ip), Some(port)) = (ip_of(address), port_of(address)) {
            self.book.on_other_found(key, (ip, port));
        }
    }

    /// Notes that a dial failed. Returns false if the peer is given up.
    pub(crate) fn on_dial_failed(&mut self, now: Timestamp, key: PeerKey) -> bool {
        let left = self.book.on_dial_failed(now, key);
        self.follow(key);
        left
    }

    /// An address of the peer, for display.
    pub(crate) fn shown(&self, key: PeerKey) -> Option<String> {
        let known = self.get(key)?;
        if let Some(connection) = known.connection() {
            return Some(connection.remote.to_string());
        }
        let best = self.book.places(key).max_by_key(|spot| spot.rank);
        let address = best.and_then(|spot| multiaddrs(&spot.endpoint).into_iter().next());
        address.as_ref().or(known.odd.first()).map(ToString::to_string)
    }

    /// A peer by its number. An alias gives the peer behind it.
    pub(crate) fn get(&self, key: PeerKey) -> Option<&Known> {
        let known = self.peers.get(&key)?;
        // The peer behind the alias may be forgotten since. Then the alias still has its own
        // address to try.
        known.alias_of.and_then(|real| self.peers.get(&real)).or(Some(known))
    }

    /// The number behind an alias. `None`: the number is no alias.
    pub(crate) fn alias(&self, key: PeerKey) -> Option<PeerKey> {
        self.peers.get(&key)?.alias_of.filter(|real| self.peers.contains_key(real))
    }

    /// Stores the ports that a peer claims.
    pub(crate) fn set_ports(&mut self, key: PeerKey, tcp: u32, udp: u32) {
        if let Some(known) = self.peers.get_mut(&key) {
            known.ports = (port(tcp), port(udp));
        }
    }

    /// Notes a new connection. `dialed`: the number that was dialled. If that number stands for an
    /// address alone, it becomes an alias of the peer that answered.
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

    /// Makes an address that was named without an id an alias of the peer that answers there, in
    /// place of any former peer.
    fn answers_at(&mut self, now: Timestamp, (nameless, ip): (PeerKey, Option<IpAddr>), peer: PeerKey) {
        let Some(known) = self.peers.get_mut(&nameless) else { return };
        known.alias_of = Some(peer);
        self.book.join(now, (nameless, ip), peer);
    }

    /// Notes that a connection is gone. Returns the number of its peer.
    pub(crate) fn on_disconnected(&mut self, id: PeerId, connection: ConnectionId) -> Option<PeerKey> {
        let &key = self.by_id.get(&id)?;
        let known = self.peers.get_mut(&key)?;
        let before = known.connections.len();
        known.connections.retain(|other| other.id != connection);
        let gone = before.saturating_sub(known.connections.len());
        let is_offline = gone > 0 && known.connections.is_empty();
        self.online = self.online.saturating_sub(is_offline.into());
        // A peer that came to us and never said where it listens is forgotten.
        for _ in 0..gone {
            self.book.on_disconnected(key);
        }
        self.follow(key);
        Some(key)
    }

    /// Notes how long a peer took to answer a ping. Returns its number if that is news.
    pub(crate) fn on_round_trip(&mut self, id: PeerId, rtt: Duration) -> Option<PeerKey> {
        let &key = self.by_id.get(&id)?;
        let known = &mut self.peers.get_mut(&key)?.round_trip;
        // Most pings say the same as the one before. A service with thousands of peers does nothing
        // about those.
        let is_same = |known: Duration| {
            let change = rtt.abs_diff(known);
            change <= ROUND_TRIP_SLACK || change.saturating_mul(4) <= known
        };
        if known.is_some_and(is_same) {
            return None;
        }
        *known = Some(rtt);
        Some(key)
    }

    /// The record by which others are told of a peer.
    pub(crate) fn record(&self, key: PeerKey) -> Option<PeerRecord> {
        let known = self.peers.get(&key)?;
        Some(record(&known.id?.to_bytes(), &known.endpoint()?))
    }

    /// How many peers are connected.
    pub(crate) fn connected(&self) -> usize {
        self.online
    }
}

#[cfg(test)]
mod tests;
