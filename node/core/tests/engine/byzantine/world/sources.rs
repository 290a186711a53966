//! The honest sources: where they are, what they send, and when they go.

use std::{collections::VecDeque, time::Duration};

use nearcast_core::{
    id::{PeerKey, RequestId},
    input::{Candidate, Via},
    layout::RunIndex,
    run_set::RunSet,
    tier::{Near, Proximity, Tier},
};

use super::{super::agenda::Happening, CONTENT, THEIR_AS, World};

/// An honest neighbour that sends runs, one after another.
pub(super) struct Honest {
    pub(super) peer: PeerKey,
    pub(super) origin: bool,
    pub(super) map: RunSet,
    pub(super) queue: VecDeque<(RequestId, RunIndex)>,
    pub(super) sending: bool,
    pub(super) run_time: Duration,
    pub(super) up: bool,
}

impl World<'_> {
    pub(super) fn candidates(&self, via: Via) -> Vec<Candidate> {
        let near = self.near_sources();
        self.sources.iter().map(|source| Candidate { peer: source.peer, near, via }).collect()
    }

    pub(super) fn near_sources(&self) -> Near {
        match self.story.scene.abroad {
            true => Near { proximity: Proximity::remote(Some(2)), asn: Some(THEIR_AS) },
            false => Tier::Remote.into(),
        }
    }

    pub(super) fn source(&self, peer: PeerKey) -> Option<usize> {
        self.sources.iter().position(|source| source.peer == peer)
    }

    pub(super) fn is_up(&self, peer: PeerKey) -> bool {
        self.source(peer).is_some_and(|source| self.sources[source].up)
    }

    pub(super) fn gone(&mut self) {
        for at in 0..self.sources.len() {
            let source = &mut self.sources[at];
            source.up = false;
            source.queue.clear();
            let peer = source.peer;
            if self.is_linked(peer) {
                self.shell.unlink(CONTENT, peer);
                self.whereabouts.disconnected(peer);
            }
        }
    }

    pub(super) fn send_next(&mut self, source: usize) {
        let source_of = &mut self.sources[source];
        if !source_of.sending && !source_of.queue.is_empty() {
            source_of.sending = true;
            let time = source_of.run_time;
            self.schedule(time, Happening::Sent(source));
        }
    }
}
