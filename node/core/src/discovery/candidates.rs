//! The table of candidates: who is remembered, and who makes room.
//!
//! Invariant: there are no more than [`Config::candidates_max`], but for those that the user named.

use super::Discovery;
use crate::{
    config::Config,
    id::PeerKey,
    input::{Candidate, Via},
    locality::Locality,
    peers::Links,
    tier::Near,
    time::Timestamp,
};

/// One in so many candidates may be outside of our group, however many there are inside.
const OUTSIDERS_SHARE: usize = 4;
/// Room for candidates is taken and given back in steps of this many.
const STEP: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// May be tried from this moment on.
    Idle(Timestamp),
    Dialing,
}

/// A candidate and how it went with it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) peer: PeerKey,
    pub(crate) near: Near,
    pub(super) via: Via,
    pub(crate) failures: u8,
    /// Whether the attempt under way fills a random slot.
    pub(super) random: bool,
    pub(super) state: State,
}

impl Known {
    pub(crate) fn is_dialing(&self) -> bool {
        self.state == State::Dialing
    }

    pub(crate) fn new(candidate: Candidate) -> Known {
        Known {
            peer: candidate.peer,
            near: candidate.near,
            via: candidate.via,
            failures: 0,
            random: false,
            state: State::Idle(Timestamp::ZERO),
        }
    }

    /// Somebody says that it has the content: it is no guess any more.
    pub(super) fn on_named(&mut self) {
        if let State::Idle(from) = &mut self.state {
            *from = Timestamp::ZERO;
        }
    }
}

impl Discovery {
    /// Remembers candidates; the limit drops the least useful ones, never those named by the user.
    pub(crate) fn learn(
        &mut self,
        candidates: impl IntoIterator<Item = Candidate>,
        links: &mut Links,
        config: &Config,
        ours: Locality,
    ) {
        for candidate in candidates {
            if let Some(link) = links.get_mut(candidate.peer) {
                link.note_via(candidate.via);
                continue;
            }
            if let Some(known) = self.known.iter_mut().find(|known| known.peer == candidate.peer) {
                if candidate.near.proximity < known.near.proximity || known.near.asn != candidate.near.asn {
                    known.near = candidate.near;
                }
                if known.via == Via::Lan && candidate.via < Via::Lan {
                    known.on_named();
                }
                known.via = known.via.min(candidate.via);
                continue;
            }
            if !self.remember(Known::new(candidate), config, ours) {
                return;
            }
        }
    }

    /// Notes somebody who is not known yet; false if there is no room.
    pub(super) fn remember(&mut self, known: Known, config: &Config, ours: Locality) -> bool {
        if self.known.len() >= usize::from(config.candidates_max) && !self.forget_one(known.via, ours) {
            return false;
        }
        // Grows by a fixed step, as links do: doubling would leave memory of a million engines unused.
        if self.known.len() == self.known.capacity() {
            self.known.reserve_exact(STEP);
        }
        self.known.push(known);
        true
    }

    pub(super) fn take(&mut self, at: usize) -> Known {
        let known = self.known.swap_remove(at);
        if self.known.is_empty() {
            self.known = Vec::new();
        } else if self.known.capacity() >= self.known.len() + 2 * STEP {
            self.known.shrink_to(self.known.len() + STEP);
        }
        self.dialing -= u8::from(known.state == State::Dialing);
        known
    }

    /// Makes room for somebody heard of in this way by dropping an idle candidate that was heard of in no better way: of the
    /// worst way the one with the most failures, then the furthest. So whoever says most displaces nobody but its own kind.
    /// Those outside of our group are dropped only while they are more than their share: a large group must not forget the
    /// rest of the world.
    fn forget_one(&mut self, via: Via, ours: Locality) -> bool {
        let outsiders = self.known.iter().filter(|known| ours.is_outside(known.near)).count();
        let spared = outsiders * OUTSIDERS_SHARE <= self.known.len();
        let idle = |known: &Known| {
            let droppable =
                matches!(known.state, State::Idle(_)) && known.via != Via::Named && known.via >= via;
            droppable && !(spared && ours.is_outside(known.near))
        };
        let worst =
            |(_, known): &(usize, &Known)| (known.via, known.failures, known.near.proximity, known.peer);
        let at = self.known.iter().enumerate().filter(|(_, known)| idle(known)).max_by_key(worst);
        let Some((at, _)) = at else { return false };
        self.take(at);
        true
    }
}
