//! The queue in front of a door, and whose turn is next.
//!
//! Addresses of which nothing bad is known come first, then addresses of the network that stands
//! best. Among equals, the address that came in less often lately comes first, and of one address
//! the latest arrival: an attacker who wants to shut others out came first, and comes again and
//! again ([`Record`]). Honest crowds are through in a moment in whatever order.

use std::{collections::BTreeMap, net::IpAddr};

use super::{Record, Standing};
use crate::{place::prefix::Prefix, saturate::to_u32, time::Timestamp};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// The turn of this one, which comes from this address.
    Of(T, IpAddr),
    /// Nobody's turn before this moment.
    From(Timestamp),
    /// Nobody waits.
    Nobody,
}

/// By standing, and then by how often the address came.
type Rank = (Standing, Standing);

/// All that wait, by network and address.
///
/// Invariant: at every network and address here, somebody waits.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    networks: BTreeMap<Prefix, BTreeMap<IpAddr, Vec<T>>>,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { networks: BTreeMap::new(), len: 0 }
    }
}

impl<T: Copy + Ord> Queue<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `who` comes from `ip`, and waits.
    pub fn arrive(&mut self, who: T, ip: IpAddr) {
        let addresses = self.networks.entry(Prefix::of(ip)).or_default();
        addresses.entry(ip.to_canonical()).or_default().push(who);
        self.len = self.len.saturating_add(1);
    }

    /// `who` no longer waits at `ip`.
    pub fn leave(&mut self, who: T, ip: IpAddr) {
        let (network, ip) = (Prefix::of(ip), ip.to_canonical());
        let Some(addresses) = self.networks.get_mut(&network) else { return };
        let Some(waiting) = addresses.get_mut(&ip) else { return };
        let Some(place) = waiting.iter().position(|other| *other == who) else { return };
        waiting.remove(place);
        self.len = self.len.saturating_sub(1);
        if waiting.is_empty() {
            addresses.remove(&ip);
        }
        if addresses.is_empty() {
            self.networks.remove(&network);
        }
    }

    /// Whose turn is next.
    pub fn next(&self, now: Timestamp, record: &Record) -> Turn<T> {
        let (mut best, mut soonest): (Option<(Rank, T, IpAddr)>, Option<Timestamp>) = (None, None);
        for addresses in self.networks.values() {
            for (ip, waiting) in addresses {
                let rank = record.rank(now, *ip);
                let not_before = record.not_before(now, *ip, rank.0);
                if not_before > now {
                    soonest = Some(soonest.map_or(not_before, |soonest| soonest.min(not_before)));
                } else if best.is_none_or(|(other, ..)| rank < other) {
                    best = waiting.last().map(|who| (rank, *who, *ip)).or(best);
                }
            }
        }
        match (best, soonest) {
            (Some((_, who, ip)), _) => Turn::Of(who, ip),
            (None, Some(soonest)) => Turn::From(soonest),
            (None, None) => Turn::Nobody,
        }
    }

    /// Which one is sent away when too many wait. The network, and then the address, is the one
    /// with the most that wait, are inside or are remembered as failures; of one address, the first
    /// arrival goes.
    pub fn last(&self, now: Timestamp, record: &Record) -> Option<(T, IpAddr)> {
        let waiting =
            |addresses: &BTreeMap<IpAddr, Vec<T>>| -> usize { addresses.values().map(Vec::len).sum() };
        let (_, addresses) = self.networks.iter().max_by_key(|(network, addresses)| {
            to_u32(waiting(addresses)).saturating_add(record.network(now, **network))
        })?;
        let (ip, waiting) = addresses
            .iter()
            .max_by_key(|(ip, waiting)| to_u32(waiting.len()).saturating_add(record.address(now, **ip)))?;
        waiting.first().map(|who| (*who, *ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(network: u8, host: u8) -> IpAddr {
        IpAddr::from([10, 0, network, host])
    }

    const NOW: Timestamp = Timestamp::ZERO;

    #[test]
    fn whose_network_failed_least_is_next_and_of_one_address_who_came_last() {
        let (mut queue, mut record) = (Queue::default(), Record::default());
        (0..100).for_each(|_| record.fail(NOW, ip(1, 1), 1));
        (0..50).for_each(|who| queue.arrive(who, ip(1, 1)));
        queue.arrive(100, ip(2, 1));
        (50..90).for_each(|who| queue.arrive(who, ip(1, 1)));
        assert_eq!(queue.next(NOW, &record), Turn::Of(100, ip(2, 1)));
        queue.leave(100, ip(2, 1));
        queue.arrive(101, ip(1, 7));
        assert_eq!(
            queue.next(NOW, &record),
            Turn::Of(101, ip(1, 7)),
            "a neighbour of who failed comes before it"
        );
        queue.leave(101, ip(1, 7));
        assert_eq!(queue.next(NOW, &record), Turn::Of(89, ip(1, 1)));
        assert_eq!(queue.last(NOW, &record), Some((0, ip(1, 1))));
        (0..90).for_each(|who| queue.leave(who, ip(1, 1)));
        assert!(queue.is_empty() && queue.networks.is_empty());
        assert_eq!(queue.next(NOW, &record), Turn::Nobody);
    }

    #[test]
    fn who_is_inside_already_waits_for_who_is_not() {
        let (mut queue, mut record) = (Queue::default(), Record::default());
        record.enter(NOW, ip(1, 1));
        queue.arrive(1, ip(2, 1));
        queue.arrive(2, ip(1, 1));
        assert_eq!(queue.next(NOW, &record), Turn::Of(1, ip(2, 1)));
    }

    #[test]
    fn of_those_who_stand_alike_who_came_less_often_lately_is_next() {
        let (mut queue, mut record) = (Queue::default(), Record::default());
        for _ in 0..3 {
            record.enter(NOW, ip(1, 1));
            record.leave(NOW, ip(1, 1), true);
        }
        queue.arrive(1, ip(1, 1));
        queue.arrive(2, ip(2, 1));
        assert_eq!(queue.next(NOW, &record), Turn::Of(2, ip(2, 1)));
        queue.leave(2, ip(2, 1));
        queue.arrive(3, ip(1, 2));
        assert_eq!(queue.next(NOW, &record), Turn::Of(3, ip(1, 2)), "its neighbour did not come at all");
        queue.leave(3, ip(1, 2));
        assert_eq!(queue.next(NOW, &record), Turn::Of(1, ip(1, 1)), "and nobody waits for having come");
        // An address that came as often and took something each time is as good as new.
        record.enter(NOW, ip(4, 1));
        record.leave(NOW, ip(4, 1), true);
        for _ in 0..9 {
            record.enter(NOW, ip(5, 1));
            record.leave(NOW, ip(5, 1), true);
            record.forgive_visit(NOW, ip(5, 1));
        }
        queue.arrive(4, ip(4, 1));
        queue.arrive(5, ip(5, 1));
        assert_eq!(queue.next(NOW, &record), Turn::Of(5, ip(5, 1)));
    }

    #[test]
    fn a_network_that_has_to_pause_is_nobodys_turn_until_then() {
        let (mut queue, mut record) = (Queue::default(), Record::default());
        record.fail(NOW, ip(1, 1), 100);
        record.enter(NOW, ip(1, 1));
        queue.arrive(1, ip(1, 1));
        let then = NOW + std::time::Duration::from_millis(300);
        assert_eq!(queue.next(NOW, &record), Turn::From(then));
        assert_eq!(queue.next(then, &record), Turn::Of(1, ip(1, 1)));
        queue.arrive(2, ip(1, 2));
        assert_eq!(queue.next(NOW, &record), Turn::Of(2, ip(1, 2)), "its neighbour has done nothing");
    }

    #[test]
    fn when_too_many_wait_a_network_pays_that_has_most_of_them() {
        let (mut queue, record) = (Queue::default(), Record::default());
        queue.arrive(0, ip(9, 9));
        (1..100).for_each(|who| queue.arrive(who, ip(1, (who % 7) as u8)));
        for _ in 0..98 {
            let (who, ip) = queue.last(NOW, &record).unwrap();
            assert_ne!(who, 0);
            queue.leave(who, ip);
        }
        assert_eq!(queue.len(), 2);
    }
}
