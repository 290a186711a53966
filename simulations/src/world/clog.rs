//! Clogged links: what crosses one is held back, in order, until the link is free again or taken
//! for dead.
//!
//! What was sent before arrives.

use std::time::Duration;

use nearcast_core::{id::PeerKey, layout::RunIndex, run_set::RunSet};

use super::{Happening, World, peer::Link};

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
    number: u32,
    held: Vec<(PeerKey, Happening)>,
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
        for (me, peer) in [pair, (pair.1, pair.0)] {
            self.schedule(self.now + DEAD_AFTER, me, Happening::Dead { peer, clog: number });
        }
    }

    /// What was held back between these two peers arrives; from now on they hear each other again.
    pub fn unclog(&mut self, a: u32, b: u32) {
        let Some(clog) = self.clogs.remove(&pair(PeerKey(a), PeerKey(b))) else { return };
        let at = self.now + self.latency(PeerKey(a), PeerKey(b));
        clog.held.into_iter().for_each(|(to, what)| self.schedule(at, to, what));
    }

    pub(super) fn are_clogged(&self, a: PeerKey, b: PeerKey) -> bool {
        self.clogs.contains_key(&pair(a, b)) || self.net.cuts.are_any() && self.is_cut(a, b)
    }

    /// Holds back what goes from one peer to another, if their link is clogged.
    pub(super) fn hold_back(&mut self, from: PeerKey, to: PeerKey, what: Happening) -> Option<Happening> {
        if self.net.cuts.are_any() && self.is_cut(from, to) {
            self.clog_for_cut(from, to);
        }
        if self.clogs.is_empty() {
            return Some(what);
        }
        match self.clogs.get_mut(&pair(from, to)) {
            Some(clog) => clog.held.push((to, what)),
            None => return Some(what),
        }
        None
    }

    /// Loses what is held back for a peer whose machine has lost power.
    pub(super) fn lose_held(&mut self, me: PeerKey) {
        let mut lost = Vec::new();
        for clog in self.clogs.values_mut() {
            let (ours, others) = std::mem::take(&mut clog.held).into_iter().partition(|(to, _)| *to == me);
            clog.held = others;
            lost.push(ours);
        }
        let lost: Vec<(PeerKey, Happening)> = lost.into_iter().flatten().collect();
        lost.iter().for_each(|(_, what)| self.lose(what));
    }

    /// Loses what is held back between two peers for one that came back since, and has no link to the
    /// other: it was sent to an earlier life.
    pub(super) fn forget_earlier_lives(&mut self, a: PeerKey, b: PeerKey) {
        for (me, other) in [(a, b), (b, a)] {
            if self.peer(me).lives == 0 || self.are_linked(me, other) {
                continue;
            }
            let Some(clog) = self.clogs.get_mut(&pair(a, b)) else { continue };
            let held = std::mem::take(&mut clog.held);
            let (ours, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|(to, _)| *to == me);
            clog.held = others;
            ours.iter().for_each(|(_, what)| self.lose(what));
        }
    }

    /// Fails an attempt that has no answer.
    pub(super) fn fail_unanswered(&mut self, me: PeerKey, event: impl Into<Happening>) {
        self.schedule(self.now + UNANSWERED, me, event);
    }

    /// A peer takes its link, which was clogged for so long, for dead, if the clog is still the same.
    /// Nothing that was held back on it arrives any more.
    pub(super) fn take_for_dead(&mut self, me: PeerKey, peer: PeerKey, number: u32) {
        let Some(clog) = self.clogs.get_mut(&pair(me, peer)).filter(|clog| clog.number == number) else {
            return;
        };
        let held = std::mem::take(&mut clog.held);
        held.iter().for_each(|(_, what)| self.lose(what));
        if let Some(&Link { number, .. }) = self.peer(me).link(peer) {
            self.hear_unlinked(me, peer, number);
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
