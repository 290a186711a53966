//! The directory. It answers in the task of the asking stream, not in the driver, so a busy
//! directory holds up nothing else.
//!
//! One lock is held for a few microseconds for each answer. Encoding and writing happen outside of
//! it.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use nearcast_core::registry::{Admission, Pace, RegistryConfig, Saved};
use nearcast_core::{
    atlas::Atlas,
    id::ContentId,
    registry::{
        Announced, Announcement, Endpoint, Locator, Member, Nowhere, PeerName, Registry, Search, Throttle,
    },
    tier::Tier,
    time::Timestamp,
};

use crate::{
    durations::{Durations, Stopwatch},
    wire::{
        control::{content_id, port},
        directory::{LINK_BYTES_MAX, Offer, PEERS_MAX, Question, Reply},
    },
};

/// Entries restored at once, before questions get their turn.
const RESTORED_AT_ONCE: usize = 256;
/// A peer that may not be listed is asked to come back after this many pauses.
const PAUSES_WHEN_FULL: u32 = 3;

/// Settings of a directory.
#[derive(Clone, Debug)]
pub struct DirectoryConfig {
    /// The contents it answers for, besides those that the node itself serves.
    pub admission: Admission,
    /// The bounds of its registry.
    pub registry: RegistryConfig,
    /// How often each /24 (IPv6: /48) may ask. A network that asks more often is told when to try
    /// again. Default 500 a second and 5,000 at once: enough for a seeder of tens of thousands of
    /// contents, or a large NAT.
    pub pace: Pace,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        DirectoryConfig {
            admission: Admission::Own,
            registry: RegistryConfig::default(),
            pace: Pace { per_second: 500.0, burst: 5_000.0 },
        }
    }
}

/// Where an atlas can be had. A directory makes such offers, and a node receives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtlasOffer {
    /// The version of the atlas. Of two atlases the one with the higher version is newer.
    pub version: u64,
    /// The magnet link of the atlas.
    pub link: String,
}

/// The link is too long to be offered. The former offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the magnet link of an atlas is {0} bytes long; at most {LINK_BYTES_MAX} are offered")]
pub struct LinkTooLong(usize);

/// What a directory did since it started, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryStats {
    /// Questions read, refused ones included.
    pub questions: u64,
    /// Questions answered with peers.
    pub answers: u64,
    /// Announcements stored, renewals included.
    pub announced: u64,
    /// Withdrawals by peers that leave.
    pub withdrawn: u64,
    /// Questions refused, by reason.
    pub refused: DirectoryRefusals,
    /// Peers named in answers, by their tier as seen from the asker. Index: `Tier as usize`.
    pub told_by_tier: [u64; Tier::COUNT],
    /// Contents known.
    pub contents: u64,
    /// Entries known. An entry is one peer in one content.
    pub entries: u64,
    /// Peers known. A peer counts once for each of its addresses.
    pub peers: u64,
    /// Peers that took the connection when they were dialled back.
    pub reached: u64,
    /// Peers that did not: they are behind a NAT or a firewall.
    pub unreached: u64,
}

/// Why questions were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryRefusals {
    /// The directory does not answer for this content.
    pub not_admitted: u64,
    /// The asker's network asked too often.
    pub too_often: u64,
    /// The asker is in too many contents.
    pub peer_full: u64,
    /// The asker's network has too many entries.
    pub prefix_full: u64,
    /// The directory knows too many contents.
    pub full: u64,
    /// The question made no sense.
    pub malformed: u64,
}

impl DirectoryRefusals {
    /// Each reason: its name in metrics, and its count.
    pub fn by_reason(&self) -> [(&'static str, u64); 6] {
        [
            ("not_admitted", self.not_admitted),
            ("too_often", self.too_often),
            ("peer_full", self.peer_full),
            ("prefix_full", self.prefix_full),
            ("full", self.full),
            ("malformed", self.malformed),
        ]
    }
}

/// The directory of a node. Clones share it.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    origin: Instant,
    inner: Mutex<Inner>,
    answering: Stopwatch,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    throttle: Throttle,
    atlas: Option<Arc<Atlas>>,
    offer: Option<Arc<AtlasOffer>>,
    stats: DirectoryStats,
}

/// An answer. The peers are apart from the rest of the reply.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) members: Vec<Member>,
    /// How long the asker has to wait: its next question is not read sooner.
    pub(crate) wait: Duration,
    /// The address to dial back. `None`: none is due.
    pub(crate) to_try: Option<SocketAddr>,
}

