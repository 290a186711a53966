//! Other directories, asked on behalf of our own askers. What to ask and what to believe is decided
//! in [`nearcast_core::overlay::referral`].
//!
//! An asker waits for other directories only if nobody at all is known here, and for a moment only.
//! Otherwise they are asked in the background, and the next question hears of what they said.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::{AsyncWriteExt as _, future::join_all};
use libp2p::{Multiaddr, PeerId};
use nearcast_core::{
    id::ContentId,
    overlay::{
        keys::Key,
        referral::{self, MEMBERS_PER_DIRECTORY_MAX, Step, WALK_MAX},
    },
    registry::{Locator, Member, PeerName},
    tier::Proximity,
    time::Timestamp,
};
use tokio::{sync::watch, time::timeout};
use tokio_util::{compat::FuturesAsyncReadCompatExt as _, sync::CancellationToken, task::TaskTracker};

use crate::{
    address::ip_of,
    dht::Dht,
    directory::Directory,
    net::Network,
    peer_book,
    wire::{
        DIRECTORY,
        directory::{Question, REPLY_BYTES_MAX, Reply},
        read_frame, write_frame,
    },
};

/// Directories that a look-up is content with: three are asked, and some may be gone.
const FOUND_ENOUGH: usize = 6;
/// How long another directory may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Addresses of directories that are remembered.
const ADDRESSES_MAX: usize = 4_096;

/// Asks other directories. Clones share what they said.
#[derive(Clone)]
pub(crate) struct Referrals {
    shared: Arc<Shared>,
}

struct Shared {
    origin: Instant,
    decides: Mutex<referral::Referrals>,
    /// Where directories are that were found.
    addresses: Mutex<BTreeMap<PeerName, Vec<Multiaddr>>>,
    /// Changes whenever a walk ends.
    ended: watch::Sender<u64>,
    dht: Dht,
    network: Network,
    directory: Directory,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) content: ContentId,
    pub(crate) asker: PeerName,
    pub(crate) ip: IpAddr,
    /// Peers wanted, besides those that are known here.
    pub(crate) wanted: usize,
    /// Nobody is known here: it is worth waiting for.
    pub(crate) waits: bool,
}

