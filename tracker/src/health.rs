//! How a tracker is: what probes, metrics and the service manager are told. Written by those who do the work,
//! read by anybody.

use std::{
    fmt,
    future::ready,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nearcast_core::atlas::{Atlas, Counts};
use nearcast_node::{
    directory::{Directory, DirectoryStats},
    durations::Durations,
    handle::{Node, Totals},
};
use nearcast_service::{
    admin::{Condition, Overview, Vitals},
    reloaded::Reloaded,
    run,
    status::Status,
};

use crate::{
    bgp::live::{Live, LiveStats},
    database::Tally,
    metrics, status,
};

/// The node's loop goes round ten times a second; who is this late hangs.
const PULSE_AGE_MAX: Duration = Duration::from_secs(10);

/// The state of one tracker.
#[derive(Default)]
pub struct Health {
    node: OnceLock<Node>,
    live: OnceLock<Arc<Live>>,
    /// Who was known is known again.
    pub(crate) restored: AtomicBool,
    draining: AtomicBool,
    atlas: Mutex<Option<AtlasAbout>>,
    /// The version that is published; 0 = none.
    published: AtomicU64,
    saves: Mutex<Saves>,
    pub(crate) reloaded: Reloaded,
}

/// What is told of the atlas in use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtlasAbout {
    pub(crate) version: u64,
    pub(crate) counts: Counts,
    pub(crate) bytes: u64,
    pub(crate) since: Instant,
}

/// What is told of writing down who is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Saves {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) last: Tally,
    pub(crate) took: Duration,
    pub(crate) at: Option<Instant>,
    /// What was taken back at the start.
    pub(crate) restored: Tally,
}

impl Health {
    /// The node listens.
    pub(crate) fn set_node(&self, node: Node) {
        // There is one node for each health; a second would be a mistake without consequence.
        let _ = self.node.set(node);
    }

    /// Routes are listened to.
    pub(crate) fn set_live(&self, live: Arc<Live>) {
        // As with the node.
        let _ = self.live.set(live);
    }

    /// How that goes; none if nobody tells of routes.
    pub fn live_stats(&self) -> Option<LiveStats> {
        self.live.get().map(|live| live.stats())
    }

    /// Another atlas is in use.
    pub(crate) fn set_atlas(&self, atlas: &Atlas) {
        let about = AtlasAbout {
            version: atlas.version(),
            counts: atlas.counts(),
            bytes: atlas.resident_bytes() as u64,
            since: Instant::now(),
        };
        *self.atlas.lock().unwrap_or_else(PoisonError::into_inner) = Some(about);
    }

    /// An atlas was published.
    pub(crate) fn on_published(&self, version: u64) {
        self.published.store(version, Relaxed);
    }

    /// Who is known was written down, or not.
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

    /// Who was known is known again.
    pub(crate) fn on_restored(&self, tally: Tally) {
        self.saves.lock().unwrap_or_else(PoisonError::into_inner).restored = tally;
        self.restored.store(true, Relaxed);
    }

    /// The node's counters; none before it listens.
    pub fn totals(&self) -> Option<Totals> {
        Some(self.node.get()?.totals().borrow().clone())
    }

    /// What the directory did and knows; none before there is one.
    pub fn directory(&self) -> Option<DirectoryStats> {
        Some(self.node.get()?.directory()?.stats())
    }

    /// How long its answers took; nothing before there is a directory.
    pub(crate) fn answering(&self) -> Durations {
        let directory = self.node.get().and_then(Node::directory);
        directory.map(Directory::answering).unwrap_or_default()
    }

    /// How long it takes to read what is sent, and how long peers wait to be served; nothing before it listens.
    pub(crate) fn durations(&self) -> (Durations, Durations) {
        self.node.get().map(|node| (node.disk_reads(), node.slot_waits())).unwrap_or_default()
    }

    /// The node, once it listens.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.node.get()
    }

    /// The version of the atlas in use.
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

/// So many of something, as people say it.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

impl Vitals for Health {
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

    fn metrics(&self) -> Result<String, fmt::Error> {
        metrics::text(self)
    }

    fn overview(&self) -> Overview<'_> {
        let status = Status::of("nearcast-tracker", env!("CARGO_PKG_VERSION"), self, &self.reloaded);
        Box::pin(ready(status::fill(self, status)))
    }
}

impl run::Health for Health {
    fn status(&self) -> String {
        let Some(totals) = self.totals() else { return "starting".to_owned() };
        if self.draining.load(Relaxed) {
            return "writing down who is known".to_owned();
        }
        let atlas = match self.atlas_version() {
            Some(version) => format!("atlas {version}"),
            None => "no atlas".to_owned(),
        };
        let known = self.directory().unwrap_or_default();
        format!(
            "{} known for {}, {}, {atlas}",
            counted(known.peers, "peer", "peers"),
            counted(known.contents, "content", "contents"),
            counted(totals.connections.into(), "connection", "connections"),
        )
    }

    fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    fn reloaded(&self) -> &Reloaded {
        &self.reloaded
    }
}
