//! The limits a byte passes: all traffic, its network's, its content's, its peer's.
//!
//! Invariant: in any interval of a second or more, what passes a limit is at most 2 % over it. So a
//! bucket holds no more than 20 ms' worth, and whoever has more to send takes it in portions
//! ([`Rates::portion`]) of a quarter of that: what is left of a bucket then makes up for being woken
//! late, and a limit that is wanted in full is used in full.

pub mod bucket;

use std::collections::BTreeMap;

use crate::{
    id::{ContentKey, PeerKey},
    place::prefix::Prefix,
    rates::bucket::Bucket,
    time::Timestamp,
};

/// A bucket holds what its rate gives in 1/50 s: 2 % of a second,
const BURSTS_PER_SECOND: u64 = 50;
/// but this much at least, lest slow rates be all headers. Two percent hold from 200 kB/s up.
const BURST_BYTES_MIN: u64 = 4000;
/// Portions in a burst.
const PORTIONS_PER_BURST: u64 = 4;
/// Buckets of one level before the full ones among them are looked for and forgotten.
const BUCKETS_UNSWEPT_MAX: usize = 1024;

/// Bytes per second at each level; none = no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// All traffic together.
    pub all: Option<u64>,
    /// Each /24 (IPv6: /48).
    pub each_prefix: Option<u64>,
    /// Each content.
    pub each_content: Option<u64>,
    /// Each peer, in each content.
    pub each_peer: Option<u64>,
}

/// Whose bytes they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    /// The content.
    pub content: ContentKey,
    /// Who sends or receives it.
    pub peer: PeerKey,
    /// The network that peer is in; none if that is not known, or of no account.
    pub prefix: Option<Prefix>,
}

/// A level of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// All traffic.
    All,
    /// One network's.
    Prefix,
    /// One content's.
    Content,
    /// One peer's, in one content.
    Peer,
}

/// A take that was not admitted. Nothing was spent at any level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The first level that refused, in the order of [`Level`].
    pub level: Level,
    /// When that level is worth asking again; a later one may refuse then.
    pub wait: std::time::Duration,
}

/// A bucket for everything and one for each network, content and peer that sent lately. A level
/// without a limit costs nothing.
#[derive(Clone, Debug)]
pub struct Rates {
    all: Bucket,
    prefixes: Each<Prefix>,
    contents: Each<ContentKey>,
    peers: Each<(ContentKey, PeerKey)>,
}

impl Rates {
    /// Limits from the start of time; a first burst may pass at once.
    pub fn new(limits: Limits) -> Rates {
        Rates {
            all: new_bucket(limits.all),
            prefixes: Each::new(limits.each_prefix),
            contents: Each::new(limits.each_content),
            peers: Each::new(limits.each_peer),
        }
    }

    /// Other limits from now on.
    pub fn set(&mut self, now: Timestamp, limits: Limits) {
        self.all.set(now, limits.all, burst(limits.all));
        self.prefixes.set(now, limits.each_prefix);
        self.contents.set(now, limits.each_content);
        self.peers.set(now, limits.each_peer);
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        Limits {
            all: self.all.rate(),
            each_prefix: self.prefixes.rate,
            each_content: self.contents.rate,
            each_peer: self.peers.rate,
        }
    }

    /// Bytes to take at once at most, so that the limits hold over a second: 5 ms' worth of the
    /// narrowest. Everything if nothing is limited.
    pub fn portion(&self) -> u64 {
        let Limits { all, each_prefix, each_content, each_peer } = self.limits();
        let narrowest = [all, each_prefix, each_content, each_peer].into_iter().flatten().min();
        narrowest.map_or(u64::MAX, |rate| burst(Some(rate)) / PORTIONS_PER_BURST)
    }

    /// Takes `bytes` at all levels, or at none.
    ///
    /// # Errors
    /// [`Refused`] by the first level that refuses.
    pub fn take(&mut self, now: Timestamp, account: Account, bytes: u64) -> Result<(), Refused> {
        let Account { content, peer, prefix } = account;
        let path = [
            (Level::All, Some(&mut self.all)),
            (Level::Prefix, prefix.and_then(|prefix| self.prefixes.get(now, prefix))),
            (Level::Content, self.contents.get(now, content)),
            (Level::Peer, self.peers.get(now, (content, peer))),
        ];
        let mut admitting: [Option<&mut Bucket>; 4] = Default::default();
        for (place, (level, bucket)) in admitting.iter_mut().zip(path) {
            let Some(bucket) = bucket else { continue };
            if let Some(wait) = bucket.wait(now, bytes) {
                return Err(Refused { level, wait });
            }
            *place = Some(bucket);
        }
        admitting.into_iter().flatten().for_each(|bucket| bucket.spend(bytes));
        Ok(())
    }

    /// Buckets kept, all levels together.
    pub fn buckets(&self) -> usize {
        [1, self.prefixes.buckets.len(), self.contents.buckets.len(), self.peers.buckets.len()]
            .into_iter()
            .sum()
    }
}

/// The buckets of one level, made when they are first needed.
#[derive(Clone, Debug)]
struct Each<K> {
    rate: Option<u64>,
    buckets: BTreeMap<K, Bucket>,
    /// How many there may be until the full ones are forgotten.
    sweep_at: usize,
}

impl<K: Ord + Copy> Each<K> {
    fn new(rate: Option<u64>) -> Each<K> {
        Each { rate, buckets: BTreeMap::new(), sweep_at: BUCKETS_UNSWEPT_MAX }
    }

    fn set(&mut self, now: Timestamp, rate: Option<u64>) {
        self.rate = rate;
        if rate.is_none() {
            self.buckets.clear();
        }
        self.buckets.values_mut().for_each(|bucket| bucket.set(now, rate, burst(rate)));
    }

    fn get(&mut self, now: Timestamp, key: K) -> Option<&mut Bucket> {
        self.rate?;
        if self.buckets.len() >= self.sweep_at && !self.buckets.contains_key(&key) {
            self.buckets.retain(|_, bucket| !bucket.is_full(now));
            self.sweep_at = BUCKETS_UNSWEPT_MAX.max(self.buckets.len().saturating_mul(2));
        }
        Some(self.buckets.entry(key).or_insert_with(|| new_bucket(self.rate)))
    }
}

fn new_bucket(rate: Option<u64>) -> Bucket {
    Bucket::new(rate, burst(rate))
}

fn burst(rate: Option<u64>) -> u64 {
    rate.map_or(BURST_BYTES_MIN, |rate| (rate / BURSTS_PER_SECOND).max(BURST_BYTES_MIN))
}

#[cfg(test)]
mod tests;
