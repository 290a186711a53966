//! The one door out: everything an engine wants done.

use serde::{Deserialize, Serialize};

use crate::{
    content::layout::RunIndex,
    id::{ContentKey, PeerKey, QueryId, RequestId, UploadId},
    message::{Message, Refusal},
};

/// Something to do. The shell does it and reports what came of it as [`crate::input::Event`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// It concerns one content.
    Action {
        /// The content.
        content: ContentKey,
        /// What to do.
        action: Action,
    },
    /// Never again have to do with this peer, in any content.
    Ban {
        /// Whom.
        peer: PeerKey,
    },
}

/// Something to do for one content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Link to a peer, over a connection that exists or a new one: ends in `Linked` or `DialFailed`.
    Dial {
        /// Whom.
        peer: PeerKey,
    },
    /// End a link.
    Unlink {
        /// Whose.
        peer: PeerKey,
        /// Why; told to the peer.
        why: UnlinkReason,
    },
    /// Ask a peer for the manifest: ends in `Manifest` or `ManifestFailed`.
    FetchManifest {
        /// Whom.
        peer: PeerKey,
    },
    /// Announce ourselves to a directory and ask it for peers: ends in `Discovered` or `QueryFailed`.
    Ask {
        /// The directory.
        directory: PeerKey,
        /// The number its answer repeats.
        query: QueryId,
        /// Peers wanted; 0 = only announce.
        wanted: u16,
    },
    /// Tell a directory that we leave the swarm, if that costs no new connection. Nothing comes of it.
    Withdraw {
        /// The directory.
        directory: PeerKey,
    },
    /// Tell a neighbour something.
    Send {
        /// Whom.
        peer: PeerKey,
        /// What.
        message: Message,
    },
    /// Ask a neighbour for a run: ends in `RunStored` or `RunFailed`.
    Request {
        /// Whom.
        peer: PeerKey,
        /// The number its answer repeats.
        request: RequestId,
        /// The run.
        run: RunIndex,
        /// This run and no other: also an origin may not send another one in its place.
        exact: bool,
    },
    /// A request is no longer needed. What comes all the same is still good.
    Cancel {
        /// Whom.
        peer: PeerKey,
        /// The request.
        request: RequestId,
    },
    /// Send a run that was asked for, or another in its place: ends in `UploadEnded`.
    Serve {
        /// Whom.
        peer: PeerKey,
        /// The number of the asking.
        upload: UploadId,
        /// The run to send.
        run: RunIndex,
    },
    /// Answer a request with no.
    Refuse {
        /// Whom.
        peer: PeerKey,
        /// The number of the asking.
        upload: UploadId,
        /// Why.
        why: Refusal,
    },
    /// Every wanted run is stored.
    Completed,
    /// The goal of giving is reached: leave.
    GoalReached,
    /// Patience is at its end.
    GaveUp(GiveUp),
}

/// Why a link is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnlinkReason {
    /// No slot is free: come back later.
    Full,
    /// Neither side has anything the other wants.
    Useless,
    /// We leave the swarm.
    Leaving,
    /// It broke the protocol or sent false data.
    Banned,
    /// The manifest has come: link anew, with have-maps.
    Relink,
}

/// Why a download gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GiveUp {
    /// Nobody could be reached.
    Unreachable,
    /// Somebody was reached, but nobody had it.
    NotFound,
    /// Somebody has it, but gave nothing.
    Unserved,
    /// Bytes came, and then no more.
    Silent,
    /// The manifest came, but not the signature that is demanded.
    Unsigned,
}
