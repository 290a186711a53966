//! A directory's pure half: who said, lately, that they have which content; answers nearest first.
//!
//! Invariants: at most `contents_max` contents and `peers_max` peers in each; every entry expires;
//! an address is the one seen on a connection, with the port its owner claimed.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{id::ContentId, random::Random, tier::Tier, time::Timestamp};

/// A peer's public key hash, as the wire carries it. At most 64 bytes; the shell checks.
pub type PeerName = Box<[u8]>;

/// How long an announcement counts.
const ENTRY_LIFE: Duration = Duration::from_secs(180);

/// Settings of a directory.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Contents known at most; more are refused.
    pub contents_max: usize,
    /// Peers known a content; beyond it, a newcomer replaces a random one, so that nobody can fill a swarm for good.
    pub peers_max: usize,
    /// Peers of one /24 (IPv6: /48) known a content.
    pub peers_per_prefix_max: usize,
    /// Peers in one answer.
    pub answer_max: usize,
    /// Share of an answer picked at random over all tiers.
    pub random_share: f32,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            contents_max: 65_536,
            peers_max: 1_000,
            peers_per_prefix_max: 250,
            answer_max: 50,
            random_share: 0.2,
        }
    }
}

/// Where a peer can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its IP as seen on the connection it announced over.
    pub ip: IpAddr,
    /// The TCP port it says it listens on.
    pub tcp: Option<u16>,
    /// The UDP port it says it listens on, for QUIC.
    pub udp: Option<u16>,
}

/// One answer's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub name: PeerName,
    /// Where.
    pub endpoint: Endpoint,
}

#[derive(Clone, Debug)]
struct Entry {
    endpoint: Endpoint,
    expires: Timestamp,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// It counts for the next three minutes.
    Stored,
    /// Too many of the same network are known already.
    PrefixFull,
    /// The directory knows as many contents as it can.
    Full,
}

/// The directory of one host.
#[derive(Debug, Default)]
pub struct Registry {
    config: RegistryConfig,
    contents: BTreeMap<ContentId, BTreeMap<PeerName, Entry>>,
}

impl Registry {
    /// An empty directory.
    pub fn new(config: RegistryConfig) -> Registry {
        Registry { config, contents: BTreeMap::new() }
    }

    /// Contents somebody announced lately.
    pub fn contents(&self) -> usize {
        self.contents.len()
    }

    /// Notes that a peer takes part in a swarm.
    pub fn announce(
        &mut self,
        now: Timestamp,
        content: ContentId,
        name: PeerName,
        endpoint: Endpoint,
        random: &mut Random,
    ) -> Announced {
        let full = self.contents.len() >= self.config.contents_max;
        if full && !self.contents.contains_key(&content) {
            return Announced::Full;
        }
        let swarm = self.contents.entry(content).or_default();
        let entry = Entry { endpoint, expires: now + ENTRY_LIFE };
        if let Some(known) = swarm.get_mut(&name) {
            *known = entry;
            return Announced::Stored;
        }
        if swarm.len() >= self.config.peers_max.min(self.config.peers_per_prefix_max) {
            swarm.retain(|_, entry| entry.expires > now);
        }
        let near = |other: &&Entry| Tier::by_prefix(other.endpoint.ip, entry.endpoint.ip) <= Tier::Prefix24;
        if swarm.len() >= self.config.peers_per_prefix_max
            && swarm.values().filter(near).count() >= self.config.peers_per_prefix_max
        {
            return Announced::PrefixFull;
        }
        if swarm.len() >= self.config.peers_max {
            let unlucky = swarm.keys().nth(random.below(swarm.len() as u32) as usize).cloned();
            unlucky.and_then(|name| swarm.remove(&name));
        }
        swarm.insert(name, entry);
        Announced::Stored
    }

    /// A peer left a swarm.
    pub fn withdraw(&mut self, content: ContentId, name: &[u8]) {
        if let Some(swarm) = self.contents.get_mut(&content) {
            swarm.remove(name);
            if swarm.is_empty() {
                self.contents.remove(&content);
            }
        }
    }

