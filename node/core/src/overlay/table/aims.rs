//! How often an address may be dialled that others name in the hash table.
//!
//! Any directory can write any address into its answers. So a dial that follows from such an answer
//! takes one of the few tokens that the address and its network have in a minute; a success gives it
//! back. A thousand false records about a victim bring it no more than that.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use crate::{place::prefix::Prefix, time::Timestamp};

/// The time over which dials are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Dials in that time that did not end in a connection to the directory that was named, for one IP
/// and for one /24 (IPv6: /48).
pub const DIALS_PER_TARGET_MAX: usize = 2;
/// Dials remembered. With more, nobody is dialled on the word of others.
const DIALS_MAX: usize = 2_048;

/// Dials on the word of others, lately.
#[derive(Debug, Default)]
pub struct Aims {
    /// Oldest first.
    dials: VecDeque<(Timestamp, IpAddr)>,
    /// Dials that count, for each network. All dials of one IP are dials of its network.
    counts: BTreeMap<Prefix, usize>,
}

impl Aims {
    /// Whether an address may be dialled now. If so, the dial counts.
    pub fn take(&mut self, now: Timestamp, ip: IpAddr) -> bool {
        self.forget(now);
        let count = self.counts.get(&Prefix::of(ip)).copied().unwrap_or(0);
        let may = count < DIALS_PER_TARGET_MAX && self.dials.len() < DIALS_MAX;
        if may {
            self.dials.push_back((now, ip));
            self.counts.insert(Prefix::of(ip), count.saturating_add(1));
        }
        may
    }

    /// The directory that was named was there: its dials do not count.
    pub fn succeeded(&mut self, ip: IpAddr) {
        let before = self.dials.len();
        self.dials.retain(|&(_, dialled)| dialled != ip);
        self.release(ip, before.saturating_sub(self.dials.len()));
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some(&(at, ip)) = self.dials.front()
            && now.since(at) >= WINDOW
        {
            self.dials.pop_front();
            self.release(ip, 1);
        }
    }

    fn release(&mut self, ip: IpAddr, dials: usize) {
        let network = Prefix::of(ip);
        let left = self.counts.get(&network).copied().unwrap_or(0).saturating_sub(dials);
        match left {
            0 => _ = self.counts.remove(&network),
            left => _ = self.counts.insert(network, left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds.saturating_mul(1000))
    }

    #[test]
    fn a_victim_is_dialled_twice_a_minute_however_often_it_is_named() {
        let mut aims = Aims::default();
        let victim: IpAddr = "198.51.100.7".parse().unwrap();
        let dialled = (0..1_000).filter(|tenth| aims.take(at(tenth / 10), victim)).count();
        assert_eq!(dialled, 4, "a hundred seconds are two windows");
        let near: IpAddr = "198.51.100.99".parse().unwrap();
        assert!(!aims.take(at(100), near), "its network counts as one");
        assert!(aims.take(at(100), "198.51.101.7".parse().unwrap()));
    }

    #[test]
    fn who_answers_may_be_dialled_as_often_as_needed() {
        let mut aims = Aims::default();
        let directory: IpAddr = "198.51.100.7".parse().unwrap();
        for _ in 0..100 {
            assert!(aims.take(at(1), directory));
            aims.succeeded(directory);
        }
        assert!(aims.counts.is_empty() && aims.dials.is_empty(), "nothing is left behind");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut aims = Aims::default();
        let ip = |number: u32| IpAddr::from(number.saturating_mul(256).to_be_bytes());
        let dialled = (0..10_000).filter(|&number| aims.take(at(1), ip(number))).count();
        assert_eq!(dialled, DIALS_MAX);
    }
}
