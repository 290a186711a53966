//! Who may be where: the addresses of peers, ranked by whose word they are, and which of them may be dialled now.
//!
//! What a neighbour says of others is hearsay. It may fill what is free and never displaces what is known better:
//! what the user typed, where we connected to before, what a peer says of itself, what the user's own directories say.
//! Peers that are not connected stand in two tables of buckets, as in Bitcoin's address manager: those that somebody
//! told of ("new") by the network of the teller, those we were connected to ("tried") by their own network. So whoever
//! tells of thousands forgets its own, and never those that others told of or that we knew.
//!
//! Dials that follow from the word of others are counted by target ([`targets`]); a place that fails three times and never worked is
//! given up for a while. What the user typed and what was proved needs no token, and has a pause of its own.
//!
//! Invariants: a key is never given to two peers that are known at the same time; a typed place is never lost; each
//! peer that is neither connected nor kept stands in exactly one table; one teller's network holds at most
//! [`hearsay_max`] peers.

mod given_up;
pub mod places;
mod table;
pub mod targets;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use self::{
    given_up::{Door, GivenUp},
    places::{Places, Told},
    table::{BUCKET_PEERS_MAX, Slot, Table},
    targets::{Targets, Token},
};
pub use self::{
    given_up::{GIVEN_UP_BY_DIRECTORY_FOR, GIVEN_UP_FOR, GIVEN_UP_MAX},
    places::{Rank, Spot},
};
use crate::{id::PeerKey, prefix::Prefix, random::Random, registry::Endpoint, time::Timestamp};

/// Buckets for peers that others told of.
const NEW_BUCKETS_MAX: u16 = 256;
/// Buckets for peers that we were connected to.
const TRIED_BUCKETS_MAX: u16 = 64;
/// Buckets that one network can reach by telling of others: 512 peers, more than a content has candidates.
const HEARSAY_REACH: u16 = 8;
/// Buckets that the network of a directory can reach that the user named.
const DIRECTORY_REACH: u16 = 32;
/// Buckets that the peers of one network can reach among those we were connected to.
const TRIED_REACH: u16 = 4;
/// Peers that may be said to be at one address and port. The second one is for whoever is really there, should the
/// first one be a lie.
const NAMES_PER_DOOR_MAX: usize = 2;
/// The pause after a place failed that the user typed or that was proved; it doubles with each failure. It is at most
/// half of what one content waits, so it shows only where many contents want the same peer.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
/// The longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// The pause after a place failed that a link names, which is never given up.
const PAUSE_LINK: Duration = Duration::from_secs(5);
/// Of so many attempts at a place that somebody names, the last one is over QUIC.
const QUIC_TURN: u8 = 3;

/// Peers that one network can make us remember by telling of them.
pub const fn hearsay_max() -> usize {
    (HEARSAY_REACH as usize).saturating_mul(BUCKET_PEERS_MAX)
}

/// Peers remembered that are neither connected nor kept.
pub const fn strangers_max() -> usize {
    (NEW_BUCKETS_MAX as usize).saturating_add(TRIED_BUCKETS_MAX as usize).saturating_mul(BUCKET_PEERS_MAX)
}

/// What is known of one peer.
#[derive(Clone, Debug, Default)]
struct Entry {
    places: Places,
    /// Connections that are up.
    connections: u32,
    /// The user wants it: it is never forgotten.
    kept: bool,
    /// Where it stands in a table, and whether that is the one of peers we were connected to.
    slot: Option<(Slot, bool)>,
    /// What the dial under way tries; none while there is none.
    dial: Option<Vec<Attempt>>,
}

/// One address of a dial under way.
#[derive(Clone, Debug)]
struct Attempt {
    /// The place it belongs to.
    of: Endpoint,
    /// What was paid for it.
    token: Option<Token>,
}

/// What is to be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// These places, in this order, each once. Places that cost a token want a port of their own, so that none of
    /// them has to be tried twice.
    Dial(Vec<Place>),
    /// Not yet.
    Later(Duration),
    /// Nothing is known of where it is.
    Nowhere,
}

/// One address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The IP.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// Over QUIC instead of TCP.
    pub quic: bool,
    /// It is dialled because of somebody else's word: one attempt and no more.
    pub counted: bool,
}

