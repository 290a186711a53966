//! Where peers may be: their addresses, ranked by who named them, and which of them may be dialled
//! now.
//!
//! What a neighbour says of other peers is hearsay. It may fill free room and never displaces what
//! is known better: what the user typed, where we connected to before, what a peer says of itself,
//! what the user's own directories say. Peers that are not connected stand in two tables of
//! buckets, as in Bitcoin's address manager: peers that others told of ("new") by the network of
//! the teller, and peers that we were connected to ("tried") by their own network. So a teller of
//! thousands displaces peers that it told of itself, and never peers that others told of or that we
//! knew.
//!
//! Dials that follow from the word of others are counted by target ([`targets`]). A place that
//! never worked is given up for a while after three failures, or eight if a directory of the user's
//! named it. What the user typed and what was proved needs no token, and has a pause of its own.
//!
//! Invariants: no two peers that are known at the same time have the same key; a typed place is
//! never lost; each peer that is neither connected nor kept stands in exactly one table; the
//! hearsay of one network makes us remember at most [`hearsay_max`] peers.

mod dials;
mod doors;
mod given_up;
pub mod places;
mod table;
pub mod targets;

use std::{collections::BTreeMap, net::IpAddr};

use self::{
    dials::Attempt,
    doors::doors,
    given_up::{Door, GivenUp},
    places::{Places, Told},
    table::{BUCKET_PEERS_MAX, Slot, Table},
    targets::Targets,
};
pub use self::{
    dials::{ATTEMPT_DELAY, Place, Plan},
    given_up::{GIVEN_UP_BY_DIRECTORY_FOR, GIVEN_UP_FOR, GIVEN_UP_MAX},
    places::{Rank, Spot},
};
use crate::{id::PeerKey, place::endpoint::Endpoint, place::prefix::Prefix, random::Random, time::Timestamp};

/// Buckets for peers that others told of.
const NEW_BUCKETS_MAX: u16 = 256;
/// Buckets for peers that we were connected to.
const TRIED_BUCKETS_MAX: u16 = 64;
/// Buckets that one network can reach by telling of others: 512 peers, more than a content has
/// candidates.
const HEARSAY_REACH: u16 = 8;
/// Buckets that the network of a directory can reach, if the user named the directory.
const DIRECTORY_REACH: u16 = 32;
/// Buckets that the peers of one network can reach among those we were connected to.
const TRIED_REACH: u16 = 4;

/// The most peers that one network can make us remember by hearsay.
pub const fn hearsay_max() -> usize {
    (HEARSAY_REACH as usize).saturating_mul(BUCKET_PEERS_MAX)
}

