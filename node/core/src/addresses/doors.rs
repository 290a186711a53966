//! Who is said to be behind which door: names of one door cost nothing to make up.
//!
//! Invariant: a peer is among the names of a door exactly while one of its places is there that was not proved.

use super::{AddressBook, given_up::Door, places::Spot};
use crate::{id::PeerKey, prefix::Prefix, registry::Endpoint, time::Timestamp};

/// Peers that may be said to be at one address and port. The second one is for whoever is really there, should the
/// first one be a lie.
const NAMES_PER_DOOR_MAX: usize = 2;

/// The ports of a place, each once.
pub(super) fn doors(endpoint: &Endpoint) -> impl Iterator<Item = Door> + use<> {
    let ip = endpoint.ip.to_canonical();
    let udp = endpoint.udp.filter(|udp| endpoint.tcp != Some(*udp));
    endpoint.tcp.into_iter().chain(udp).map(move |port| (ip, port))
}

impl AddressBook {
    /// Whether a peer may be said to be at a place that was not given up: names of one door cost nothing to make up. Who
    /// is there already makes room once it failed. The failures with which the place begins; none if there is no room.
    pub(super) fn may_enter(
        &mut self,
        now: Timestamp,
        peer: Option<PeerKey>,
        endpoint: &Endpoint,
        teller: Prefix,
    ) -> Option<u8> {
        if doors(endpoint).any(|door| self.given_up.contains(now, door)) {
            return None;
        }
        let mut failures = 0;
        for door in doors(endpoint) {
            let names = self.doors.get(&door).cloned().unwrap_or_default();
            if peer.is_some_and(|peer| names.contains(&peer)) {
                continue;
            }
            let spot = |name: &PeerKey| {
                let spots = self.entries.get(name)?.places.iter();
                spots.into_iter().find(|spot| doors(&spot.endpoint).any(|other| other == door)).cloned()
            };
            let spots = names.iter().filter_map(|name| Some((*name, spot(name)?)));
            let spots: Vec<(PeerKey, Spot)> = spots.filter(|(_, spot)| spot.rank.is_third_party()).collect();
            // What failed there failed whatever the name: a new one begins with it.
            let worst = spots.iter().map(|(_, spot)| spot.failures).max();
            failures = failures.max(worst.unwrap_or(0));
            let mine = spots.iter().any(|(_, spot)| spot.teller == Some(teller) && spot.failures == 0);
            if spots.len() < NAMES_PER_DOOR_MAX && !mine {
                continue;
            }
            let (failed, spot) = spots.into_iter().find(|(_, spot)| spot.failures > 0)?;
            self.drop_place(failed, &spot.endpoint);
        }
        Some(failures)
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

    /// Nobody is believed to be at this door until then, under whatever name.
    pub(super) fn give_up(&mut self, until: Timestamp, door: Door) {
        self.given_up.add(until, door);
        for name in self.doors.get(&door).cloned().unwrap_or_default() {
            let spots = self.entries.get(&name).map(|entry| entry.places.iter());
            let there = |spot: &&Spot| doors(&spot.endpoint).any(|other| other == door);
            let spot = spots.into_iter().flatten().find(there).cloned();
            if let Some(spot) = spot.filter(|spot| spot.rank.is_third_party()) {
                self.drop_place(name, &spot.endpoint);
            }
        }
    }
}
