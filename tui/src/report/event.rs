//! `--json`: one object a line on standard output. Names, order and units of the keys are a
//! contract with scripts: bytes, seconds, bytes per second. Keys may be added, never changed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use nearcast_core::{id::ContentId, paths::printable, slowness::Slow, stats::Traffic, tier::Tier};
use nearcast_node::{
    imports::Imports,
    progress::{Neighbour, Phase, Progress, Summary},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{giving::Giving, peers::kind, text::remaining};
use crate::error::CommandError;

/// The least time between two `progress` events, except when the phase changes and when the first
/// bytes come.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// The time between two lists of peers.
const PEERS_INTERVAL: Duration = Duration::from_secs(5);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    /// The metainfo is being fetched, or existing data is being checked. Only before `started`.
    Preparing {
        content: &'a str,
        phase: &'static str,
        peers: usize,
    },
    /// Existing data has been checked. Comes before the first `progress`.
    Started {
        content: &'a str,
        name: String,
        bytes_total: u64,
        bytes_resumed: u64,
    },
    Progress {
        content: &'a str,
        name: String,
        phase: &'static str,
        bytes: u64,
        bytes_total: u64,
        durable_bytes: u64,
        down: u64,
        up: u64,
        /// Seconds until complete at this rate; null while nothing is received.
        eta_seconds: Option<f64>,
        /// Number of connected peers, with origins and web seeds.
        peers: usize,
        peers_by_tier: PeersByTier<'a>,
        /// Why it was not faster in the last second; null if everything is here.
        why: Option<&'static str>,
        /// Seconds by the reason of each.
        seconds_by_why: BTreeMap<&'static str, u32>,
        /// What is here of what is read next, in seconds; null if nobody reads, or all is here.
        buffer_seconds: Option<f64>,
    },
    /// The list of peers: every few seconds while there are peers, and on SIGUSR1.
    Peers {
        content: &'a str,
        peers: Vec<Peer>,
    },
    Stalled {
        content: &'a str,
        why: String,
    },
    Finished {
        content: &'a str,
        name: String,
        path: String,
        bytes: u64,
        bytes_resumed: u64,
        seconds: f64,
        bytes_by_tier: ByTier,
        /// Bytes that crossed the border of our own AS. `None`: no atlas.
        imported_bytes: Option<u64>,
        /// The same bytes by the AS they came from. `None`: no atlas.
        imported_by_as: Option<BTreeMap<String, u64>>,
        uploaded_bytes: u64,
        wasted_bytes: u64,
        banned: u32,
        /// Publishers whose signatures verify.
        signed_by: Vec<String>,
    },
    Failed {
        content: Option<&'a str>,
        code: u8,
        reason: String,
    },
    Left {
        content: &'a str,
        uploaded_bytes: u64,
    },
}

/// One connected peer.
#[derive(Serialize)]
struct Peer {
    peer: String,
    address: String,
    /// The tier of the peer; `origin` or `web_seed` for such peers.
    tier: &'static str,
    asn: Option<u32>,
    /// Share of the content that the peer has, 0 to 1.
    has: f64,
    /// Rate received from the peer. In bytes a second.
    down: u64,
    /// Rate sent to the peer. In bytes a second.
    up: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Peer {
    fn of(neighbour: &Neighbour, up: f64) -> Peer {
        Peer {
            peer: printable(&neighbour.peer),
            address: printable(&neighbour.address),
            tier: kind(neighbour),
            asn: neighbour.asn.map(|asn| asn.0),
            has: neighbour.has,
            down: neighbour.rate_down as u64,
            up: up as u64,
            received_bytes: neighbour.received,
            sent_bytes: neighbour.sent,
        }
    }
}

/// An event with its time.
#[derive(Serialize)]
struct Timed<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    /// Seconds since 1970, UTC.
    time: f64,
}

impl Event<'_> {
    fn line(&self) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Milliseconds are precise enough.
        let time = now.as_millis() as f64 / 1e3;
        serde_json::to_string(&Timed { event: self, time }).expect("events have text keys and finite numbers")
    }
}

