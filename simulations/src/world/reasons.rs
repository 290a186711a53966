//! Why bytes came over borders: each request over one keeps its reason until its answer comes.

use nearcast_core::{
    id::{PeerKey, RequestId},
    output::Why,
};

use super::World;

/// Requests over borders that one peer keeps the reasons of. Those that never had an answer are
/// forgotten, the oldest first.
const KEPT_MAX: usize = 512;

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
    pub(super) fn note_import(&mut self, me: PeerKey, request: RequestId, bytes: u64, is_new: bool) {
        let reasons = &mut self.peer_mut(me).reasons;
        if let Some(at) = reasons.iter().position(|&(asked, _)| asked == request)
            && let Some((_, why)) = reasons.remove(at)
        {
            *self.imports.entry((why, !is_new)).or_default() += bytes;
        }
    }
}
