//! One budget for everything that strangers hold or cause, and a count of what is taken.
//!
//! Invariant: a full resource makes room for the newest holder by evicting one that had its chance.
//! [`nearcast_core::budget`] decides on the eviction; this module counts and evicts. The plan of
//! memory is [`Plan`].

mod holdings;
mod meters;
mod places;
mod plan;
mod unread;

pub use self::meters::BudgetUse;
use self::plan::HALF_OPEN_QUIC_SHARE;
pub(crate) use self::{
    holdings::{Holdings, Place, StreamPlace},
    meters::{Kind, Meter},
    places::{Places, Ticket},
    plan::Plan,
    unread::Excess,
};

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use libp2p::{Multiaddr, swarm::ConnectionId};
use nearcast_core::{
    budget::{self, Claim},
    prefix::Prefix,
};
use tokio::time::Instant;

/// The least time between two evictions for too many bytes: each looks at every connection.
const RELIEF_PAUSE: Duration = Duration::from_millis(20);
/// One in this many places for connections is kept free for the next newcomer, because an evicted
/// connection is not gone at once. With fewer free places, newcomers are refused by chance at eight
/// hundred a second. At least one place is free; otherwise a small table would refuse newcomers for
/// as long as it is full.
const SPARE_SHARE: u32 = 8;

/// A breach of the protocol counts as this many failed connections.
const FAILURES_OF_A_BREACH: u32 = 4;

/// The budget of one node. Each connection, stream and task that holds something for a stranger
/// takes it from here.
pub(crate) struct Budget {
    start: Instant,
    meters: [Meter; Kind::COUNT],
    /// Inbound TCP connections whose handshake is not done.
    pub(crate) half_open: Arc<Places>,
    /// How many connections may wait for a place in `half_open`.
    pub(crate) lobby_max: u32,
    /// Inbound QUIC connections whose handshake is not done. They have places of their own: the
    /// first packet of QUIC may bear a false sender, and a flood of such packets must not cost
    /// anyone a connection over TCP.
    pub(crate) half_open_quic: Arc<Places>,
    /// Control streams that have not received their hello.
    pub(crate) hellos: Arc<Places>,
    /// Data streams that have not named their content.
    pub(crate) openings: Arc<Places>,
    connections: Mutex<Connections>,
    relieved_ms: AtomicU64,
    /// Time that a test has added to the clock.
    #[cfg(test)]
    passed_ms: AtomicU64,
}

/// All connections, and how many of them are inbound.
#[derive(Default)]
struct Connections {
    next: u64,
    all: BTreeMap<u64, Entry>,
    /// Connections that have no id from the swarm yet, by direction and remote address as the
    /// transport sees it.
    unnamed: BTreeMap<(bool, Vec<u8>), VecDeque<u64>>,
    by_id: BTreeMap<ConnectionId, u64>,
    inbound: u32,
    networks: BTreeMap<Prefix, u32>,
    inbound_max: u32,
    per_network_max: u32,
    counts_loopback: bool,
}

struct Entry {
    holdings: Weak<Holdings>,
    ip: Option<IpAddr>,
    inbound: bool,
    remote: Vec<u8>,
    id: Option<ConnectionId>,
}

impl Budget {
    pub(crate) fn new(plan: &Plan) -> Arc<Budget> {
        let budget = Budget {
            start: Instant::now(),
            meters: std::array::from_fn(|_| Meter::default()),
            half_open: Places::new(plan.half_open_max),
            lobby_max: plan.lobby_max,
            half_open_quic: Places::new(plan.half_open_max.div_ceil(HALF_OPEN_QUIC_SHARE)),
            hellos: Places::new(plan.openings_max),
            openings: Places::new(plan.openings_max),
            connections: Mutex::default(),
            relieved_ms: AtomicU64::new(0),
            #[cfg(test)]
            passed_ms: AtomicU64::new(0),
        };
        budget.meter(Kind::Bytes).set_limit(plan.bytes_max);
        budget.meter(Kind::Dials).set_limit(u64::from(plan.dials_max));
        budget.meter(Kind::Manifests).set_limit(plan.manifests_max);
        budget.meter(Kind::Directories).set_limit(plan.directories_max);
        budget.lock().counts_loopback = plan.counts_loopback;
        budget.set_connections(plan.inbound_max, plan.per_network_max);
        Arc::new(budget)
    }

    pub(crate) fn meter(&self, kind: Kind) -> &Meter {
        &self.meters[kind as usize]
    }

