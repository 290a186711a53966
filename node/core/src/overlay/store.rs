//! The records that we keep for the hash table: which directories stand under which key.
//!
//! Everybody can write here, so everything is bounded, and nobody who comes first can keep others
//! out: newcomers replace records of the most crowded network. An address is the one that we see,
//! with ports its owner claims, so nobody can point at anybody else.
//!
//! Invariants: records in all, of one directory, of one network, and of one key are bounded
//! ([`StoreConfig`]); each record expires; each has an address that may be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use crate::{
    directory::registry::PeerName,
    overlay::keys::Key,
    place::{
        endpoint::Endpoint,
        prefix::{Network, Prefix},
    },
    random::Random,
    saturate::to_u32,
    time::Timestamp,
};

/// How long a record counts. A directory writes it again before.
pub const RECORD_LIFE: Duration = Duration::from_secs(30 * 60);
/// Records of one key at most.
pub const RECORDS_PER_KEY_MAX: usize = 20;

/// Writers make the store forget what has expired this often at most: a flood of them must not make
/// it look through all networks each time.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Bounds of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Records at most; each costs some 250 bytes. Default 65,536.
    pub records_max: usize,
    /// Records of one directory. Default 8,192: what it can write at its own pace, twice over.
    pub per_directory_max: usize,
    /// Records of one /24 (IPv6: /48). Default 16,384.
    pub per_prefix_max: usize,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig { records_max: 65_536, per_directory_max: 8_192, per_prefix_max: 16_384 }
    }
}

/// One directory under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub name: PeerName,
    /// Where: the IP that we saw, and ports that it claims.
    pub endpoint: Endpoint,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is new.
    New,
    /// It was there and counts anew.
    Renewed,
    /// Nobody may be told of its address.
    Unreachable,
    /// Its directory or its network has as many records as it may have.
    QuotaFull,
    /// The key has as many records as it may have, from networks as different as they can be.
    KeyFull,
    /// The store is full, and no network has more records than the newcomer's.
    Full,
}

/// Where a record stands in the order of its network: the first expires first.
type Due = (Timestamp, Key, PeerName);

/// The records of all keys.
#[derive(Debug)]
pub struct Store {
    config: StoreConfig,
    keys: BTreeMap<Key, Vec<Record>>,
    records: usize,
    by_directory: BTreeMap<PeerName, usize>,
    by_prefix: BTreeMap<Prefix, usize>,
    /// The records of each /16 (IPv6: /32).
    by_network: BTreeMap<u32, BTreeSet<Due>>,
    /// Networks by how many records they have.
    crowds: BTreeSet<(usize, u32)>,
    swept: Timestamp,
    random: Random,
}

impl Store {
    /// A store without records. Strangers must not know the seed.
    pub fn new(config: StoreConfig, seed: u64) -> Store {
        Store {
            config,
            keys: BTreeMap::new(),
            records: 0,
            by_directory: BTreeMap::new(),
            by_prefix: BTreeMap::new(),
            by_network: BTreeMap::new(),
            crowds: BTreeSet::new(),
            swept: Timestamp::ZERO,
            random: Random::new(seed),
        }
    }

    /// Records held.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The records of a key that count now.
    pub fn of(&self, now: Timestamp, key: &Key) -> impl Iterator<Item = &Record> {
        self.keys.get(key).into_iter().flatten().filter(move |record| record.expires > now)
    }

    /// Writes a record. `endpoint`: the IP from which it came, and the ports that its owner claims.
    pub fn write(&mut self, now: Timestamp, key: Key, name: PeerName, endpoint: &Endpoint) -> Written {
        let Some(endpoint) = endpoint.vetted() else { return Written::Unreachable };
        if now.since(self.swept) >= SWEEP_PAUSE {
            self.sweep(now);
        }
        let was_there = self.remove(&key, &name);
        let newcomer = Record { name, endpoint, expires: now + RECORD_LIFE };
        let written = self.make_room(&key, &newcomer);
        match written {
            Ok(()) => self.insert(key, newcomer),
            Err(refused) => return refused,
        }
        if was_there { Written::Renewed } else { Written::New }
    }

