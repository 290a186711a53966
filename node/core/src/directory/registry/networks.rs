//! Where an address lies, as a number; and how many entries each network has in all contents together.

use std::net::IpAddr;

use super::index::{Index, mix};
use crate::saturate::to_u32;

/// An address in a number that sorts by prefix: all of IPv4, the first 62 bits of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot(pub(super) u64);

/// A /24, or in IPv6 a /48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network(u64);

const V6: u64 = 1 << 63;

impl Spot {
    pub(super) fn of(ip: IpAddr) -> Spot {
        Spot(match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => V6 | (ip.to_bits() >> 66) as u64,
        })
    }

    pub(super) fn is_v6(self) -> bool {
        self.0 & V6 != 0
    }

    /// Bits below the /24 (IPv6: /48).
    fn near_bits(self) -> u32 {
        if self.is_v6() { 62 - 48 } else { 8 }
    }

    /// Bits below the /16 (IPv6: /32).
    fn middle_bits(self) -> u32 {
        if self.is_v6() { 62 - 32 } else { 16 }
    }

    pub(super) fn network(self) -> Network {
        Network(self.0 >> self.near_bits())
    }

    /// The first and last spot of the /24 (IPv6: /48).
    pub(super) fn near(self) -> (Spot, Spot) {
        self.block(self.near_bits())
    }

    /// The first and last spot of the /16 (IPv6: /32).
    pub(super) fn middle(self) -> (Spot, Spot) {
        self.block(self.middle_bits())
    }

    fn block(self, bits: u32) -> (Spot, Spot) {
        let mask = !(u64::MAX << bits);
        (Spot(self.0 & !mask), Spot(self.0 | mask))
    }
}

impl Network {
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// Entries of each network.
#[derive(Debug)]
pub(super) struct Networks {
    key: u64,
    index: Index,
    counts: Vec<(Network, u32)>,
    free: Vec<u32>,
}

impl Networks {
    pub(super) fn new(key: u64) -> Networks {
        Networks { key, index: Index::default(), counts: Vec::new(), free: Vec::new() }
    }

    fn find(&self, network: Network) -> (u64, Option<u32>) {
        let hash = mix(self.key, network.0);
        (hash, self.index.get(hash, |number| self.counts[number as usize].0 == network))
    }

    /// Entries of a network.
    pub(super) fn entries(&self, network: Network) -> u32 {
        self.find(network).1.map_or(0, |number| self.counts[number as usize].1)
    }

    /// One entry more.
    pub(super) fn add(&mut self, network: Network) {
        match self.find(network) {
            (_, Some(number)) => {
                let count = &mut self.counts[number as usize].1;
                *count = count.saturating_add(1);
            }
            (hash, None) => {
                let number = self.free.pop().unwrap_or(to_u32(self.counts.len()));
                match self.counts.get_mut(number as usize) {
                    Some(place) => *place = (network, 1),
                    None => self.counts.push((network, 1)),
                }
                self.index.insert(hash, number);
            }
        }
    }

    /// One entry less.
    pub(super) fn remove(&mut self, network: Network) {
        let (hash, Some(number)) = self.find(network) else { return };
        let count = &mut self.counts[number as usize].1;
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.index.remove(hash, number);
            self.free.push(number);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let counts = self.counts.capacity().saturating_mul(size_of::<(Network, u32)>());
        let free = self.free.capacity().saturating_mul(size_of::<u32>());
        [counts, free, self.index.heap_bytes()].into_iter().sum()
    }

    /// Networks with an entry.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(ip: &str) -> Spot {
        Spot::of(ip.parse().unwrap())
    }

    #[test]
    fn spots_sort_by_prefix_and_know_their_blocks() {
        let (first, last) = spot("10.1.2.3").near();
        assert_eq!((first, last), (spot("10.1.2.0"), spot("10.1.2.255")));
        assert_eq!(spot("10.1.2.3").middle(), (spot("10.1.0.0"), spot("10.1.255.255")));
        let (first, last) = spot("2600:1:2:3::9").near();
        assert_eq!((first, last), (spot("2600:1:2::"), spot("2600:1:2:ffff:ffff::")));
        let (first, last) = spot("2600:1:2:3::9").middle();
        assert_eq!((first, last), (spot("2600:1::"), spot("2600:1:ffff:ffff::")));
        assert_ne!(spot("2600:1:2::1").network(), spot("2600:1:3::1").network());
        assert_eq!(spot("::ffff:10.1.2.9").network(), spot("10.1.2.1").network());
    }

    #[test]
    fn a_network_without_entries_takes_no_room() {
        let mut networks = Networks::new(7);
        for round in 0..3u8 {
            for host in 0..200 {
                networks.add(spot(&format!("10.{round}.{host}.1")).network());
            }
            networks.add(spot(&format!("10.{round}.7.2")).network());
            assert_eq!(networks.entries(spot(&format!("10.{round}.7.3")).network()), 2);
            for host in 0..200 {
                networks.remove(spot(&format!("10.{round}.{host}.1")).network());
            }
            assert_eq!(networks.len(), usize::from(round) + 1);
            assert!(networks.counts.len() <= 202);
        }
    }
}