    /// Up to `wanted` peers of a content for an asker: nearest first, a share at random over all
    /// tiers, never the asker itself.
    pub fn find(
        &self,
        now: Timestamp,
        content: ContentId,
        asker: &[u8],
        asker_ip: IpAddr,
        wanted: usize,
        random: &mut Random,
    ) -> Vec<Member> {
        let Some(swarm) = self.contents.get(&content) else {
            return Vec::new();
        };
        let mut others: Vec<(Tier, u32, &PeerName, &Entry)> = swarm
            .iter()
            .filter(|(name, entry)| name.as_ref() != asker && entry.expires > now)
            .map(|(name, entry)| {
                (Tier::by_prefix(asker_ip, entry.endpoint.ip), random.below(u32::MAX), name, entry)
            })
            .collect();
        others.sort_unstable_by_key(|&(tier, dice, ..)| (tier, dice));
        let wanted = wanted.min(self.config.answer_max).min(others.len());
        let by_chance = (wanted as f32 * self.config.random_share) as usize;
        // The nearest stay in front; the tail of the answer is drawn from all the rest.
        for place in wanted - by_chance..wanted {
            let rest = (others.len() - place) as u32;
            others.swap(place, place + random.below(rest) as usize);
        }
        let member = |(_, _, name, entry): &(Tier, u32, &PeerName, &Entry)| Member {
            name: (*name).clone(),
            endpoint: entry.endpoint.clone(),
        };
        others[..wanted].iter().map(member).collect()
    }

    /// Forgets what has expired. Called by the shell every minute or so.
    pub fn sweep(&mut self, now: Timestamp) {
        self.contents.retain(|_, swarm| {
            swarm.retain(|_, entry| entry.expires > now);
            !swarm.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: ContentId = ContentId([7; 32]);

    fn name(index: u32) -> PeerName {
        index.to_be_bytes().into()
    }

    fn endpoint(ip: &str) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), tcp: Some(4001), udp: None }
    }

    fn announce(registry: &mut Registry, now: u64, index: u32, ip: &str) -> Announced {
        let now = Timestamp::from_millis(now * 1_000);
        registry.announce(now, CONTENT, name(index), endpoint(ip), &mut Random::new(1))
    }

    fn find(registry: &Registry, now: u64, asker: u32, ip: &str, wanted: usize) -> Vec<Member> {
        let now = Timestamp::from_millis(now * 1_000);
        registry.find(now, CONTENT, &name(asker), ip.parse().unwrap(), wanted, &mut Random::new(1))
    }

    #[test]
    fn the_nearest_come_first_and_some_by_chance() {
        let mut registry = Registry::default();
        for index in 0..100 {
            announce(&mut registry, 0, index, &format!("127.{}.0.{}", 1 + index % 4, 1 + index));
        }
        let found = find(&registry, 1, 1_000, "127.2.0.250", 20);
        assert_eq!(found.len(), 20);
        let near = |member: &Member| member.endpoint.ip.to_string().starts_with("127.2.");
        assert!(found[..16].iter().all(near));
        assert!(found[16..].iter().any(|member| !near(member)));
    }

    #[test]
    fn an_asker_is_not_told_of_itself_nor_of_the_expired() {
        let mut registry = Registry::default();
        announce(&mut registry, 0, 1, "127.1.0.1");
        announce(&mut registry, 100, 2, "127.1.0.2");
        assert_eq!(find(&registry, 101, 1, "127.1.0.1", 50).len(), 1);
        assert_eq!(find(&registry, 181, 3, "127.1.0.3", 50).len(), 1);
        registry.sweep(Timestamp::from_millis(300_000));
        assert_eq!(registry.contents(), 0);
    }

    #[test]
    fn one_network_cannot_fill_a_swarm() {
        let config = RegistryConfig { peers_per_prefix_max: 3, peers_max: 10, ..RegistryConfig::default() };
        let mut registry = Registry::new(config);
        for index in 0..3 {
            assert_eq!(announce(&mut registry, 0, index, "192.0.2.1"), Announced::Stored);
        }
        assert_eq!(announce(&mut registry, 0, 9, "192.0.2.77"), Announced::PrefixFull);
        assert_eq!(announce(&mut registry, 0, 1, "192.0.2.78"), Announced::Stored, "a renewal");
        assert_eq!(announce(&mut registry, 0, 10, "198.51.100.1"), Announced::Stored);
    }

    #[test]
    fn a_full_swarm_takes_newcomers_in_place_of_somebody() {
        let config = RegistryConfig { peers_max: 8, peers_per_prefix_max: 8, ..RegistryConfig::default() };
        let mut registry = Registry::new(config);
        for index in 0..50 {
            assert_eq!(announce(&mut registry, 0, index, &format!("10.{index}.0.1")), Announced::Stored);
        }
        assert_eq!(find(&registry, 1, 99, "10.0.0.9", 50).len(), 8);
    }
}
