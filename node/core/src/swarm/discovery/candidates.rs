//! The table of candidates: which ones are remembered, and which make room.
//!
//! Each teller owns a fair share of the table: a newcomer displaces a candidate of the teller that
//! told of most, which may be its own teller. A group is what one teller told of in one way
//! ([`Known::group`]).
//!
//! Invariant: there are at most [`Config`] `finding.candidates_max` candidates, not counting those that the
//! user named.

use super::Discovery;
use crate::{
    View,
    config::Config,
    id::{PeerKey, QueryId},
    input::{Candidate, Via},
    links::peers::Links,
    place::locality::Locality,
    swarm::{
        candidate::{Known, State, Teller},
        discovery::shares::{Group, Shares},
    },
};

/// One in this many candidates may be outside our group, however many there are inside.
const OUTSIDERS_SHARE: usize = 4;
/// Memory for candidates is taken and given back in steps of this many.
const STEP: usize = 8;

/// Who told of candidates, and how that counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(super) teller: Teller,
    /// The teller is not a directory that the user or the link named: what it tells counts as what
    /// neighbours tell.
    pub(super) is_strangers: bool,
}

impl Discovery {
    /// How the word of `teller` counts. `None`: it is of nobody in particular. An answer counts as
    /// the word of the directory that was asked, which may have been named by its address alone.
    pub(crate) fn word(&self, view: &dyn View, (query, teller): (Option<QueryId>, Option<PeerKey>)) -> Word {
        let Some(peer) = teller else { return Word { teller: Teller::NOBODY, is_strangers: false } };
        let asked = query.and_then(|query| self.asked(query));
        let is_strangers = !self.is_named_directory(asked.unwrap_or(peer));
        Word { teller: Teller::of(view, peer), is_strangers }
    }

    /// Remembers candidates. The limit drops the least useful ones, never those that the user
    /// named.
    pub(crate) fn learn(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate>,
        word: Word,
        links: &mut Links,
        config: &Config,
        ours: Locality,
    ) {
        let mut shares = None;
        for mut candidate in candidates {
            if word.is_strangers && candidate.via == Via::Directory {
                candidate.via = Via::Exchange;
            }
            if let Some(link) = links.get_mut(candidate.peer) {
                link.note_via(candidate.via);
            } else if let Some(at) = self.known.iter().position(|known| known.peer == candidate.peer) {
                if self.learn_more(at, candidate, word.teller) {
                    shares = None;
                }
            } else {
                self.remember(Known::new(candidate, word.teller), &mut shares, config, ours);
            }
        }
    }

    /// The shell knows better where peers are: candidates are moved to the places it tells.
    pub(crate) fn relocate(&mut self, view: &dyn View) {
        for known in &mut self.known {
            known.near = view.location(known.peer).near.unwrap_or(known.near);
        }
    }

    /// A teller told of a candidate that is known already. Returns whether the candidate counts for
    /// another group now.
    fn learn_more(&mut self, at: usize, candidate: Candidate, teller: Teller) -> bool {
        let known = &mut self.known[at];
        if candidate.near.proximity < known.near.proximity || known.near.asn != candidate.near.asn {
            known.near = candidate.near;
        }
        if known.via == Via::Lan && candidate.via < Via::Lan {
            known.on_named();
        }
        if candidate.via < known.via {
            (known.via, known.teller, known.second) = (candidate.via, teller, None);
            self.enter_group(at);
            return true;
        }
        if candidate.via == known.via && known.teller != teller {
            known.second.get_or_insert(teller);
        }
        false
    }

    /// Gives a candidate the turn of its group, or the last turn if it is the first of its group.
    fn enter_group(&mut self, at: usize) {
        let group = self.known[at].group();
        let mut others = self.known.iter().enumerate();
        let turn = others.find(|(other, known)| *other != at && known.group() == group);
        let turn = turn.map(|(_, known)| known.turn);
        self.known[at].turn = turn.unwrap_or_else(|| self.last_turn());
    }

    /// Adds a candidate that is not known yet, unless there is no room. `shares`: the groups of the
    /// table, if they have been counted.
    pub(super) fn remember(
        &mut self,
        known: Known,
        shares: &mut Option<Shares>,
        config: &Config,
        ours: Locality,
    ) {
        if self.known.len() >= usize::from(config.finding.candidates_max) {
            let shares = shares.get_or_insert_with(|| Shares::of(&self.known));
            if !self.forget_one(known.group(), shares, ours) {
                return;
            }
        }
        shares.iter_mut().for_each(|shares| shares.push(known.group()));
        // Grows by a fixed step, as links do: doubling would leave memory of a million engines
        // unused.
        if self.known.len() == self.known.capacity() {
            self.known.reserve_exact(STEP);
        }
        self.known.push(known);
        self.enter_group(self.known.len().saturating_sub(1));
    }

    pub(super) fn take(&mut self, at: usize) -> Known {
        let known = self.known.swap_remove(at);
        if self.known.is_empty() {
            self.known = Vec::new();
        } else if self.known.capacity() >= self.known.len().saturating_add(2 * STEP) {
            self.known.shrink_to(self.known.len().saturating_add(STEP));
        }
        self.dialing = self.dialing.saturating_sub(known.is_dialing().into());
        known
    }

    /// Makes room for a candidate of this group by dropping an idle candidate that we did not hear
    /// of in a better way. Of the worst way, and there of the largest group, that is the candidate
    /// with the most failures, then the furthest. So the teller that tells most displaces only its
    /// own candidates. A candidate that a smaller group told of as well goes over to that group
    /// instead. Candidates outside our group are dropped only while they exceed their share: a
    /// large group must not forget the rest of the world.
    fn forget_one(&mut self, newcomer: Group, shares: &mut Shares, ours: Locality) -> bool {
        let outsiders = self.known.iter().filter(|known| ours.is_outside(known.near)).count();
        let spared = outsiders.saturating_mul(OUTSIDERS_SHARE) <= self.known.len();
        let idle = |known: &Known| {
            let droppable =
                matches!(known.state, State::Idle(_)) && known.via != Via::Named && known.via >= newcomer.0;
            droppable && !(spared && ours.is_outside(known.near))
        };
        shares.add(newcomer);
        let was_dropped = loop {
            let worst = |(at, known): &(usize, &Known)| {
                (known.via, shares.size_at(*at), known.failures, known.near.proximity, known.peer)
            };
            let at = self.known.iter().enumerate().filter(|(_, known)| idle(known)).max_by_key(worst);
            let Some((at, _)) = at else { break false };
            let known = &mut self.known[at];
            let other = known.second.take().map(|second| (known.via, second));
            let is_smaller = |&other: &Group| shares.size_of(other).saturating_add(1) < shares.size_at(at);
            match other.filter(is_smaller) {
                Some(other) => {
                    known.teller = other.1;
                    shares.move_to(at, other);
                    self.enter_group(at);
                }
                None => {
                    self.take(at);
                    shares.swap_remove(at);
                    break true;
                }
            }
        };
        shares.subtract(newcomer);
        was_dropped
    }
}
