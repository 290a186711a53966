//! Runs that broke off before their end, by peer, address and network.
//!
//! Any peer may lose a connection, so no peer is banned for it, and one run in a hundred does not
//! count. But a peer that breaks off more often has to wait before it is asked again as a stranger,
//! for 64 seconds at most. Otherwise it could send all but the last byte of runs without end.
//!
//! Invariants: an entry exists only while there is something to make up for; at most
//! [`SOURCES_MAX`] exist.

use std::time::Duration;

use super::Place;
use crate::{id::PeerKey, time::Timestamp};

/// Peers, addresses and networks remembered. The one whose last run broke off longest ago makes
/// room.
const SOURCES_MAX: usize = 256;
/// Broken-off runs that are tolerated of a peer or an address.
const BORNE: u32 = 4;
/// Broken-off runs that are tolerated of a network.
const BORNE_OF_NETWORK: u32 = 16;
/// Verified runs that make up for one that broke off.
const RUNS_PER_BREAK: u32 = 100;
/// The pause after one more than is tolerated; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(2);
/// The most doublings of the pause: 64 seconds.
const DOUBLINGS_MAX: u32 = 5;
/// A source without a broken-off run for this long is as good as new.
const FORGIVEN_AFTER: Duration = Duration::from_secs(1_800);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Peer(PeerKey),
    Place(Place),
}

#[derive(Clone, Debug)]
struct Entry {
    source: Source,
    /// Runs that broke off, in hundredths, less those that were made up for.
    debt: u32,
    last: Timestamp,
    /// The next stranger from this source is tried from this moment on.
    next: Timestamp,
}

impl Entry {
    /// How long strangers from this source wait, one after the other.
    fn pause(&self) -> Duration {
        let borne =
            if matches!(self.source, Source::Place(Place::Network(_))) { BORNE_OF_NETWORK } else { BORNE };
        match (self.debt / RUNS_PER_BREAK).checked_sub(borne.saturating_add(1)) {
            None => Duration::ZERO,
            Some(more) => PAUSE.saturating_mul(1 << more.min(DOUBLINGS_MAX)),
        }
    }
}

/// Sources that have something to make up for.
#[derive(Debug, Default)]
pub(super) struct BrokenOff(Vec<Entry>);

fn sources(peer: PeerKey, places: [Option<Place>; 2]) -> impl Iterator<Item = Source> {
    std::iter::once(Source::Peer(peer)).chain(places.into_iter().flatten().map(Source::Place))
}

impl BrokenOff {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A run broke off.
    pub(super) fn note(&mut self, now: Timestamp, peer: PeerKey, places: [Option<Place>; 2]) {
        self.0.retain(|entry| now.since(entry.last) < FORGIVEN_AFTER);
        for source in sources(peer, places) {
            let at = self.0.iter().position(|entry| entry.source == source).unwrap_or_else(|| {
                self.make_room();
                self.0.push(Entry { source, debt: 0, last: now, next: Timestamp::ZERO });
                self.0.len().saturating_sub(1)
            });
            let entry = &mut self.0[at];
            entry.debt = entry.debt.saturating_add(RUNS_PER_BREAK);
            (entry.last, entry.next) = (now, now + entry.pause());
        }
    }

    fn make_room(&mut self) {
        if self.0.len() >= SOURCES_MAX
            && let Some(at) = (0..self.0.len()).min_by_key(|&at| self.0[at].last)
        {
            self.0.swap_remove(at);
        }
    }

    /// A run was verified.
    pub(super) fn on_run(&mut self, now: Timestamp, peer: PeerKey, places: [Option<Place>; 2]) {
        for source in sources(peer, places) {
            if let Some(entry) = self.0.iter_mut().find(|entry| entry.source == source) {
                entry.debt = entry.debt.saturating_sub(1);
            }
        }
        self.0.retain(|entry| entry.debt > 0 && now.since(entry.last) < FORGIVEN_AFTER);
    }

    /// A stranger is tried: the next one from the same source waits its turn.
    pub(super) fn on_trial(&mut self, now: Timestamp, peer: PeerKey, places: [Option<Place>; 2]) {
        for source in sources(peer, places) {
            if let Some(entry) = self.0.iter_mut().find(|entry| entry.source == source) {
                entry.next = now + entry.pause();
            }
        }
    }

    /// Whether a peer that has given us nothing over this link must not be asked for anything now.
    pub(super) fn has_to_wait(&self, now: Timestamp, peer: PeerKey, places: [Option<Place>; 2]) -> bool {
        sources(peer, places).any(|source| {
            let known = self.0.iter().find(|entry| entry.source == source);
            known.is_some_and(|entry| now.since(entry.last) < FORGIVEN_AFTER && now < entry.next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODYS: [Option<Place>; 2] = [None, None];

    fn host(host: u64) -> [Option<Place>; 2] {
        [Some(Place::Host(host)), None]
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    /// How many runs a peer breaks off in ten minutes that breaks off whenever it is asked, after
    /// `good` runs each time.
    fn breaks(good: u32, name: impl Fn(u32) -> (PeerKey, [Option<Place>; 2])) -> usize {
        let mut broken_off = BrokenOff::default();
        let breaks = |&second: &u64| {
            let (peer, places) = name(second as u32);
            let asked = !broken_off.has_to_wait(at(second), peer, places);
            if asked {
                (0..good).for_each(|_| broken_off.on_run(at(second), peer, places));
                broken_off.note(at(second), peer, places);
            }
            asked
        };
        (0..600).filter(breaks).count()
    }

    #[test]
    fn who_breaks_off_each_run_is_asked_a_few_times_and_then_once_a_minute() {
        let by_key = breaks(0, |_| (PeerKey(1), NOBODYS));
        let by_address = breaks(0, |second| (PeerKey(second), host(7)));
        let with_good_ones = breaks(10, |second| (PeerKey(second), host(7)));
        println!("{by_key} by key, {by_address} by address, {with_good_ones} after ten good ones each");
        assert!([by_key, by_address].iter().all(|breaks| (5..=18).contains(breaks)));
        assert!(with_good_ones <= 20);
    }

    #[test]
    fn one_run_in_a_hundred_is_borne_for_ever_and_the_blame_is_forgotten() {
        assert_eq!(breaks(100, |_| (PeerKey(1), host(7))), 600);
        let mut broken_off = BrokenOff::default();
        (0..50).for_each(|_| broken_off.note(at(0), PeerKey(1), host(7)));
        assert!(broken_off.has_to_wait(at(63), PeerKey(2), host(7)), "another name of that address");
        assert!(!broken_off.has_to_wait(at(63), PeerKey(2), host(8)), "another address");
        assert!(!broken_off.has_to_wait(at(64), PeerKey(1), host(7)), "a minute at most");
        broken_off.note(at(9_000), PeerKey(1), host(7));
        assert!(!broken_off.has_to_wait(at(9_000), PeerKey(1), host(7)), "that was long ago");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut broken_off = BrokenOff::default();
        (0..5_000).for_each(|name| broken_off.note(at(1), PeerKey(name), host(u64::from(name))));
        assert!(broken_off.0.len() <= SOURCES_MAX);
    }
}
