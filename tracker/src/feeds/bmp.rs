//! BMP (RFC 7854): routers connect and report their routes.
//!
//! Invariant: no session can hurt another. Each session has its own task, its own share of the
//! table, and a limit on what it may send in a second. Sessions hand in news in turn. A session
//! that sends invalid data ends alone, even if the parser panics.

mod connection;
mod place;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ipnetwork::IpNetwork;
use nearcast_core::budget::longest_idle;
use nearcast_node::repeats::Repeats;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{self, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use self::{connection::Ended, place::Place};
use nearcast_bgp::feed::News;

use super::sender::FeedSender;

/// How to listen to routers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmpConfig {
    /// Accept only routers in these networks. Empty: any router that can connect. A router can
    /// claim any origin for any prefix, so name the routers, or listen where only they can connect.
    /// A network of one address names a router: it has a reserved place, and keeps it however
    /// little it reports.
    pub allow: Vec<IpNetwork>,
    /// Sessions at the same time, including reserved places of named routers. Each takes at most a
    /// quarter of a megabyte, besides its routes.
    pub sessions_max: usize,
    /// Sessions at the same time from one address.
    pub sessions_per_address_max: usize,
    /// What one session may send. In bytes a second. The rest waits in the router. At 4 MiB, a full
    /// table in two views takes about a minute; twice as much fills half of a slow core.
    pub bytes_per_second_max: u64,
    /// A router that does not report the end of its table (End-of-RIB; GoBGP does not) counts as
    /// synced after this long without a route.
    pub quiet: Duration,
    /// The router counts as synced after this long in any case, as some are never quiet.
    pub sync_longest: Duration,
}

impl Default for BmpConfig {
    fn default() -> BmpConfig {
        BmpConfig {
            allow: Vec::new(),
            sessions_max: 64,
            sessions_per_address_max: 8,
            bytes_per_second_max: 4 << 20,
            quiet: Duration::from_secs(5),
            sync_longest: Duration::from_secs(300),
        }
    }
}

impl BmpConfig {
    fn allows(&self, ip: IpAddr) -> bool {
        self.allow.is_empty() || self.allow.iter().any(|network| network.contains(ip))
    }

    /// The named routers.
    fn named(&self) -> BTreeSet<IpAddr> {
        let one = |network: &&IpNetwork| network.prefix() == if network.is_ipv4() { 32 } else { 128 };
        self.allow.iter().filter(one).map(|network| network.ip().to_canonical()).collect()
    }
}

/// Counts of failed connections since the start.
#[derive(Debug, Default)]
pub(crate) struct BmpCounters {
    /// Refused: not allowed, or too many.
    pub(crate) refused: AtomicU64,
    /// Ended by us because of what the router sent or did not send.
    pub(crate) faults: AtomicU64,
}

/// The task that accepts BMP connections.
pub(crate) struct Listener {
    socket: TcpListener,
    config: Arc<BmpConfig>,
    named: BTreeSet<IpAddr>,
    desk: FeedSender,
    counters: Arc<BmpCounters>,
    sessions: JoinSet<Ended>,
    running: HashMap<task::Id, Place>,
    /// Limits log lines, as strangers can connect as often as they like.
    refusals: Repeats,
    faults: Repeats,
}

/// Pause after a failed accept, which usually means too many open files.
const PAUSE: Duration = Duration::from_millis(100);

