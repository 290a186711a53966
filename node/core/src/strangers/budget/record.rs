//! How networks stand with us: how those who came from them lately fared, and how many of them are
//! here.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::{place::prefix::Prefix, saturate::to_u32, time::Timestamp};

/// Half of the failures are forgotten after this time. Longer: attackers are known for longer.
/// Shorter: an office with a broken machine is forgiven sooner.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// A network with this many remembered failures is let in only with pauses. A broken machine, and
/// those that share its network, do not get that far.
const PAUSES_FROM: u32 = 16;
/// The pause for each remembered failure. Less: attackers cost us more handshakes. More: their
/// neighbours wait longer.
const PAUSE: Duration = Duration::from_millis(3);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// An address that came in this often lately, and gave and took nothing each time, is taken to come
/// for nothing again. More: strangers cost more handshakes. Less: a peer that was refused twice
/// waits for others that were refused.
const AGAIN_FROM: u32 = 2;
/// The same for a network.
const AGAIN_FROM_NETWORK: u32 = 24;
/// While all places are taken, one of those that come for nothing is let in at this interval. Each
/// costs a millisecond or two of a processor.
const AGAIN_PACE: Duration = Duration::from_millis(40);
/// All places count as taken for this long after a newcomer last needed another to give way: those
/// that come for nothing leave as fast as they come, and places are free for moments.
const FULL_FOR: Duration = Duration::from_secs(5);
/// The most networks that are remembered, and as many addresses.
const KNOWN_MAX: usize = 4_096;

/// How a peer that wants in stands: less is better. An address of which nothing bad is known stands
/// best, whatever its neighbours did. The others are compared by network first, as addresses of one
/// network are cheap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    network: u32,
    address: u32,
}

impl Standing {
    pub(super) fn of(network: u32, address: u32) -> Standing {
        Standing { network: if address == 0 { 0 } else { network }, address }
    }

    /// Whether a holder with this standing has no claim against `newcomer`, of the same network or
    /// of another.
    pub(super) fn yields_to(self, newcomer: Standing, same_network: bool) -> bool {
        if same_network {
            is_far_worse(self.address, newcomer.address)
        } else {
            is_far_worse(self.network, newcomer.network)
        }
    }
}

/// Twice as bad, and by more than the one failure that anybody may have.
fn is_far_worse(one: u32, other: u32) -> bool {
    one >= other.saturating_mul(2).saturating_add(2)
}

/// What is known of every network and address.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// How many are here, and how many failed.
    marks: Places,
    /// How often an address came in, and neither gave nor took a run.
    visits: Places,
    /// Until this moment all places count as taken.
    full_until: Timestamp,
    /// The next of those that come again for nothing may come in from this moment on.
    again_from: Timestamp,
}

impl Record {
    /// How those who come from `ip` stand.
    pub fn standing(&self, now: Timestamp, ip: IpAddr) -> Standing {
        self.marks.standing(now, ip)
    }

    /// In which order those who wait come in, least first: by standing, and among equals by how
    /// seldom they came lately.
    pub(super) fn rank(&self, now: Timestamp, ip: IpAddr) -> (Standing, Standing) {
        (self.standing(now, ip), self.visits.standing(now, ip))
    }

    pub(super) fn network(&self, now: Timestamp, network: Prefix) -> u32 {
        self.marks.networks.weight(now, &network)
    }

    pub(super) fn address(&self, now: Timestamp, ip: IpAddr) -> u32 {
        self.marks.addresses.weight(now, &household(ip))
    }

    /// From when on a peer from `ip` with this standing is let in: after the pause of its network,
    /// unless its address stands best, and at the pace of those that come again for nothing.
    pub(super) fn not_before(&self, now: Timestamp, ip: IpAddr, standing: Standing) -> Timestamp {
        let pause = match self.marks.networks.0.get(&Prefix::of(ip)) {
            Some(marks) if standing != Standing::default() => marks.not_before,
            _ => Timestamp::ZERO,
        };
        if self.comes_for_nothing(now, ip) { pause.max(self.again_from) } else { pause }
    }

