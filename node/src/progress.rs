//! The reports of a download, while it runs and when it ends.

use std::{fmt, path::PathBuf, time::Duration};

use nearcast_core::{
    asn::Asn,
    id::ContentId,
    signature::PublisherKey,
    slowness::Slow,
    stats::{Streaming, Traffic},
    tier::Tier,
};

use crate::imports::Imports;

/// The state of a download. Sent through a watch channel: readers see the newest state, never a
/// backlog.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What the download is doing now.
    pub phase: Phase,
    /// The content's suggested name. Empty until the manifest is known. Not safe for a terminal.
    pub name: String,
    /// Bytes wanted (all files, or those selected).
    pub bytes_total: u64,
    /// Part of `bytes_total`: bytes held and verified.
    pub bytes_have: u64,
    /// Part of `bytes_have`: bytes that survive a crash.
    pub durable_bytes: u64,
    /// Part of `bytes_have`: bytes that were there before this run began.
    pub bytes_resumed: u64,
    /// Payload received in this run, by source.
    pub received: Traffic,
    /// Part of `received`: payload from other ASes, by AS. `None`: our own AS is unknown. The sum
    /// is [`Traffic::imported`].
    pub imports: Option<Imports>,
    /// Payload sent to peers in this run.
    pub uploaded: u64,
    /// Payload that was received and thrown away: corrupt, or already there.
    pub wasted: u64,
    /// In bytes per second received, over the last seconds. `None`: not known yet.
    pub rate_down: Option<f64>,
    /// In bytes per second sent, over the last seconds. `None`: nothing was sent yet.
    pub rate_up: Option<f64>,
    /// Neighbours we exchange this content with, nearest first.
    pub neighbours: Vec<Neighbour>,
    /// Peers banned for corrupt data in this run.
    pub banned: u32,
    /// How reading while it comes goes. `None`: nobody reads, or everything is here.
    pub streaming: Option<Streaming>,
    /// Why it is not faster, in the last second. `None`: everything is here, or it has just begun.
    pub slow: Option<Slow>,
    /// How many seconds it had which reason.
    pub slow_seconds: SlowSeconds,
}

/// Seconds by the reason why a download was not faster in them. Each second has one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowSeconds([u32; Slow::ALL.len()]);

impl SlowSeconds {
    /// One more second.
    pub(crate) fn add(&mut self, why: Slow) {
        let place = Slow::ALL.iter().position(|known| *known == why);
        if let Some(count) = place.and_then(|place| self.0.get_mut(place)) {
            *count = count.saturating_add(1);
        }
    }

    /// The reasons that there were, and their seconds.
    pub fn iter(&self) -> impl Iterator<Item = (Slow, u32)> + '_ {
        Slow::ALL.into_iter().zip(self.0).filter(|&(_, seconds)| seconds > 0)
    }
}

/// One neighbour in a [`Progress`].
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its peer id.
    pub peer: String,
    /// Its address as seen on the connection.
    pub address: String,
    /// How near it is.
    pub tier: Tier,
    /// The AS of its address. `None`: no atlas knows it.
    pub asn: Option<Asn>,
    /// In bytes per second that it sends to us at the moment.
    pub rate_down: f64,
    /// The operator's own server.
    pub origin: bool,
    /// An HTTP server: `peer` and `address` are its URL, without credentials and query.
    pub web_seed: bool,
    /// The share of the content that it holds, 0 to 1.
    pub has: f64,
    /// Payload received from it in this run.
    pub received: u64,
    /// Payload sent to it in this run.
    pub sent: u64,
}

/// What a download is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Checking files already on disk.
    #[default]
    Checking,
    /// Asking peers for the metainfo and piece layers that a magnet link names.
    FetchingManifest,
    /// Runs are moving, or about to.
    Downloading,
    /// Nothing moves.
    Stalled(Stall),
    /// The disk is full. The download resumes when there is room.
    DiskFull,
    /// The owner has paused the download, or its seeding.
    Paused,
    /// Everything wanted is here, verified and durable.
    Complete,
    /// Complete, and still seeding.
    Seeding,
}

/// Why nothing of a download moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// No peer is connected, and no peer and no directory is known that could be asked.
    Alone,
    /// No peer is connected yet: the node asks directories, or dials peers.
    Searching,
    /// The peers that have what is missing serve others at the moment.
    Refused,
    /// A peer that has what is missing will be asked, or will answer.
    Waiting,
    /// Peers are connected, but none of them has what is missing.
    NobodyHasIt,
}

impl fmt::Display for Stall {
    /// The reason, as a part of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stall::Alone => "no peer and no directory is known",
            Stall::Searching => "looking for peers",
            Stall::Refused => "the peers that have what is missing serve others at the moment",
            Stall::Waiting => "waiting for an answer",
            Stall::NobodyHasIt => "none of the peers reached has what is missing",
        })
    }
}

/// The end of a successful download.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The content.
    pub content: ContentId,
    /// Its name.
    pub name: String,
    /// The path of the file or folder.
    pub path: PathBuf,
    /// Publishers that signed the content.
    pub signed_by: Vec<PublisherKey>,
    /// Bytes wanted.
    pub bytes: u64,
    /// Bytes that were there before this run.
    pub bytes_resumed: u64,
    /// The time from start to complete, with pauses.
    pub elapsed: Duration,
    /// Payload received in this run, by source.
    pub received: Traffic,
    /// Part of `received`: payload from other ASes, by AS. `None`: our own AS is unknown. The sum
    /// is [`Traffic::imported`].
    pub imports: Option<Imports>,
    /// Payload sent to peers so far.
    pub uploaded: u64,
    /// Payload thrown away.
    pub wasted: u64,
    /// Peers banned for corrupt data.
    pub banned: u32,
}
