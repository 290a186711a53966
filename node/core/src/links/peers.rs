//! The neighbours of one content: the peers we exchange runs with, and how the exchange goes.
//!
//! Invariant: links are sorted by peer, so that every execution walks them in the same order.

use crate::{
    id::PeerKey,
    input::{Candidate, Neighbour, Via},
    links::{inflow::Inflow, ring::Ring},
    place::{
        locality::Locality,
        tier::{Near, Proximity, Tier},
    },
    stats::Giver,
};

/// One neighbour. Kept to 24 bytes: a simulated world holds tens of millions of them.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerKey,
    /// In bytes a second: what it sends us, smoothed over its last arrivals.
    pub(crate) rate: f32,
    /// What came from it since the last tick.
    pub(crate) inflow: Inflow,
    /// What we sent it since the last choke round, and what it gave us lately, in the units of
    /// [`crate::links::dealings`].
    pub(crate) sent: u16,
    pub(crate) given: u16,
    flags: u16,
    proximity: Proximity,
    /// How it became a neighbour, and how long it has been of no use: see
    /// [`crate::links::dealings`].
    pub(crate) standing: u8,
    /// Requests of ours it has not answered.
    pub(crate) in_flight: u8,
    /// The most requests that should be open to it.
    pub(crate) depth: u8,
    /// Its requests that we accepted and have not finished.
    pub(crate) uploads: u8,
    /// Runs it announced as imports, less the runs it brought.
    pub(crate) promises: u8,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $bit:literal $get:ident $set:ident;)*) => {
        impl Link {
            $(
                $(#[$doc])*
                pub(crate) fn $get(&self) -> bool {
                    self.flags & (1 << $bit) != 0
                }

                pub(crate) fn $set(&mut self, value: bool) {
                    self.flags = self.flags & !(1 << $bit) | u16::from(value) << $bit;
                }
            )*
        }
    };
}

flags! {
    /// It is the operator's own server.
    0 is_origin set_origin;
    /// It serves us no new requests.
    1 is_choking_us set_choking_us;
    /// We serve it no new requests.
    2 is_choked set_choked;
    /// It wants something we have.
    3 is_interested set_interested;
    /// We told it that we want something it has.
    4 interests_us set_interests_us;
    /// It was picked at random over all tiers.
    5 is_random set_random;
    /// It can give the manifest.
    6 has_manifest set_has_manifest;
    /// We told it of every peer we know.
    7 knows_peers set_knows_peers;
    /// It is a web seed, which is told of no peers, and it wanted to be asked less.
    7 wants_few_requests set_wants_few_requests;
    /// We have not told the other neighbours of it yet.
    8 is_new set_new;
    /// A run that we requested from it is late: what it holds does not count as held by peers.
    9 is_late set_late;
    /// It is an HTTP origin: it gives whole pieces without proofs, and hears nothing we tell
    /// neighbours.
    10 is_web_seed set_web_seed;
    /// It is neither on our local network nor in our AS; clear while our AS is not known.
    11 is_outside set_outside;
    /// It is known to be in another AS: what it sends is imported.
    12 is_foreign set_foreign;
}

/// The highest bits of the flags count choke rounds.
const IDLE_SHIFT: u32 = 13;
/// Rounds in a row without a byte taken, after which a neighbour is stuck: ten seconds. So neither
/// our own limits nor a turn that takes long to come look like it.
const IDLE_ROUNDS_MAX: u16 = 5;
/// What a round counts in which a neighbour held a slot and asked for nothing. Neither our limits
/// nor its uplink cause that, so two such rounds are enough.
const UNUSED_ROUND: u16 = 3;

impl Link {
    pub(crate) fn new(peer: PeerKey, about: Neighbour, depth: u8) -> Link {
        let mut link = Link {
            peer,
            rate: 0.0,
            inflow: Inflow::default(),
            sent: 0,
            given: 0,
            flags: 0,
            proximity: about.near.proximity,
            standing: Via::Inbound as u8,
            in_flight: 0,
            depth,
            uploads: 0,
            promises: 0,
        };
        link.set_origin(about.origin);
        link.set_has_manifest(about.manifest);
        link.set_web_seed(about.web_seed);
        // An HTTP server does not choke.
        link.set_choking_us(!about.web_seed);
        link.set_choked(true);
        link
    }

    /// Notes where the neighbour is, seen from our own place.
    pub(crate) fn locate(&mut self, near: Near, ours: Locality) {
        self.proximity = near.proximity;
        self.set_outside(ours.is_outside(near));
        self.set_foreign(ours.is_foreign(near));
    }

    /// Whether it is beyond the border of our group of this kind.
    pub(crate) fn is_beyond(&self, ring: Ring) -> bool {
        match ring {
            Ring::Lan => self.tier() != Tier::Lan,
            Ring::System => self.is_outside(),
        }
    }

    /// Whether it is a member of our group of this kind. Origins are not: they take nothing.
    pub(crate) fn is_member(&self, ring: Ring) -> bool {
        !self.is_origin() && !self.is_beyond(ring)
    }

    pub(crate) fn proximity(&self) -> Proximity {
        self.proximity
    }

    pub(crate) fn tier(&self) -> Tier {
        self.proximity.tier()
    }

    /// The source that its payload is counted under.
    pub(crate) fn giver(&self) -> Giver {
        match () {
            () if self.is_web_seed() => Giver::WebSeed,
            () if self.is_origin() => Giver::Origin,
            () => Giver::Peer(self.tier()),
        }
    }

