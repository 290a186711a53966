//! The one door in: everything that happens to an engine.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    id::{ContentKey, PeerKey, QueryId, RequestId, UploadId},
    message::{Message, Refusal},
    place::{locality::Locality, tier::Near},
    untrusted::Untrusted,
};

/// Something that happened. What concerns contents, links, requests and queries that are gone is
/// stale and ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// It concerns one content.
    Event {
        /// The content.
        content: ContentKey,
        /// What happened.
        event: Event,
    },
    /// Where we are, or where others are: an atlas was loaded, or another, or our address has changed.
    Located(Locality),
    /// The moment [`crate::engine::Engine::poll_timeout`] named has come.
    Woken,
}

/// Something that happened to one content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// Take part in the swarm of a content.
    Join(Join),
    /// The manifest of a content joined without one has come, and what the disk holds of it.
    Manifest(Material),
    /// The manifest could not be had from this peer.
    ManifestFailed {
        /// Who was asked.
        peer: PeerKey,
        /// Why.
        why: ManifestFailure,
    },
    /// Take no further part.
    Leave,
    /// A directory, a neighbour or the user named peers.
    Discovered {
        /// The question this answers, if there was one.
        query: Option<QueryId>,
        /// Whose word it is; none = the user's, the link's, or that of the peers themselves.
        teller: Option<PeerKey>,
        /// Who.
        candidates: Vec<Candidate>,
    },
    /// With the answer that follows, a directory asks not to be asked again so soon. Up to an hour is heeded.
    DirectoryPause {
        /// The question.
        query: QueryId,
        /// How long it asks for.
        pause: Untrusted<Duration>,
    },
    /// A directory says that it counted the members of this swarm in our own AS, ourselves among them.
    Counted {
        /// How many.
        members: Untrusted<u32>,
    },
    /// A directory did not answer.
    QueryFailed {
        /// The question.
        query: QueryId,
    },
    /// Have-maps are exchanged with a peer; its own is in the view from now on.
    Linked {
        /// Who.
        peer: PeerKey,
        /// What its hello and its address say.
        about: Neighbour,
    },
    /// A link ended, whoever ended it.
    Unlinked {
        /// Who.
        peer: PeerKey,
    },
    /// No link came about.
    DialFailed {
        /// Who.
        peer: PeerKey,
    },
    /// A peer was not dialled, because its address was dialled enough of late: it may be tried again after this time.
    DialLater {
        /// Who.
        peer: PeerKey,
        /// How long to wait.
        wait: Duration,
    },
    /// A peer, linked or not, will never be of use to this content: it is not tried again.
    Hopeless {
        /// Who.
        peer: PeerKey,
    },
    /// A neighbour said something.
    Message {
        /// Who.
        peer: PeerKey,
        /// What.
        message: Message,
    },
    /// A neighbour asks for a run.
    RunWanted {
        /// Who asks.
        peer: PeerKey,
        /// The shell's number for it.
        upload: UploadId,
        /// The run.
        run: RunIndex,
        /// This run and no other.
        exact: bool,
    },
    /// An accepted upload ended: sent whole (`bytes` of payload), or not (0).
    UploadEnded {
        /// Who asked.
        peer: PeerKey,
        /// The run that was to be sent.
        run: RunIndex,
        /// Payload sent.
        bytes: u32,
    },
    /// Bytes of a requested run are coming in, if slowly, but no slower than the shell's least rate; said every few seconds
    /// at most. Before the manifest's material is handed in: what is on disk is being looked at.
    Receiving,
    /// A run came, was verified and stored.
    RunStored {
        /// Who sent it.
        peer: PeerKey,
        /// The request it answers.
        request: RequestId,
        /// The run that came: an origin may answer with another than was asked.
        run: RunIndex,
    },
    /// A request brought nothing.
    RunFailed {
        /// Who was asked.
        peer: PeerKey,
        /// The request.
        request: RequestId,
        /// Why.
        cause: RunFailure,
    },
    /// Runs of ours are no longer good: rotten on disk, or lost by a failed sync.
    RunsLost(Vec<RunIndex>),
    /// Runs that are not to be had any more, because the owner of their file changed it on purpose: they are given to
    /// nobody, and not fetched (again). The download is complete without them.
    RunsWithdrawn(Vec<RunIndex>),
    /// The disk is full (`true`), or has room again.
    DiskFull(bool),
}

/// What [`Event::Join`] asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Join {
    /// Manifest and data, when known; a magnet link alone has none yet.
    pub material: Option<Material>,
    /// Peers to begin with.
    pub candidates: Vec<Candidate>,
    /// Directories to ask.
    pub directories: Vec<PeerKey>,
    /// Others may be found whom nobody names: on the local network, or over HTTP. Where not, and there is nobody to ask, the
    /// download ends at once.
    pub may_be_found: bool,
    /// Whether neighbours may tell us of others, and we them.
    pub exchange_peers: bool,
    /// Give up after this long without a source and without bytes.
    pub patience: Duration,
    /// How long to go on giving once all is here.
    pub goal: Goal,
}

/// A content's arithmetic and what we have of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Material {
    /// Its arithmetic, shared.
    pub layout: Arc<Layout>,
    /// Runs we hold.
    pub have: RunSet,
    /// Runs we want; none = all.
    pub wanted: Option<RunSet>,
}

/// How long to go on giving.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// Until this many times the wanted bytes were given. 0 = not at all.
    Ratio(f32),
    /// For this long after completion.
    Time(Duration),
    /// Until told to leave.
    Forever,
}

/// Somebody who may have a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub peer: PeerKey,
    /// How near, by its address.
    pub near: Near,
    /// Who named it.
    pub via: Via,
}

/// Where a candidate comes from, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Via {
    /// The user, or the link.
    Named,
    /// A directory.
    Directory,
    /// A neighbour.
    Exchange,
    /// It said on the local network that it is there; whether it has the content, nobody knows.
    Lan,
    /// It came to us.
    Inbound,
}

/// Why a peer did not give the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFailure {
    /// It does not have it, or the stream broke.
    Unavailable,
    /// What it sent was false, which nobody honest does.
    False,
    /// It is the right one, but nobody whose signature is demanded has signed it.
    Unsigned,
}

/// What is known of a peer when a link begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// How near, by the address seen on the connection.
    pub near: Near,
    /// It says it is the operator's own server. Claiming it only lowers use.
    pub origin: bool,
    /// It answers directory questions about this content.
    pub directory: bool,
    /// It can give the manifest.
    pub manifest: bool,
    /// It is an HTTP origin (BEP 19), which `origin` must say too: asked for whole pieces only, and told nothing.
    pub web_seed: bool,
}

/// Why a request brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunFailure {
    /// It said no.
    Refused(Refusal),
    /// What came was not the run: proof that the sender is broken or bad. `bytes` were wasted.
    Corrupt {
        /// Payload thrown away.
        bytes: u32,
    },
    /// It answers what it was not asked: a request that it was never sent or has answered already, or with another run, not
    /// being an origin or having been asked for this one and no other. Nothing of it was taken in.
    Unasked,
    /// Nothing came for too long, or the stream broke.
    Silent,
    /// It began to come and broke off before its end, or came too slowly. The link ends, if it has not.
    BrokenOff {
        /// Payload thrown away.
        bytes: u32,
    },
    /// It came but could not be stored; the disk's state is told by [`Event::DiskFull`].
    NotStored {
        /// Payload thrown away.
        bytes: u32,
    },
}