impl Directory {
    pub(crate) fn new(config: DirectoryConfig, seed: u64, atlas: Option<Arc<Atlas>>) -> Directory {
        let inner = Inner {
            registry: Registry::new(config.registry, config.admission, seed),
            throttle: Throttle::new(config.pace, seed),
            atlas,
            offer: None,
            stats: DirectoryStats::default(),
        };
        let answering = Stopwatch::of_answers();
        let shared = Shared { origin: Instant::now(), inner: Mutex::new(inner), answering };
        Directory { shared: Arc::new(shared) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in the midst of a change would be a bug of the registry. Entries expire all the
        // same.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.shared.origin.elapsed()
    }

    /// What the directory did since it started, and what it holds now.
    pub fn stats(&self) -> DirectoryStats {
        let inner = self.lock();
        let registry = &inner.registry;
        DirectoryStats {
            contents: registry.contents() as u64,
            entries: registry.entries() as u64,
            peers: registry.peers() as u64,
            ..inner.stats
        }
    }

    /// Questions read, and questions answered with peers.
    pub(crate) fn asked(&self) -> (u64, u64) {
        let stats = &self.lock().stats;
        (stats.questions, stats.answers)
    }

    /// Replaces the set of admitted contents. Entries of contents no longer admitted expire.
    pub fn set_admission(&self, admission: Admission) {
        self.lock().registry.set_admission(admission);
    }

    /// Notes that a peer's connection broke without a goodbye.
    pub(crate) fn lose(&self, name: &PeerName) {
        self.lock().registry.lose(name);
    }

    /// Notes the result of a dial-back to [`Answer::to_try`]: whether the peer took the connection.
    /// `None`: it was not tried, or the result says nothing of the peer.
    pub(crate) fn tried(&self, name: &PeerName, at: SocketAddr, took: Option<bool>) {
        let now = self.now();
        let mut inner = self.lock();
        inner.registry.tried(now, name, at, took);
        match took {
            Some(true) => count(&mut inner.stats.reached),
            Some(false) => count(&mut inner.stats.unreached),
            None => {}
        }
    }

    /// Admits only these contents from now on, besides those the node serves.
    pub fn set_listed(&self, contents: BTreeSet<ContentId>) {
        self.set_admission(Admission::Listed(contents));
    }

    /// Replaces the atlas. Peers already known are placed by it when they are next asked about.
    pub fn set_atlas(&self, atlas: Arc<Atlas>) {
        let former = self.lock().atlas.replace(atlas);
        // Freeing the atlas takes a while, so it is done outside of the lock.
        drop(former);
    }

    /// Sets the offer for askers that have an older atlas, or none.
    ///
    /// # Errors
    /// If the link is longer than 2 KiB.
    pub fn offer_atlas(&self, offer: AtlasOffer) -> Result<(), LinkTooLong> {
        if offer.link.len() > LINK_BYTES_MAX {
            return Err(LinkTooLong(offer.link.len()));
        }
        self.lock().offer = Some(Arc::new(offer));
        Ok(())
    }

    /// Calls `each` with every entry. Locks for a few contents at a time, so that askers hardly
    /// wait.
    pub fn snapshot(&self, mut each: impl FnMut(Saved)) {
        let (mut saved, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            from = self.lock().registry.snapshot(self.now(), at, &mut saved);
            saved.drain(..).for_each(&mut each);
        }
    }

    /// Restores entries as if they were announced now with their remaining life; every bound holds.
    /// Returns how many were stored.
    pub fn restore(&self, entries: impl IntoIterator<Item = Saved>) -> usize {
        let (mut entries, mut taken) = (entries.into_iter().peekable(), 0);
        while entries.peek().is_some() {
            // Gathered before locking: the iterator may read a disk.
            let some: Vec<Saved> = entries.by_ref().take(RESTORED_AT_ONCE).collect();
            let now = self.now();
            let mut inner = self.lock();
            let Inner { registry, atlas, .. } = &mut *inner;
            let counts = |saved: &&Saved| registry.restore(now, saved, locator(atlas)) == Announced::Stored;
            taken = some.iter().filter(counts).count().saturating_add(taken);
        }
        taken
    }

    pub(crate) fn add_own(&self, content: ContentId) {
        self.lock().registry.add_own(content);
    }

    pub(crate) fn remove_own(&self, content: &ContentId) {
        self.lock().registry.remove_own(content);
    }

    pub(crate) fn admits(&self, content: &ContentId) -> bool {
        self.lock().registry.admits(content)
    }

    /// Forgets some of the expired entries.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        self.lock().registry.sweep(now);
    }

