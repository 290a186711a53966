//! Which peers misbehaved lately, by address and by network: names cost nothing, addresses a
//! little, networks more.
//!
//! No peer is shut out for what another peer behind the same address did. But strangers from that
//! address are tried one at a time, with a pause before each that doubles with every strike. A peer
//! that gave us something is no longer a stranger.
//!
//! Invariant: at most [`PLACES_MAX`] places are remembered. The place whose last strike is oldest
//! makes room.

mod broken_off;

use std::time::Duration;

use broken_off::BrokenOff;

use crate::{id::PeerKey, place::prefix::Network, strangers::budget::Tally, time::Timestamp, view::View};

/// Places remembered, addresses and networks together.
const PLACES_MAX: usize = 512;
/// Strikes of a network before strangers from all of it wait: fewer may come from one of its
/// addresses.
const NETWORK_STRIKES_MIN: u16 = 4;
/// The pause after the first strike of an address.
const PAUSE: Duration = Duration::from_secs(2);
/// The most doublings of the pause: 17 minutes.
const DOUBLINGS_MAX: u16 = 9;
/// A place without a strike for this long is as good as new.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3_600);

/// A slot that a peer held to no purpose counts as this many refusals. An address with this many is
/// no newcomer. Less: peers that come again and again are known sooner. More: peers that were
/// refused for want of room may ask again more often.
const IDLE_MIN: u32 = 4;
/// The same bound for a whole network.
const IDLE_OF_NETWORK_MIN: u32 = 16 * IDLE_MIN;

/// An address, or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Host(u64),
    Network(Network),
}

#[derive(Clone, Debug)]
struct Entry {
    place: Place,
    strikes: u16,
    last: Timestamp,
    /// The next stranger from this place is tried from this moment on.
    next: Timestamp,
}

impl Entry {
    fn pause(&self) -> Duration {
        let counted = match self.place {
            Place::Host(_) => self.strikes,
            Place::Network(_) => self.strikes.saturating_sub(NETWORK_STRIKES_MIN - 1),
        };
        match counted {
            0 => Duration::ZERO,
            counted => PAUSE.saturating_mul(1 << counted.saturating_sub(1).min(DOUBLINGS_MAX)),
        }
    }
}

/// Strangers whose places are remembered from their trial on. More are hardly ever on trial at
/// once.
const TRIALS_MAX: usize = 32;

/// Places that strikes came from.
#[derive(Debug, Default)]
pub(crate) struct Strikes {
    entries: Vec<Entry>,
    /// Where strangers were when they were asked for their first run, the latest last: a stranger
    /// that hangs up before its run is found to be false has no address any more.
    trials: Vec<(PeerKey, [Option<Place>; 2])>,
    broken_off: BrokenOff,
    /// Places of peers that held slots of ours to no purpose, or came when there was no room.
    /// `None`: there were no such peers.
    idle: Option<Box<Tally<Place>>>,
}

/// The address and the network of a peer, as far as they are known.
fn places(maps: &dyn View, peer: PeerKey) -> [Option<Place>; 2] {
    let location = maps.location(peer);
    let network = Some(location.network).filter(|&network| network != Network::UNKNOWN);
    [location.host.map(Place::Host), network.map(Place::Network)]
}

impl Strikes {
    /// A peer held a slot of ours while others waited, and asked for nothing.
    pub(crate) fn note_idle(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        self.note_useless(now, maps, peer, IDLE_MIN);
    }

    /// A peer came, and there was no room.
    pub(crate) fn note_refused(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        self.note_useless(now, maps, peer, 1);
    }

    /// A peer took a run, which makes up for one refusal. A peer that takes a run only now and then
    /// still counts as holding slots to no purpose.
    pub(crate) fn note_use(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        if let Some(idle) = &mut self.idle {
            places(maps, peer).into_iter().flatten().for_each(|place| idle.forgive(now, place, 1));
        }
    }

    fn note_useless(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey, weight: u32) {
        let idle = self.idle.get_or_insert_default();
        places(maps, peer).into_iter().flatten().for_each(|place| idle.fail(now, place, weight));
    }

    /// Whether peers of its address hold slots to no purpose or come again and again, or many peers
    /// of its network do: then they are no newcomers.
    pub(crate) fn is_idle(&self, now: Timestamp, maps: &dyn View, peer: PeerKey) -> bool {
        let Some(idle) = &self.idle else { return false };
        let weight = |place: Option<Place>| place.map_or(0, |place| idle.weight(now, &place));
        let [host, network] = places(maps, peer);
        let of_network = if host.is_some() { IDLE_OF_NETWORK_MIN } else { IDLE_MIN };
        weight(host) >= IDLE_MIN || weight(network) >= of_network
    }

