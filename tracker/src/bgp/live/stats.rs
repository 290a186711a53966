//! How the feeds are, for whoever shows it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::bgp::{
    feed::{Feed, FeedKind, Tally},
    rib::{RibCounts, SessionId},
};

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not told yet all that it knew at its beginning.
    Syncing,
    /// It has, and tells what changes.
    Synced,
    /// It is lost. Its routes are held for a while.
    Held,
}

impl Phase {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Syncing => "syncing",
            Phase::Synced => "synced",
            Phase::Held => "held",
        }
    }
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStats {
    /// Whose it is.
    pub feed: Feed,
    /// Where it is in its life.
    pub phase: Phase,
    /// Routes of it in the table.
    pub routes: usize,
    /// Announcements there was no room for.
    pub refused: u64,
    /// What was heard.
    pub tally: Tally,
    /// How long ago it began.
    pub age: Duration,
    /// How long ago it changed something.
    pub last_change_age: Option<Duration>,
}

/// All of it at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Whether at least one feed has told all that it knew at its beginning, ever.
    pub ready: bool,
    /// What is in the table.
    pub rib: RibCounts,
    /// Sessions, those held included, the oldest first.
    pub feeds: Vec<FeedStats>,
    /// What was heard by kind of feed, ever.
    pub heard: BTreeMap<FeedKind, Tally>,
    /// Connections of routers that were refused, ever: not allowed, or too many.
    pub bmp_refused: u64,
    /// Sessions of routers that we ended because of what they sent or did not send, ever.
    pub bmp_faults: u64,
    /// How long ago the table changed.
    pub last_change_age: Option<Duration>,
    /// How long ago the current atlas was made; none while it is the base.
    pub last_rebuild_age: Option<Duration>,
    /// How long that took.
    pub last_rebuild_took: Option<Duration>,
    /// Atlases made, ever.
    pub rebuilds: u64,
    /// Changes are not in the current atlas yet.
    pub is_behind: bool,
    /// The table is lost by a mistake of ours; the last atlas stays as it is.
    pub is_broken: bool,
}

impl LiveStats {
    /// Routes in the table by kind of feed.
    pub fn routes(&self, kind: FeedKind) -> usize {
        self.of(kind).map(|feed| feed.routes).sum()
    }

    /// Sessions of one kind in one phase.
    pub fn sessions(&self, kind: FeedKind, phase: Phase) -> usize {
        self.of(kind).filter(|feed| feed.phase == phase).count()
    }

    fn of(&self, kind: FeedKind) -> impl Iterator<Item = &FeedStats> {
        self.feeds.iter().filter(move |feed| feed.feed.kind == kind)
    }
}

/// What the keeper knows of a session.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) feed: Feed,
    pub(super) phase: Phase,
    /// When its routes go, once it is held.
    pub(super) until: Option<Instant>,
    pub(super) began: Instant,
    pub(super) last_change: Option<Instant>,
    pub(super) tally: Tally,
    pub(super) refused: u64,
    pub(super) routes: usize,
}

/// What the keeper writes and others read.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) sessions: BTreeMap<SessionId, Kept>,
    /// Of sessions that are gone.
    pub(super) past: BTreeMap<FeedKind, Tally>,
    pub(super) rib: RibCounts,
    pub(super) ready: bool,
    pub(super) last_change: Option<Instant>,
    pub(super) last_rebuild: Option<(Instant, Duration)>,
    pub(super) rebuilds: u64,
    pub(super) is_behind: bool,
    pub(super) is_broken: bool,
}

/// Held for a few instructions at a time.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Written>);

impl Board {
    pub(super) fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self) -> LiveStats {
        let written = self.lock();
        let age = |at: Instant| at.elapsed();
        let mut heard = written.past.clone();
        let feeds = written.sessions.values().map(|kept| {
            heard.entry(kept.feed.kind).or_default().add(&kept.tally);
            FeedStats {
                feed: kept.feed.clone(),
                phase: kept.phase,
                routes: kept.routes,
                refused: kept.refused,
                tally: kept.tally,
                age: kept.began.elapsed(),
                last_change_age: kept.last_change.map(age),
            }
        });
        let feeds = feeds.collect();
        LiveStats {
            ready: written.ready,
            rib: written.rib,
            feeds,
            heard,
            bmp_refused: 0,
            bmp_faults: 0,
            last_change_age: written.last_change.map(age),
            last_rebuild_age: written.last_rebuild.map(|(at, _)| at.elapsed()),
            last_rebuild_took: written.last_rebuild.map(|(_, took)| took),
            rebuilds: written.rebuilds,
            is_behind: written.is_behind,
            is_broken: written.is_broken,
        }
    }
}
