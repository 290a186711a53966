//! One peer that may be dialled: where it is, who told of it, and the outcome of earlier attempts.

use crate::{
    View,
    id::PeerKey,
    input::{Candidate, Via},
    place::{prefix::Network, tier::Near},
    random::mix,
    time::Timestamp,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It may be tried from this moment on.
    Idle(Timestamp),
    /// An attempt is under way, and takes one of the few dial slots until this moment.
    Dialing(Timestamp),
}

/// A peer we may dial, and the outcome of earlier dials.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) peer: PeerKey,
    pub(crate) near: Near,
    pub(super) via: Via,
    pub(super) teller: Teller,
    /// A second teller of this candidate. The candidate counts for `teller`, and goes over to this
    /// one when `teller` has too many.
    pub(super) second: Option<Teller>,
    /// The turn of its group; the group with the lowest turn has waited longest.
    pub(super) turn: u32,
    pub(crate) failures: u8,
    /// Whether the attempt under way fills a random slot.
    pub(super) random: bool,
    pub(super) state: State,
}

impl Known {
    pub(crate) fn is_dialing(&self) -> bool {
        matches!(self.state, State::Dialing(_))
    }

    /// Whether an attempt could begin.
    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Idle(from) if from <= now)
    }

    /// Until when the attempt under way takes a slot. `None`: it takes none.
    pub(super) fn holds_slot_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.state {
            State::Dialing(until) if now < until => Some(until),
            _ => None,
        }
    }

    /// A candidate that was never tried.
    pub(crate) fn new(candidate: Candidate, teller: Teller) -> Known {
        Known {
            peer: candidate.peer,
            near: candidate.near,
            via: candidate.via,
            teller,
            second: None,
            turn: 0,
            failures: 0,
            random: false,
            state: State::Idle(Timestamp::ZERO),
        }
    }

    /// The group it counts for, in shares of the table and in turns at being dialled.
    pub(super) fn group(&self) -> (Via, Teller) {
        (self.via, self.teller)
    }

    /// A teller says that it has the content: it is no guess any more.
    pub(super) fn on_named(&mut self) {
        if let State::Idle(from) = &mut self.state {
            *from = Timestamp::ZERO;
        }
    }
}

/// The source that told of a candidate. It is identified by network, as names and addresses cost
/// little; if the network is unknown, by address; if the address is unknown too, by peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Teller(u32);

impl Teller {
    /// No teller in particular: the user, the link, or any peer on the local network.
    pub(crate) const NOBODY: Teller = Teller(0);

    /// The teller that the word of this peer counts for.
    pub(crate) fn of(view: &dyn View, peer: PeerKey) -> Teller {
        // Numbers of networks are odd; those of other tellers are even, and not 0.
        let even = |hash: u64| Teller(u32::try_from(hash >> 33).unwrap_or(u32::MAX).max(1) << 1);
        let location = view.location(peer);
        match (location.network, location.host) {
            (Network::UNKNOWN, Some(host)) => even(mix(host)),
            (Network::UNKNOWN, None) => even(mix(!u64::from(peer.0))),
            (network, _) => Teller(network.number()),
        }
    }
}
