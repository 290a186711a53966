//! The one door in: everything that happens to an engine.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    id::{ContentKey, PeerKey, QueryId, ReaderId, RequestId, UploadId},
    message::{Message, Refusal},
    place::{locality::Locality, tier::Near},
    untrusted::Untrusted,
};

/// A run that is whole this soon after its first byte is not told of before. So runs that come fast
/// cost no further input.
pub const COMING_AFTER: Duration = Duration::from_millis(250);

/// Something that happened. An input about a content, link, request or query that no longer exists
/// is stale and ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Input {
    /// An event of one content.
    Event {
        /// The content.
        content: ContentKey,
        /// What happened.
        event: Event,
    },
    /// Our place or the places of others changed: an atlas was loaded or replaced, or our address
    /// changed.
    Located(Locality),
    /// The moment that [`crate::engine::Engine::poll_timeout`] named has come.
    Woken,
}

/// Something that happened to one content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// Take part in the swarm of a content.
    Join(Join),
    /// The manifest of a content that was joined without one has come. Says also what the disk
    /// holds of it.
    Manifest(Material),
    /// A peer did not give the manifest.
    ManifestFailed {
        /// The peer that was asked.
        peer: PeerKey,
        /// Why.
        why: ManifestFailure,
    },
    /// Take no further part.
    Leave,
    /// Stay away until [`Event::Resume`]: nobody is asked, dialled or served, and patience does not
    /// run. What is here and what is known of the swarm stays.
    Pause,
    /// Take part again after [`Event::Pause`].
    Resume,
    /// A directory, a neighbour or the user named peers.
    Discovered {
        /// The query that this answers. `None`: it answers no query.
        query: Option<QueryId>,
        /// The peer that named them. `None`: the user, the link, or the peers themselves.
        teller: Option<PeerKey>,
        /// The peers that were named.
        candidates: Vec<Candidate>,
    },
    /// A directory asks, with the answer that follows, not to be asked again so soon. At most an
    /// hour is honoured.
    DirectoryPause {
        /// The query.
        query: QueryId,
        /// How long the directory asks us to wait.
        pause: Untrusted<Duration>,
    },
    /// A directory says how many members of this swarm it counted in our own AS, including us.
    Counted {
        /// The number of members.
        members: Untrusted<u32>,
    },
    /// A directory did not answer.
    QueryFailed {
        /// The query.
        query: QueryId,
    },
    /// Have-maps are exchanged with a peer; the peer's map is in the view from now on.
    Linked {
        /// The peer.
        peer: PeerKey,
        /// What its hello and its address say.
        about: Neighbour,
    },
    /// A link ended, whichever side ended it.
    Unlinked {
        /// The peer.
        peer: PeerKey,
    },
    /// A dial led to no link.
    DialFailed {
        /// The peer.
        peer: PeerKey,
    },
    /// A peer was not dialled, because its address was dialled often enough lately. It may be tried
    /// again after this time.
    DialLater {
        /// The peer.
        peer: PeerKey,
        /// How long to wait.
        wait: Duration,
    },
    /// A peer, linked or not, will never be of use to this content. It is not tried again.
    Hopeless {
        /// The peer.
        peer: PeerKey,
    },
    /// A neighbour sent a message.
    Message {
        /// The neighbour.
        peer: PeerKey,
        /// The message.
        message: Message,
    },
    /// What many neighbours got since the shell looked last, sorted by neighbour: what each of them
    /// would have said in a [`Message::Have`], in one input.
    ///
    /// What is heard is counted first. Then interest and requests are decided once for each of
    /// these neighbours.
    ///
    /// This is for shells that read what neighbours hold instead of waiting for messages. Such a
    /// shell decides how much one input says at most, and keeps three promises:
    /// - it names only runs that the neighbour's have-map did not hold before;
    /// - the view includes all of what is heard, and nothing that is not heard yet
    ///   ([`crate::View::held`]);
    /// - what a neighbour got before it lost a run, or before its link ended, is heard before
    ///   [`Message::Lost`] and [`Event::Unlinked`] say so, as it is with messages.
    Heard(Vec<(PeerKey, RunIndex)>),
    /// A neighbour asks for a run.
    RunWanted {
        /// The neighbour that asks.
        peer: PeerKey,
        /// The shell's number for the request.
        upload: UploadId,
        /// The run.
        run: RunIndex,
        /// Only this run: no other run may be sent in its place.
        exact: bool,
    },
    /// An accepted upload ended.
    UploadEnded {
        /// The peer that asked.
        peer: PeerKey,
        /// The run that was to be sent.
        run: RunIndex,
        /// Payload sent, in bytes. 0: the run was not sent whole.
        bytes: u32,
    },
    /// Bytes of a requested run are arriving, perhaps slowly, but no slower than the shell's least
    /// rate. Reported every few seconds at most. Before the manifest's material is handed in, this
    /// means that the data on disk is being checked.
    Receiving,
    /// A requested run has begun to arrive and is not whole yet. Told once a request at most, and
    /// only if the run takes longer than [`COMING_AFTER`] from its first byte on.
    Coming {
        /// The peer that sends it.
        peer: PeerKey,
        /// The request it answers.
        request: RequestId,
    },
    /// A run arrived, was verified and stored.
    RunStored {
        /// The peer that sent it.
        peer: PeerKey,
        /// The request it answers.
        request: RequestId,
        /// The run that arrived: an origin may answer with another run than the one requested.
        run: RunIndex,
    },
    /// A request failed.
    RunFailed {
        /// The peer that was asked.
        peer: PeerKey,
        /// The request.
        request: RequestId,
        /// Why.
        cause: RunFailure,
    },
    /// Runs of ours are no longer good: they rotted on disk, or a failed sync lost them.
    RunsLost(Vec<RunIndex>),
    /// Runs that can no longer be had, because the owner of their file changed it on purpose. They
    /// are not served and not fetched (again). The download is complete without them.
    RunsWithdrawn(Vec<RunIndex>),
    /// The disk is full (`true`), or has room again.
    DiskFull(bool),
    /// Somebody reads the content while it comes, and is at another place now. What they read next is
    /// due: see [`Reading`]. Of more than four readers, those are left who moved last.
    Reader {
        /// Who.
        reader: ReaderId,
        /// Where they are. `None`: they read no more.
        reading: Option<Reading>,
    },
    /// How long a neighbour takes to answer a message, as measured last.
    Rtt {
        /// The peer.
        peer: PeerKey,
        /// There and back.
        rtt: Duration,
    },
}

