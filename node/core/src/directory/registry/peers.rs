//! Peers by small numbers: each with its address once, however many contents it is in.
//!
//! Invariants: a peer at one address is one host; the hosts of one peer are chained, at most [`HOSTS_MAX`] of them; a host
//! exists as long as an entry counts it.

use std::net::{IpAddr, Ipv6Addr};

use super::{Endpoint, PeerName, index, index::Index, reach::Reach};
use crate::saturate::to_u32;

/// Addresses a peer may be known at, in different contents.
pub(super) const HOSTS_MAX: usize = 4;
const NOBODY: u32 = u32::MAX;

/// A peer at an address: 64 bytes, one cache line, as an answer of fifty touches fifty of these.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Host {
    pub(super) name: PeerName,
    /// IPv4 as mapped addresses.
    ip: [u8; 16],
    ports: [u16; 2],
    /// Entries that count it; 0 = free.
    entries: u32,
    /// The next host of the same peer, or the next free one.
    next: u32,
    /// Its connection broke, and nothing was heard of it since.
    lost: bool,
    /// Whether it takes connections, and the minute that is known since.
    reach: Reach,
    reach_minute: u16,
}

// An answer of fifty would touch a hundred lines.
const _: () = assert!(size_of::<Host>() == 64);

impl Host {
    pub(super) fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let port = |port: u16| Some(port).filter(|&port| port != 0);
        Endpoint { ip: self.ip(), tcp: port(self.ports[0]), udp: port(self.ports[1]) }
    }

    /// Whether its connection broke, and nothing was heard of it since.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether it takes connections, and the minute that is known since.
    pub(super) fn reach(&self) -> (Reach, u16) {
        (self.reach, self.reach_minute)
    }

    /// Whoever is told of it is likely to wait in vain.
    fn is_doubtful(&self) -> bool {
        self.lost || self.reach == Reach::Closed
    }

    fn is_at(&self, ip: &[u8; 16], ports: [u16; 2]) -> bool {
        self.ip == *ip && self.ports == ports
    }
}

/// All hosts.
#[derive(Debug)]
pub(super) struct Hosts {
    key: u64,
    slab: Vec<Host>,
    free: u32,
    index: Index,
    len: usize,
    /// Hosts that are lost, or take no connections.
    doubtful: usize,
}

/// What is known of a peer: its hosts, those there are.
pub(super) type HostsOf = [Option<u32>; HOSTS_MAX];

fn packed(endpoint: &Endpoint) -> ([u8; 16], [u16; 2]) {
    let ip = match endpoint.ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    (ip.octets(), [endpoint.tcp.unwrap_or(0), endpoint.udp.unwrap_or(0)])
}

impl Hosts {
    pub(super) fn new(key: u64) -> Hosts {
        Hosts { key, slab: Vec::new(), free: NOBODY, index: Index::default(), len: 0, doubtful: 0 }
    }

    pub(super) fn get(&self, number: u32) -> &Host {
        &self.slab[number as usize]
    }

    /// Looks at hosts that are about to be read. Each is somewhere else in memory; one read that waits for nothing after the
    /// other, they are fetched together.
    pub(super) fn touch(&self, numbers: impl Iterator<Item = u32>) {
        let ports = numbers.fold(0, |sum, number| sum ^ self.get(number).ports[0]);
        std::hint::black_box(ports);
    }

