//! What the tasks of a node report to its driver.
//!
//! Tasks know this room and not the driver. Each kind of event is an enum of its own, which one part
//! of the driver matches whole: an event that is new is an error of the compiler until it is handled.

mod heard;
mod manifest;
mod web_seed;

use std::{path::PathBuf, sync::Arc};

use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentId, ContentKey, PeerKey, QueryId},
    input::RunFailure,
    layout::RunIndex,
    manifest::Manifest,
    outcomes::Role,
    untrusted::Untrusted,
};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::{
    heard::{Heard, Said as LanSaid},
    manifest::NoManifest,
    web_seed::{News, Trouble, Why},
};
use crate::{
    error::DownloadError,
    nearness::Outlook,
    net::Wire,
    store::{Durable, Opened, StoreError},
    wire::{
        control::{Hello, Said},
        directory::Reply,
    },
};

/// The way from tasks to the driver. Bounded: a busy driver slows its tasks down, and not the other
/// way round.
pub(crate) type Events = mpsc::Sender<TaskEvent>;

/// Reports an event. A task that cannot report any more has no driver: the node stops, and so does
/// the task.
pub(crate) async fn report(events: &Events, event: impl Into<TaskEvent>) {
    let _ = events.send(event.into()).await;
}

/// One link, and which of the links that there were with this peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId {
    pub(crate) content: ContentKey,
    pub(crate) peer: PeerKey,
    /// Events of an earlier link with the same peer are stale.
    pub(crate) generation: u32,
}

/// What a task reports.
pub(crate) enum TaskEvent {
    Link(LinkEvent),
    Run(RunEvent),
    WebSeed {
        link: LinkId,
        news: News,
    },
    Content(ContentEvent),
    Manifest(ManifestEvent),
    Directory(DirectoryEvent),
    /// Where we are by another atlas.
    LookedAround(Box<Outlook>),
    /// A peer is on the local network, or leaves it.
    LanHeard(Heard),
}

/// What happened to a link.
pub(crate) enum LinkEvent {
    /// A peer opened a control stream and said hello.
    Offered { peer: PeerId, connection: ConnectionId, hello: Hello, stream: Wire },
    /// The control stream that we opened is answered.
    Opened { link: LinkId, hello: Hello, stream: Wire },
    /// The control stream that we opened is not answered.
    Failed { link: LinkId, reason: String },
    /// A neighbour said something.
    Said { link: LinkId, said: Said },
    /// A neighbour opened a data stream.
    DataOffered { peer: PeerId, content: ContentId, stream: Wire },
    /// The streams of a link broke or ended. `stalled`: nothing moved although it should have.
    Closed { link: LinkId, reason: String, stalled: bool },
}

/// What happened to a run that moves over a link.
pub(crate) enum RunEvent {
    /// A run that we asked for came and is stored.
    Stored { link: LinkId, request: u32, run: RunIndex },
    /// A run that we asked for does not come.
    Failed { link: LinkId, request: u32, cause: RunFailure },
    /// A run that we asked for is coming, and is not whole yet.
    Coming { link: LinkId, request: u32 },
    /// Bytes come, if slowly.
    Receiving { link: LinkId },
    /// A neighbour asks for a run.
    Wanted { link: LinkId, request: u32, run: Untrusted<u32>, exact: bool },
    /// A neighbour no longer asks for a run.
    Withdrawn { link: LinkId, request: u32 },
    /// An upload ended. `bytes` is 0 if nothing was sent.
    Uploaded { link: LinkId, run: RunIndex, bytes: u32 },
    /// A run that was to be sent could not be read: that upload has ended.
    Unreadable { link: LinkId, run: RunIndex, error: StoreError },
}

/// What happened to a content on our side.
pub(crate) enum ContentEvent {
    /// The addresses of peers and directories are resolved, and what is on disk is known of.
    Prepared { content: ContentKey, prepared: Box<Prepared> },
    /// A store is open, or cannot be opened.
    Opened { content: ContentKey, result: Result<Opened, DownloadError> },
    /// A store could not keep a run, for a reason that concerns the whole content.
    StoreFailed { content: ContentKey, error: StoreError },
    /// What was received was made durable, or not.
    Checkpointed { content: ContentKey, result: Result<Durable, StoreError> },
    /// The files of a complete content have their names, or not.
    Finished { content: ContentKey, result: Result<PathBuf, StoreError> },
}

/// What happened to a manifest.
pub(crate) enum ManifestEvent {
    /// A peer asks for a manifest.
    Wanted { content: ContentId, reply: oneshot::Sender<Option<Arc<Manifest>>> },
    /// A manifest that we asked for came, or did not.
    Came { content: ContentKey, peer: PeerKey, result: Result<Arc<Manifest>, NoManifest> },
}

/// What a directory that we asked did.
pub(crate) enum DirectoryEvent {
    /// It answered.
    Answered { content: ContentKey, query: QueryId, directory: PeerKey, reply: Box<Reply> },
    /// It did not.
    Failed { content: ContentKey, query: QueryId, directory: PeerKey, reason: String },
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
    /// Whom the user named by a name that has no address now, and why it has none.
    pub(crate) nameless: Vec<(Role, String, String)>,
}

macro_rules! is_a_kind {
    ($($kind:ident $event:ident;)*) => {
        $(
            impl From<$event> for TaskEvent {
                fn from(event: $event) -> TaskEvent {
                    TaskEvent::$kind(event)
                }
            }
        )*
    };
}

is_a_kind! {
    Link LinkEvent;
    Run RunEvent;
    Content ContentEvent;
    Manifest ManifestEvent;
    Directory DirectoryEvent;
}