    /// Makes room for a record by the bounds, at the expense of the most crowded network.
    fn make_room(&mut self, key: &Key, newcomer: &Record) -> Result<(), Written> {
        let ip = newcomer.endpoint.ip;
        let of_directory = self.by_directory.get(&newcomer.name).copied().unwrap_or(0);
        let of_prefix = self.by_prefix.get(&Prefix::of(ip)).copied().unwrap_or(0);
        if of_directory >= self.config.per_directory_max || of_prefix >= self.config.per_prefix_max {
            return Err(Written::QuotaFull);
        }
        let in_key = self.keys.get(key).map_or(0, Vec::len);
        if in_key >= RECORDS_PER_KEY_MAX {
            let loser = self.loser_of(key, ip).ok_or(Written::KeyFull)?;
            self.remove(key, &loser);
        } else if self.records >= self.config.records_max {
            let ours = self.by_network.get(&network(ip)).map_or(0, BTreeSet::len);
            let &(most, crowded) = self.crowds.last().ok_or(Written::Full)?;
            if most <= ours {
                return Err(Written::Full);
            }
            let first = self.by_network.get(&crowded).and_then(BTreeSet::first).copied();
            let (_, of, loser) = first.ok_or(Written::Full)?;
            self.remove(&of, &loser);
        }
        Ok(())
    }

    /// Who gives its place under a full key to a newcomer at `ip`. `None`: nobody does.
    ///
    /// Always if its network has two more records there than the newcomer's. If it has one more, by
    /// chance: whoever came first would stay for good else, and whoever came last would win.
    fn loser_of(&mut self, key: &Key, ip: IpAddr) -> Option<PeerName> {
        let records = self.keys.get(key)?;
        let crowd = |of: u32| records.iter().filter(|record| network(record.endpoint.ip) == of).count();
        let ours = crowd(network(ip));
        let most = records.iter().map(|record| crowd(network(record.endpoint.ip))).max()?;
        let gives_way = most > ours.saturating_add(1)
            || most > ours && self.random.below(to_u32(RECORDS_PER_KEY_MAX)) == 0;
        let crowded = records.iter().filter(|record| crowd(network(record.endpoint.ip)) == most);
        let crowded: Vec<PeerName> = crowded.map(|record| record.name).collect();
        let drawn = self.random.below(to_u32(crowded.len())) as usize;
        crowded.get(drawn).copied().filter(|_| gives_way)
    }

    /// Forgets what has expired.
    pub fn sweep(&mut self, now: Timestamp) {
        self.swept = now;
        let firsts = self.by_network.values().filter_map(BTreeSet::first);
        if firsts.clone().all(|(expires, ..)| *expires > now) {
            return;
        }
        let networks: Vec<u32> = self.by_network.keys().copied().collect();
        for network in networks {
            while let Some((expires, key, name)) =
                self.by_network.get(&network).and_then(BTreeSet::first).copied()
                && expires <= now
            {
                self.remove(&key, &name);
            }
        }
    }

    fn insert(&mut self, key: Key, record: Record) {
        let (ip, name) = (record.endpoint.ip, record.name);
        let due = (record.expires, key, name);
        self.records = self.records.saturating_add(1);
        count(&mut self.by_directory, name);
        count(&mut self.by_prefix, Prefix::of(ip));
        self.change(network(ip), |set| _ = set.insert(due));
        self.keys.entry(key).or_default().push(record);
    }

    fn remove(&mut self, key: &Key, name: &PeerName) -> bool {
        let Some(records) = self.keys.get_mut(key) else { return false };
        let Some(at) = records.iter().position(|record| record.name == *name) else { return false };
        let record = records.swap_remove(at);
        if records.is_empty() {
            self.keys.remove(key);
        }
        self.records = self.records.saturating_sub(1);
        discount(&mut self.by_directory, *name);
        discount(&mut self.by_prefix, Prefix::of(record.endpoint.ip));
        self.change(network(record.endpoint.ip), |set| _ = set.remove(&(record.expires, *key, *name)));
        true
    }

    /// Changes the records of a network, and its rank among the networks.
    fn change(&mut self, network: u32, change: impl FnOnce(&mut BTreeSet<Due>)) {
        let set = self.by_network.entry(network).or_default();
        self.crowds.remove(&(set.len(), network));
        change(set);
        match set.len() {
            0 => _ = self.by_network.remove(&network),
            records => _ = self.crowds.insert((records, network)),
        }
    }
}

/// The /16 (IPv6: /32) of an address, as a number.
fn network(ip: IpAddr) -> u32 {
    u32::from(Network::of(ip).wide()) | u32::from(ip.is_ipv6()) << 16
}

fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, of: K) {
    let count = counts.entry(of).or_default();
    *count = count.saturating_add(1);
}

fn discount<K: Ord>(counts: &mut BTreeMap<K, usize>, of: K) {
    let left = counts.get(&of).copied().unwrap_or(0).saturating_sub(1);
    match left {
        0 => _ = counts.remove(&of),
        left => _ = counts.insert(of, left),
    }
}

#[cfg(test)]
mod tests;
