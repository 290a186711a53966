//! What a download tells about itself while it runs, and when it ends.

use std::{path::PathBuf, time::Duration};

use nearcast_core::{asn::Asn, id::ContentId, signature::PublisherKey, stats::Traffic, tier::Tier};

use crate::imports::Imports;

/// Where a download stands. Sent through a watch channel: readers see the newest, never a backlog.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// What it is doing now.
    pub phase: Phase,
    /// The content's suggested name; empty until the manifest is known. Not yet made safe for a terminal.
    pub name: String,
    /// Bytes wanted (all files, or those selected).
    pub bytes_total: u64,
    /// Bytes of those held and verified.
    pub bytes_have: u64,
    /// Of those, bytes that survive a crash.
    pub durable_bytes: u64,
    /// Of those, bytes that were there before this run began.
    pub bytes_resumed: u64,
    /// Payload received in this run, by source.
    pub received: Traffic,
    /// Of that, what crossed the border of our own AS, by AS; none while no atlas says which one that is. The sum is
    /// [`Traffic::imported`].
    pub imports: Option<Imports>,
    /// Payload given to others in this run.
    pub uploaded: u64,
    /// Payload that was received and thrown away: corrupt, or already there.
    pub wasted: u64,
    /// Bytes per second that came, over the last seconds; none as long as that is not known.
    pub rate_down: Option<f64>,
    /// Bytes per second given, over the last seconds; none as long as nothing was.
    pub rate_up: Option<f64>,
    /// Neighbours we exchange this content with, nearest first.
    pub neighbours: Vec<Neighbour>,
    /// Peers banned for corrupt data in this run.
    pub banned: u32,
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
    /// The AS its address is in, as far as an atlas says so.
    pub asn: Option<Asn>,
    /// Bytes per second it gives at the moment.
    pub rate_down: f64,
    /// The operator's own server.
    pub origin: bool,
    /// An HTTP server: `peer` and `address` are its URL, without credentials and query.
    pub web_seed: bool,
    /// Share of the content it holds, 0 to 1.
    pub has: f64,
    /// Payload received from it in this run.
    pub received: u64,
    /// Payload given to it in this run.
    pub sent: u64,
}

/// What a download is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Looking at what is on disk already; `done` of `total` bytes hashed.
    #[default]
    Checking,
    /// Asking peers for the metainfo and piece layers a magnet link names.
    FetchingManifest,
    /// Runs are moving, or about to.
    Downloading,
    /// Nothing moves; the sentence says why and what is being tried.
    Stalled(String),
    /// The disk is full; resumes by itself when there is room.
    DiskFull,
    /// Everything wanted is here, verified and durable.
    Complete,
    /// Complete, and still giving.
    Seeding,
}

/// The end of a successful download.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The content.
    pub content: ContentId,
    /// Its name.
    pub name: String,
    /// Where the file or folder lies.
    pub path: PathBuf,
    /// Publishers who signed it.
    pub signed_by: Vec<PublisherKey>,
    /// Bytes wanted.
    pub bytes: u64,
    /// Bytes that were there before this run.
    pub bytes_resumed: u64,
    /// From start to complete.
    pub elapsed: Duration,
    /// Payload received in this run, by source.
    pub received: Traffic,
    /// Of that, what crossed the border of our own AS, by AS; none while no atlas says which one that is. The sum is
    /// [`Traffic::imported`].
    pub imports: Option<Imports>,
    /// Payload given to others so far.
    pub uploaded: u64,
    /// Payload thrown away.
    pub wasted: u64,
    /// Peers banned for corrupt data.
    pub banned: u32,
}
