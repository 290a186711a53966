//! Why requests were taken back, and why payload was wasted: counted for people.
//!
//! Invariant: nothing that decides reads these counts, so with and without them an engine decides the
//! same. They are kept with the feature `reasons` only; without it [`Reasons`] is nothing, and costs
//! nothing.

#[cfg(feature = "reasons")]
mod counts;

use std::collections::BTreeMap;

use crate::id::{PeerKey, RequestId};

/// Why a request was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TakenBack {
    /// Its owner is new, or late, and does not deliver.
    Undelivered,
    /// It takes longer than its owner was expected to take.
    Overdue,
    /// Somebody else is much faster.
    Slower,
    /// Only the last runs are missing: they are for the fastest.
    Endgame,
    /// A member of the group imports the same run, and goes first.
    Race,
    /// A peer has it now, so an origin beyond the border is spared.
    TurnedUp,
    /// The run came from somebody else.
    Come,
    /// Its owner lost the run.
    Lost,
    /// A reader needs it before its owner would bring it.
    Due,
    /// A reader went elsewhere, and what is there comes first.
    Jumped,
}

/// Why payload was thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wasted {
    /// It came after its request was taken back, for this reason.
    After(TakenBack),
    /// An origin sent another run than it was asked for, and it was here.
    Steered,
    /// The link on which it was asked for had ended.
    Unlinked,
    /// Everything was here.
    Complete,
    /// Nobody asked for it.
    Unasked,
    /// It was false, broken off, or could not be stored.
    Spoilt,
}

/// Why a peer that lacks something received nothing for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stall {
    /// It has no manifest yet, or its owner paused it.
    NotBegun,
    /// Its disk is full.
    DiskFull,
    /// It has no neighbour.
    Alone,
    /// A run has begun to arrive, and is not whole yet.
    Coming,
    /// It has asked, and no answer has begun.
    Asked,
    /// No neighbour has anything that it lacks.
    Lacking,
    /// The same for so long that it looks for others.
    Starving,
    /// Who has something it lacks chokes it.
    Choked,
    /// Who has something answered that it should come later.
    Refused,
    /// It waits for its turn to import, or for its group to pass on what comes in.
    Turn,
    /// Only origins would give something, and they are spared.
    Spared,
    /// What unchoked neighbours have is on its way already, or waits for the next tick.
    Between,
}

/// Why a neighbour that holds something we lack is not asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unasked {
    /// We want nothing, are paused, or have nowhere to store it.
    Idle,
    /// We have not heard that it holds anything that we lack.
    Unheard,
    /// It chokes us.
    Choked,
    /// It was asked, and has not answered.
    Asked,
    /// It answered that it gives nothing for now.
    Refused,
    /// All that it holds was asked of others.
    Busy,
    /// What it holds and nobody was asked for, a member of our group announced.
    Announced,
    /// What it holds and nobody was asked for, our group gets from a member.
    Inside,
    /// It is another member's turn to import what it holds.
    Turn,
    /// It is an origin, and spared.
    Spared,
    /// It is asked at the next look.
    Between,
}

impl TakenBack {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            TakenBack::Undelivered => "owner does not deliver",
            TakenBack::Overdue => "owner is late",
            TakenBack::Slower => "owner is slow",
            TakenBack::Endgame => "endgame",
            TakenBack::Race => "group member imports it",
            TakenBack::TurnedUp => "a peer has it now",
            TakenBack::Come => "came from elsewhere",
            TakenBack::Lost => "owner lost it",
            TakenBack::Due => "due sooner than owner brings it",
            TakenBack::Jumped => "reader went elsewhere",
        }
    }
}

impl Wasted {
    /// The name in reports.
    pub fn name(self) -> String {
        match self {
            Wasted::After(why) => format!("answered after take-over: {}", why.name()),
            Wasted::Steered => "origin sent another run".to_owned(),
            Wasted::Unlinked => "link had ended".to_owned(),
            Wasted::Complete => "everything was here".to_owned(),
            Wasted::Unasked => "nobody asked".to_owned(),
            Wasted::Spoilt => "false or broken off".to_owned(),
        }
    }
}