impl Referrals {
    /// The tasks run among `tasks`, and end when `stop` is cancelled.
    pub(crate) fn new(
        (dht, network, directory): (Dht, Network, Directory),
        seed: u64,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Referrals {
        let shared = Shared {
            origin: Instant::now(),
            decides: Mutex::new(referral::Referrals::new(seed)),
            addresses: Mutex::default(),
            ended: watch::Sender::new(0),
            dht,
            network,
            directory,
            tasks,
            stop,
        };
        Referrals { shared: Arc::new(shared) }
    }

    /// Appends to `members` those that other directories name. Returns how many.
    pub(crate) async fn complement(&self, wish: &Wish, members: &mut Vec<Member>) -> u32 {
        let shared = &self.shared;
        if shared.dht.stats().nodes == 0 {
            return 0;
        }
        let mut ended = shared.ended.subscribe();
        let now = shared.now();
        let step = shared
            .directory
            .with_locator(|locator| shared.decides().begin(now, wish.content, wish.ip, locator));
        let is_under_way = step != Step::Nothing;
        if matches!(step, Step::LookUp(_) | Step::Ask(_)) {
            let (walker, content) = (self.shared.clone(), wish.content);
            shared.tasks.spawn(async move {
                let walk = timeout(WALK_MAX.saturating_mul(2), walker.walk(content, step));
                // A walk that takes too long is over as well.
                let _ = walker.stop.run_until_cancelled(walk).await;
                walker.decides().end(walker.now(), &content);
                walker.ended.send_modify(|walks| *walks = walks.wrapping_add(1));
            });
        }
        if is_under_way && wish.waits {
            let over = async {
                while shared.decides().walks(shared.now(), &wish.content) && ended.changed().await.is_ok() {}
            };
            // What has come until then is told.
            let _ = timeout(WALK_MAX, over).await;
        }
        let (now, asker) = (shared.now(), (&wish.content, &wish.asker, wish.ip));
        let told = shared.directory.with_locator(|locator: &dyn Locator| {
            shared.decides().tell(now, asker, wish.wanted, locator, members)
        });
        u32::try_from(told).unwrap_or(u32::MAX)
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.origin.elapsed()
    }

    fn decides(&self) -> MutexGuard<'_, referral::Referrals> {
        // What others said is never vital.
        self.decides.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn walk(&self, content: ContentId, step: Step) {
        let directories = match step {
            Step::Ask(directories) => directories,
            Step::LookUp(keys) => self.look_up(content, &keys).await,
            Step::Nothing | Step::UnderWay => return,
        };
        join_all(directories.iter().map(|name| self.ask_and_note(content, name))).await;
    }

    /// Looks up all keys at once, and chooses whom to ask.
    async fn look_up(&self, content: ContentId, keys: &[Key]) -> Vec<PeerName> {
        let looks = keys.iter().map(|key| self.dht.look_up(*key, FOUND_ENOUGH));
        let mut found: Vec<(PeerName, IpAddr)> = Vec::new();
        for looked_up in join_all(looks).await {
            for (peer, at) in looked_up.directories {
                let ip = at.iter().find_map(ip_of);
                let Some((name, ip)) = PeerName::from_id(&peer.to_bytes()).zip(ip) else { continue };
                if found.iter().all(|(other, _)| *other != name) {
                    found.push((name, ip));
                }
                let mut known = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= ADDRESSES_MAX {
                    known.pop_first();
                }
                known.insert(name, at);
            }
        }
        self.decides().found(self.now(), content, &found)
    }

    async fn ask_and_note(&self, content: ContentId, name: &PeerName) {
        match timeout(ANSWER_MAX, self.ask(content, name)).await {
            Ok(Some(members)) => self.decides().heard(content, *name, members),
            _ => self.decides().silent(&content, name),
        }
    }

    /// Asks one directory. `None`: it cannot be reached, or answers nonsense.
    async fn ask(&self, content: ContentId, name: &PeerName) -> Option<Vec<Member>> {
        let peer = PeerId::from_bytes(&name.to_id()).ok()?;
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let addresses = addresses.unwrap_or_default();
        let met = self.dht.meet(peer, addresses.clone()).await?;
        let mut stream = self.network.open(peer, met.connection, DIRECTORY).await.ok()?.compat();
        let question = Question {
            content: content.0.to_vec(),
            wanted: u32::try_from(MEMBERS_PER_DIRECTORY_MAX).unwrap_or(u32::MAX),
            only_asks: true,
            ..Question::default()
        };
        write_frame(&mut stream, &question).await.ok()?;
        tokio::io::AsyncWriteExt::flush(&mut stream).await.ok()?;
        let reply = read_frame::<Reply>(&mut stream, REPLY_BYTES_MAX).await.ok()??;
        // Closing tells the other side that no more questions come. It hears it anyway.
        let _ = stream.into_inner().close().await;
        if reply.unknown {
            return None;
        }
        let told = reply.peers.iter().take(MEMBERS_PER_DIRECTORY_MAX).filter_map(|record| {
            let name = PeerName::from_id(&record.peer_id()?.to_bytes())?;
            let endpoint = peer_book::endpoint(record)?;
            Some(Member { name, endpoint, proximity: Proximity::UNKNOWN, complete: false })
        });
        let itself = Some(*name).filter(|_| reply.holds).and_then(|name| {
            let mut places = addresses.iter().filter_map(peer_book::endpoint_of);
            let first = places.next()?;
            let ip = first.ip;
            let endpoint = places.filter(|other| other.ip == ip).fold(first, |mut all, other| {
                all.tcp = all.tcp.or(other.tcp);
                all.udp = all.udp.or(other.udp);
                all
            });
            Some(Member { name, endpoint, proximity: Proximity::UNKNOWN, complete: true })
        });
        Some(itself.into_iter().chain(told).collect())
    }
}