    /// How long each answer took, refusals included: from reading the question to having the
    /// answer, without sending it.
    pub fn answering(&self) -> Durations {
        self.shared.answering.durations()
    }

    /// Answers one question of a peer seen at `ip`.
    pub(crate) fn answer(&self, name: PeerName, ip: IpAddr, question: &Question) -> Answer {
        let began = Instant::now();
        let answer = self.answer_now(name, ip, question);
        self.shared.answering.note(began.elapsed());
        answer
    }

    fn answer_now(&self, name: PeerName, ip: IpAddr, question: &Question) -> Answer {
        let now = self.now();
        let mut inner = self.lock();
        count(&mut inner.stats.questions);
        let Ok(content) = content_id(&question.content) else {
            count(&mut inner.stats.refused.malformed);
            return Answer { reply: Reply { unknown: true, ..Reply::default() }, ..Answer::default() };
        };
        if let Err(wait) = inner.throttle.ask(now, ip) {
            count(&mut inner.stats.refused.too_often);
            let pause = seconds(wait).max(1);
            return Answer {
                reply: Reply { refused: true, pause, ..Reply::default() },
                wait,
                ..Answer::default()
            };
        }
        if !inner.registry.admits(&content) {
            count(&mut inner.stats.refused.not_admitted);
            return Answer { reply: Reply { unknown: true, ..Reply::default() }, ..Answer::default() };
        }
        if question.leaving {
            inner.withdraw(&content, &name);
            return Answer::default();
        }
        inner.tell(now, content, name, ip, question)
    }
}

impl Inner {
    fn withdraw(&mut self, content: &ContentId, name: &PeerName) {
        count(&mut self.stats.withdrawn);
        self.registry.withdraw(content, name, locator(&self.atlas));
    }

    /// Stores the announcement and gathers the answer.
    fn tell(
        &mut self,
        now: Timestamp,
        content: ContentId,
        name: PeerName,
        ip: IpAddr,
        question: &Question,
    ) -> Answer {
        let endpoint = Endpoint { ip, tcp: port(question.tcp_port), udp: port(question.udp_port) };
        let complete = question.complete;
        let said = Announcement { content, name, endpoint, complete };
        let announced = self.registry.announce(now, &said, locator(&self.atlas));
        let refused = self.count(announced);
        let to_try = self.registry.to_try(now, &name, &said.endpoint);
        let wanted = question.wanted().fits().unwrap_or(PEERS_MAX).min(PEERS_MAX);
        let search = Search { content, name, ip, wanted, complete };
        let mut members = Vec::new();
        let census = self.registry.find(now, &search, locator(&self.atlas), &mut members);
        for member in &members {
            count(&mut self.stats.told_by_tier[member.proximity.tier() as usize]);
        }
        if !members.is_empty() {
            count(&mut self.stats.answers);
        }
        // A peer that looks for peers may ask as often as it needs them.
        let pause = match (refused, complete) {
            (true, _) => self.registry.pause(complete).saturating_mul(PAUSES_WHEN_FULL),
            (false, true) => self.registry.pause(true),
            (false, false) => Duration::ZERO,
        };
        let newer = |offer: &&Arc<AtlasOffer>| question.atlas.is_some_and(|known| known < offer.version);
        let offer = self.offer.as_ref().filter(newer);
        let reply = Reply {
            holds: self.registry.is_own(&content),
            members: census.members,
            members_in_as: census.members_in_as,
            observed: match ip.to_canonical() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            },
            pause: seconds(pause),
            refused,
            atlas: offer.map(|offer| Offer { version: offer.version, link: offer.link.clone() }),
            ..Reply::default()
        };
        Answer { reply, members, wait: Duration::ZERO, to_try }
    }

    /// Counts the result of an announcement. Returns whether it was refused.
    fn count(&mut self, announced: Announced) -> bool {
        let refused = &mut self.stats.refused;
        match announced {
            Announced::Stored | Announced::Renewed => {
                count(&mut self.stats.announced);
                return false;
            }
            // The peer may ask and is not listed: it claims no port, or a draw went against it.
            Announced::Unreachable | Announced::Unlucky => return false,
            Announced::NotAdmitted => count(&mut refused.not_admitted),
            Announced::PeerFull => count(&mut refused.peer_full),
            Announced::PrefixFull => count(&mut refused.prefix_full),
            Announced::Full => count(&mut refused.full),
        }
        true
    }
}

fn locator(atlas: &Option<Arc<Atlas>>) -> &dyn Locator {
    match atlas {
        Some(atlas) => &**atlas,
        None => &Nowhere,
    }
}

/// Adds one.
fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