    /// A peer lied. Each address counts once for its network: one address does not shut out all of
    /// the others.
    pub(crate) fn note(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        let tried = self.trials.iter().position(|&(tried, _)| tried == peer);
        let [host, network] = match tried {
            Some(at) => self.trials.swap_remove(at).1,
            None => places(maps, peer),
        };
        let is_first = host.is_none_or(|host| self.strike(now, host) == 1);
        if let Some(network) = network.filter(|_| is_first) {
            self.strike(now, network);
        }
    }

    /// Adds a strike to a place. Returns how many it has.
    fn strike(&mut self, now: Timestamp, place: Place) -> u16 {
        let at = self.entries.iter().position(|entry| entry.place == place).unwrap_or_else(|| {
            self.make_room(now);
            self.entries.push(Entry { place, strikes: 0, last: now, next: Timestamp::ZERO });
            self.entries.len().saturating_sub(1)
        });
        let entry = &mut self.entries[at];
        if now.since(entry.last) >= FORGIVEN_AFTER {
            entry.strikes = 0;
        }
        entry.strikes = entry.strikes.saturating_add(1);
        entry.last = now;
        entry.next = entry.next.max(now + entry.pause());
        entry.strikes
    }

    /// A stranger's first run was verified: the next stranger from there need not wait, and half of
    /// the blame is forgotten.
    pub(crate) fn on_good(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        self.trials.retain(|&(tried, _)| tried != peer);
        for at in self.known(now, maps, peer) {
            let entry = &mut self.entries[at];
            entry.strikes /= 2;
            entry.next = now;
        }
    }

    /// A run of a peer broke off before its end.
    pub(crate) fn on_broken_off(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        self.broken_off.note(now, peer, places(maps, peer));
    }

