//! Which peers are said to be behind which door: names at one door cost nothing to make up.
//!
//! Invariant: a peer is among the names of a door exactly while one of its places that were not
//! proved is there.

use super::{AddressBook, Rank, given_up::Door, places::Spot};
use crate::{id::PeerKey, place::endpoint::Endpoint, place::prefix::Prefix, time::Timestamp};

/// Peers that may be said to be at one address and port. The second one is for the peer that is
/// really there, in case the first one is a lie.
const NAMES_PER_DOOR_MAX: usize = 2;

/// The ports of a place, each once.
pub(super) fn doors(endpoint: &Endpoint) -> impl Iterator<Item = Door> + use<> {
    let ip = endpoint.ip.to_canonical();
    let udp = endpoint.udp.filter(|udp| endpoint.tcp != Some(*udp));
    endpoint.tcp.into_iter().chain(udp).map(move |port| (ip, port))
}

impl AddressBook {
    /// Whether a peer may be said to be at a place. A peer that is there already by no better word
    /// makes room once it failed, and at once for a better word. Returns the failures with which
    /// the place begins. `None`: the place was given up, or there is no room.
    pub(super) fn may_enter(
        &mut self,
        now: Timestamp,
        peer: Option<PeerKey>,
        endpoint: &Endpoint,
        (rank, teller): (Rank, Prefix),
    ) -> Option<u8> {
        if doors(endpoint).any(|door| self.given_up.contains(now, rank, door)) {
            return None;
        }
        let mut failures = 0;
        for door in doors(endpoint) {
            let names = self.named_at(door);
            if peer.is_some_and(|peer| names.iter().any(|(name, _)| *name == peer)) {
                continue;
            }
            // A failure at a door counts whatever the name: a new name begins with it. A failure of
            // a worse word does not count against a better one.
            let no_worse = || names.iter().filter(|(_, spot)| spot.rank >= rank);
            let worst = no_worse().map(|(_, spot)| spot.failures).max();
            failures = failures.max(worst.unwrap_or(0));
            let mine = no_worse().any(|(_, spot)| spot.teller == Some(teller) && spot.failures == 0);
            if names.len() < NAMES_PER_DOOR_MAX && !mine {
                continue;
            }
            let yields = |spot: &Spot| spot.rank < rank && !mine || spot.rank == rank && spot.failures > 0;
            let yielding = names.iter().filter(|(_, spot)| yields(spot));
            let (name, spot) =
                yielding.min_by_key(|(_, spot)| (spot.rank, std::cmp::Reverse(spot.failures)))?;
            self.drop_place(*name, &spot.endpoint);
        }
        Some(failures)
    }

    /// The peers that others say are behind a door, each with the place that says so.
    fn named_at(&self, door: Door) -> Vec<(PeerKey, Spot)> {
        let names = self.doors.get(&door).into_iter().flatten();
        let spot = |name: &PeerKey| {
            let mut spots = self.entries.get(name)?.places.iter();
            let here = |spot: &&Spot| doors(&spot.endpoint).any(|other| other == door);
            spots.find(here).filter(|spot| spot.rank.is_third_party()).cloned()
        };
        names.filter_map(|name| Some((*name, spot(name)?))).collect()
    }

    fn drop_place(&mut self, peer: PeerKey, endpoint: &Endpoint) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        if entry.dial.is_some() {
            return;
        }
        let gone: Vec<Spot> = entry.places.remove(endpoint).into_iter().collect();
        let empty = entry.places.is_empty() && entry.connections == 0 && !entry.kept;
        self.close_doors(peer, &gone);
        if empty {
            self.forget(peer);
        }
    }

    pub(super) fn close_doors(&mut self, peer: PeerKey, gone: &[Spot]) {
        for door in gone.iter().flat_map(|spot| doors(&spot.endpoint)) {
            let spots = self.entries.get(&peer).map(|entry| entry.places.iter());
            let still = |spot: &Spot| doors(&spot.endpoint).any(|other| other == door);
            if !spots.into_iter().flatten().any(still) {
                self.close_door(peer, door);
            }
        }
    }

    pub(super) fn close_door(&mut self, peer: PeerKey, door: Door) {
        if let Some(names) = self.doors.get_mut(&door) {
            names.retain(|name| *name != peer);
            if names.is_empty() {
                self.doors.remove(&door);
            }
        }
    }

    /// Until `until`, no word of this rank or a lower one is believed about this door, under
    /// whatever name.
    pub(super) fn give_up(&mut self, until: Timestamp, rank: Rank, door: Door) {
        self.given_up.add(until, rank, door);
        for (name, spot) in self.named_at(door) {
            if spot.rank <= rank {
                self.drop_place(name, &spot.endpoint);
            }
        }
    }
}
