//! The tasks that move data between two peers, and the events they send to the driver.
//!
//! A link is one content exchanged with one peer: a control stream, and at most one data stream
//! each way. If any of them breaks, the whole link ends. The driver is told once.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod buffers;
pub(crate) mod directory;
mod due;
pub(crate) mod fetch;
mod keep;
mod known;
pub(crate) mod least_rate;
pub(crate) mod link;
mod load;
pub(crate) mod manifest;
pub(crate) mod serve;

use std::{path::PathBuf, sync::Arc};

use libp2p::{Multiaddr, PeerId, Stream, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentId, ContentKey, PeerKey, QueryId},
    input::RunFailure,
    layout::RunIndex,
    manifest::Manifest,
    untrusted::Untrusted,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::Compat;

pub(crate) use buffers::Buffers;
pub(crate) use known::Known;

use crate::{
    error::DownloadError,
    lan::Heard,
    nearness::Outlook,
    store::{Durable, Opened, StoreError},
    web_seed,
    wire::{
        control::{Hello, Said},
        directory::Reply,
    },
};

/// Runs of at most this size are small. Several small runs that are at hand are read, written,
/// verified and stored together. One by one, waking threads would cost more than all else.
const SMALL_RUN_BYTES_MAX: u32 = 16 * 1024;
/// The most small runs handled together.
const TOGETHER_MAX: usize = 16;
/// The bytes read ahead for small runs.
const TOGETHER_BYTES_MAX: usize = 128 * 1024;

/// A stream in tokio's form.
pub(crate) type Wire = Compat<Stream>;

/// The queue of events to the driver. Bounded: a driver that is behind slows its tasks down, not
/// the reverse.
pub(crate) type Events = mpsc::Sender<TaskEvent>;

/// A link, and which one of all links with this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) content: ContentKey,
    pub(crate) peer: PeerKey,
    /// Tells this link from earlier links with the same peer, whose events are stale.
    pub(crate) generation: u32,
}

/// An event that a task sends to the driver.
pub(crate) enum TaskEvent {
    /// A peer opened a control stream and sent its hello.
    LinkOffered { peer: PeerId, connection: ConnectionId, hello: Hello, stream: Wire },
    /// The peer answered the control stream that we opened.
    LinkOpened { link: LinkId, hello: Hello, stream: Wire },
    /// The control stream that we opened was not answered.
    LinkFailed { link: LinkId, reason: String },
    /// A neighbour sent a message.
    Said { link: LinkId, said: Said },
    /// A link's streams broke or ended. `stalled`: no data moved although it should have.
    LinkClosed { link: LinkId, reason: String, stalled: bool },
    /// A run that we requested has arrived and is stored.
    Stored { link: LinkId, request: u32, run: RunIndex },
    /// A run that we requested does not come.
    Failed { link: LinkId, request: u32, cause: RunFailure },
    /// Bytes arrive, if slowly.
    Receiving { link: LinkId },
    /// News of a web seed: whether it may be asked.
    WebSeed { link: LinkId, news: web_seed::News },
    /// A store could not keep a run, for a reason that concerns the whole content.
    StoreFailed { content: ContentKey, error: StoreError },
    /// A peer opened a data stream.
    DataOffered { peer: PeerId, content: ContentId, stream: Wire },
    /// A neighbour requests a run.
    Wanted { link: LinkId, request: u32, run: Untrusted<u32>, exact: bool },
    /// A neighbour cancels a request.
    Withdrawn { link: LinkId, request: u32 },
    /// An upload ended. `bytes` = 0: nothing was sent.
    Uploaded { link: LinkId, run: RunIndex, bytes: u32 },
    /// A run that was to be sent could not be read. Its upload has ended.
    Unreadable { link: LinkId, run: RunIndex, error: StoreError },
    /// A directory answered.
    Answered { content: ContentKey, query: QueryId, directory: PeerKey, reply: Box<Reply> },
    /// A directory did not answer.
    AskFailed { content: ContentKey, query: QueryId, directory: PeerKey, reason: String },
    /// Another atlas was evaluated from our place.
    LookedAround(Box<Outlook>),
    /// A peer is on the local network, or leaves it.
    LanHeard(Heard),
    /// A peer asks for a manifest.
    ManifestWanted { content: ContentId, reply: oneshot::Sender<Option<Arc<Manifest>>> },
    /// Addresses of peers and directories are resolved, and a saved manifest was looked for.
    Prepared { content: ContentKey, prepared: Box<Prepared> },
    /// A store is open, or cannot be opened.
    Opened { content: ContentKey, result: Result<Opened, DownloadError> },
    /// A checkpoint made the received data durable, or failed.
    Checkpointed { content: ContentKey, result: Result<Durable, StoreError> },
    /// A complete content was moved to its final names, or that failed.
    Finished { content: ContentKey, result: Result<PathBuf, StoreError> },
    /// A manifest that we asked for came, or did not.
    ManifestCame { content: ContentKey, peer: PeerKey, result: Result<Arc<Manifest>, manifest::FetchError> },
}

/// What is prepared before a download begins.
pub(crate) struct Prepared {
    /// The manifest, from the caller or from an unfinished download.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Peers that the user named.
    pub(crate) peers: Vec<Multiaddr>,
    /// Peers that the magnet link names.
    pub(crate) linked: Vec<Multiaddr>,
    pub(crate) directories: Vec<Multiaddr>,
}