    /// All places are taken, or nearly: a newcomer needs another to give way.
    pub fn note_full(&mut self, now: Timestamp) {
        self.full_until = now + FULL_FOR;
    }

    /// Whether a peer from `ip` is nothing but another handshake, as far as we know, while there is
    /// no place for it. This is never assumed of an address that never came for nothing, whatever
    /// its neighbours did.
    fn comes_for_nothing(&self, now: Timestamp, ip: IpAddr) -> bool {
        if self.full_until <= now {
            return false;
        }
        let came = self.visits.addresses.weight(now, &household(ip));
        let network = || self.visits.networks.weight(now, &Prefix::of(ip));
        came >= AGAIN_FROM || came > 0 && network() >= AGAIN_FROM_NETWORK
    }

    /// A peer from `ip` takes a place.
    pub fn enter(&mut self, now: Timestamp, ip: IpAddr) {
        if self.comes_for_nothing(now, ip) {
            self.again_from = now + AGAIN_PACE;
        }
        self.marks.networks.enter(now, Prefix::of(ip));
        self.marks.addresses.enter(now, household(ip));
        self.visits.count(now, ip, 1);
    }

    /// A peer from `ip` leaves a place. `made`: it succeeded; if not, this counts as a failure.
    pub fn leave(&mut self, now: Timestamp, ip: IpAddr, made: bool) {
        let failures = u32::from(!made);
        self.marks.networks.change(now, Prefix::of(ip), |marks| marks.leave(failures));
        self.marks.addresses.change(now, household(ip), |marks| marks.leave(failures));
    }

    /// A peer from `ip` gave or took a run: one visit is no longer held against it.
    pub fn forgive_visit(&mut self, now: Timestamp, ip: IpAddr) {
        self.visits.networks.forgive(now, Prefix::of(ip), 1);
        self.visits.addresses.forgive(now, household(ip), 1);
    }

    /// A peer from `ip` failed, which counts `failures` times.
    pub fn fail(&mut self, now: Timestamp, ip: IpAddr, failures: u32) {
        self.marks.count(now, ip, failures);
    }
}

/// Marks by network and by address.
#[derive(Clone, Debug, Default)]
struct Places {
    networks: Tally<Prefix>,
    addresses: Tally<IpAddr>,
}

impl Places {
    fn standing(&self, now: Timestamp, ip: IpAddr) -> Standing {
        let address = self.addresses.weight(now, &household(ip));
        Standing::of(self.networks.weight(now, &Prefix::of(ip)), address)
    }

    fn count(&mut self, now: Timestamp, ip: IpAddr, times: u32) {
        self.networks.fail(now, Prefix::of(ip), times);
        self.addresses.fail(now, household(ip), times);
    }
}

/// What counts as one address. In IPv6 a /64, as the owner of one address there has all of them.
fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// What is known of those that come from one place.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    inside: u32,
    failed: u32,
    /// When failures were last halved.
    halved: Timestamp,
    not_before: Timestamp,
}

impl Marks {
    /// Failures that are not forgotten, and when they were last halved.
    fn remembered(&self, now: Timestamp) -> (u32, Timestamp) {
        let halvings =
            now.since(self.halved).as_nanos().checked_div(HALF_LIFE.as_nanos()).unwrap_or_default();
        let halvings = to_u32(halvings);
        (
            self.failed.checked_shr(halvings).unwrap_or_default(),
            self.halved + HALF_LIFE.saturating_mul(halvings),
        )
    }

    fn fail(&mut self, failures: u32) {
        self.failed = self.failed.saturating_add(failures);
    }

    fn forgive(&mut self, times: u32) {
        self.failed = self.failed.saturating_sub(times);
    }

    fn leave(&mut self, failures: u32) {
        self.inside = self.inside.saturating_sub(1);
        self.fail(failures);
    }

