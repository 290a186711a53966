//! Figures about the feeds, for display.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nearcast_bgp::{
    feed::{Feed, FeedKind, Tally},
    rib::{RibCounts, SessionId},
};

/// The phase of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has not yet reported everything it knew at its beginning.
    Syncing,
    /// It has reported everything, and now reports changes.
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
    /// The feed of the session.
    pub feed: Feed,
    /// The phase of the session.
    pub phase: Phase,
    /// Routes of the session in the table.
    pub routes: usize,
    /// Announcements without room in the table.
    pub refused: u64,
    /// Counts of what was heard.
    pub tally: Tally,
    /// How long ago the session began.
    pub age: Duration,
    /// How long ago the session changed a route. `None`: never.
    pub last_change_age: Option<Duration>,
}

/// The state of all feeds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveStats {
    /// Whether at least one feed has ever reported everything it knew at its beginning.
    pub ready: bool,
    /// The size of the table.
    pub rib: RibCounts,
    /// Sessions, including held ones, the oldest first.
    pub feeds: Vec<FeedStats>,
    /// Counts of what was heard since the start, by kind of feed.
    pub heard: BTreeMap<FeedKind, Tally>,
    /// BMP connections refused since the start: not allowed, or too many.
    pub bmp_refused: u64,
    /// BMP sessions that we ended since the start because of what they sent or did not send.
    pub bmp_faults: u64,
    /// How long ago the table changed. `None`: never.
    pub last_change_age: Option<Duration>,
    /// How long ago the current atlas was made. `None`: it is the base.
    pub last_rebuild_age: Option<Duration>,
    /// How long making it took. `None`: it is the base.
    pub last_rebuild_took: Option<Duration>,
    /// Atlases made since the start.
    pub rebuilds: u64,
    /// The current atlas lacks some changes.
    pub is_behind: bool,
    /// The table was lost through a bug of ours; the last atlas stays.
    pub is_broken: bool,
}

impl LiveStats {
    /// Routes in the table, by kind of feed.
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
    /// When its routes are dropped, once it is held.
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
    /// Counts of sessions that are gone.
    pub(super) past: BTreeMap<FeedKind, Tally>,
    pub(super) rib: RibCounts,
    pub(super) ready: bool,
    pub(super) last_change: Option<Instant>,
    pub(super) last_rebuild: Option<(Instant, Duration)>,
    pub(super) rebuilds: u64,
    pub(super) is_behind: bool,
    pub(super) is_broken: bool,
}

/// The shared figures. The lock is held for a few instructions at a time.
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