/// Where a reader is, and how fast they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The run that they read.
    pub at: RunIndex,
    /// The place in that run, in bytes.
    pub offset: u32,
    /// The end of the file that they read: the number after that of its last run.
    pub end: u32,
    /// How fast they read, in bytes a second. 0: not known.
    pub rate: u32,
    /// They go on by themselves from there. Else they stay until something else is told, as a film that
    /// is paused.
    pub running: bool,
    /// The number after that of the last run that was given to them: they have read no further. A
    /// player takes more than it shows.
    pub taken: u32,
}

/// What [`Event::Join`] asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Join {
    /// Manifest and data. `None`: not known yet, as with a magnet link alone.
    pub material: Option<Material>,
    /// Peers to begin with.
    pub candidates: Vec<Candidate>,
    /// Directories to ask.
    pub directories: Vec<PeerKey>,
    /// Whether peers may be found that nobody names: on the local network, or over HTTP. If not,
    /// and if there is nobody to ask, the download ends at once.
    pub may_be_found: bool,
    /// Whether we and our neighbours may tell each other of peers.
    pub exchange_peers: bool,
    /// Give up after this long without a source and without bytes.
    pub patience: Duration,
    /// How long to keep serving once all wanted runs are here.
    pub goal: Goal,
    /// Stay away until [`Event::Resume`].
    pub paused: bool,
}

/// The layout of a content, and what we have of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Material {
    /// The layout, shared.
    pub layout: Arc<Layout>,
    /// Runs we hold.
    pub have: RunSet,
    /// Runs we want. `None`: all.
    pub wanted: Option<RunSet>,
}

/// How long to keep serving.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// Until this many times the wanted bytes were served. 0: not at all.
    Ratio(f32),
    /// For this long after completion.
    Time(Duration),
    /// Until we are told to leave.
    Forever,
}

/// A peer that may have a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The peer.
    pub peer: PeerKey,
    /// How near it is, by its address.
    pub near: Near,
    /// Who named it.
    pub via: Via,
}

/// Where a candidate comes from, most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Via {
    /// The user or the link named it.
    Named,
    /// A directory named it.
    Directory,
    /// A neighbour named it.
    Exchange,
    /// It announced itself on the local network. Whether it has the content is not known.
    Lan,
    /// It connected to us.
    Inbound,
}

/// Why a peer did not give the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ManifestFailure {
    /// It does not have the manifest, or the stream broke.
    Unavailable,
    /// It sent a false manifest, which no honest peer does.
    False,
    /// The manifest is right, but no key whose signature is demanded has signed it.
    Unsigned,
}

/// What is known of a peer when a link begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// How near it is, by the address seen on the connection.
    pub near: Near,
    /// It says that it is the operator's own server. Claiming so only makes us use it less.
    pub origin: bool,
    /// It answers directory questions about this content.
    pub directory: bool,
    /// It can give the manifest.
    pub manifest: bool,
    /// It is an HTTP origin (BEP 19); `origin` must be set too. It is asked for whole pieces only,
    /// and is told nothing.
    pub web_seed: bool,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunFailure {
    /// The peer refused.
    Refused(Refusal),
    /// What came was not the run: proof that the sender is broken or malicious.
    Corrupt {
        /// Payload thrown away, in bytes.
        bytes: u32,
    },
    /// The peer answered what we did not ask: a request that we never sent or that it has answered
    /// already. Or it sent another run, although it is no origin or the request was exact. Nothing
    /// of the answer was taken in.
    Unasked,
    /// Nothing came for too long, or the stream broke.
    Silent,
    /// The run began to arrive and broke off before its end, or arrived too slowly. The link ends,
    /// if it has not ended yet.
    BrokenOff {
        /// Payload thrown away, in bytes.
        bytes: u32,
    },
    /// The run arrived but could not be stored. [`Event::DiskFull`] tells the state of the disk.
    NotStored {
        /// Payload thrown away, in bytes.
        bytes: u32,
    },
}
