//! The tasks that move things between two peers, and what they tell the driver.
//!
//! A link is one content exchanged with one peer: a control stream, and beside it at most one data
//! stream each way. Whatever breaks, the link as a whole ends; the driver hears of it once.

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

/// Runs of at most so many bytes are small: several are read, written, verified and stored in one go, as long as they
/// are at hand. One by one they would cost more in waking threads than in anything else.
const SMALL_RUN_BYTES_MAX: u32 = 16 * 1024;
/// Small runs in one go,
const TOGETHER_MAX: usize = 16;
/// and what is read ahead of them.
const TOGETHER_BYTES_MAX: usize = 128 * 1024;

/// A stream as tokio sees it.
pub(crate) type Wire = Compat<Stream>;

/// Where tasks tell the driver. Bounded: a driver that is behind slows its tasks down, not the reverse.
pub(crate) type Events = mpsc::Sender<TaskEvent>;

/// One link, and which of the links that there were with this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) content: ContentKey,
    pub(crate) peer: PeerKey,
    /// Events of an earlier link with the same peer are stale.
    pub(crate) generation: u32,
}

/// What a task tells.
pub(crate) enum TaskEvent {
    /// Somebody opened a control stream and said hello.
    LinkOffered { peer: PeerId, connection: ConnectionId, hello: Hello, stream: Wire },
    /// The control stream we opened is answered.
    LinkOpened { link: LinkId, hello: Hello, stream: Wire },
    /// It is not.
    LinkFailed { link: LinkId, reason: String },
    /// A neighbour said something.
    Said { link: LinkId, said: Said },
    /// A link's streams broke or ended; `stalled` = nothing moved although it should have.
    LinkClosed { link: LinkId, reason: String, stalled: bool },
    /// A run we asked for came and is stored.
    Stored { link: LinkId, request: u32, run: RunIndex },
    /// A run we asked for does not come.
    Failed { link: LinkId, request: u32, cause: RunFailure },
    /// Bytes come, if slowly.
    Receiving { link: LinkId },
    /// A web seed may be asked, or no longer.
    WebSeed { link: LinkId, news: web_seed::News },
    /// A store could not keep a run, for a reason that concerns the whole content.
    StoreFailed { content: ContentKey, error: StoreError },
    /// Somebody opened a data stream.
    DataOffered { peer: PeerId, content: ContentId, stream: Wire },
    /// A neighbour asks for a run.
    Wanted { link: LinkId, request: u32, run: Untrusted<u32>, exact: bool },
    /// A neighbour no longer does.
    Withdrawn { link: LinkId, request: u32 },
    /// An upload ended; `bytes` = 0 if nothing was sent.
    Uploaded { link: LinkId, run: RunIndex, bytes: u32 },
    /// A run that was to be sent could not be read: that upload has ended.
    Unreadable { link: LinkId, run: RunIndex, error: StoreError },
    /// A directory answered.
    Answered { content: ContentKey, query: QueryId, directory: PeerKey, reply: Box<Reply> },
    /// It did not.
    AskFailed { content: ContentKey, query: QueryId, directory: PeerKey, reason: String },
    /// What another atlas says from where we are.
    LookedAround(Box<Outlook>),
    /// Somebody is on the local network, or leaves it.
    LanHeard(Heard),
    /// Somebody asks for a manifest.
    ManifestWanted { content: ContentId, reply: oneshot::Sender<Option<Arc<Manifest>>> },
    /// Addresses of peers and directories are resolved, what is on disk is known of.
    Prepared { content: ContentKey, prepared: Box<Prepared> },
    /// A store is open, or cannot be opened.
    Opened { content: ContentKey, result: Result<Opened, DownloadError> },
    /// What was received was made durable, or not.
    Checkpointed { content: ContentKey, result: Result<Durable, StoreError> },
    /// A complete content has its names, or not.
    Finished { content: ContentKey, result: Result<PathBuf, StoreError> },
    /// A manifest we asked for came, or did not.
    ManifestCame { content: ContentKey, peer: PeerKey, result: Result<Arc<Manifest>, manifest::FetchError> },
}

/// What is found out before a download begins.
pub(crate) struct Prepared {
    /// The manifest, from the caller or from an unfinished download.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Peers that the user named.
    pub(crate) peers: Vec<Multiaddr>,
    /// Peers that the link names.
    pub(crate) linked: Vec<Multiaddr>,
    pub(crate) directories: Vec<Multiaddr>,
}