impl Listener {
    pub(crate) async fn bind(
        address: SocketAddr,
        config: BmpConfig,
        desk: FeedSender,
        counters: Arc<BmpCounters>,
    ) -> io::Result<Listener> {
        Ok(Listener {
            socket: TcpListener::bind(address).await?,
            named: config.named(),
            config: Arc::new(config),
            desk,
            counters,
            sessions: JoinSet::new(),
            running: HashMap::new(),
            refusals: Repeats::default(),
            faults: Repeats::default(),
        })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Runs until `stop`; then every session has ended.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = self.sessions.join_next_with_id() => self.on_end(ended).await,
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, from)) => self.on_connect(stream, from, &stop),
                    Err(error) => {
                        tracing::warn!("a router could not connect: {error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
        while let Some(ended) = self.sessions.join_next_with_id().await {
            self.on_end(ended).await;
        }
    }

    fn on_connect(&mut self, stream: TcpStream, from: SocketAddr, stop: &CancellationToken) {
        let ip = from.ip().to_canonical();
        if let Err(why) = self.admit(ip) {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            if let Some(more) = self.refusals.due() {
                tracing::warn!("a BMP connection from {ip} was refused: {why}; and {more} others before");
            }
            return;
        }
        // A router that lost power sends nothing, and BMP has no messages that would show it.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(PROBE_EVERY);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keepalive) {
            tracing::debug!("no keep-alive for {from}: {error}");
        }
        let id = self.desk.open();
        let (desk, config, stop) = (self.desk.clone(), Arc::clone(&self.config), stop.clone());
        let place = Place::new(id, ip, self.named.contains(&ip));
        let held = place.clone();
        let session = self
            .sessions
            .spawn(async move { connection::serve(stream, ip, id, &desk, &config, (&held, &stop)).await });
        self.running.insert(session.id(), place);
    }

    /// Checks that there is room for one more session from this address. A session that has
    /// reported no peer yet gives way, unless it is the only session of a named router: its place
    /// is reserved.
    fn admit(&self, ip: IpAddr) -> Result<(), &'static str> {
        if !self.config.allows(ip) {
            return Err("its address is not among those allowed");
        }
        let own: Vec<_> = self.places().filter(|place| place.ip == ip).collect();
        if !has_room(own.len(), self.config.sessions_per_address_max, &own) {
            return Err("there are as many sessions from that address as may be, and all tell of peers");
        }
        let most = self.config.sessions_max;
        let mut sessions = BTreeMap::<IpAddr, usize>::new();
        for place in self.places() {
            let count = sessions.entry(place.ip).or_default();
            *count = count.saturating_add(1);
        }
        let taken = self.places().count();
        if self.named.contains(&ip) && !sessions.contains_key(&ip) && taken < most {
            return Ok(());
        }
        // The rest is for strangers, and for further sessions of named routers.
        let own_places = self.places().filter(|place| place.named && sessions[&place.ip] == 1);
        let own_places: BTreeSet<IpAddr> = own_places.map(|place| place.ip).collect();
        let shared: Vec<_> = self.places().filter(|place| !own_places.contains(&place.ip)).collect();
        let in_own = sessions.keys().filter(|ip| self.named.contains(ip)).count();
        if !has_room(taken.saturating_sub(in_own), most.saturating_sub(self.named.len()), &shared) {
            return Err(
                "there are as many sessions as may be beside those of routers that are named, and all tell of peers",
            );
        }
        Ok(())
    }

    /// Places that count.
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.running.values().filter(|place| place.counts())
    }

    async fn on_end(&mut self, ended: Result<(task::Id, Ended), JoinError>) {
        let (task, why, is_fault) = match ended {
            Ok((task, ended)) => (task, ended.to_string(), ended.is_fault()),
            // A panic ends up here. It affects nothing but this session.
            Err(error) => (error.id(), "a message of it made the parser panic".into(), true),
        };
        let Some(Place { id, ip: from, .. }) = self.running.remove(&task) else { return };
        if is_fault {
            self.counters.faults.fetch_add(1, Ordering::Relaxed);
            if let Some(more) = self.faults.due() {
                tracing::warn!("the BMP session of {from} was ended: {why}; and {more} others before");
            }
        } else {
            tracing::info!("the BMP session of {from} is over: {why}");
        }
        // If the table is gone, nobody needs this news.
        let _ = self.desk.tell(News::Lost(id)).await;
    }
}

/// Whether fewer than `most` places are taken. If not, one of `places` may give way.
fn has_room(taken: usize, most: usize, places: &[&Place]) -> bool {
    if taken < most {
        return true;
    }
    let claims: Vec<_> = places.iter().enumerate().filter_map(|(at, place)| place.claim(at)).collect();
    let idle = longest_idle(&claims);
    if let Some(at) = idle {
        places[at].take();
    }
    idle.is_some()
}

/// Time between probes of a silent connection. The system gives up after a few (nine on Linux).
const PROBE_EVERY: Duration = Duration::from_secs(15);