/// All that is known of where peers are.
#[derive(Clone, Debug)]
pub struct AddressBook {
    entries: BTreeMap<PeerKey, Entry>,
    /// Who is said by others to be at an address and port.
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
    /// An empty book. `seed` is a secret: who knows it can choose buckets.
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

    /// A number for a peer that has none. It is remembered until it is released: whoever keeps it says why.
    fn new_key(&mut self) -> PeerKey {
        // Numbers wrap after 2^32 peers, and some of the first may still be here. The book is bounded, so one is free.
        while self.entries.contains_key(&PeerKey(self.next)) {
            self.next = self.next.wrapping_add(1);
        }
        let key = PeerKey(self.next);
        self.next = self.next.wrapping_add(1);
        self.entries.insert(key, Entry::default());
        key
    }

    /// Goes on as if all numbers below this one had been given: for tests of what happens after 2^32 peers.
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

    /// A new peer of which nothing but its name is known. It is forgotten when too many such come.
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

    /// Nobody wants this peer any more.
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

    /// A link names a place of a peer: it is kept as long as what the user types, for the user chose the link.
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

    /// Somebody in the network `teller` says where a peer is that has this key, or none yet. The key if it is
    /// believed, or was known: the peer is worth being a candidate.
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
            // It is known better than by this word, which is kept only if nothing else works any more.
            if let Some(failures) = self.may_enter(now, peer, &endpoint, teller) {
                self.tell(key, Spot { failures, ..Spot::new(endpoint, rank, Some(teller)) });
            }
            return Some(key);
        }
        let Some(failures) = self.may_enter(now, peer, &endpoint, teller) else {
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

    /// Whether a peer may be said to be at a place that was not given up: names of one door cost nothing to make up. Who
    /// is there already makes room once it failed. The failures with which the place begins; none if there is no room.
    fn may_enter(
        &mut self,
        now: Timestamp,
        peer: Option<PeerKey>,
        endpoint: &Endpoint,
        teller: Prefix,
    ) -> Option<u8> {
        if doors(endpoint).any(|door| self.given_up.contains(now, door)) {
            return None;
        }
        let mut failures = 0;
        for door in doors(endpoint) {
            let names = self.doors.get(&door).cloned().unwrap_or_default();
            if peer.is_some_and(|peer| names.contains(&peer)) {
                continue;
            }
            let spot = |name: &PeerKey| {
                let spots = self.entries.get(name)?.places.iter();
                spots.into_iter().find(|spot| doors(&spot.endpoint).any(|other| other == door)).cloned()
            };
            let spots = names.iter().filter_map(|name| Some((*name, spot(name)?)));
            let spots: Vec<(PeerKey, Spot)> = spots.filter(|(_, spot)| spot.rank.is_third_party()).collect();
            // What failed there failed whatever the name: a new one begins with it.
            let worst = spots.iter().map(|(_, spot)| spot.failures).max();
            failures = failures.max(worst.unwrap_or(0));
            let mine = spots.iter().any(|(_, spot)| spot.teller == Some(teller) && spot.failures == 0);
            if spots.len() < NAMES_PER_DOOR_MAX && !mine {
                continue;
            }
            let (failed, spot) = spots.into_iter().find(|(_, spot)| spot.failures > 0)?;
            self.drop_place(failed, &spot.endpoint);
        }
        Some(failures)
    }

    fn drop_place(&mut self, peer: PeerKey, endpoint: &Endpoint) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        if entry.dial.is_some() {
            return;
        }
        let gone: Vec<Spot> = entry.places.remove(endpoint).into_iter().collect();
        let empty = entry.places.is_empty() && entry.connections == 0 && !entry.kept;
        self.close_doors(peer, &gone);
        if empty {
            self.forget(peer);
        }
    }

    fn close_doors(&mut self, peer: PeerKey, gone: &[Spot]) {
        for door in gone.iter().flat_map(|spot| doors(&spot.endpoint)) {
            let spots = self.entries.get(&peer).map(|entry| entry.places.iter());
            let still = |spot: &Spot| doors(&spot.endpoint).any(|other| other == door);
            if !spots.into_iter().flatten().any(still) {
                self.close_door(peer, door);
            }
        }
    }

    fn close_door(&mut self, peer: PeerKey, door: Door) {
        if let Some(names) = self.doors.get_mut(&door) {
            names.retain(|name| *name != peer);
            if names.is_empty() {
                self.doors.remove(&door);
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

    /// Peers forgotten since this was asked last: their keys will be given to others one day.
    pub fn take_forgotten(&mut self) -> Vec<PeerKey> {
        std::mem::take(&mut self.forgotten)
    }

    /// Both are one peer. What the user or a link said of where `from` is, and what was proved, holds for `to` as well.
    pub fn join(&mut self, now: Timestamp, from: PeerKey, to: PeerKey) {
        self.settle_dial(now, from, None);
        let spots = self.entries.get(&from).map(|entry| entry.places.iter().cloned().collect::<Vec<_>>());
        for spot in spots.unwrap_or_default() {
            match spot.rank {
                Rank::Typed => self.type_in(to, spot.endpoint),
                Rank::Link => self.link(to, spot.endpoint),
                _ => {}
            }
        }
    }

    fn connected(&mut self, peer: PeerKey) {
        self.leave_table(peer);
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.connections = entry.connections.saturating_add(1);
        }
    }

    /// A connection to a peer is up: to this address and port if we dialled it.
    pub fn on_connected(&mut self, now: Timestamp, peer: PeerKey, dialled: Option<(IpAddr, u16)>) {
        self.connected(peer);
        let Some((ip, port)) = dialled else { return };
        self.settle_dial(now, peer, Some(ip));
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.places.on_connected(ip, port);
        // What is proved counts as nobody's claim any more.
        let proved = entry.places.iter().filter(|spot| !spot.rank.is_third_party());
        for door in proved.flat_map(|spot| doors(&spot.endpoint)).collect::<Vec<_>>() {
            self.close_door(peer, door);
        }
    }

    /// The dial of a peer is over. Whoever answered at `ip` was the one it was meant for.
    fn settle_dial(&mut self, now: Timestamp, peer: PeerKey, ip: Option<IpAddr>) {
        let dial = self.entries.get_mut(&peer).and_then(|entry| entry.dial.take());
        for token in dial.into_iter().flatten().filter_map(|attempt| attempt.token) {
            match ip.is_some_and(|ip| token.is_of(ip)) {
                true => self.targets.refund(token),
                false => self.targets.settle(now, token),
            }
        }
    }

    /// A connection to a peer is gone. False if it is forgotten, because nothing is known of where it is.
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

    /// Where to dial a peer now. Tokens are taken for it: the dial has to end in [`AddressBook::on_connected`],
    /// [`AddressBook::on_dial_failed`] or [`AddressBook::on_dial_refused`].
    pub fn plan(&mut self, now: Timestamp, peer: PeerKey) -> Plan {
        let Some(entry) = self.entries.get_mut(&peer).filter(|entry| !entry.places.is_empty()) else {
            return Plan::Nowhere;
        };
        if entry.dial.is_some() {
            // One is under way that was overtaken by a connection which is gone already.
            return Plan::Later(PAUSE_FIRST);
        }
        let (mut places, mut dial, mut wait) = (Vec::new(), Vec::new(), Duration::MAX);
        for at in entry.places.order() {
            let Some(spot) = entry.places.get_mut(at) else { continue };
            let ready = spot.tried_at.map_or(Timestamp::ZERO, |tried| tried + pause(spot));
            if ready > now {
                wait = wait.min(ready.since(now));
                continue;
            }
            for place in attempts(spot) {
                let token = match place.counted.then(|| self.targets.take(now, place.ip, spot.rank)) {
                    Some(Err(pause)) => {
                        wait = wait.min(pause);
                        continue;
                    }
                    paid => paid.and_then(Result::ok),
                };
                dial.push(Attempt { of: spot.endpoint.clone(), token });
                places.push(place);
            }
        }
        if places.is_empty() {
            return Plan::Later(wait.min(targets::WINDOW));
        }
        entry.dial = Some(dial);
        Plan::Dial(places)
    }

    /// A dial was planned and not made.
    pub fn on_dial_refused(&mut self, peer: PeerKey) {
        let dial = self.entries.get_mut(&peer).and_then(|entry| entry.dial.take());
        let paid = dial.into_iter().flatten().filter_map(|attempt| attempt.token);
        paid.for_each(|token| self.targets.refund(token));
    }

    /// A dial led to nobody, or to somebody else. False if nothing is left to try: the peer is forgotten.
    pub fn on_dial_failed(&mut self, now: Timestamp, peer: PeerKey) -> bool {
        let Some(entry) = self.entries.get_mut(&peer) else { return false };
        if entry.connections > 0 {
            // It came to us meanwhile: it is alive, and says itself where it is.
            self.on_dial_refused(peer);
            return true;
        }
        let mut tried: Vec<Endpoint> =
            entry.dial.iter().flatten().map(|attempt| attempt.of.clone()).collect();
        tried.dedup();
        for endpoint in &tried {
            if let Some(spot) = entry.places.find_mut(endpoint) {
                spot.failures = spot.failures.saturating_add(1);
                spot.tried_at = Some(now);
            }
        }
        let gone = entry.places.take_spent();
        let empty = entry.places.is_empty() && !entry.kept;
        self.settle_dial(now, peer, None);
        self.close_doors(peer, &gone);
        for spot in gone.iter().filter(|spot| spot.rank.is_third_party()) {
            let by_directory = spot.rank == Rank::Directory;
            let until = now + if by_directory { GIVEN_UP_BY_DIRECTORY_FOR } else { GIVEN_UP_FOR };
            doors(&spot.endpoint).for_each(|door| self.give_up(until, door));
        }
        if empty {
            self.forget(peer);
        }
        !empty
    }

    /// Nobody is believed to be at this door until then, under whatever name.
    fn give_up(&mut self, until: Timestamp, door: Door) {
        self.given_up.add(until, door);
        for name in self.doors.get(&door).cloned().unwrap_or_default() {
            let spots = self.entries.get(&name).map(|entry| entry.places.iter());
            let there = |spot: &&Spot| doors(&spot.endpoint).any(|other| other == door);
            let spot = spots.into_iter().flatten().find(there).cloned();
            if let Some(spot) = spot.filter(|spot| spot.rank.is_third_party()) {
                self.drop_place(name, &spot.endpoint);
            }
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

    /// Whether the user typed where this peer is: then its word about others counts as that of a directory.
    pub fn is_typed(&self, peer: PeerKey) -> bool {
        self.entries.get(&peer).is_some_and(|entry| entry.places.rank() == Some(Rank::Typed))
    }

    /// The places of a peer.
    pub fn places(&self, peer: PeerKey) -> impl Iterator<Item = &Spot> {
        self.entries.get(&peer).into_iter().flat_map(|entry| entry.places.iter())
    }

    /// Peers known, connected or not.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Peers remembered because somebody in this network told of them.
    pub fn told_by(&self, teller: Prefix) -> usize {
        self.new.of(teller)
    }
}

/// The ports of a place, each once.
fn doors(endpoint: &Endpoint) -> impl Iterator<Item = Door> + use<> {
    let ip = endpoint.ip.to_canonical();
    let udp = endpoint.udp.filter(|udp| endpoint.tcp != Some(*udp));
    endpoint.tcp.into_iter().chain(udp).map(move |port| (ip, port))
}

/// How long after its last failure a place is left alone.
fn pause(spot: &Spot) -> Duration {
    let doubled = |first: Duration| match spot.failures {
        0 => Duration::ZERO,
        failures => first.saturating_mul(1 << u32::from(failures.saturating_sub(1)).min(16)),
    };
    match spot.rank {
        Rank::Link => doubled(PAUSE_LINK).min(targets::WINDOW),
        _ => doubled(PAUSE_FIRST).min(PAUSE_MAX),
    }
}

/// The addresses of a place that one dial tries: all of one that is typed or proved. Of one that somebody names it is one,
/// TCP twice and then QUIC, because each costs its target a connection.
fn attempts(spot: &Spot) -> Vec<Place> {
    let Endpoint { ip, tcp, udp } = spot.endpoint;
    let counted = !spot.rank.is_exempt();
    let tcp = tcp.map(|port| Place { ip, port, quic: false, counted });
    let quic = udp.map(|port| Place { ip, port, quic: true, counted });
    if !counted {
        return tcp.into_iter().chain(quic).collect();
    }
    let quic_first = spot.failures % QUIC_TURN == QUIC_TURN - 1;
    let one = if quic_first { quic.or(tcp) } else { tcp.or(quic) };
    one.into_iter().collect()
}
