//! The hash table among directories: libp2p's Kademlia, behind our own rules.
//!
//! Kademlia walks, and the core decides: who may stand in the table, whose records are kept, and
//! where they say that a directory is. Kademlia hands out what others wrote, dials it by itself, and
//! tells its listening addresses. So it is wrapped: it never learns our listening addresses, every
//! address that it dials passes [`Gate`], and what others write is kept with the IP that we see.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod behaviour;
mod gate;
mod places;
mod queries;
mod records;
mod rules;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol, kad,
    swarm::{ConnectionId, THandlerInEvent, ToSwarm},
};
use nearcast_core::{
    atlas::Atlas,
    overlay::{
        store::RECORD_LIFE,
        table::{Standing, Table},
    },
    registry::PeerName,
    time::Timestamp,
};
use tokio::time::Sleep;

pub(crate) use self::queries::{Found, Met, Order};
use self::{gate::Gate, places::name_of, queries::Queries, records::Records};

/// Kademlia with our keys and records. Nobody else speaks it.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/nearcast/kad/1");
/// The largest message, in bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;
/// The directories that each record is written to, and that a look-up asks at least. Half of all
/// directories may die at once, and a record is lost in one case of 256.
const REPLICAS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Directories asked at the same time by one query.
const PARALLEL: NonZeroUsize = NonZeroUsize::new(3).unwrap();
/// A directory that does not answer a request within this time is passed over.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// A query ends after this time, whatever it has found.
const QUERY_MAX: Duration = Duration::from_secs(10);

/// Settings of the hash table of a directory.
#[derive(Clone, Debug)]
pub(crate) struct DhtConfig {
    /// The seed of random choices. Strangers must not know it.
    pub(crate) seed: u64,
    /// The atlas, which says in which AS a directory is.
    pub(crate) atlas: Option<Arc<Atlas>>,
}

/// What the hash table of a directory did since it started, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DhtStats {
    /// Directories in the routing table.
    pub nodes: u64,
    /// Whether other directories may ask us. No: nobody seems to reach us.
    pub serves: bool,
    /// Records of other directories that are kept.
    pub records: u64,
    /// Records of other directories that were written or renewed.
    pub written: u64,
    /// Records that were refused: beyond a quota, or without an address that others may dial.
    pub refused: u64,
    /// Questions of other directories.
    pub asked: u64,
    /// Our look-ups that have ended.
    pub look_ups: u64,
    /// Our look-ups that found a directory.
    pub found: u64,
    /// Times that we wrote ourselves under a key.
    pub provided: u64,
    /// Requests that we sent for look-ups and writes.
    pub requests: u64,
    /// Keys that we want to stand under.
    pub keys: u64,
    /// Of these, keys under which neither we nor enough others stand: more than our pace allows, or
    /// nobody to write to.
    pub lapsed: u64,
    /// Addresses that others named and that were not dialled.
    pub dials_refused: u64,
    /// Directories that were kept out of the table because their network has enough places there.
    pub crowded: u64,
}

/// The counters, which the handle reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters(Arc<Mutex<DhtStats>>);

impl Counters {
    fn lock(&self) -> MutexGuard<'_, DhtStats> {
        // Counters stay sound after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters now.
    pub(crate) fn get(&self) -> DhtStats {
        *self.lock()
    }

    /// Notes how many keys there are to stand under, and under how many nobody stands.
    pub(crate) fn note_keys(&self, keys: usize, lapsed: usize) {
        let mut stats = self.lock();
        (stats.keys, stats.lapsed) = (keys as u64, lapsed as u64);
    }

    fn add(&self, to: impl FnOnce(&mut DhtStats) -> &mut u64, more: u64) {
        let mut stats = self.lock();
        let count = to(&mut stats);
        *count = count.saturating_add(more);
    }
}

/// A connection, as far as it matters here.
#[derive(Clone, Debug)]
struct Link {
    peer: PeerId,
    /// Where we see the peer.
    remote: Multiaddr,
    is_inbound: bool,
}

/// All connections. Strangers cause look-ups here, so none walks through all.
#[derive(Debug, Default)]
struct Links {
    all: BTreeMap<ConnectionId, Link>,
    by_peer: BTreeSet<(PeerId, ConnectionId)>,
}

impl Links {
    fn insert(&mut self, connection: ConnectionId, link: Link) {
        self.by_peer.insert((link.peer, connection));
        self.all.insert(connection, link);
    }

