//! The directories we ask about a content, and when.
//!
//! Invariant: a directory is asked one question at a time.

use std::time::Duration;

use super::{Discovery, backoff};
use crate::{
    config::Config,
    id::{PeerKey, QueryId},
    random::Random,
    time::Timestamp,
    untrusted::Untrusted,
};

/// The pause between questions to a directory while neighbours are few; it doubles up to the
/// configured interval.
const ASK_FIRST: Duration = Duration::from_secs(1);
/// The longest pause a directory may ask for. Whatever it says, the directory is not lost for good.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// Chance lengthens a pause by up to its own length, but by this much at most, so that peers which
/// are refused together come back apart.
const SPREAD_MAX: Duration = Duration::from_secs(60);
/// The most directories of a content that are remembered on their own word. Those that the user or
/// the link named come on top: no other directory can displace them.
const DIRECTORIES_MAX: usize = 8;
/// Failures in a row after which a directory that nobody named makes room for another one.
const DEAD_AFTER: u8 = 3;
/// Answers after which a directory that nobody named makes room for another one, if it never named
/// a peer.
pub(super) const FRUITLESS_AFTER: u8 = 4;

#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) peer: PeerKey,
    pub(super) query: Option<QueryId>,
    pub(super) next: Timestamp,
    /// Answers, and failures since the last answer.
    asked: u8,
    failed: u8,
    /// The user or the link named it.
    named: bool,
    /// It named at least one peer.
    fruitful: bool,
    /// It asked for the pause until `next`.
    bids_pause: bool,
}

impl Directory {
    /// Whether it makes room for another directory: it is dead, or of no use.
    fn yields(&self) -> bool {
        let fruitless = !self.fruitful && self.asked >= FRUITLESS_AFTER;
        !self.named && (self.failed >= DEAD_AFTER || fruitless)
    }
}

impl Discovery {
    /// Remembers a peer that says it answers directory questions about this content. The first
    /// directories stay as long as they answer and name peers; else later ones take their place.
    pub(crate) fn learn_directory(&mut self, peer: PeerKey) {
        if self.directories.iter().any(|directory| directory.peer == peer) {
            return;
        }
        if self.directories.iter().filter(|directory| !directory.named).count() >= DIRECTORIES_MAX {
            let Some(at) = self.directories.iter().position(Directory::yields) else { return };
            self.directories.remove(at);
        }
        self.add_directory(peer, false);
    }

    /// Remembers a directory that the user or the link named: no other displaces it.
    pub(crate) fn name_directory(&mut self, peer: PeerKey) {
        match self.directories.iter_mut().find(|directory| directory.peer == peer) {
            Some(known) => known.named = true,
            None => self.add_directory(peer, true),
        }
    }

    /// Whether the user or the link named this directory.
    pub(super) fn is_named_directory(&self, peer: PeerKey) -> bool {
        self.directories.iter().any(|directory| directory.peer == peer && directory.named)
    }

    /// Whether we ask this peer as a directory.
    pub(crate) fn asks(&self, peer: PeerKey) -> bool {
        self.directories.iter().any(|directory| directory.peer == peer)
    }

    /// The directory that this question went to.
    pub(super) fn asked(&self, query: QueryId) -> Option<PeerKey> {
        let asked = self.directories.iter().find(|directory| directory.query == Some(query));
        asked.map(|directory| directory.peer)
    }

    fn add_directory(&mut self, peer: PeerKey, named: bool) {
        let (query, next) = (None, Timestamp::ZERO);
        self.directories.push(Directory {
            peer,
            query,
            next,
            asked: 0,
            failed: 0,
            named,
            fruitful: false,
            bids_pause: false,
        });
    }

    /// The next directory to ask, if it is time.
    pub(crate) fn next_ask(&mut self, now: Timestamp) -> Option<(PeerKey, QueryId)> {
        let query = QueryId(self.next_query);
        let directory = self
            .directories
            .iter_mut()
            .find(|directory| directory.query.is_none() && directory.next <= now)?;
        directory.query = Some(query);
        directory.bids_pause = false;
        self.next_query = self.next_query.wrapping_add(1);
        Some((directory.peer, query))
    }

    /// Ends the wait for an answer. Returns the directory that the question went to.
    fn settle(&mut self, query: QueryId) -> Option<&mut Directory> {
        let directory = self.directories.iter_mut().find(|directory| directory.query == Some(query))?;
        directory.query = None;
        Some(directory)
    }

    /// A directory answered. `told`: it named at least one peer. It is asked again soon while
    /// neighbours are few.
    pub(crate) fn on_answer(
        &mut self,
        now: Timestamp,
        query: QueryId,
        (few_neighbours, told): (bool, bool),
        config: &Config,
        random: &mut Random,
    ) {
        let Some(directory) = self.settle(query) else { return };
        let usual = random.stretch(config.finding.ask_interval, 0.25);
        let pause = if few_neighbours {
            // Peers that began together have the same pauses: each further pause spreads them out
            // more.
            let spread = if directory.asked == 0 { 0.25 } else { 1.0 };
            random
                .stretch(backoff(ASK_FIRST, directory.asked, config.finding.ask_interval), spread)
                .min(usual)
        } else {
            usual
        };
        directory.asked = directory.asked.saturating_add(1);
        directory.failed = 0;
        directory.fruitful |= told;
        // The directory may have asked for a longer pause.
        directory.next = directory.next.max(now + pause);
    }

    /// A directory did not answer: it is asked again later, and later each time. Chance spreads a
    /// crowd of contents out.
    pub(crate) fn on_query_failed(
        &mut self,
        now: Timestamp,
        query: QueryId,
        config: &Config,
        random: &mut Random,
    ) {
        let Some(directory) = self.settle(query) else { return };
        let pause = backoff(ASK_FIRST, directory.failed, config.finding.ask_interval);
        directory.failed = directory.failed.saturating_add(1);
        directory.next = now + random.stretch(pause, 1.0);
    }

    /// A directory asks for a pause; its answer follows.
    pub(crate) fn on_pause(
        &mut self,
        now: Timestamp,
        query: QueryId,
        pause: Untrusted<Duration>,
        random: &mut Random,
    ) {
        if let Some(directory) = self.directories.iter_mut().find(|known| known.query == Some(query)) {
            let pause = pause.at_most(PAUSE_MAX);
            // Others were refused at the same moment.
            let spread = pause.min(SPREAD_MAX);
            directory.next = now + pause.saturating_sub(spread) + random.stretch(spread, 1.0);
            directory.bids_pause = true;
        }
    }

    /// We starve: directories that answer are asked within this time, unless they asked for a pause.
    pub(crate) fn ask_soon(&mut self, now: Timestamp, within: Duration, random: &mut Random) {
        let answers = |directory: &&mut Directory| {
            directory.query.is_none() && directory.failed == 0 && !directory.bids_pause
        };
        for directory in self.directories.iter_mut().filter(answers) {
            directory.next = directory.next.min(now + within.mul_f32(random.unit()));
        }
    }

    /// We left, and the directories that knew of us were told. Once we come back they are asked
    /// soon, but not at once: an owner may come and go.
    pub(crate) fn on_left(&mut self, now: Timestamp) {
        for directory in self.directories.iter_mut().filter(|directory| directory.asked > 0) {
            directory.asked = 0;
            directory.next = directory.next.min(now + ASK_FIRST);
        }
    }

    /// Directories that know of us.
    pub(crate) fn told(&self) -> impl Iterator<Item = PeerKey> {
        self.directories.iter().filter(|directory| directory.asked > 0).map(|directory| directory.peer)
    }
}
