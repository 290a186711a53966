//! How entries come in and go: quotas, and who gives way to whom.
//!
//! Whoever is full lets newcomers in at somebody's expense, drawn at random: who comes first must not keep others out.

use std::{net::IpAddr, time::Duration};

use super::{
    Announced, Announcement, Locator, PURGE_EVERY, PeerName, Registry,
    entry::{Entry, NO_AS},
    index,
    index::Index,
    networks::Spot,
    part,
    peers::{HOSTS_MAX, HostsOf},
    seconds,
    swarm::Swarm,
};
use crate::{id::ContentId, random::Random, saturate::to_u32, time::Timestamp};

/// Of so many drawn, the one gives way whose network has the most entries.
const DRAWN: usize = 8;

/// Swarms by small numbers.
#[derive(Debug)]
pub(super) struct Contents {
    key: u64,
    slab: Vec<Swarm>,
    free: Vec<u32>,
    index: Index,
}

impl Contents {
    pub(super) fn new(key: u64) -> Contents {
        Contents { key, slab: Vec::new(), free: Vec::new(), index: Index::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    fn hash(&self, content: &ContentId) -> u64 {
        index::hash(self.key, &content.0)
    }

    pub(super) fn find(&self, content: &ContentId) -> Option<u32> {
        self.index.get(self.hash(content), |number| self.get(number).content == *content)
    }

    pub(super) fn get(&self, number: u32) -> &Swarm {
        &self.slab[number as usize]
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut Swarm {
        &mut self.slab[number as usize]
    }

    /// The first swarm that has members, from this place on.
    pub(super) fn next_from(&self, at: usize) -> Option<u32> {
        let rest = self.slab.get(at..)?;
        rest.iter().position(|swarm| swarm.len() > 0).map(|further| to_u32(at.saturating_add(further)))
    }

    fn add(&mut self, swarm: Swarm) -> u32 {
        let hash = self.hash(&swarm.content);
        let number = match self.free.pop() {
            Some(number) => {
                self.slab[number as usize] = swarm;
                number
            }
            None => {
                if self.slab.len() == self.slab.capacity() {
                    self.slab.reserve_exact((self.slab.len() / 8).saturating_add(16));
                }
                self.slab.push(swarm);
                to_u32(self.slab.len().saturating_sub(1))
            }
        };
        self.index.insert(hash, number);
        number
    }

    fn remove(&mut self, number: u32) {
        let content = self.get(number).content;
        self.index.remove(self.hash(&content), number);
        self.slab[number as usize] = Swarm::new(content, 0, 0);
        self.free.push(number);
    }

    /// A swarm with members, drawn: the first from a random place on.
    fn draw(&self, random: &mut Random) -> Option<u32> {
        let at = random.below(to_u32(self.slab.len())) as usize;
        self.next_from(at).or_else(|| self.next_from(0))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let members = self.slab.iter().map(Swarm::heap_bytes).sum();
        let slab = self.slab.capacity().saturating_mul(size_of::<Swarm>());
        let free = self.free.capacity().saturating_mul(4);
        [members, slab, free, self.index.heap_bytes()].into_iter().sum()
    }
}

impl Registry {
    /// An announcement that counts for `life`.
    pub(super) fn enter(
        &mut self,
        now: Timestamp,
        said: &Announcement,
        life: Duration,
        locator: &dyn Locator,
    ) -> Announced {
        if !self.admits(&said.content) {
            return Announced::NotAdmitted;
        }
        let Some(endpoint) = said.endpoint.vetted() else { return Announced::Unreachable };
        self.see(locator);
        let (expires, now) = (seconds(now + life), seconds(now));
        let asn = locator.asn(endpoint.ip);
        let known = self.contents.find(&said.content);
        if let Some(number) = known {
            self.freshen(number, now, locator);
        }
        let hosts = self.hosts.of(&said.name);
        let host = self.hosts.at(&hosts, &endpoint);
        if let Some(host) = host {
            self.hosts.set_lost(host, false);
        }
        let entry = |host| Entry::new(asn, endpoint.ip, host, said.complete, expires);
        let full = |swarm: &Swarm, most: usize| swarm.len() >= most;
        if let (Some(number), Some(host)) = (known, host) {
            let swarm = self.contents.get_mut(number);
            if let Ok(at) = swarm.position(&entry(host)) {
                swarm.renew(at, said.complete, expires, &mut self.random);
                if full(swarm, self.config.peers_max) {
                    swarm.note_full(true);
                }
                return Announced::Renewed;
            }
        }
        // One entry a peer: what it said from another address is past.
        if let Some(number) = known {
            self.forget_in(number, &said.name, locator);
        }
        let hosts = self.hosts.of(&said.name);
        if let Some(refused) = self.quota(&hosts, host, &endpoint.ip) {
            if let Some(number) = known {
                self.drop_if_empty(number);
            }
            return refused;
        }
        if self.entries >= self.config.entries_max {
            self.give_way();
        }
        let Some(number) = self.contents.find(&said.content).or_else(|| self.open(said.content, now)) else {
            return Announced::Full;
        };
        if !self.make_room(number, &entry(0)) {
            return Announced::Unlucky;
        }
        // Somebody's giving way may have been the end of a host of this peer.
        let hosts = self.hosts.of(&said.name);
        let host = self.hosts.take(self.hosts.at(&hosts, &endpoint), said.name, &endpoint);
        self.contents.get_mut(number).insert(entry(host), &mut self.random);
        self.networks.add(Spot::of(endpoint.ip).network());
        self.entries = self.entries.saturating_add(1);
        Announced::Stored
    }

    fn quota(&self, hosts: &HostsOf, host: Option<u32>, ip: &IpAddr) -> Option<Announced> {
        let addresses = hosts.iter().flatten().count();
        if self.hosts.entries_of(hosts) >= self.config.entries_per_peer_max
            || (addresses >= HOSTS_MAX && host.is_none())
        {
            return Some(Announced::PeerFull);
        }
        let network = self.networks.entries(Spot::of(*ip).network());
        (network as usize >= self.config.entries_per_prefix_max).then_some(Announced::PrefixFull)
    }

    /// A swarm for a content that has none; none if there is no room.
    fn open(&mut self, content: ContentId, now: u32) -> Option<u32> {
        if self.contents.len() >= self.config.contents_max {
            self.close_one()?;
        }
        Some(self.contents.add(Swarm::new(content, self.placed_by, now)))
    }

    /// Room for one content more, in place of one that a single peer has.
    fn close_one(&mut self) -> Option<()> {
        let mut unlucky = None;
        for _ in 0..DRAWN {
            let number = self.contents.draw(&mut self.random)?;
            let [only] = self.contents.get(number).entries() else { continue };
            let entries = self.networks.entries(only.spot().network());
            unlucky = unlucky.max(Some((entries, number)));
        }
        let (_, number) = unlucky?;
        self.forget(number, 0);
        self.drop_if_empty(number);
        Some(())
    }

    /// Room for one entry more, in whatever content.
    fn give_way(&mut self) {
        let mut unlucky = None;
        for _ in 0..DRAWN {
            let Some(number) = self.contents.draw(&mut self.random) else { return };
            let swarm = self.contents.get(number);
            let at = self.random.below(to_u32(swarm.len()));
            let entries = self.networks.entries(swarm.entries()[at as usize].spot().network());
            unlucky = unlucky.max(Some((entries, number, at)));
        }
        if let Some((_, number, at)) = unlucky {
            self.forget(number, at as usize);
            self.drop_if_empty(number);
        }
    }

    /// Room for a newcomer in a swarm: in place of one of its own network or AS where that has its share already. False
    /// if chance does not let it in.
    fn make_room(&mut self, number: u32, newcomer: &Entry) -> bool {
        let config = &self.config;
        let swarm = self.contents.get_mut(number);
        let network = swarm.block(newcomer.asn(), newcomer.spot().near());
        let full = swarm.len() >= config.peers_max;
        if full {
            let let_in = swarm.lets_in(newcomer, &mut self.random);
            swarm.note_full(false);
            if !let_in {
                return false;
            }
        }
        let among = if network.len() >= config.peers_per_prefix_max.max(1) {
            network
        } else if full {
            let of_as = swarm.group(newcomer.asn());
            let share = part(config.peers_max, config.share_per_as_max);
            let too_many = newcomer.asn() != NO_AS && of_as.len() >= share.max(1);
            if too_many { of_as } else { 0..swarm.len() }
        } else {
            return true;
        };
        let at = swarm.draw(&among, &mut self.random);
        self.forget(number, at);
        true
    }

    /// Takes an entry out. The swarm stays, if empty.
    fn forget(&mut self, number: u32, at: usize) {
        let entry = self.contents.get_mut(number).remove(at);
        self.release(&entry);
    }

    fn release(&mut self, entry: &Entry) {
        self.hosts.release(entry.host);
        self.networks.remove(entry.spot().network());
        self.entries = self.entries.saturating_sub(1);
    }

    /// Takes a peer out of a swarm, if it is there.
    pub(super) fn forget_in(&mut self, number: u32, name: &PeerName, locator: &dyn Locator) {
        for host in self.hosts.of(name).into_iter().flatten() {
            let ip = self.hosts.get(host).ip();
            let entry = Entry::new(locator.asn(ip), ip, host, false, 0);
            if let Ok(at) = self.contents.get(number).position(&entry) {
                self.forget(number, at);
                return;
            }
        }
    }

    /// Closes a swarm that has no members any more; whether it has none.
    pub(super) fn drop_if_empty(&mut self, number: u32) -> bool {
        let empty = self.contents.get(number).len() == 0;
        if empty {
            self.contents.remove(number);
        }
        empty
    }

    /// Notes which atlas is in use.
    pub(super) fn see(&mut self, locator: &dyn Locator) {
        if self.atlas != locator.version() {
            self.atlas = locator.version();
            self.placed_by = self.placed_by.wrapping_add(1);
            self.adjacency.clear();
        }
    }

    /// Has a swarm's members stand where the atlas in use says.
    pub(super) fn place(&mut self, number: u32, locator: &dyn Locator) {
        let hosts = &self.hosts;
        let asn_of = |entry: &Entry| locator.asn(hosts.get(entry.host).ip());
        self.contents.get_mut(number).place(self.placed_by, asn_of);
    }

    pub(super) fn freshen(&mut self, number: u32, now: u32, locator: &dyn Locator) {
        self.place(number, locator);
        self.purge(number, now, PURGE_EVERY);
    }

    /// Takes out the expired, if that was not done for `every` seconds.
    pub(super) fn purge(&mut self, number: u32, now: u32, every: u32) {
        let Registry { contents, hosts, networks, entries, .. } = self;
        contents.get_mut(number).purge(now, every, |entry| {
            hosts.release(entry.host);
            networks.remove(entry.spot().network());
            *entries = entries.saturating_sub(1);
        });
    }
}
