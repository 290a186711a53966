//! How long far neighbours take to answer a message: what is asked of them ahead must last so much
//! longer.

use std::time::Duration;

use crate::{id::PeerKey, saturate::to_u32};

/// Shorter round trips change nothing.
const FAR: Duration = Duration::from_millis(50);
/// Longer ones are those of a connection that hangs.
const TRIP_MAX: Duration = Duration::from_secs(10);

/// Round trips of far neighbours, in milliseconds, sorted by peer.
#[derive(Debug, Default)]
pub(crate) struct Trips(Option<Box<Far>>);

#[derive(Debug, Default)]
struct Far {
    trips: Vec<(PeerKey, u32)>,
}

impl Trips {
    /// A neighbour took so long to answer.
    pub(crate) fn note(&mut self, peer: PeerKey, rtt: Duration) {
        if rtt < FAR {
            return self.forget(peer);
        }
        let millis = to_u32(usize::try_from(rtt.min(TRIP_MAX).as_millis()).unwrap_or(usize::MAX));
        let trips = &mut self.0.get_or_insert_default().trips;
        match trips.binary_search_by_key(&peer, |&(peer, _)| peer) {
            Ok(at) => trips[at].1 = millis,
            Err(at) => trips.insert(at, (peer, millis)),
        }
    }

    /// A neighbour is gone.
    pub(crate) fn forget(&mut self, peer: PeerKey) {
        if let Some(far) = &mut self.0 {
            far.trips.retain(|&(known, _)| known != peer);
            if far.trips.is_empty() {
                self.0 = None;
            }
        }
    }

    /// There and back. Zero: it is not known, or short.
    pub(crate) fn of(&self, peer: PeerKey) -> Duration {
        let trips = self.0.as_ref().map_or(&[][..], |far| &far.trips);
        let at = trips.binary_search_by_key(&peer, |&(peer, _)| peer);
        Duration::from_millis(at.map_or(0, |at| trips[at].1.into()))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let trips =
            self.0.as_ref().map(|far| far.trips.capacity().saturating_mul(size_of::<(PeerKey, u32)>()));
        trips.map_or(0, |bytes| bytes.saturating_add(size_of::<Far>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_neighbours_are_remembered_until_they_are_near_or_gone() {
        let mut trips = Trips::default();
        let millis = Duration::from_millis;
        [(7, 300), (3, 49), (5, 600), (7, 310)]
            .into_iter()
            .for_each(|(peer, rtt)| trips.note(PeerKey(peer), millis(rtt)));
        assert_eq!([3, 5, 7, 9].map(|peer| trips.of(PeerKey(peer))), [0, 600, 310, 0].map(millis));
        trips.note(PeerKey(5), Duration::MAX);
        assert_eq!(trips.of(PeerKey(5)), TRIP_MAX);
        trips.note(PeerKey(5), millis(10));
        trips.forget(PeerKey(7));
        assert_eq!(trips.heap_bytes(), 0);
    }
}
