//! What the owner of a download is told, and the state that this needs.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use nearcast_core::{
    id::{ContentId, ContentKey, PeerKey, ReaderId},
    input::Join,
    layout::{Layout, RunIndex},
    manifest::Manifest,
    outcomes::Outcomes,
    run_set::RunSet,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{full_disk::FullDisk, rate::Rate, slow::Slowness};
use crate::{
    command::{DownloadParts, Outcome},
    config::DownloadLimits,
    error::DownloadError,
    fetch::Fetch,
    imports::Imports,
    progress::{Progress, Summary},
    store::DiskStore,
};

/// A download, as its owner sees it.
pub(super) struct FetchState {
    pub(super) fetch: Fetch,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) manifest: watch::Sender<Option<Arc<Manifest>>>,
    /// The store, once it is open.
    pub(super) store: watch::Sender<Option<Weak<DiskStore>>>,
    /// Readers wait for it: it changes when a run has come.
    pub(super) news: watch::Sender<()>,
    /// Who reads while it comes.
    pub(super) readers: BTreeSet<ReaderId>,
    pub(super) outcome: watch::Sender<Outcome>,
    pub(super) seeded: watch::Sender<bool>,
    pub(super) cancelled: Arc<AtomicBool>,
    /// The owner wants the download to stay away from its swarm.
    pub(super) paused: bool,
    pub(super) limits: DownloadLimits,
    /// Directories that the user named, by the keys that they had when they were looked up.
    pub(super) directories: Vec<PeerKey>,
    /// Cancelled once the metainfo is there, or the download ends. Then requests for it to other
    /// peers stop.
    pub(super) metainfo_wanted: CancellationToken,
    /// Bytes hashed and bytes to hash, while existing files are checked.
    pub(super) checked: Arc<(AtomicU64, AtomicU64)>,
    pub(super) started: Instant,
    /// How to join the swarm once the store is open.
    pub(super) join: Option<Join>,
    /// The runs wanted. Set when the store is open.
    pub(super) wanted: Option<RunSet>,
    pub(super) bytes_total: u64,
    pub(super) bytes_resumed: u64,
    /// The content was complete when the store was opened: nothing is left to finish.
    pub(super) was_complete: bool,
    /// The path of the content, once it is complete.
    pub(super) path: Option<PathBuf>,
    /// A checkpoint is under way, or the finishing of the files.
    pub(super) storing: bool,
    /// Everything wanted is stored. The finishing of the files has yet to begin.
    pub(super) to_finish: bool,
    pub(super) full_disk: FullDisk,
    /// What came of each peer and directory that was asked, for the message at the end.
    pub(super) outcomes: Outcomes,
    /// Why the metainfo that came lacks a demanded signature.
    pub(super) unsigned: Option<String>,
    /// Since when the peers that have the missing runs let us wait.
    pub(super) queued_since: Option<Instant>,
    pub(super) have_bytes: Tally,
    pub(super) durable_bytes: Tally,
    /// Bytes that arrived from any source, whatever becomes of them.
    pub(super) arrived: Arc<AtomicU64>,
    pub(super) down: Rate,
    pub(super) up: Rate,
    /// Bytes that came from other ASes.
    pub(super) imports: Imports,
    /// Why it is not faster.
    pub(super) slowness: Slowness,
}

impl FetchState {
    /// A download that begins now.
    pub(super) fn begin(fetch: Fetch) -> FetchState {
        let now = Instant::now();
        FetchState {
            fetch,
            progress: watch::Sender::new(Progress::default()),
            manifest: watch::Sender::new(None),
            store: watch::Sender::new(None),
            news: watch::Sender::new(()),
            readers: BTreeSet::new(),
            outcome: watch::Sender::new(None),
            seeded: watch::Sender::new(false),
            cancelled: Arc::new(AtomicBool::new(false)),
            paused: false,
            limits: DownloadLimits::default(),
            directories: Vec::new(),
            metainfo_wanted: CancellationToken::new(),
            checked: Arc::new((AtomicU64::new(0), AtomicU64::new(0))),
            started: now,
            join: None,
            wanted: None,
            bytes_total: 0,
            bytes_resumed: 0,
            was_complete: false,
            path: None,
            storing: false,
            to_finish: false,
            full_disk: FullDisk::default(),
            outcomes: Outcomes::default(),
            unsigned: None,
            queued_since: None,
            have_bytes: Tally::default(),
            durable_bytes: Tally::default(),
            arrived: Arc::default(),
            down: Rate::new(now),
            up: Rate::new(now),
            imports: Imports::default(),
            slowness: Slowness::default(),
        }
    }

    /// What an owner of the download holds.
    pub(super) fn parts(&self, id: ContentId, content: ContentKey) -> DownloadParts {
        DownloadParts {
            id,
            content,
            progress: self.progress.subscribe(),
            manifest: self.manifest.subscribe(),
            store: self.store.subscribe(),
            news: self.news.subscribe(),
            outcome: self.outcome.subscribe(),
            seeded: self.seeded.subscribe(),
            cancelled: self.cancelled.clone(),
        }
    }

    /// Tells the owner of the end. The first end counts.
    pub(super) fn end(&self, end: Result<Summary, DownloadError>) {
        self.outcome.send_if_modified(|outcome| {
            let first = outcome.is_none();
            if first {
                *outcome = Some(end);
            }
            first
        });
    }
}

impl Drop for FetchState {
    fn drop(&mut self) {
        self.metainfo_wanted.cancel();
    }
}

/// The bytes of a set of runs. Counted anew only when the set has changed, and for a large set at
/// most every second.
#[derive(Debug, Default)]
pub(super) struct Tally {
    runs: u32,
    bytes: u64,
    counted: Option<Instant>,
}

/// A set with more runs is large.
const LARGE_RUNS: u32 = 20_000;

impl Tally {
    pub(super) fn of(&mut self, now: Instant, set: &RunSet, wanted: &RunSet, layout: &Layout) -> u64 {
        let wait = Duration::from_secs(u64::from(set.runs() > LARGE_RUNS));
        let due = self.counted.is_none_or(|counted| now.saturating_duration_since(counted) >= wait);
        if due && (set.count() != self.runs || self.counted.is_none()) || set.is_full() {
            self.bytes = match set.is_full() && wanted.is_full() {
                true => layout.bytes(),
                false => bytes_of(layout, set.iter().filter(|&run| wanted.contains(run))),
            };
            self.runs = set.count();
            self.counted = Some(now);
        }
        self.bytes
    }
}

/// Bytes of runs.
pub(super) fn bytes_of(layout: &Layout, runs: impl Iterator<Item = RunIndex>) -> u64 {
    runs.map(|run| u64::from(layout.run_length(run))).sum()
}
