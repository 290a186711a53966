//! The directory of a node: a lock, a clock and the words on the wire around what
//! [`nearcast_core::directory`] decides. It answers in the task of the asking stream, not in the
//! driver, so a busy directory holds up nothing else.
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

use nearcast_core::{
    atlas::Atlas,
    directory::{Asker, Told, Verdict},
    id::ContentId,
    registry::{Announced, Locator, Member, Nowhere, PeerName, Surveyed},
    time::Timestamp,
};
pub use nearcast_core::{
    directory::{DirectoryConfig, DirectoryStats, Refusals as DirectoryRefusals},
    registry::{Admission, Pace, RegistryConfig, Saved},
};

use crate::{
    durations::{Durations, Stopwatch},
    wire::{
        control::content_id,
        directory::{LINK_BYTES_MAX, Offer, Question, Reply},
    },
};

/// Entries restored at once, before questions get their turn.
const RESTORED_AT_ONCE: usize = 256;

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
    decides: nearcast_core::directory::Directory,
    atlas: Option<Arc<Atlas>>,
    offer: Option<Arc<AtlasOffer>>,
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
        let decides = nearcast_core::directory::Directory::new(config, seed);
        let inner = Inner { decides, atlas, offer: None };
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
        self.lock().decides.stats()
    }

    /// Questions read, and questions answered with peers.
    pub(crate) fn asked(&self) -> (u64, u64) {
        let stats = self.stats();
        (stats.questions, stats.answers)
    }

    /// Replaces the set of admitted contents. Entries of contents no longer admitted expire.
    pub fn set_admission(&self, admission: Admission) {
        self.lock().decides.registry_mut().set_admission(admission);
    }

    /// Notes that a peer's connection broke without a goodbye.
    pub(crate) fn lose(&self, name: &PeerName) {
        self.lock().decides.registry_mut().lose(name);
    }

    /// Notes the result of a dial-back to [`Answer::to_try`]: whether the peer took the connection.
    /// `None`: it was not tried, or the result says nothing of the peer.
    pub(crate) fn tried(&self, name: &PeerName, at: SocketAddr, took: Option<bool>) {
        let now = self.now();
        self.lock().decides.tried(now, name, at, took);
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
        let mut inner = self.lock();
        inner.decides.offer(offer.version);
        inner.offer = Some(Arc::new(offer));
        Ok(())
    }

    /// Calls `each` with every entry. Locks for a few contents at a time, so that askers hardly
    /// wait.
    pub fn snapshot(&self, mut each: impl FnMut(Saved)) {
        let (mut saved, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            from = self.lock().decides.registry().snapshot(self.now(), at, &mut saved);
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
            let Inner { decides, atlas, .. } = &mut *inner;
            let registry = decides.registry_mut();
            let counts = |saved: &&Saved| registry.restore(now, saved, locator(atlas)) == Announced::Stored;
            taken = some.iter().filter(counts).count().saturating_add(taken);
        }
        taken
    }

    /// Calls `with` with the atlas, or with what stands for none.
    pub(crate) fn with_locator<T>(&self, with: impl FnOnce(&dyn Locator) -> T) -> T {
        let atlas = self.lock().atlas.clone();
        with(locator(&atlas))
    }

    /// The contents that the node serves.
    pub(crate) fn own(&self) -> Vec<ContentId> {
        self.lock().decides.registry().own().collect()
    }

    /// Appends to `seen` some of the contents that others announced: see
    /// [`nearcast_core::registry::Registry::survey`].
    pub(crate) fn survey(
        &self,
        from: usize,
        as_members_min: usize,
        seen: &mut Vec<Surveyed>,
    ) -> Option<usize> {
        let now = self.now();
        self.lock().decides.registry().survey(now, from, as_members_min, seen)
    }

    pub(crate) fn add_own(&self, content: ContentId) {
        self.lock().decides.registry_mut().add_own(content);
    }

    pub(crate) fn remove_own(&self, content: &ContentId) {
        self.lock().decides.registry_mut().remove_own(content);
    }

    pub(crate) fn admits(&self, content: &ContentId) -> bool {
        self.lock().decides.registry().admits(content)
    }

    /// Forgets some of the expired entries.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        self.lock().decides.registry_mut().sweep(now);
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
        let Inner { decides, atlas, offer } = &mut *inner;
        let Ok(content) = content_id(&question.content) else {
            decides.note_malformed();
            return Answer::not_here();
        };
        let question = question.of(content);
        let mut members = Vec::new();
        match decides.answer(now, Asker { name, ip }, &question, locator(atlas), &mut members) {
            Verdict::NotHere => Answer::not_here(),
            Verdict::Forgotten => Answer::default(),
            Verdict::TooOften(wait) => {
                let pause = seconds(wait).max(1);
                Answer {
                    reply: Reply { refused: true, pause, ..Reply::default() },
                    wait,
                    ..Answer::default()
                }
            }
            Verdict::Told(told) => {
                let offer = offer.as_ref().filter(|_| told.offer);
                Answer { reply: reply(told, ip, offer), members, wait: Duration::ZERO, to_try: told.to_try }
            }
        }
    }
}

impl Answer {
    /// The directory does not answer for this content.
    fn not_here() -> Answer {
        Answer { reply: Reply { unknown: true, ..Reply::default() }, ..Answer::default() }
    }
}

/// What a peer seen at `ip` is told, in the form of the wire, without the members.
fn reply(told: Told, ip: IpAddr, offer: Option<&Arc<AtlasOffer>>) -> Reply {
    Reply {
        holds: told.holds,
        members: told.census.members,
        members_in_as: told.census.members_in_as,
        observed: match ip.to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        },
        pause: seconds(told.pause),
        refused: told.refused,
        atlas: offer.map(|offer| Offer { version: offer.version, link: offer.link.clone() }),
        ..Reply::default()
    }
}

fn locator(atlas: &Option<Arc<Atlas>>) -> &dyn Locator {
    match atlas {
        Some(atlas) => &**atlas,
        None => &Nowhere,
    }
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}
