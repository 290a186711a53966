//! The one door out: everything an engine wants done.

use serde::{Deserialize, Serialize};

use crate::{
    content::layout::RunIndex,
    id::{ContentKey, PeerKey, QueryId, RequestId, UploadId},
    message::{Message, Refusal},
};

/// Something to do. The shell does it and reports the outcome as [`crate::input::Event`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// An action of one content.
    Action {
        /// The content.
        content: ContentKey,
        /// What to do.
        action: Action,
    },
    /// Never deal with this peer again, in any content.
    Ban {
        /// The peer.
        peer: PeerKey,
    },
}

/// Something to do for one content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Link to a peer, over a connection that exists or a new one: ends in `Linked` or
    /// `DialFailed`.
    Dial {
        /// The peer.
        peer: PeerKey,
    },
    /// End a link.
    Unlink {
        /// The neighbour.
        peer: PeerKey,
        /// Why; the peer is told.
        why: UnlinkReason,
    },
    /// Ask a peer for the manifest: ends in `Manifest` or `ManifestFailed`.
    FetchManifest {
        /// The peer.
        peer: PeerKey,
    },
    /// Announce ourselves to a directory and ask it for peers: ends in `Discovered` or
    /// `QueryFailed`.
    Ask {
        /// The directory.
        directory: PeerKey,
        /// The number that its answer repeats.
        query: QueryId,
        /// Number of peers wanted. 0: only announce.
        wanted: u16,
    },
    /// Tell a directory that we leave the swarm, if that needs no new connection. No event follows.
    Withdraw {
        /// The directory.
        directory: PeerKey,
    },
    /// Send a message to a neighbour.
    Send {
        /// The neighbour.
        peer: PeerKey,
        /// The message.
        message: Message,
    },
    /// Tell the neighbours that we now hold these runs too: each gets them as one
    /// [`Message::Have`], in the order of peer keys, if [`crate::announce::due_to`] says so.
    Announce {
        /// The runs, in the order in which they came.
        runs: Vec<RunIndex>,
    },
    /// Ask a neighbour for a run: ends in `RunStored` or `RunFailed`.
    Request {
        /// The neighbour.
        peer: PeerKey,
        /// The number that its answer repeats.
        request: RequestId,
        /// The run.
        run: RunIndex,
        /// Only this run: even an origin may not send another run in its place.
        exact: bool,
        /// Why this run, and why of this neighbour. For people; the shell does not act on it.
        why: Why,
    },
    /// A request is no longer needed. A run that arrives all the same is still good.
    Cancel {
        /// The neighbour.
        peer: PeerKey,
        /// The request.
        request: RequestId,
    },
    /// Send a requested run, or another run in its place: ends in `UploadEnded`.
    Serve {
        /// The neighbour.
        peer: PeerKey,
        /// The shell's number for the request.
        upload: UploadId,
        /// The run to send.
        run: RunIndex,
    },
    /// Refuse a request.
    Refuse {
        /// The neighbour.
        peer: PeerKey,
        /// The shell's number for the request.
        upload: UploadId,
        /// Why.
        why: Refusal,
    },
    /// Every wanted run is stored.
    Completed,
    /// The goal of serving is reached: leave.
    GoalReached,
    /// Patience has run out.
    GaveUp(GiveUp),
}

/// Why a run is asked of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    /// The neighbour holds it, no border of a group is crossed, and it is the rarest of such runs.
    Rarest,
    /// No peer holds it, so it is asked of an origin.
    Unshared,
    /// It is our turn to bring this run into our group.
    Turn,
    /// The neighbour's uplink is idle, and our group lags behind it, so turns do not count.
    Idle,
    /// Only the last runs are missing, so borders do not count.
    Endgame,
    /// The neighbour that was asked for it is much slower.
    TakenOver,
    /// It belongs to the piece that an HTTP server is asked for as a whole.
    Piece,
    /// A reader needs it soon.
    Due,
    /// A reader needs it soon, and whom it was asked of will not bring it in time.
    Late,
    /// The origin tops up what peers bring for a reader.
    TopUp,
}

impl Why {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Why::Rarest => "rarest",
            Why::Unshared => "no peer has it",
            Why::Turn => "our turn",
            Why::Idle => "idle uplink outside",
            Why::Endgame => "endgame",
            Why::TakenOver => "taken over",
            Why::Piece => "whole piece",
            Why::Due => "due soon",
            Why::Late => "would come too late",
            Why::TopUp => "origin tops up",
        }
    }
}

/// Why a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnlinkReason {
    /// No slot is free: come back later.
    Full,
    /// Neither side has anything the other wants.
    Useless,
    /// We leave the swarm.
    Leaving,
    /// The peer broke the protocol or sent false data.
    Banned,
    /// The manifest has come: link again, with have-maps.
    Relink,
}

/// Why a download gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GiveUp {
    /// No peer could be reached.
    Unreachable,
    /// Peers were reached, but none had the content.
    NotFound,
    /// A peer has the content, but gave nothing.
    Unserved,
    /// Bytes came, and then no more.
    Silent,
    /// The manifest came, but without the signature that is demanded.
    Unsigned,
}
