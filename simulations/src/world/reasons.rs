//! Why things went as they did, for people: why bytes came over borders, why requests were taken over,
//! why payload was wasted, and why a peer gets nothing.
//!
//! Each request over a border keeps its reason until its answer comes. The rest is counted by engines
//! (the feature `reasons`), and only read here.

use std::collections::BTreeMap;

use nearcast_core::{
    id::{PeerKey, RequestId},
    layout::RunIndex,
    output::Why,
    run_set::RunSet,
};

use super::World;

/// Requests over borders that one peer keeps the reasons of. Those that never had an answer are
/// forgotten, the oldest first.
const KEPT_MAX: usize = 512;

/// How often something came that was imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Import {
    /// Nobody in the AS had imported it.
    First,
    /// It is a second copy for the AS, as when two members import at the same moment.
    Again,
    /// Its importer held it already.
    Twice,
}

impl World {
    /// A peer asks another for a run, for this reason.
    pub(super) fn note_why(&mut self, me: PeerKey, peer: PeerKey, request: RequestId, why: Why) {
        let (ours, theirs) = (self.places.asn(me), self.places.asn(peer));
        if ours.is_none() || theirs.is_none() || ours == theirs {
            return;
        }
        let reasons = &mut self.peer_mut(me).reasons;
        if reasons.len() == KEPT_MAX {
            reasons.pop_front();
        }
        reasons.push_back((request, why));
    }

    /// The answer to a request came. `is_new`: what came was not held.
    pub(super) fn note_import(&mut self, me: PeerKey, request: RequestId, run: RunIndex, is_new: bool) {
        let reasons = &mut self.peer_mut(me).reasons;
        let at = reasons.iter().position(|&(asked, _)| asked == request);
        let Some((_, why)) = at.and_then(|at| reasons.remove(at)) else { return };
        let bytes = u64::from(self.layout.run_length(run));
        let content = self.peer(me).role.content;
        let import = match (is_new, self.places.asn(me)) {
            (false, _) => Import::Twice,
            (true, None) => Import::First,
            (true, Some(asn)) => {
                let runs = self.layout.runs();
                let imported = self.imported.entry((asn, content)).or_insert_with(|| RunSet::empty(runs));
                if imported.insert(run) { Import::First } else { Import::Again }
            }
        };
        *self.imports.entry((why, import)).or_default() += bytes;
    }

    /// Bytes that came over borders, by the reason for which they were asked for there. What came into
    /// an AS again, and what came to somebody who held it, is counted apart.
    pub fn imports_by_reason(&self) -> BTreeMap<String, u64> {
        let name = |(why, import): (Why, Import)| {
            let again = match import {
                Import::First => "",
                Import::Again => ", again into the AS",
                Import::Twice => ", twice to one peer",
            };
            format!("{}{again}", why.name())
        };
        self.imports.iter().map(|(&reason, &bytes)| (name(reason), bytes)).collect()
    }

    /// Requests that were taken back, by why. Empty without the feature `reasons`.
    pub fn taken_by_reason(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (why, count) in self.peers.iter().flat_map(|peer| peer.engine.reasons().taken()) {
            *all.entry(why.name().to_owned()).or_default() += count;
        }
        all
    }

    /// Payload that was thrown away, in bytes, by why. Empty without the feature `reasons`.
    pub fn wasted_by_reason(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (why, bytes) in self.peers.iter().flat_map(|peer| peer.engine.reasons().wasted()) {
            *all.entry(why.name()).or_default() += bytes;
        }
        all
    }

    /// Payload that a peer has received, in bytes, if it is there and lacks something.
    pub fn awaits(&self, peer: PeerKey) -> Option<u64> {
        let peer = self.peer(peer);
        let is_there = peer.stage == super::peer::Stage::There && peer.gave_up.is_none();
        (is_there && peer.role.is_served() && peer.completed.is_none()).then_some(peer.received_bytes)
    }

    /// Why a peer gets nothing at this moment. `None`: it lacks nothing.
    #[cfg(feature = "reasons")]
    pub fn stall(&self, peer: PeerKey) -> Option<&'static str> {
        use nearcast_core::{id::ContentKey, reasons::Stall};
        let of = self.peer(peer);
        let swarm = of.engine.swarm(ContentKey(of.role.content))?;
        let stall = swarm.stall(self.now, self.config.config.requests.tick)?;
        // Engines see no links; a run that waits for the downlink has left its sender.
        let waits_here = matches!(stall, Stall::Coming | Stall::Asked) && of.downlink.is_full(self.now);
        Some(if waits_here { "own downlink is full" } else { stall.name() })
    }

    /// Engines do not say why.
    #[cfg(not(feature = "reasons"))]
    pub fn stall(&self, _: PeerKey) -> Option<&'static str> {
        None
    }

    /// Why a peer's uplink is idle at this moment. `None`: it sends something, or the peer is not
    /// there, or gives nothing, or is an origin.
    #[cfg(feature = "reasons")]
    pub fn idle(&self, peer: PeerKey) -> Option<&'static str> {
        use nearcast_core::{View, id::ContentKey, reasons::Unasked};
        let of = self.peer(peer);
        let gives = of.stage == super::peer::Stage::There && of.role.gives != super::role::Gives::Nothing;
        if !gives || of.role.origin || !of.uplink.is_idle() {
            return None;
        }
        let lacks = |other: PeerKey| {
            let other = self.peer(other);
            let wants = other.stage == super::peer::Stage::There && other.role.is_served();
            wants && other.role.content == of.role.content && of.have.count_beyond(&other.have) > 0
        };
        let why = |other: PeerKey| {
            let swarm = self.peer(other).engine.swarm(ContentKey(of.role.content))?;
            let maps = self.maps(other);
            let theirs = maps.held(ContentKey(of.role.content), peer)?;
            swarm.unasked(self.now, peer, theirs, &self.peer(other).have)
        };
        let wanting = of.links.iter().map(|link| link.peer).filter(|&other| lacks(other));
        // The reason that is nearest to being none.
        let all = wanting.map(|other| why(other).unwrap_or(Unasked::Unheard));
        Some(
            all.max_by_key(|why| nearness_to_asking(*why))
                .map_or("nobody lacks anything it has", |why| why.name()),
        )
    }

    /// Engines do not say why.
    #[cfg(not(feature = "reasons"))]
    pub fn idle(&self, _: PeerKey) -> Option<&'static str> {
        None
    }
}

/// The larger, the less stands between a peer and a request.
#[cfg(feature = "reasons")]
fn nearness_to_asking(why: nearcast_core::reasons::Unasked) -> u8 {
    use nearcast_core::reasons::Unasked;
    match why {
        Unasked::Idle => 0,
        Unasked::Unheard => 1,
        Unasked::Choked => 2,
        Unasked::Busy => 3,
        Unasked::Refused => 4,
        Unasked::Spared => 5,
        Unasked::Inside => 6,
        Unasked::Announced => 7,
        Unasked::Turn => 8,
        Unasked::Between => 9,
        Unasked::Asked => 10,
    }
}