/// Number of neighbours in each tier, with origins and web seeds apart. Every class is named, even
/// when empty.
struct PeersByTier<'a>(&'a [Neighbour]);

impl Serialize for PeersByTier<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = |is: &dyn Fn(&Neighbour) -> bool| self.0.iter().filter(|neighbour| is(neighbour)).count();
        let mut map = serializer.serialize_map(Some(Tier::COUNT + 2))?;
        for tier in Tier::ALL {
            let is = |it: &Neighbour| it.tier == tier && !it.origin && !it.web_seed;
            map.serialize_entry(tier.name(), &count(&is))?;
        }
        map.serialize_entry("origin", &count(&|it| it.origin && !it.web_seed))?;
        map.serialize_entry("web_seed", &count(&|it| it.web_seed))?;
        map.end()
    }
}

/// Payload received in this run by tier. Every class is named, even when zero.
struct ByTier(Traffic);

impl Serialize for ByTier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Tier::COUNT + 2))?;
        for tier in Tier::ALL {
            map.serialize_entry(tier.name(), &self.0.by_tier[tier as usize])?;
        }
        map.serialize_entry("origin", &self.0.origin)?;
        map.serialize_entry("web_seed", &self.0.web_seed)?;
        map.end()
    }
}

fn by_as(imports: &Imports) -> BTreeMap<String, u64> {
    imports.by_as.iter().map(|(asn, &bytes)| (asn.to_string(), bytes)).collect()
}

/// Makes the lines for the events of one download.
pub(crate) struct Events {
    content: String,
    started: bool,
    told: Option<(Instant, Phase)>,
    /// A snapshot came too soon after the last `progress` event, and was not printed.
    untold: bool,
    /// The event for the first bytes was printed.
    moving: bool,
    /// When the peers were last listed.
    listed: Option<Instant>,
}

impl Events {
    /// Nothing printed yet.
    pub(crate) fn new(content: ContentId) -> Events {
        Events {
            content: content.to_string(),
            started: false,
            told: None,
            untold: false,
            moving: false,
            listed: None,
        }
    }

    /// Whether `started` was printed.
    pub(crate) fn has_started(&self) -> bool {
        self.started
    }

    /// The lines due now.
    pub(crate) fn on_progress(
        &mut self,
        now: Instant,
        progress: &Progress,
        giving: &Giving,
        fresh: bool,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        self.untold |= fresh;
        if !self.started && is_checked(progress) {
            lines.push(self.started(&progress.name, progress.bytes_total, progress.bytes_resumed));
        }
        let (early, new_phase) = match &self.told {
            Some((when, phase)) => (now.duration_since(*when) < PROGRESS_INTERVAL, *phase != progress.phase),
            None => (false, true),
        };
        let due = now.duration_since(*self.listed.get_or_insert(now)) >= PEERS_INTERVAL;
        if fresh && self.started && due && !progress.neighbours.is_empty() {
            self.listed = Some(now);
            lines.push(self.peers(progress, giving));
        }
        if let (true, Phase::Stalled(why)) = (new_phase, &progress.phase) {
            let why = why.to_string();
            lines.push(Event::Stalled { content: &self.content, why }.line());
        }
        let first_bytes = !self.moving && progress.received.total() > 0;
        self.moving |= first_bytes;
        if new_phase || first_bytes || (self.untold && !early) {
            self.told = Some((now, progress.phase.clone()));
            self.untold = false;
            lines.push(if self.started { self.progress(progress) } else { self.preparing(progress) });
        }
        lines
    }