impl Stall {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Stall::NotBegun => "not begun",
            Stall::DiskFull => "disk is full",
            Stall::Alone => "no neighbour",
            Stall::Coming => "a run is arriving",
            Stall::Asked => "asked, no answer yet",
            Stall::Lacking => "no neighbour has anything",
            Stall::Starving => "starving",
            Stall::Choked => "all choke us",
            Stall::Refused => "asked to come later",
            Stall::Turn => "waits for its turn or group",
            Stall::Spared => "origins are spared",
            Stall::Between => "between two requests",
        }
    }
}

impl Unasked {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Unasked::Idle => "nobody asks: they are not downloading",
            Unasked::Unheard => "nobody asks: not told yet",
            Unasked::Choked => "all who lack something are choked",
            Unasked::Asked => "asked, and the request or the run is on its way",
            Unasked::Refused => "nobody asks: it refused before",
            Unasked::Busy => "nobody asks: it was asked of others",
            Unasked::Announced => "nobody asks: a member announced it",
            Unasked::Inside => "nobody asks: a member has it",
            Unasked::Turn => "nobody asks: another member's turn",
            Unasked::Spared => "nobody asks: origins are spared",
            Unasked::Between => "nobody asks: between two looks",
        }
    }
}

/// Counts of one engine. Without the feature `reasons`: nothing.
#[derive(Debug, Default)]
pub struct Reasons {
    #[cfg(feature = "reasons")]
    counts: Option<Box<counts::Counts>>,
}

impl Reasons {
    /// Whether anything is counted.
    pub const COUNTS: bool = cfg!(feature = "reasons");

    /// A request was taken back.
    #[cfg(feature = "reasons")]
    pub(crate) fn on_taken(&mut self, peer: PeerKey, request: RequestId, why: TakenBack) {
        self.counts.get_or_insert_default().on_taken(peer, request, why);
    }

    /// Payload came that was here. `otherwise`: why, if its request was not taken back.
    #[cfg(feature = "reasons")]
    pub(crate) fn on_twice(&mut self, peer: PeerKey, request: RequestId, otherwise: Wasted, bytes: u32) {
        self.counts.get_or_insert_default().on_twice(peer, request, otherwise, bytes);
    }

    /// Payload came that is of no use.
    #[cfg(feature = "reasons")]
    pub(crate) fn on_spoilt(&mut self, bytes: u32) {
        self.counts.get_or_insert_default().on_wasted(Wasted::Spoilt, bytes);
    }

    /// Requests that were taken back, by why.
    #[cfg(feature = "reasons")]
    pub fn taken(&self) -> BTreeMap<TakenBack, u64> {
        self.counts.as_ref().map(|counts| counts.taken.clone()).unwrap_or_default()
    }

    /// Payload that was thrown away, in bytes, by why. Adds up to what swarms wasted.
    #[cfg(feature = "reasons")]
    pub fn wasted(&self) -> BTreeMap<Wasted, u64> {
        self.counts.as_ref().map(|counts| counts.wasted.clone()).unwrap_or_default()
    }

    #[cfg(not(feature = "reasons"))]
    pub(crate) fn on_taken(&mut self, _: PeerKey, _: RequestId, _: TakenBack) {}

    #[cfg(not(feature = "reasons"))]
    pub(crate) fn on_twice(&mut self, _: PeerKey, _: RequestId, _: Wasted, _: u32) {}

    #[cfg(not(feature = "reasons"))]
    pub(crate) fn on_spoilt(&mut self, _: u32) {}

    /// Nothing is counted.
    #[cfg(not(feature = "reasons"))]
    pub fn taken(&self) -> BTreeMap<TakenBack, u64> {
        BTreeMap::new()
    }

    /// Nothing is counted.
    #[cfg(not(feature = "reasons"))]
    pub fn wasted(&self) -> BTreeMap<Wasted, u64> {
        BTreeMap::new()
    }
}