/// The most peers remembered that are neither connected nor kept.
pub const fn strangers_max() -> usize {
    (NEW_BUCKETS_MAX as usize).saturating_add(TRIED_BUCKETS_MAX as usize).saturating_mul(BUCKET_PEERS_MAX)
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
struct Entry {
    places: Places,
    /// Number of connections that are up.
    connections: u32,
    /// The user wants this peer: it is never forgotten.
    kept: bool,
    /// Its slot in a table, and whether that is the table of peers we were connected to.
    slot: Option<(Slot, bool)>,
    /// What the dial under way tries. `None`: no dial is under way.
    dial: Option<Vec<Attempt>>,
}

/// All that is known of where peers are.
#[derive(Clone, Debug)]
pub struct AddressBook {
    entries: BTreeMap<PeerKey, Entry>,
    /// The peers that others say are at an address and port.
    doors: BTreeMap<Door, Vec<PeerKey>>,
    new: Table,
    tried: Table,
    targets: Targets,
    given_up: GivenUp,
    next: u32,
    random: Random,
    forgotten: Vec<PeerKey>,
}

impl AddressBook {
    /// An empty book. `seed` is a secret: an attacker who knows it can choose buckets.
    pub fn new(seed: u64) -> AddressBook {
        AddressBook {
            entries: BTreeMap::new(),
            doors: BTreeMap::new(),
            new: Table::new(NEW_BUCKETS_MAX, seed),
            tried: Table::new(TRIED_BUCKETS_MAX, seed.rotate_left(29)),
            targets: Targets::default(),
            given_up: GivenUp::default(),
            next: 0,
            random: Random::new(seed.rotate_left(7)),
            forgotten: Vec::new(),
        }
    }

    /// A key for a peer that has none. The caller has to keep the peer or put it into a table.
    fn new_key(&mut self) -> PeerKey {
        // Keys wrap after 2^32 peers and may still be in use. The book is bounded, so one is free.
        while self.entries.contains_key(&PeerKey(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let key = PeerKey(self.next);
        self.next = self.next.wrapping_add(1);
        self.entries.insert(key, Entry::default());
        key
    }

    /// Goes on as if all keys below `next` had been given: for tests of what happens after 2^32
    /// peers.
    #[doc(hidden)]
    pub fn pretend_used(&mut self, next: u32) {
        self.next = next;
    }

    /// A new peer that is never forgotten until [`AddressBook::release`].
    pub fn keep_new(&mut self) -> PeerKey {
        let key = self.new_key();
        self.keep(key);
        key
    }

    /// A new peer of which nothing but its name is known. It is forgotten when too many such peers
    /// come.
    pub fn note_new(&mut self) -> PeerKey {
        let key = self.new_key();
        let nowhere = Prefix::of(IpAddr::from([0; 4]));
        let anywhere = Prefix::of(IpAddr::from(key.0.to_be_bytes()));
        self.enter(key, (nowhere, anywhere, HEARSAY_REACH), false);
        key
    }

    /// The user wants this peer: it is never forgotten.
    pub fn keep(&mut self, peer: PeerKey) {
        self.leave_table(peer);
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.kept = true;
        }
    }

    /// The user no longer wants this peer.
    pub fn release(&mut self, peer: PeerKey) {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.kept = false;
        }
        self.settle_down(peer);
    }

    /// The user names a place of a peer.
    pub fn type_in(&mut self, peer: PeerKey, endpoint: Endpoint) {
        self.keep(peer);
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.places.tell(Spot::new(endpoint, Rank::Typed, None));
        }
    }

    /// A link names a place of a peer. The place is kept as long as one that the user types, for
    /// the user chose the link.
    pub fn link(&mut self, peer: PeerKey, endpoint: Endpoint) {
        self.keep(peer);
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.places.tell(Spot::new(endpoint, Rank::Link, None));
        }
    }

    /// A connected peer says where it listens.
    pub fn claim(&mut self, peer: PeerKey, endpoint: Endpoint) {
        let Some(entry) = self.entries.get_mut(&peer).filter(|entry| entry.connections > 0) else { return };
        if let Told::News(gone) = entry.places.tell(Spot::new(endpoint, Rank::Own, None)) {
            self.close_doors(peer, &gone);
        }
    }

    /// A teller in the network `teller` says where a peer is. `peer`: the key of that peer, if it
    /// has one. Returns the key if the word is believed or the peer was known: then it is worth
    /// being a candidate.
    pub fn hear(
        &mut self,
        now: Timestamp,
        peer: Option<PeerKey>,
        endpoint: Endpoint,
        (rank, teller): (Rank, Prefix),
    ) -> Option<PeerKey> {
        let rank = rank.min(Rank::Directory);
        let is_better = |entry: &Entry| entry.connections > 0 || entry.places.rank() > Some(Rank::Directory);
        if let Some(key) = peer.filter(|key| self.entries.get(key).is_some_and(is_better)) {
            // The peer is known better than by this word, which is kept only if nothing else works
            // any more.
            if let Some(failures) = self.may_enter(now, peer, &endpoint, (rank, teller)) {
                self.tell(key, Spot { failures, ..Spot::new(endpoint, rank, Some(teller)) });
            }
            return Some(key);
        }
        let Some(failures) = self.may_enter(now, peer, &endpoint, (rank, teller)) else {
            return peer.filter(|key| self.entries.get(key).is_some_and(|entry| !entry.places.is_empty()));
        };
        let key = peer.filter(|key| self.entries.contains_key(key)).unwrap_or_else(|| self.new_key());
        self.tell(key, Spot { failures, ..Spot::new(endpoint.clone(), rank, Some(teller)) });
        let entry = self.entries.get(&key)?;
        if entry.slot.is_none() && !entry.kept && entry.connections == 0 {
            let reach = if rank == Rank::Directory { DIRECTORY_REACH } else { HEARSAY_REACH };
            self.enter(key, (teller, Prefix::of(endpoint.ip), reach), false);
        }
        self.entries.contains_key(&key).then_some(key)
    }

    fn tell(&mut self, peer: PeerKey, spot: Spot) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        let endpoint = spot.endpoint.clone();
        if let Told::News(gone) = entry.places.tell(spot) {
            self.close_doors(peer, &gone);
            for door in doors(&endpoint) {
                let names = self.doors.entry(door).or_default();
                if !names.contains(&peer) {
                    names.push(peer);
                }
            }
        }
    }

    fn enter(&mut self, peer: PeerKey, place: (Prefix, Prefix, u16), tried: bool) {
        let entries = &self.entries;
        let busy = |peer: PeerKey| entries.get(&peer).is_some_and(|entry| entry.dial.is_some());
        let table = if tried { &mut self.tried } else { &mut self.new };
        let Some((slot, gone)) = table.insert(peer, place, &mut self.random, busy) else {
            return self.forget(peer);
        };
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.slot = Some((slot, tried));
        }
        if let Some(gone) = gone {
            if let Some(entry) = self.entries.get_mut(&gone) {
                entry.slot = None;
            }
            self.forget(gone);
        }
    }

    fn leave_table(&mut self, peer: PeerKey) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        if let Some((slot, tried)) = entry.slot.take() {
            let table = if tried { &mut self.tried } else { &mut self.new };
            table.remove(peer, slot);
        }
    }

    fn forget(&mut self, peer: PeerKey) {
        self.leave_table(peer);
        let Some(mut entry) = self.entries.remove(&peer) else { return };
        let paid = entry.dial.take().into_iter().flatten().filter_map(|attempt| attempt.token);
        paid.for_each(|token| self.targets.refund(token));
        let gone: Vec<Spot> = entry.places.iter().cloned().collect();
        self.close_doors(peer, &gone);
        self.forgotten.push(peer);
    }

    /// Peers forgotten since the last call. Their keys will be given to other peers one day.
    pub fn take_forgotten(&mut self) -> Vec<PeerKey> {
        std::mem::take(&mut self.forgotten)
    }

    /// The peer that answers at the address of `from`, dialled at `ip`, is `to`: that is proved
    /// now. What was said of where `from` is stays, for another peer may answer there one day.
    pub fn join(&mut self, now: Timestamp, (from, ip): (PeerKey, Option<IpAddr>), to: PeerKey) {
        self.settle_dial(now, from, ip);
        if let Some(entry) = self.entries.get_mut(&from) {
            entry.places.iter_mut().for_each(Spot::note_alive);
        }
        let chosen = |spot: &&Spot| spot.rank >= Rank::Link;
        let spots: Vec<Spot> = self.places(from).filter(chosen).cloned().collect();
        for spot in spots {
            let Some(entry) = self.entries.get_mut(&to) else { return };
            if let Told::News(gone) = entry.places.tell(Spot::new(spot.endpoint, Rank::Connected, None)) {
                self.close_doors(to, &gone);
            }
        }
    }

    fn connected(&mut self, peer: PeerKey) {
        self.leave_table(peer);
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.connections = entry.connections.saturating_add(1);
        }
    }

    /// A connection to a peer is up. `dialled`: its address and port, if we dialled it.
    pub fn on_connected(&mut self, now: Timestamp, peer: PeerKey, dialled: Option<(IpAddr, u16)>) {
        self.connected(peer);
        let Some((ip, port)) = dialled else { return };
        self.settle_dial(now, peer, Some(ip));
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.places.on_connected(ip, port);
        // A place that is proved no longer counts as anybody's claim.
        let proved = entry.places.iter().filter(|spot| !spot.rank.is_third_party());
        for door in proved.flat_map(|spot| doors(&spot.endpoint)).collect::<Vec<_>>() {
            self.close_door(peer, door);
        }
    }

    /// A connection to a peer is gone. Returns false if the peer is forgotten, because nothing is
    /// known of where it is.
    pub fn on_disconnected(&mut self, peer: PeerKey) -> bool {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.connections = entry.connections.saturating_sub(1);
        }
        self.settle_down(peer);
        self.entries.contains_key(&peer)
    }

    /// Gives a peer that is neither connected nor kept its place in a table, or forgets it.
    fn settle_down(&mut self, peer: PeerKey) {
        let Some(entry) = self.entries.get(&peer) else { return };
        if entry.connections > 0 || entry.kept || entry.slot.is_some() {
            return;
        }
        let tried = entry.places.rank() > Some(Rank::Directory);
        let own = entry.places.ip().map(Prefix::of);
        let teller = entry.places.iter().find_map(|spot| spot.teller);
        match (own, teller) {
            (Some(own), _) if tried => self.enter(peer, (own, own, TRIED_REACH), true),
            (Some(own), Some(teller)) => self.enter(peer, (teller, own, HEARSAY_REACH), false),
            _ => self.forget(peer),
        }
    }

    /// The IP of the best place of a peer.
    pub fn ip(&self, peer: PeerKey) -> Option<IpAddr> {
        self.entries.get(&peer)?.places.ip()
    }

    /// Whether a peer is known, connected or not.
    pub fn contains(&self, peer: PeerKey) -> bool {
        self.entries.contains_key(&peer)
    }

    /// Whether the user typed where this peer is. If so, its word about other peers counts as that
    /// of a directory.
    pub fn is_typed(&self, peer: PeerKey) -> bool {
        self.entries.get(&peer).is_some_and(|entry| entry.places.rank() == Some(Rank::Typed))
    }

    /// The places of a peer.
    pub fn places(&self, peer: PeerKey) -> impl Iterator<Item = &Spot> {
        self.entries.get(&peer).into_iter().flat_map(|entry| entry.places.iter())
    }

    /// Number of peers known, connected or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no peer is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of peers remembered because a teller in this network named them.
    pub fn told_by(&self, teller: Prefix) -> usize {
        self.new.of(teller)
    }
}
