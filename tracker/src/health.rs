//! The state of a tracker, for probes, metrics and the service manager. The tasks that do the work
//! write it; anybody reads it.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nearcast_core::atlas::{Atlas, Counts};
use nearcast_node::{
    Node, Totals,
    directory::{Directory, DirectoryStats},
    durations::Durations,
};
use nearcast_service::{
    conditions::{Condition, Probes},
    reloaded::Reloaded,
};

use crate::{
    database::Tally,
    feeds::live::{Live, LiveStats},
};

/// The node's loop runs ten times a second. If it is this late, it hangs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(10);

/// The state of one tracker.
#[derive(Default)]
pub struct Health {
    node: OnceLock<Node>,
    live: OnceLock<Arc<Live>>,
    /// The directory has its saved entries back.
    pub(crate) restored: AtomicBool,
    pub(crate) draining: AtomicBool,
    atlas: Mutex<Option<AtlasAbout>>,
    /// The published version; 0: none.
    published: AtomicU64,
    saves: Mutex<Saves>,
    pub(crate) reloaded: Reloaded,
}

/// Figures about the atlas in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtlasAbout {
    pub(crate) version: u64,
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
    pub(crate) since: Instant,
}

/// Figures about saves of the directory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saves {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) last: Tally,
    pub(crate) took: Duration,
    pub(crate) at: Option<Instant>,
    /// What was restored at the start.
    pub(crate) restored: Tally,
}

impl Health {
    /// Notes that the node listens.
    pub(crate) fn set_node(&self, node: Node) {
        // Each health has one node. A second one would be a harmless mistake.
        let _ = self.node.set(node);
    }

    /// Notes the live feeds.
    pub(crate) fn set_live(&self, live: Arc<Live>) {
        // As with the node, there is only one.
        let _ = self.live.set(live);
    }

    /// Figures about the feeds. `None`: there are no feeds.
    pub fn live_stats(&self) -> Option<LiveStats> {
        self.live.get().map(|live| live.stats())
    }

    /// Notes that another atlas is in use.
    pub(crate) fn set_atlas(&self, atlas: &Atlas) {
        let about = AtlasAbout {
            version: atlas.version(),
            counts: atlas.counts(),
            bytes: atlas.resident_bytes() as u64,
            since: Instant::now(),
        };
        *self.atlas.lock().unwrap_or_else(PoisonError::into_inner) = Some(about);
    }

    /// Notes that an atlas was published.
    pub(crate) fn on_published(&self, version: u64) {
        self.published.store(version, Relaxed);
    }

    /// Notes a save. `saved` is `None` if it failed.
    pub(crate) fn on_saved(&self, saved: Option<Tally>, took: Duration) {
        let mut saves = self.saves.lock().unwrap_or_else(PoisonError::into_inner);
        match saved {
            Some(tally) => {
                *saves =
                    Saves { done: saves.done + 1, last: tally, took, at: Some(Instant::now()), ..*saves };
            }
            None => saves.failed += 1,
        }
    }

    /// Notes that the saved entries are restored.
    pub(crate) fn on_restored(&self, tally: Tally) {
        self.saves.lock().unwrap_or_else(PoisonError::into_inner).restored = tally;
        self.restored.store(true, Relaxed);
    }

    /// The node's counters. `None`: it does not listen yet.
    pub fn totals(&self) -> Option<Totals> {
        Some(self.node.get()?.totals().borrow().clone())
    }

    /// The directory's counters. `None`: there is no directory yet.
    pub fn directory(&self) -> Option<DirectoryStats> {
        Some(self.node.get()?.directory()?.stats())
    }

    /// How long the directory's answers took. Empty before there is a directory.
    pub(crate) fn answering(&self) -> Durations {
        let directory = self.node.get().and_then(Node::directory);
        directory.map(Directory::answering).unwrap_or_default()
    }

    /// Durations of disk reads, and of peers' waits to be served. Empty before the node listens.
    pub(crate) fn durations(&self) -> (Durations, Durations) {
        self.node.get().map(|node| (node.disk_reads(), node.slot_waits())).unwrap_or_default()
    }

    /// The node. `None`: it does not listen yet.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.node.get()
    }

    /// The version of the atlas in use. `None`: no atlas.
    pub fn atlas_version(&self) -> Option<u64> {
        self.atlas_about().map(|about| about.version)
    }

    pub(crate) fn atlas_about(&self) -> Option<AtlasAbout> {
        *self.atlas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn atlas_published(&self) -> u64 {
        self.published.load(Relaxed)
    }

    pub(crate) fn saves(&self) -> Saves {
        *self.saves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number with its noun, in the singular or plural.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

impl Probes for Health {
    fn live(&self) -> Vec<Condition> {
        let hangs = self.node.get().is_some_and(|node| node.pulse_age() > PULSE_AGE_MAX);
        vec![Condition { name: "loop", holds: !hangs }]
    }

    fn ready(&self) -> Vec<Condition> {
        let mut conditions = self.live();
        conditions.extend([
            Condition { name: "listening", holds: self.node.get().is_some() },
            Condition { name: "restored", holds: self.restored.load(Relaxed) },
            Condition { name: "not-draining", holds: !self.draining.load(Relaxed) },
        ]);
        conditions
    }
}