    /// A run of a peer was verified.
    pub(crate) fn on_run(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) {
        if !self.broken_off.is_empty() {
            self.broken_off.on_run(now, peer, places(maps, peer));
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        self.entries.retain(|entry| now.since(entry.last) < FORGIVEN_AFTER);
        if self.entries.len() >= PLACES_MAX
            && let Some(at) = (0..self.entries.len()).min_by_key(|&at| self.entries[at].last)
        {
            self.entries.swap_remove(at);
        }
    }

    /// Whether a peer that has given us nothing yet may be asked for a first run. If so, the next
    /// stranger from its address or network waits its turn.
    pub(crate) fn may_try(&mut self, now: Timestamp, maps: &dyn View, peer: PeerKey) -> bool {
        if self.has_to_wait(now, maps, peer) {
            return false;
        }
        for at in self.known(now, maps, peer) {
            let entry = &mut self.entries[at];
            entry.next = now + entry.pause();
        }
        let where_it_is = places(maps, peer);
        self.broken_off.on_trial(now, peer, where_it_is);
        if where_it_is[0].is_some() && self.trials.iter().all(|&(tried, _)| tried != peer) {
            if self.trials.len() >= TRIALS_MAX {
                self.trials.remove(0);
            }
            self.trials.push((peer, where_it_is));
        }
        true
    }

    /// Whether a peer that has given us nothing yet must not be asked for anything now.
    pub(crate) fn has_to_wait(&self, now: Timestamp, maps: &dyn View, peer: PeerKey) -> bool {
        let waits = !self.broken_off.is_empty() && self.broken_off.has_to_wait(now, peer, places(maps, peer));
        waits
            || !self.entries.is_empty()
                && self.known(now, maps, peer).into_iter().any(|at| now < self.entries[at].next)
    }

    /// The indices of the entries for the address and the network of a peer.
    fn known(&self, now: Timestamp, maps: &dyn View, peer: PeerKey) -> Vec<usize> {
        let places = places(maps, peer).into_iter().flatten();
        places
            .filter_map(|place| self.entries.iter().position(|entry| entry.place == place))
            .filter(|&at| now.since(self.entries[at].last) < FORGIVEN_AFTER)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::{
        content::held::Held,
        id::ContentKey,
        view::{Location, NoPeers},
    };

    /// Peers whose address follows from their number: /24s of 256.
    struct Hosts;

    impl View for Hosts {
        fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
            None
        }

        fn location(&self, peer: PeerKey) -> Location {
            // A thousand names share an address.
            let address = peer.0 / 1_000;
            let network = Network::of(Ipv4Addr::from_bits(0x0a00_0000 + address).into());
            Location { host: Some(address.into()), network, ..Location::unknown(peer) }
        }

        fn is_connected(&self, _: PeerKey) -> bool {
            false
        }

        fn is_web_seed(&self, _: PeerKey) -> bool {
            false
        }
    }

    /// How many strangers are tried in ten minutes if one comes each tenth of a second, and each
    /// lies.
    fn tried(name: impl Fn(u32) -> u32) -> usize {
        let mut strikes = Strikes::default();
        let moment = |tenth: u32| Timestamp::from_millis(u64::from(tenth) * 100);
        let lies = |&tenth: &u32| {
            let tried = strikes.may_try(moment(tenth), &Hosts, PeerKey(name(tenth)));
            if tried {
                strikes.note(moment(tenth), &Hosts, PeerKey(name(tenth)));
            }
            tried
        };
        (0..6_000).filter(lies).count()
    }

    #[test]
    fn fresh_names_of_one_address_are_tried_a_few_times() {
        let tried = tried(|tenth| tenth % 1_000);
        assert!((2..=10).contains(&tried), "{tried} tried");
    }

    #[test]
    fn fresh_addresses_of_one_network_are_tried_a_few_times_more() {
        let tried = tried(|tenth| tenth % 250 * 1_000);
        assert!((4..=14).contains(&tried), "{tried} tried");
    }

    #[test]
    fn an_honest_stranger_behind_the_same_address_is_tried_when_the_pause_is_over() {
        let mut strikes = Strikes::default();
        strikes.note(Timestamp::ZERO, &Hosts, PeerKey(1));
        assert!(!strikes.may_try(Timestamp::from_millis(1_999), &Hosts, PeerKey(2)));
        assert!(strikes.may_try(Timestamp::from_millis(2_000), &Hosts, PeerKey(2)));
        assert!(!strikes.may_try(Timestamp::from_millis(2_001), &Hosts, PeerKey(3)), "one at a time");
        assert!(strikes.may_try(Timestamp::from_millis(2_001), &Hosts, PeerKey(9_000)), "another address");
        let much_later = Timestamp::ZERO + FORGIVEN_AFTER;
        assert!(
            strikes.may_try(much_later, &Hosts, PeerKey(4))
                && strikes.may_try(much_later, &Hosts, PeerKey(5))
        );
    }

    #[test]
    fn one_address_under_many_names_does_not_shut_out_its_network() {
        let mut strikes = Strikes::default();
        (0..100).for_each(|name| strikes.note(Timestamp::from_millis(name), &Hosts, PeerKey(name as u32)));
        assert!(
            !strikes.may_try(Timestamp::from_millis(200), &Hosts, PeerKey(500)),
            "another name of that address"
        );
        assert!(strikes.may_try(Timestamp::from_millis(200), &Hosts, PeerKey(7_000)), "its neighbour");
    }

    #[test]
    fn whoever_hangs_up_before_the_verdict_is_blamed_where_it_was() {
        // The view has forgotten the peer.
        let mut strikes = Strikes::default();
        assert!(strikes.may_try(Timestamp::ZERO, &Hosts, PeerKey(1)));
        strikes.note(Timestamp::from_millis(10), &NoPeers, PeerKey(1));
        assert!(!strikes.may_try(Timestamp::from_millis(20), &Hosts, PeerKey(2)), "the next name waits");
    }

    #[test]
    fn a_good_run_from_there_lets_the_next_one_try() {
        let mut strikes = Strikes::default();
        (0..6).for_each(|name| strikes.note(Timestamp::ZERO, &Hosts, PeerKey(name)));
        let later = Timestamp::from_millis(64_000);
        assert!(strikes.may_try(later, &Hosts, PeerKey(10)));
        assert!(!strikes.may_try(later, &Hosts, PeerKey(11)));
        strikes.on_good(later, &Hosts, PeerKey(10));
        assert!(strikes.may_try(later, &Hosts, PeerKey(11)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut strikes = Strikes::default();
        for number in 0..5_000 {
            strikes.note(Timestamp::from_millis(number), &Hosts, PeerKey(number as u32 * 1_000));
        }
        assert!(strikes.entries.len() <= PLACES_MAX);
        assert!(
            !strikes.may_try(Timestamp::from_millis(5_000), &Hosts, PeerKey(4_999_000)),
            "the last is known"
        );
    }
}