    /// Hosts known.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.slab.capacity().saturating_mul(size_of::<Host>()).saturating_add(self.index.heap_bytes())
    }

    fn hash(&self, name: &PeerName) -> u64 {
        index::hash(self.key, &name.0)
    }

    fn first(&self, name: &PeerName) -> Option<u32> {
        self.index.get(self.hash(name), |number| self.get(number).name == *name)
    }

    /// The hosts of a peer.
    pub(super) fn of(&self, name: &PeerName) -> HostsOf {
        let mut hosts = [None; HOSTS_MAX];
        let mut next = self.first(name).unwrap_or(NOBODY);
        for place in &mut hosts {
            if next == NOBODY {
                break;
            }
            *place = Some(next);
            next = self.get(next).next;
        }
        hosts
    }

    /// The one of these hosts that is at an address.
    pub(super) fn at(&self, hosts: &HostsOf, endpoint: &Endpoint) -> Option<u32> {
        let (ip, ports) = packed(endpoint);
        hosts.iter().flatten().copied().find(|&number| self.get(number).is_at(&ip, ports))
    }

    /// Entries that count one of these.
    pub(super) fn entries_of(&self, hosts: &HostsOf) -> usize {
        hosts.iter().flatten().map(|&number| self.get(number).entries as usize).sum()
    }

    /// Whether some are lost, or take no connections.
    pub(super) fn has_doubtful(&self) -> bool {
        self.doubtful > 0
    }

    /// The connection of this peer broke.
    pub(super) fn lose(&mut self, name: &PeerName) {
        self.of(name).into_iter().flatten().for_each(|number| self.set_lost(number, true));
    }

    /// A host is lost, or was heard of.
    pub(super) fn set_lost(&mut self, number: u32, lost: bool) {
        self.change(number, |host| host.lost = lost);
    }

    /// What is known of a host since a minute.
    pub(super) fn set_reach(&mut self, number: u32, reach: Reach, minute: u16) {
        self.change(number, |host| (host.reach, host.reach_minute) = (reach, minute));
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Host)) {
        let host = &mut self.slab[number as usize];
        let before = host.is_doubtful();
        change(host);
        let after = host.is_doubtful();
        self.doubtful = self.doubtful.saturating_add(after.into()).saturating_sub(before.into());
    }

    /// A host for one more entry: `known` if there is one, else a new one. The caller saw that there are fewer than
    /// [`HOSTS_MAX`].
    pub(super) fn take(&mut self, known: Option<u32>, name: PeerName, endpoint: &Endpoint) -> u32 {
        let number = known.unwrap_or_else(|| self.add(name, endpoint));
        let host = &mut self.slab[number as usize];
        host.entries = host.entries.saturating_add(1);
        number
    }

    fn add(&mut self, name: PeerName, endpoint: &Endpoint) -> u32 {
        let (ip, ports) = packed(endpoint);
        let (hash, first) = (self.hash(&name), self.first(&name));
        let next = first.unwrap_or(NOBODY);
        let (lost, reach) = (false, Reach::default());
        let host = Host { name, ip, ports, entries: 0, next, lost, reach, reach_minute: 0 };
        self.len = self.len.saturating_add(1);
        let number = if self.free == NOBODY {
            if self.slab.len() == self.slab.capacity() {
                // An eighth more, not twice as much: this is most of a directory's memory.
                self.slab.reserve_exact((self.slab.len() / 8).saturating_add(64));
            }
            self.slab.push(host);
            to_u32(self.slab.len().saturating_sub(1))
        } else {
            let number = self.free;
            self.free = std::mem::replace(&mut self.slab[number as usize], host).next;
            number
        };
        match first {
            Some(first) => self.index.replace(hash, first, number),
            None => self.index.insert(hash, number),
        }
        number
    }

    /// An entry counts a host no longer.
    pub(super) fn release(&mut self, number: u32) {
        let host = &mut self.slab[number as usize];
        host.entries = host.entries.saturating_sub(1);
        if host.entries > 0 {
            return;
        }
        let (name, next) = (host.name, host.next);
        self.change(number, |host| (host.lost, host.reach) = (false, Reach::default()));
        let hash = self.hash(&name);
        match self.first(&name) {
            Some(first) if first == number && next == NOBODY => self.index.remove(hash, number),
            Some(first) if first == number => self.index.replace(hash, number, next),
            Some(mut before) => {
                while self.get(before).next != number {
                    before = self.get(before).next;
                }
                self.slab[before as usize].next = next;
            }
            None => {}
        }
        self.slab[number as usize].next = self.free;
        self.free = number;
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(last: u8) -> Endpoint {
        Endpoint { ip: [10, 0, 0, last].into(), tcp: Some(4001), udp: None }
    }

    #[test]
    fn a_host_lasts_as_long_as_it_is_counted_and_its_place_is_used_again() {
        let mut hosts = Hosts::new(1);
        let (ann, bob) = (PeerName([1; 32]), PeerName([2; 32]));
        let first = hosts.take(None, ann, &endpoint(1));
        let second = hosts.take(None, ann, &endpoint(2));
        let third = hosts.take(None, ann, &endpoint(3));
        assert_eq!(hosts.take(Some(second), ann, &endpoint(2)), second);
        let other = hosts.take(None, bob, &endpoint(1));
        assert_eq!((hosts.len(), hosts.entries_of(&hosts.of(&ann))), (4, 4));
        assert_eq!(hosts.at(&hosts.of(&ann), &endpoint(2)), Some(second));
        assert_eq!(hosts.get(second).endpoint(), endpoint(2));
        hosts.release(second);
        hosts.release(second);
        assert_eq!(hosts.at(&hosts.of(&ann), &endpoint(2)), None, "from the middle of the chain");
        hosts.release(third);
        hosts.release(first);
        assert_eq!(hosts.of(&ann), [None; HOSTS_MAX]);
        assert_eq!(hosts.take(None, bob, &endpoint(4)), first);
        assert_eq!(hosts.of(&bob)[..2], [Some(first), Some(other)]);
    }
}