    fn remove(&mut self, connection: ConnectionId) {
        if let Some(link) = self.all.remove(&connection) {
            self.by_peer.remove(&(link.peer, connection));
        }
    }

    fn get(&self, connection: ConnectionId) -> Option<&Link> {
        self.all.get(&connection)
    }

    /// The connections to a peer.
    fn of(&self, peer: PeerId) -> impl Iterator<Item = (ConnectionId, &Link)> {
        let from = (peer, ConnectionId::new_unchecked(0));
        let of_peer = self.by_peer.range(from..).take_while(move |(other, _)| *other == peer);
        of_peer.filter_map(|(_, connection)| Some((*connection, self.all.get(connection)?)))
    }
}

type Pending = ToSwarm<(), THandlerInEvent<kad::Behaviour<Records>>>;

/// The behaviour.
pub(crate) struct Dht {
    kad: kad::Behaviour<Records>,
    origin: Instant,
    table: Table,
    gate: Gate,
    standing: Standing,
    links: Links,
    queries: Queries,
    dials: Dials,
    atlas: Option<Arc<Atlas>>,
    pending: VecDeque<Pending>,
    counters: Counters,
    chores: Chores,
}

/// Dials of our own, and what follows from them.
#[derive(Default)]
struct Dials {
    /// Dials by which we test whether directories that came to us take connections.
    tries: BTreeMap<ConnectionId, PeerName>,
    /// Dials of directories that the user named, or that we remember.
    joins: BTreeSet<ConnectionId>,
    /// Queries that show whether a directory that we joined speaks Kademlia at all.
    probes: Vec<(kad::QueryId, PeerId)>,
}

/// When things are due that nothing else causes.
struct Chores {
    sleep: Pin<Box<Sleep>>,
    looked: Instant,
    bootstrapped: Instant,
}

impl Dht {
    /// The hash table of the directory with this id, which listens at these addresses. `None`: its
    /// key is of another kind than ours.
    pub(crate) fn new(
        local: PeerId,
        listen: &[Multiaddr],
        config: &DhtConfig,
        counters: Counters,
    ) -> Option<Dht> {
        let origin = Instant::now();
        let records = Records::new(origin, local, config.seed);
        let mut kad = kad::Behaviour::with_config(local, records, kad_config());
        kad.set_mode(Some(kad::Mode::Server));
        Some(Dht {
            kad,
            origin,
            table: Table::new(name_of(&local)?),
            gate: Gate::new(listen),
            standing: Standing::new(Timestamp::ZERO),
            links: Links::default(),
            queries: Queries::default(),
            dials: Dials::default(),
            atlas: config.atlas.clone(),
            pending: VecDeque::new(),
            counters,
            chores: Chores {
                sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
                looked: origin,
                bootstrapped: origin,
            },
        })
    }

    /// Replaces the atlas.
    pub(crate) fn set_atlas(&mut self, atlas: Arc<Atlas>) {
        self.atlas = Some(atlas);
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    /// The IP at which we see a connected peer.
    fn seen_at(&self, peer: &PeerId) -> Option<IpAddr> {
        let (_, link) = self.links.of(*peer).next()?;
        places::endpoint_of(&link.remote).map(|endpoint| endpoint.ip)
    }

    /// A connection to a peer.
    fn met(&self, peer: &PeerId) -> Option<Met> {
        let (connection, _) = self.links.of(*peer).next()?;
        Some(Met { connection })
    }
}

/// The moment so long after another one; that one itself if there is none so late.
fn after(from: Instant, time: Duration) -> Instant {
    from.checked_add(time).unwrap_or(from)
}

fn kad_config() -> kad::Config {
    let mut config = kad::Config::new(PROTOCOL);
    config
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_max_packet_size(PACKET_BYTES_MAX)
        .set_replication_factor(REPLICAS)
        .set_parallelism(PARALLEL)
        .set_substreams_timeout(ANSWER_MAX)
        .set_query_timeout(QUERY_MAX)
        .set_caching(kad::Caching::Disabled)
        .set_provider_record_ttl(Some(RECORD_LIFE))
        // The core's schedule does these, at a pace.
        .set_provider_publication_interval(None)
        .set_publication_interval(None)
        .set_replication_interval(None)
        .set_periodic_bootstrap_interval(None);
    config
}