    /// The candidate it becomes when the link ends.
    pub(crate) fn candidate(&self, ours: Locality) -> Candidate {
        let asn = ours.asn.filter(|_| !self.is_outside());
        Candidate { peer: self.peer, near: Near { proximity: self.proximity, asn }, via: self.via() }
    }

    /// Whether what it holds counts as held by peers. That is false for an origin, and for a
    /// neighbour that does not deliver.
    pub(crate) fn is_counted(&self) -> bool {
        !self.is_origin() && !self.is_late()
    }

    /// Ends a choke round: did the neighbour take anything that it asked for, or ask for anything
    /// while it could? A round in which it could not ask says nothing.
    pub(crate) fn count_round(&mut self) {
        let rounds = match (self.sent > 0, self.uploads > 0, self.is_choked()) {
            (true, ..) => 0,
            (false, true, _) => self.idle_rounds().saturating_add(1),
            (false, false, false) => self.idle_rounds().saturating_add(UNUSED_ROUND),
            (false, false, true) => self.idle_rounds(),
        };
        self.set_idle_rounds(rounds);
    }

    /// It held a slot while others waited, and asked for nothing.
    pub(crate) fn count_unused(&mut self) {
        self.set_idle_rounds(self.idle_rounds().saturating_add(UNUSED_ROUND));
    }

    fn set_idle_rounds(&mut self, rounds: u16) {
        self.flags = self.flags & !(u16::MAX << IDLE_SHIFT) | rounds.min(IDLE_ROUNDS_MAX) << IDLE_SHIFT;
    }

    fn idle_rounds(&self) -> u16 {
        self.flags >> IDLE_SHIFT
    }

    /// It took something in the last round, if it was its turn.
    pub(crate) fn is_in_use(&self) -> bool {
        self.idle_rounds() == 0
    }

    /// It gives nothing, takes nothing and waits for no request, and has held a slot like that.
    pub(crate) fn does_nothing(&self) -> bool {
        self.given == 0 && self.sent == 0 && self.uploads == 0 && self.idle_rounds() >= UNUSED_ROUND
    }

    /// It asked and has taken nothing for long, or held a slot and did not ask. It would waste a
    /// slot.
    pub(crate) fn is_stuck(&self) -> bool {
        self.idle_rounds() >= IDLE_ROUNDS_MAX
    }

    /// It is late, and so slow that what it holds is as good as not there: a run would take ten
    /// seconds. A neighbour that chokes us is not stalled: it may serve others, from which we get
    /// the run.
    pub(crate) fn is_stalled(&self, run_bytes: f32) -> bool {
        self.is_late() && !self.is_choking_us() && self.rate * 10.0 < run_bytes
    }

    /// It has not given us anything yet.
    pub(crate) fn is_stranger(&self) -> bool {
        self.rate == 0.0 && self.inflow.is_empty()
    }

    /// Whether one more request may go to it.
    pub(crate) fn has_room(&self) -> bool {
        // One request shows whether a late neighbour is still late.
        let depth = if self.is_late() { self.depth.min(1) } else { self.depth };
        !self.is_choking_us() && self.in_flight < depth
    }

    /// Seconds until it has answered one more request, by its rate. 0: its rate is not known, so
    /// that strangers are tried and their requests count as late by age alone.
    pub(crate) fn seconds_to_answer(&self, run_bytes: u32) -> f32 {
        let queued = f32::from(self.in_flight) + 1.0;
        if self.rate < 1.0 { 0.0 } else { queued * run_bytes as f32 / self.rate }
    }
}

/// The neighbours of one content.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Link>);

impl Links {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, peer: PeerKey) -> Result<usize, usize> {
        self.0.binary_search_by_key(&peer, |link| link.peer)
    }

    pub(crate) fn get(&self, peer: PeerKey) -> Option<&Link> {
        self.position(peer).ok().map(|at| &self.0[at])
    }

    pub(crate) fn get_mut(&mut self, peer: PeerKey) -> Option<&mut Link> {
        self.position(peer).ok().map(|at| &mut self.0[at])
    }

    /// Adds a neighbour. `false`: it is one already, and nothing changed.
    pub(crate) fn insert(&mut self, link: Link) -> bool {
        match self.position(link.peer) {
            Ok(_) => false,
            Err(at) => {
                // Grows by a fixed step: doubling would leave half the memory of a million engines
                // unused.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(8);
                }
                self.0.insert(at, link);
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, peer: PeerKey) -> Option<Link> {
        let link = self.position(peer).ok().map(|at| self.0.remove(at));
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        link
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.0.iter_mut()
    }

    /// The keys, copied, for loops that change links while they walk.
    pub(crate) fn keys(&self) -> Vec<PeerKey> {
        self.0.iter().map(|link| link.peer).collect()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity().saturating_mul(size_of::<Link>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_takes_24_bytes() {
        assert_eq!(size_of::<Link>(), 24);
    }

    #[test]
    fn flags_do_not_touch_each_other() {
        let about = Neighbour {
            near: Tier::Lan.into(),
            origin: true,
            directory: false,
            manifest: false,
            web_seed: false,
        };
        let mut link = Link::new(PeerKey(1), about, 4);
        link.set_choking_us(false);
        assert!(link.is_origin() && link.is_choked() && !link.is_choking_us() && !link.is_new());
        link.set_origin(false);
        assert!(!link.is_origin() && link.is_choked());
    }
}