    /// The use of each resource.
    pub(crate) fn uses(&self) -> [BudgetUse; Kind::COUNT] {
        Kind::ALL.map(|kind| match kind {
            Kind::HalfOpen => self.half_open.uses(kind),
            Kind::HalfOpenQuic => self.half_open_quic.uses(kind),
            Kind::Hellos => self.hellos.uses(kind),
            Kind::Openings => self.openings.uses(kind),
            _ => self.meter(kind).uses(kind),
        })
    }

    /// Replaces the caps on inbound connections.
    pub(crate) fn set_connections(&self, inbound_max: u32, per_network_max: u32) {
        let mut connections = self.lock();
        connections.inbound_max = inbound_max;
        connections.per_network_max = per_network_max;
        self.meter(Kind::Connections).set_limit(u64::from(inbound_max));
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Maps and counts stay sound after a panic elsewhere.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        let now = self.start.elapsed().as_millis() as u64;
        #[cfg(test)]
        let now = now + self.passed_ms.load(Ordering::Relaxed);
        now
    }

    /// Moves the clock forward.
    #[cfg(test)]
    pub(crate) fn pass(&self, time: Duration) {
        self.passed_ms.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// Counts a new connection. Nothing is evicted for it until the swarm accepts it.
    pub(crate) fn come_in(
        self: &Arc<Budget>,
        holdings: &Arc<Holdings>,
        ip: Option<IpAddr>,
        remote: Vec<u8>,
        inbound: bool,
    ) -> Place {
        let mut connections = self.lock();
        if inbound {
            connections.inbound += 1;
            if let Some(ip) = ip {
                *connections.networks.entry(Prefix::of(ip)).or_default() += 1;
            }
            self.meter(Kind::Connections).add(1);
        }
        let number = connections.next;
        connections.next += 1;
        connections.unnamed.entry((inbound, remote.clone())).or_default().push_back(number);
        let entry = Entry { holdings: Arc::downgrade(holdings), ip, inbound, remote, id: None };
        connections.all.insert(number, entry);
        Place::new(self.clone(), holdings.clone(), number)
    }

    /// Keeps places free, in total and for the newcomer's network, now that the newcomer has one.
    fn make_room(&self, connections: &Connections, newcomer: u64) {
        let spare = |max: u32| max.div_ceil(SPARE_SHARE);
        let ip = connections.all.get(&newcomer).and_then(|entry| entry.ip);
        let network = ip.filter(|ip| connections.counts_loopback || !ip.is_loopback()).map(Prefix::of);
        if connections.inbound > connections.inbound_max.saturating_sub(spare(connections.inbound_max)) {
            let all = self.idle_claims(connections, |_| true, |_| true);
            let unused = self.idle_claims(connections, |_| true, |held| !held.is_used());
            let max = connections.inbound_max;
            self.half_open.note_full();
            self.end(connections, budget::gives_way(&all, &unused, newcomer, network, max));
        }
        let Some(network) = network else { return };
        let same = connections.networks.get(&network).copied().unwrap_or_default();
        if same > connections.per_network_max.saturating_sub(spare(connections.per_network_max)) {
            let claims = self.idle_claims(connections, |other| Prefix::of(other) == network, |_| true);
            self.end(connections, budget::least_in_use(&claims));
        }
    }

    fn idle_claims(
        &self,
        connections: &Connections,
        counts: impl Fn(IpAddr) -> bool,
        is_one: impl Fn(&Holdings) -> bool,
    ) -> Vec<Claim<u64>> {
        let now = self.now_ms();
        let alive = connections.live(|entry| entry.inbound && entry.ip.is_some_and(&counts));
        let alive = alive.filter(|(_, _, held)| is_one(held));
        alive.map(|(who, ip, held)| held.idle(who, ip, now)).collect()
    }

    fn end(&self, connections: &Connections, who: Option<u64>) {
        if let Some(who) = who {
            self.meter(Kind::Connections).refuse();
            connections.cut(who);
        }
    }

    /// Removes a connection. `opened`: the peer opened a stream on it. `worth`: the connection was
    /// worth its place.
    fn leave(&self, number: u64, opened: bool, worth: bool) {
        let mut connections = self.lock();
        let Some(entry) = connections.all.remove(&number) else { return };
        if let Some(ip) = entry.ip.filter(|_| entry.inbound && !opened) {
            self.half_open.fail(ip, 1);
        }
        if let Some(ip) = entry.ip.filter(|_| entry.inbound && worth) {
            self.half_open.forgive_visit(ip);
        }
        match entry.id {
            Some(id) => drop(connections.by_id.remove(&id)),
            None => connections.forget_unnamed(&(entry.inbound, entry.remote), number),
        }
        if !entry.inbound {
            return;
        }
        connections.inbound -= 1;
        self.meter(Kind::Connections).sub(1);
        let Some(network) = entry.ip.map(Prefix::of) else { return };
        if let Some(count) = connections.networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                connections.networks.remove(&network);
            }
        }
    }

    /// Gives a connection its id, as the swarm has accepted it. Evicts a connection if nearly all
    /// places are taken. Evicting only now means that a peer that is banned, or over its cap, costs
    /// no other peer a connection.
    pub(crate) fn name(&self, id: ConnectionId, remote: &Multiaddr, inbound: bool) {
        let mut connections = self.lock();
        let key = (inbound, remote.to_vec());
        let Some(&number) = connections.unnamed.get(&key).and_then(VecDeque::front) else { return };
        connections.forget_unnamed(&key, number);
        if let Some(entry) = connections.all.get_mut(&number) {
            entry.id = Some(id);
            connections.by_id.insert(id, number);
        }
        if inbound {
            self.make_room(&connections, number);
        }
    }

    /// Notes that the peer at this IP broke the protocol. Its network is admitted less often from
    /// now on.
    pub(crate) fn blame(&self, ip: IpAddr) {
        self.half_open.fail(ip, FAILURES_OF_A_BREACH);
    }

    /// What a connection holds. `None`: the connection is gone.
    pub(crate) fn of(&self, id: ConnectionId) -> Option<Arc<Holdings>> {
        let connections = self.lock();
        connections.all.get(connections.by_id.get(&id)?)?.holdings.upgrade()
    }

    /// Cuts off the connections that hold most for longest, until the bytes held are within the
    /// limit.
    fn relieve(&self) {
        let meter = self.meter(Kind::Bytes);
        let now = self.now_ms();
        let last = self.relieved_ms.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(last) >= RELIEF_PAUSE.as_millis() as u64;
        if !is_due
            || self.relieved_ms.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let connections = self.lock();
        let alive: Vec<_> = connections.live(|_| true).collect();
        let mut claims: Vec<_> = alive.iter().map(|(who, ip, held)| held.claim(*who, *ip, now)).collect();
        let mut bytes: u64 = alive.iter().map(|(_, _, holdings)| holdings.total()).sum();
        while bytes > meter.limit()
            && let Some(who) = budget::holding_most(&claims)
        {
            connections.cut(who);
            meter.refuse();
            let freed =
                alive.iter().find(|(other, _, _)| *other == who).map(|(_, _, holdings)| holdings.total());
            bytes = bytes.saturating_sub(freed.unwrap_or_default());
            claims.retain(|claim| claim.who != who);
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.uses()).finish()
    }
}