    /// The last line. Before it `started`, if no snapshot reported that yet.
    pub(crate) fn on_finished(&mut self, summary: &Summary) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.started {
            lines.push(self.started(&summary.name, summary.bytes, summary.bytes_resumed));
        }
        let finished = Event::Finished {
            content: &self.content,
            name: printable(&summary.name),
            path: printable(&summary.path.to_string_lossy()),
            bytes: summary.bytes,
            bytes_resumed: summary.bytes_resumed,
            seconds: summary.elapsed.as_secs_f64(),
            bytes_by_tier: ByTier(summary.received),
            imported_bytes: summary.imports.as_ref().map(|_| summary.received.imported),
            imported_by_as: summary.imports.as_ref().map(by_as),
            uploaded_bytes: summary.uploaded,
            wasted_bytes: summary.wasted,
            banned: summary.banned,
            signed_by: summary.signed_by.iter().map(ToString::to_string).collect(),
        };
        lines.push(finished.line());
        lines
    }

    /// The last line of a failed download.
    pub(crate) fn on_failed(&self, error: &CommandError) -> String {
        failed(Some(&self.content), error)
    }

    /// The line after `finished`, when seeding ends.
    pub(crate) fn on_left(&self, uploaded_bytes: u64) -> String {
        let content = &self.content;
        Event::Left { content, uploaded_bytes }.line()
    }

    /// The line that lists the peers.
    pub(crate) fn peers(&self, progress: &Progress, giving: &Giving) -> String {
        let peers = progress.neighbours.iter().map(|peer| Peer::of(peer, giving.rate(peer))).collect();
        Event::Peers { content: &self.content, peers }.line()
    }

    fn started(&mut self, name: &str, bytes_total: u64, bytes_resumed: u64) -> String {
        self.started = true;
        Event::Started { content: &self.content, name: printable(name), bytes_total, bytes_resumed }.line()
    }

    fn preparing(&self, progress: &Progress) -> String {
        let (phase, peers) = (phase_name(&progress.phase), progress.neighbours.len());
        Event::Preparing { content: &self.content, phase, peers }.line()
    }

    fn progress(&self, progress: &Progress) -> String {
        let buffer_ms = progress.streaming.and_then(|streaming| streaming.buffer_ms);
        Event::Progress {
            content: &self.content,
            name: printable(&progress.name),
            phase: phase_name(&progress.phase),
            bytes: progress.bytes_have,
            bytes_total: progress.bytes_total,
            durable_bytes: progress.durable_bytes,
            down: progress.rate_down.unwrap_or_default() as u64,
            up: progress.rate_up.unwrap_or_default() as u64,
            eta_seconds: remaining(progress).map(|left| left.as_secs_f64()),
            peers: progress.neighbours.len(),
            peers_by_tier: PeersByTier(&progress.neighbours),
            why: progress.slow.map(Slow::name),
            seconds_by_why: progress
                .slow_seconds
                .iter()
                .map(|(why, seconds)| (why.name(), seconds))
                .collect(),
            buffer_seconds: buffer_ms.map(|millis| f64::from(millis) / 1e3),
        }
        .line()
    }
}

/// The line for a failed download, or with no `content` for a command that failed before any
/// content was known.
pub(crate) fn failed(content: Option<&str>, error: &CommandError) -> String {
    Event::Failed { content, code: error.exit().code(), reason: printable(&error.to_string()) }.line()
}

fn is_checked(progress: &Progress) -> bool {
    match progress.phase {
        Phase::Checking | Phase::FetchingManifest => false,
        // With no manifest, the search for the manifest may be what stalls or is paused.
        Phase::Stalled(_) | Phase::Paused => !progress.name.is_empty(),
        Phase::Downloading | Phase::DiskFull | Phase::Complete | Phase::Seeding => true,
    }
}

fn phase_name(phase: &Phase) -> &'static str {
    match phase {
        Phase::Checking => "checking",
        Phase::FetchingManifest => "fetching_manifest",
        Phase::Downloading => "downloading",
        Phase::Stalled(_) => "stalled",
        Phase::DiskFull => "disk_full",
        Phase::Paused => "paused",
        Phase::Complete => "complete",
        Phase::Seeding => "seeding",
    }
}

#[cfg(test)]
mod tests;