    fn pause(&self) -> Duration {
        let pause =
            if self.failed < PAUSES_FROM { Duration::ZERO } else { PAUSE.saturating_mul(self.failed) };
        pause.min(PAUSE_MAX)
    }

    fn weight(&self, now: Timestamp) -> u32 {
        self.inside.saturating_add(self.remembered(now).0)
    }
}

/// Marks by network, or by address.
#[derive(Clone, Debug)]
pub(crate) struct Tally<K>(BTreeMap<K, Marks>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Tally<K> {
    /// How many from `key` are here, plus the failures that are remembered.
    pub(crate) fn weight(&self, now: Timestamp, key: &K) -> u32 {
        self.0.get(key).map_or(0, |marks| marks.weight(now))
    }

    /// A peer from `key` failed, which counts `failures` times.
    pub(crate) fn fail(&mut self, now: Timestamp, key: K, failures: u32) {
        self.change(now, key, |marks| marks.fail(failures));
    }

    /// Up to `times` failures of `key` are no longer held against it.
    pub(crate) fn forgive(&mut self, now: Timestamp, key: K, times: u32) {
        if self.0.contains_key(&key) {
            self.change(now, key, |marks| marks.forgive(times));
        }
    }

    fn enter(&mut self, now: Timestamp, key: K) {
        self.change(now, key, |marks| {
            marks.inside = marks.inside.saturating_add(1);
            marks.not_before = now + marks.pause();
        });
    }

    fn change(&mut self, now: Timestamp, key: K, change: impl FnOnce(&mut Marks)) {
        let marks = self.0.entry(key).or_insert(Marks { halved: now, ..Marks::default() });
        (marks.failed, marks.halved) = marks.remembered(now);
        change(marks);
        if marks.weight(now) == 0 {
            self.0.remove(&key);
        } else if self.0.len() > KNOWN_MAX {
            self.forget_least(now);
        }
    }

    /// Forgets the entries with the fewest failures, until half are left or all that are left are
    /// here.
    fn forget_least(&mut self, now: Timestamp) {
        let mut forgiven: u32 = 1;
        while self.0.len() > KNOWN_MAX / 2 && forgiven != 0 {
            self.0.retain(|_, marks| marks.inside > 0 || marks.remembered(now).0 > forgiven);
            forgiven = forgiven.checked_shl(1).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(network: u16, host: u8) -> IpAddr {
        IpAddr::from([10, (network >> 8) as u8, (network & 0xff) as u8, host])
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn not_before(record: &Record, now: Timestamp, ip: IpAddr) -> Timestamp {
        record.not_before(now, ip, record.standing(now, ip))
    }

    #[test]
    fn who_fails_stands_worse_and_is_forgiven_in_time() {
        let mut record = Record::default();
        (0..64).for_each(|_| record.fail(at(0), ip(1, 1), 1));
        record.fail(at(0), ip(1, 2), 1);
        record.fail(at(0), ip(2, 1), 1);
        assert!(record.standing(at(0), ip(2, 1)) < record.standing(at(0), ip(1, 2)), "another network");
        assert!(record.standing(at(0), ip(1, 2)) < record.standing(at(0), ip(1, 1)), "another address");
        assert_eq!(record.standing(at(0), ip(1, 3)), Standing::default(), "nothing is known of that one");
        let mut record = Record::default();
        (0..64).for_each(|_| record.fail(at(0), ip(1, 1), 1));
        let weights = [0, 10, 20, 60, 70].map(|time| record.standing(at(time), ip(1, 1)).network);
        assert_eq!(weights, [64, 32, 16, 1, 0]);
        // Failing now and then does not keep the old failures alive.
        (1..=70).for_each(|time| record.fail(at(time), ip(1, 1), 1));
        assert!((8..=21).contains(&record.standing(at(70), ip(1, 1)).network));
    }

    #[test]
    fn what_came_to_something_leaves_nothing_behind() {
        let mut record = Record::default();
        record.enter(at(0), ip(1, 1));
        assert_eq!(record.standing(at(9), ip(1, 1)), Standing { network: 1, address: 1 });
        record.leave(at(9), ip(1, 1), true);
        assert_eq!(record.standing(at(9), ip(1, 1)), Standing::default());
        assert!(record.marks.networks.0.is_empty() && record.marks.addresses.0.is_empty());
    }

    #[test]
    fn one_failure_is_held_against_nobody() {
        let weight = |failed| Standing { network: failed, address: failed };
        assert!(!weight(1).yields_to(weight(0), false));
        assert!(weight(2).yields_to(weight(0), false) && !weight(3).yields_to(weight(1), false));
        let elsewhere = Standing { network: 9, address: 0 };
        assert!(!elsewhere.yields_to(weight(0), true), "within a network addresses count");
    }

    #[test]
    fn who_fails_again_and_again_is_let_in_ever_more_seldom_and_others_at_once() {
        let mut record = Record::default();
        let (mut now, mut entered) = (Timestamp::ZERO, 0);
        while now < at(60) {
            if not_before(&record, now, ip(1, 1)) <= now {
                record.enter(now, ip(1, 1));
                record.leave(now, ip(1, 1), false);
                entered += 1;
            }
            now = now + Duration::from_millis(1);
        }
        // It fails r times a second, so that 14 r are remembered, and 14 r times the pause is 1 /
        // r.
        assert!((200..500).contains(&entered), "{entered} times in a minute");
        record.enter(now, ip(2, 1));
        record.leave(now, ip(2, 1), false);
        assert!(not_before(&record, now, ip(2, 1)) <= now);
    }

    #[test]
    fn while_all_places_are_taken_who_comes_again_for_nothing_comes_at_a_pace_and_others_at_once() {
        let mut record = Record::default();
        let visit = |record: &mut Record, now: Timestamp, ip: IpAddr| {
            record.enter(now, ip);
            record.leave(now, ip, true);
        };
        let crowd = |who: u32| ip((who / 8) as u16, (who % 8) as u8);
        let (mut now, mut visits) = (Timestamp::ZERO, 0);
        while now < at(60) {
            record.note_full(now);
            for who in (0..400).map(crowd) {
                if not_before(&record, now, who) <= now {
                    visit(&mut record, now, who);
                    visits += 1;
                }
            }
            now = now + Duration::from_millis(10);
        }
        assert!((1_000..4_500).contains(&visits), "{visits} handshakes in a minute");
        let stranger = crowd(0);
        (0..3).for_each(|_| visit(&mut record, now, stranger));
        assert!(not_before(&record, now, stranger) > now);
        assert!(not_before(&record, now, ip(700, 1)) <= now, "who was never here");
        for neighbour in 1..=30 {
            visit(&mut record, now, ip(800, neighbour));
        }
        assert!(
            not_before(&record, now, ip(800, 9)) > now,
            "one visit each, and the network comes all the time"
        );
        assert!(not_before(&record, now, ip(800, 31)) <= now, "a neighbour of theirs that was never here");
        for _ in 0..9 {
            visit(&mut record, now, ip(700, 1));
            record.forgive_visit(now, ip(700, 1));
        }
        assert!(not_before(&record, now, ip(700, 1)) <= now, "who gives or takes something each time");
        assert!(not_before(&record, now + FULL_FOR, stranger) <= now + FULL_FOR, "there is room again");
    }

    #[test]
    fn networks_without_end_are_not_remembered_without_end_and_the_worst_are_remembered_longest() {
        let mut record = Record::default();
        (0..100).for_each(|_| record.fail(at(0), ip(0, 1), 1));
        record.enter(at(0), ip(1, 1));
        for network in 2..20_000 {
            record.fail(at(0), ip(network, 1), 1);
            assert!(record.marks.networks.0.len() <= KNOWN_MAX + 1);
        }
        assert_eq!(record.standing(at(0), ip(0, 1)).network, 100);
        assert_eq!(record.standing(at(0), ip(1, 1)).network, 1, "who is here is never forgotten");
    }
}