impl Connections {
    /// All connections that are not being cut off.
    fn live<'a>(
        &'a self,
        counts: impl Fn(&Entry) -> bool + 'a,
    ) -> impl Iterator<Item = (u64, IpAddr, Arc<Holdings>)> + 'a {
        self.all.iter().filter(move |(_, entry)| counts(entry)).filter_map(|(&number, entry)| {
            let holdings = entry.holdings.upgrade().filter(|holdings| !holdings.is_cut())?;
            Some((number, entry.ip?, holdings))
        })
    }

    fn forget_unnamed(&mut self, key: &(bool, Vec<u8>), number: u64) {
        if let Some(same) = self.unnamed.get_mut(key) {
            same.retain(|other| *other != number);
            if same.is_empty() {
                self.unnamed.remove(key);
            }
        }
    }

    fn cut(&self, number: u64) {
        if let Some(holdings) = self.all.get(&number).and_then(|entry| entry.holdings.upgrade()) {
            holdings.cut();
        }
    }
}

impl Holdings {
    fn claim(&self, who: u64, ip: IpAddr, now_ms: u64) -> Claim<u64> {
        let (amount, held) = self.held(now_ms);
        Claim { who, ip, held, amount }
    }

    fn idle(&self, who: u64, ip: IpAddr, now_ms: u64) -> Claim<u64> {
        Claim { who, ip, held: self.idle_for(now_ms), amount: 1 }
    }
}

#[cfg(test)]
mod tests;
