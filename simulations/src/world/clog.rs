//! Clogged links: what crosses one is held back, in order, until the link is free again or taken
//! for dead.
//!
//! What was sent before arrives. A link that one peer gives up by itself ends for both, as
//! elsewhere in this world.

use std::time::Duration;

use nearcast_core::{id::PeerKey, input::Event, layout::RunIndex, run_set::RunSet};

use super::{Happening, World};

/// Two ends that hear nothing of each other take their connection for dead after this time: a node
/// pings every 15 s with 20 s to answer, and gives up at the second lost ping.
pub const DEAD_AFTER: Duration = Duration::from_secs(35);
/// A dial or a question without an answer has failed after this time: a node's limit on connecting.
const UNANSWERED: Duration = Duration::from_secs(5);

/// What each peer held at a moment, and how much of it came again since.
pub(super) struct Mark {
    held: Vec<RunSet>,
    again: u64,
}

/// What is held back on one link.
#[derive(Default)]
pub(super) struct Clog {
    /// Tells this clog from earlier ones of the same link.
    number: u64,
    held: Vec<(PeerKey, Event)>,
}

fn pair(a: PeerKey, b: PeerKey) -> (PeerKey, PeerKey) {
    (a.min(b), a.max(b))
}

impl World {
    /// From now on nothing crosses between these two peers.
    pub fn clog(&mut self, a: u32, b: u32) {
        let pair = pair(PeerKey(a), PeerKey(b));
        if a == b || self.clogs.contains_key(&pair) {
            return;
        }
        self.clogs_made += 1;
        let number = self.clogs_made;
        self.clogs.insert(pair, Clog { number, held: Vec::new() });
        self.schedule(self.now + DEAD_AFTER, pair.0, Happening::Dead(pair.1, number));
    }

    /// What was held back between these two peers arrives; from now on they hear each other again.
    pub fn unclog(&mut self, a: u32, b: u32) {
        let Some(clog) = self.clogs.remove(&pair(PeerKey(a), PeerKey(b))) else { return };
        clog.held.into_iter().for_each(|(to, event)| self.deliver(to, event));
    }

    pub(super) fn are_clogged(&self, a: PeerKey, b: PeerKey) -> bool {
        self.clogs.contains_key(&pair(a, b))
    }

    /// An event goes from one peer to another.
    pub(super) fn cross(&mut self, from: PeerKey, to: PeerKey, event: Event) {
        match self.clogs.get_mut(&pair(from, to)) {
            Some(clog) => clog.held.push((to, event)),
            None => self.deliver(to, event),
        }
    }

    /// Fails an attempt that has no answer.
    pub(super) fn fail_unanswered(&mut self, me: PeerKey, event: Event) {
        self.schedule(self.now + UNANSWERED, me, Happening::Input(event));
    }

    /// Ends the link, which was clogged for so long that both ends take it for dead, if the clog is
    /// still the same.
    pub(super) fn take_for_dead(&mut self, me: PeerKey, peer: PeerKey, number: u64) {
        if self.clogs.get(&pair(me, peer)).is_some_and(|clog| clog.number == number) {
            self.unlink(me, peer);
        }
    }

    /// Nothing that was held back on an ended link arrives any more.
    pub(super) fn drop_held(&mut self, me: PeerKey, peer: PeerKey) {
        if let Some(clog) = self.clogs.get_mut(&pair(me, peer)) {
            clog.held.clear();
        }
    }

    /// From now on, counts the runs that come again although they are held now.
    pub fn mark(&mut self) {
        let held = self.peers.iter().map(|peer| peer.have.clone()).collect();
        self.mark = Some(Mark { held, again: 0 });
    }

    /// Counts a run that came, if it was held at the mark.
    pub(super) fn note_again(&mut self, me: PeerKey, run: RunIndex) {
        if let Some(mark) = &mut self.mark
            && mark.held[me.0 as usize].contains(run)
        {
            mark.again += u64::from(self.layout.run_length(run));
        }
    }

    /// Bytes of runs that were held at the mark and came again.
    pub fn again(&self) -> u64 {
        self.mark.as_ref().map_or(0, |mark| mark.again)
    }
}
